"""The one place where views make HTML: templates that escape every value by default.

A template is read once, at import; what it costs per use is a join. What comes in is text unless it is `Html`, and only
templates make `Html`. A value stands in an element's text or inside a quoted attribute; every other place is refused
when the template is made, because no escaping is right there.

    ROW = Template('<tr aria-label="{name}"><td>{name}</td><td>{actions}</td><td><input {?disabled}></td></tr>')
    ROW(name="<b>", actions=BUTTON(...), disabled=True)

`{name}` is a value; `{?name}` in a tag is the boolean attribute of that name, there when the value is true.
"""

import re
from collections.abc import Iterable

_SLOT = re.compile(r"\{(\??\w+)\}")
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}
_NEEDS_ESCAPE = re.compile("[&<>\"']").search
_FORBIDDEN_ATTRIBUTE = re.compile(r"(?:on\w+|style|srcdoc)$", re.IGNORECASE)
_URL_ATTRIBUTE = re.compile(r"(?:href|src|srcset|data|action|formaction)$", re.IGNORECASE)


class Html(str):
    """Markup that is safe as it is. Templates make it; nothing else should."""

    __slots__ = ()


EMPTY = Html("")


def escape(value: object) -> str:
    """A value as text for an element or a quoted attribute; `Html` as it is; None and False as nothing."""
    if type(value) is Html:
        return value
    if value is None or value is False:
        return ""
    text = value if isinstance(value, str) else str(value)
    return text.translate(_ESCAPES) if _NEEDS_ESCAPE(text) else text


def join(parts: Iterable[Html]) -> Html:
    """Markup one after the other."""
    return Html("".join(map(escape, parts)))


class Template:
    """HTML with `{name}` slots.

    :raises ValueError: for a slot where a value cannot be made safe: outside quotes in a tag, in an event handler, a
        style, a script, or at the beginning of a URL.
    """

    __slots__ = ("_names", "_texts")

    def __init__(self, source: str) -> None:
        pieces = _SLOT.split(source)
        self._texts = pieces[0::2]
        self._names = pieces[1::2]
        before = ""
        for text, name in zip(self._texts, self._names, strict=False):
            before += text
            _check_place(before, name)
            before += "x"

    def __call__(self, **values: object) -> Html:
        """The markup with its slots filled. A missing value is a KeyError."""
        parts = [self._texts[0]]
        for name, text in zip(self._names, self._texts[1:], strict=True):
            if name[0] == "?":
                parts.append(name[1:] if values[name[1:]] else "")
            else:
                parts.append(escape(values[name]))
            parts.append(text)
        return Html("".join(parts))


def _check_place(before: str, name: str) -> None:
    """Refuse a slot that follows `before` where no escaping makes a value safe."""
    if re.search(r"<(?:script|style)\b(?!.*</(?:script|style))", before, re.IGNORECASE | re.DOTALL):
        raise ValueError(f"{{{name}}} stands in a script or a style")
    tag, quote = _open_tag(before)
    if name[0] == "?":
        if quote or not re.match(r"<\w.*\s$", tag, re.DOTALL):
            raise ValueError(f"{{{name}}} is not an attribute of a tag")
        return
    if not tag:
        return
    attribute = re.search(r"([\w-]+)=[\"']([^\"']*)$", tag)
    if not quote or not attribute:
        raise ValueError(f"{{{name}}} stands in a tag outside a quoted attribute")
    if _FORBIDDEN_ATTRIBUTE.match(attribute[1]):
        raise ValueError(f"{{{name}}} stands in the attribute {attribute[1]}")
    if _URL_ATTRIBUTE.match(attribute[1]) and not attribute[2].startswith(("#", "./", "blob:", "data:image/")):
        raise ValueError(f"{{{name}}} stands at the beginning of a URL")


def _open_tag(source: str) -> tuple[str, str]:
    """The tag that `source` ends in, empty when it ends in text, and the quote that is open in it."""
    start, quote = -1, ""
    for place, character in enumerate(source):
        if start < 0:
            start = place if character == "<" else -1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == ">":
            start = -1
    return (source[start:], quote) if start >= 0 else ("", "")

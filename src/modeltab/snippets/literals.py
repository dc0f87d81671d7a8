"""Values as text of a language: JSON, Python, JavaScript, and quoted for a shell and for PowerShell.

What cannot be seen in a text (control characters, marks that turn its direction, halves of a surrogate pair) is escaped
wherever the language has an escape, so that code shows what it does.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

#: A list or an object that fits into so many columns stands in one line.
WIDTH = 100
_MAY_BE_UNSEEN = re.compile(r"[^\x20-\x7e]")
#: What PowerShell takes for an apostrophe: the straight one and the curly ones.
_APOSTROPHES = re.compile("['\u2018\u2019\u201a\u201b]")
#: What a shell leaves as it is outside quotes.
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
#: The largest whole number that JavaScript keeps as it is.
_LARGEST = 2**53 - 1


def json_text(value: Any, ascii_only: bool = False) -> str:
    """A value as JSON, for people."""
    return _laid_out(value, _json_ascii if ascii_only else _json_word)


def python_text(value: Any, indent: int = 0) -> str:
    """A value as a Python literal. All lines but the first begin `indent` spaces further in."""
    return _laid_out(value, _python_word, indent, step=4)


def javascript_text(value: Any, indent: int = 0) -> str:
    """A value as a JavaScript literal, laid out as `python_text` does."""
    return _laid_out(value, _json_word, indent, _javascript_key)


def is_exact_in_javascript(value: Any) -> bool:
    """Whether no number in a value is changed by JavaScript, whose numbers are all of double precision."""
    if isinstance(value, dict):
        return all(map(is_exact_in_javascript, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_exact_in_javascript, value))
    return not isinstance(value, int) or abs(value) <= _LARGEST


def python_string(text: str) -> str:
    """A text as a Python string in double quotes."""
    quoted = json.dumps(text, ensure_ascii=False)  # its escapes are Python's, too
    return _MAY_BE_UNSEEN.sub(_python_escape, quoted)


def shell(text: str) -> str:
    """A text as one word of a POSIX shell."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def shell_with_variable(before: str, variable: str) -> str:
    """A text and after it the value of an environment variable, as one word of a POSIX shell."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", before) + f'${variable}"'


def powershell(text: str) -> str:
    """A text as a PowerShell string that is taken as it is."""
    return "'" + _APOSTROPHES.sub(lambda found: found[0] * 2, text) + "'"


def powershell_with_variable(before: str, variable: str) -> str:
    """A text and after it the value of an environment variable, as a PowerShell string."""
    return '"' + re.sub(r'([`"$\u201c\u201d\u201e])', r"`\1", before) + f'$env:{variable}"'


def _laid_out(
    value: Any,
    word: Callable[[Any], str],
    indent: int = 0,
    key: Callable[[str], str] | None = None,
    step: int = 2,
) -> str:
    if not isinstance(value, dict | list | tuple) or not value:
        return word(value)
    inner = indent + step
    if isinstance(value, dict):
        written = key or word
        parts = [f"{written(name)}: {_laid_out(item, word, inner, key, step)}" for name, item in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_laid_out(item, word, inner, key, step) for item in value]
        opening, closing = "[", "]"
    length = sum(map(len, parts)) + 2 * len(parts)
    if indent + length <= WIDTH and not any("\n" in part for part in parts):
        return opening + ", ".join(parts) + closing
    space = "\n" + " " * inner
    return opening + space + ("," + space).join(parts) + "\n" + " " * indent + closing


def _json_word(value: Any) -> str:
    return _MAY_BE_UNSEEN.sub(_json_escape, json.dumps(value, ensure_ascii=False))


def _json_ascii(value: Any) -> str:
    return json.dumps(value)


def _javascript_key(name: str) -> str:
    """A name in an object; this one alone would not make a field of its own."""
    return '["__proto__"]' if name == "__proto__" else _json_word(name)


def _python_word(value: Any) -> str:
    if isinstance(value, str):
        return python_string(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(list(value) if isinstance(value, tuple) else value)


def _json_escape(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _python_escape(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"

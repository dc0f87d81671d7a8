"""A conversation as one HTML file: styles and images inside, no script, and nothing that is fetched."""

import re
from collections.abc import Mapping, Sequence

from modeltab.domain.messages import Conversation, Message
from modeltab.exchange.markdown import NAMES, moment
from modeltab.views.figures import stats_parts
from modeltab.views.html import EMPTY, Html, Template, join

_PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="ModelTab">
<title>{title}</title>
<style>
:root { --text: #1c1d21; --soft: #5c5f68; --bg: #fff; --own: #eef1f6; --code: #f4f5f7; --line: #dcdfe5; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e9ec; --soft: #a3a7b0; --bg: #17181b; --own: #24262b; --code: #1f2125; --line: #34373e; }
}
body { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem; color: var(--text); background: var(--bg); }
body { font: 1rem/1.6 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.4rem; line-height: 1.3; overflow-wrap: anywhere; }
.when, .who, .stats { color: var(--soft); font-size: .85rem; }
article { margin-top: 1.5rem; }
article.user { padding: .75rem 1rem; border-radius: .75rem; background: var(--own); }
.who { margin: 0 0 .25rem; font-weight: 600; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { margin: .5rem 0; padding: .75rem 1rem; overflow-x: auto; border-radius: .5rem; background: var(--code); }
code { font-size: .875rem; line-height: 1.5; }
details { margin: .5rem 0; padding-left: .75rem; border-left: 2px solid var(--line); color: var(--soft); }
img { max-width: 100%; height: auto; border-radius: .5rem; }
.problem { color: var(--soft); font-style: italic; }
@media print { article { break-inside: avoid; } }
</style>
</head>
<body>
<header><h1>{title}</h1><p class="when">{when}</p></header>
<main>
{messages}
</main>
</body>
</html>
"""
)
_MESSAGE = Template(
    '<article class="{role}"><p class="who">{who}</p>{reasoning}{images}{text}{calls}{error}'
    '<p class="stats">{stats}</p></article>\n'
)
_REASONING = Template("<details><summary>Reasoning</summary>{text}</details>")
_IMAGE = Template('<p><img src="data:image/{rest}" alt="{name}"></p>')
_GONE = Template('<p class="problem">{name} is no longer there.</p>')
_TEXT = Template('<div class="text">{text}</div>')
_CODE = Template("<pre><code>{text}</code></pre>")
_CALL = Template("<details><summary>Asks for the tool {name}</summary><pre><code>{arguments}</code></pre></details>")
_ERROR = Template('<p class="problem">{text}</p>')
#: A block of code between fences; one that is not closed goes on to the end.
_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^\1[ \t]*$\n?|\Z)", re.MULTILINE | re.DOTALL)


def page(conversation: Conversation, messages: Sequence[Message], images: Mapping[str, str]) -> Html:
    """The file's text.

    :param messages: the path that is shown.
    :param images: by digest, the data URLs of the images that are there.
    """
    return _PAGE(
        title=conversation.title,
        when=moment(conversation.created),
        messages=join(_message(message, images) for message in messages),
    )


def _message(message: Message, images: Mapping[str, str]) -> Html:
    return _MESSAGE(
        role=message.role,
        who=message.model or NAMES[message.role],
        reasoning=_REASONING(text=_text(message.reasoning)) if message.reasoning else EMPTY,
        images=join(_image(images.get(image.digest, ""), image.name) for image in message.images),
        text=_text(message.text),
        calls=join(_CALL(name=call.name, arguments=call.arguments) for call in message.tool_calls),
        error=_ERROR(text=message.error.message) if message.error else EMPTY,
        stats=" · ".join(stats_parts(message.stats)),
    )


def _image(url: str, name: str) -> Html:
    begin = "data:image/"
    return _IMAGE(rest=url.removeprefix(begin), name=name) if url.startswith(begin) else _GONE(name=name)


def _text(text: str) -> Html:
    """The text as it was written, with its blocks of code set apart."""
    parts, end = [], 0
    for match in _FENCE.finditer(text):
        parts += [_plain(text[end : match.start()]), _CODE(text=match[2].rstrip("\n"))]
        end = match.end()
    return join([*parts, _plain(text[end:])])


def _plain(text: str) -> Html:
    return _TEXT(text=text.strip("\n")) if text.strip() else EMPTY

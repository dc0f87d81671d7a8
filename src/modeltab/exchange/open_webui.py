"""Open WebUI's export: a list of chats, each with the tree of its messages in `chat.history.messages`.

What a model thinks and what its tools say stand in the text, as HTML of the app's own.
"""

import html
import re
from collections.abc import Mapping
from typing import Any

from modeltab.domain.messages import Stats
from modeltab.exchange.tree import Built, Head, Node, Picture, build, data_url
from modeltab.exchange.values import at, count_at, fenced, id_at, list_at, number_at, text_at

SOURCE = "Open WebUI"
_DETAILS = re.compile(r'<details\s+type="(\w+)"([^>]*)>(.*?)</details>\s*', re.DOTALL)
_SUMMARY = re.compile(r"\s*<summary>.*?</summary>\s*", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_SYSTEM = "system"


def is_conversation(value: Any) -> bool:
    """Whether this is one chat of it."""
    chat = at(value, "chat")
    return isinstance(at(chat, "history", "messages"), Mapping) or isinstance(at(chat, "messages"), list)


async def read(value: Any) -> Built:
    """A conversation. :raises UnreadableError: when it has no messages."""
    chat = value["chat"]
    messages, leaf = _messages(chat)
    nodes = [_node(id_, message) for id_, message in messages.items() if isinstance(message, Mapping)]
    system = text_at(chat, "params", "system") or text_at(chat, "system")
    if system:
        nodes = [Node(_SYSTEM, None, "system", system), *(node._replace(parent=node.parent or _SYSTEM) for node in nodes)]
    head = Head(
        SOURCE,
        id_at(value, "id") or id_at(chat, "id") or text_at(chat, "title"),
        text_at(value, "title") or text_at(chat, "title"),
        _seconds(number_at(value, "created_at") or number_at(chat, "timestamp")),
        _seconds(number_at(value, "updated_at")),
        leaf,
    )
    return await build(head, nodes)


def _messages(chat: Any) -> tuple[Mapping[str, Any], str | None]:
    """The messages by id, and the one that is shown last. The oldest versions had a mere list."""
    tree = at(chat, "history", "messages")
    if isinstance(tree, Mapping) and tree:
        return tree, id_at(at(chat, "history"), "currentId") or id_at(at(chat, "history"), "current_id")
    found: dict[str, Any] = {}
    before = None
    for number, message in enumerate(list_at(chat, "messages")):
        if isinstance(message, Mapping):
            id_ = id_at(message, "id") or str(number)
            found[id_] = {"parentId": before, **message}
            before = id_
    return found, before


def _node(id_: str, message: Mapping[str, Any]) -> Node:
    text, reasoning = _told_apart(_text(message))
    error = at(message, "error")
    complaint = error if isinstance(error, str) else text_at(error, "content")
    return Node(
        id_,
        id_at(message, "parentId"),
        text_at(message, "role"),
        "\n\n".join(filter(None, [text, complaint])),
        _seconds(number_at(message, "timestamp")),
        "\n\n".join(filter(None, [text_at(message, "reasoning_content"), reasoning])),
        text_at(message, "model") if message.get("role") != "user" else "",
        tuple(_pictures(message)),
        stats=_stats(at(message, "usage") or at(message, "info")),
    )


def _text(message: Mapping[str, Any]) -> str:
    """The text: as one, or in parts as an API takes it."""
    parts = (text_at(part, "text") for part in list_at(message, "content"))
    return text_at(message, "content") or "\n\n".join(filter(None, parts))


def _told_apart(text: str) -> tuple[str, str]:
    """The text without the app's own HTML, and what that says, as reasoning."""
    steps = []
    for kind, attributes, inside in _DETAILS.findall(text):
        if kind == "tool_calls":
            steps.append(_tool_call({name: html.unescape(value) for name, value in _ATTRIBUTE.findall(attributes)}))
        else:
            lines = html.unescape(_SUMMARY.sub("", inside)).strip().splitlines()
            steps.append("\n".join(line[2:] if line.startswith("> ") else line.removeprefix(">") for line in lines))
    return (_DETAILS.sub("", text).strip() if steps else text), "\n\n".join(filter(None, steps))


def _tool_call(attributes: Mapping[str, str]) -> str:
    said = [f"**{attributes.get('name', 'tool')}**"]
    said += [fenced(attributes[name]) for name in ("arguments", "result") if attributes.get(name)]
    return "\n\n".join(said)


def _pictures(message: Mapping[str, Any]) -> list[Picture]:
    """Images in the file are taken; those that lie on that server are missing."""
    urls = [text_at(file, "url") for file in list_at(message, "files") if text_at(file, "type") == "image"]
    urls += [text_at(part, "image_url", "url") for part in list_at(message, "content") if at(part, "image_url")]
    return [data_url(url, "image") for url in urls]


def _stats(usage: Any) -> Stats:
    """The figures, which are those of the server that answered: OpenAI's names or Ollama's."""
    total = number_at(usage, "total_duration")
    return Stats(
        seconds=total / 1e9 if total else None,
        prompt_tokens=count_at(usage, "prompt_tokens") or count_at(usage, "prompt_eval_count"),
        completion_tokens=count_at(usage, "completion_tokens") or count_at(usage, "eval_count"),
        tokens_per_second=number_at(usage, "response_token/s"),
    )


def _seconds(time: float | None) -> float:
    """A time in seconds; some versions have it in milliseconds, some in nanoseconds."""
    time = time or 0.0
    while time > 1e11:
        time /= 1000
    return max(time, 0.0)

"""The exports of llama.cpp's web UI: JSON Lines with a `session` record and its `message` records, one file a conversation,
many in a ZIP archive; before that, JSON of `{conv, messages}` objects.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from modeltab.domain.messages import Stats, ToolCall
from modeltab.exchange.tree import Built, Head, Node, Picture, build, data_url
from modeltab.exchange.values import at, count_at, fenced, id_at, list_at, number_at, text_at

SOURCE = "llama.cpp"
#: Kinds of attachments, in the spelling of now and of before.
_IMAGE, _TEXT = ("image", "imagefile"), ("text", "textfile", "context", "pdf", "pdffile", "mcp_prompt", "mcp_resource")


def is_conversation(value: Any) -> bool:
    """Whether this is one conversation with its messages."""
    return isinstance(at(value, "conv"), Mapping) and isinstance(at(value, "messages"), list)


def sessions(records: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The conversations of the records of a JSON Lines file. What stands before the first is nobody's."""
    current: dict[str, Any] | None = None
    for record in records:
        kind = at(record, "type")
        if kind == "session":
            if current:
                yield current
            current = {"conv": record, "messages": []}
        elif kind == "message" and current:
            current["messages"].append(record.get("message"))
    if current:
        yield current


async def read(value: Any) -> Built:
    """A conversation. :raises UnreadableError: when it has no messages."""
    conv = value["conv"]
    nodes = [
        _node(id_at(message, "id") or f"#{number}", message)
        for number, message in enumerate(value["messages"])
        if isinstance(message, Mapping)
    ]
    updated = (number_at(conv, "lastModified") or 0.0) / 1000
    head = Head(
        SOURCE,
        id_at(conv, "id") or text_at(conv, "name"),
        text_at(conv, "name"),
        updated=updated,
        leaf=id_at(conv, "currNode"),
    )
    return await build(head, nodes)


def _node(id_: str, message: Mapping[str, Any]) -> Node:
    role = text_at(message, "role")
    role = {"tool": "aside"}.get(role, role)
    texts = [_attached(extra) for extra in list_at(message, "extra")]
    text = text_at(message, "content")
    if role == "aside" and text.strip():
        text = fenced(text)
    return Node(
        id_,
        id_at(message, "parent"),
        "" if text_at(message, "type") == "root" else role,
        "\n\n".join(filter(None, [*texts, text])),
        (number_at(message, "timestamp") or 0.0) / 1000,
        text_at(message, "reasoningContent") or text_at(message, "thinking"),
        text_at(message, "model"),
        tuple(_pictures(message)),
        tuple(_calls(message.get("toolCalls"))),
        _stats(message),
    )


def _kind(extra: Any) -> str:
    return text_at(extra, "type").lower()


def _attached(extra: Any) -> str:
    """A text that went with a message, as ModelTab writes one."""
    if _kind(extra) in _TEXT:
        return f"{text_at(extra, 'name')}:\n{fenced(text_at(extra, 'content'))}"
    return "" if _kind(extra) in _IMAGE or not _kind(extra) else f"({text_at(extra, 'name')} went with this message.)"


def _pictures(message: Mapping[str, Any]) -> Iterator[Picture]:
    for extra in list_at(message, "extra"):
        name = text_at(extra, "name") or "image"
        if _kind(extra) in _IMAGE:
            yield data_url(text_at(extra, "base64Url"), name)
        for page in list_at(extra, "images"):
            yield data_url(page if isinstance(page, str) else "", name)


def _calls(value: Any) -> Iterator[ToolCall]:
    """The calls of tools: a list, or that list as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    for call in value if isinstance(value, list) else ():
        name = text_at(call, "function", "name")
        if name:
            yield ToolCall(text_at(call, "id"), name, text_at(call, "function", "arguments"))


def _stats(message: Mapping[str, Any]) -> Stats:
    timings = message.get("timings")
    count, spent = count_at(timings, "predicted_n"), number_at(timings, "predicted_ms")
    read_in = number_at(timings, "prompt_ms")
    return Stats(
        seconds=(spent + (read_in or 0)) / 1000 if spent else None,
        first_token_seconds=read_in / 1000 if read_in else None,
        prompt_tokens=count_at(timings, "prompt_n"),
        completion_tokens=count,
        tokens_per_second=count / spent * 1000 if count and spent else None,
        cached_tokens=count_at(timings, "cache_n"),
    )

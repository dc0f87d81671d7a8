"""NextChat's backup: the stores of the app by their names; its conversations are the `sessions` of one of them.

Another of its stores has the person's keys. It is not looked at.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from modeltab.domain.messages import ToolCall
from modeltab.exchange.tree import Built, Head, Node, build, data_url
from modeltab.exchange.values import at, id_at, list_at, number_at, text_at

SOURCE = "NextChat"
STORE = "chat-next-web-store"


def sessions(value: Any) -> list[Any] | None:
    """The conversations of a backup, None when this is none. The store may be wrapped as the browser keeps it."""
    store = at(value, STORE)
    if isinstance(store, str):
        try:
            store = json.loads(store)
        except (ValueError, RecursionError):
            return None
    for place in (store, at(store, "state"), value, at(value, "state")):
        found = at(place, "sessions")
        if isinstance(found, list) and (store is not None or all(is_conversation(item) for item in found)):
            return found
    return None


def is_conversation(value: Any) -> bool:
    """Whether this is one of its sessions."""
    return isinstance(at(value, "messages"), list) and "topic" in value


async def read(value: Any) -> Built:
    """A conversation. :raises UnreadableError: when it has no messages."""
    updated = (number_at(value, "lastUpdate") or 0.0) / 1000
    messages = [m for m in (*list_at(value, "mask", "context"), *list_at(value, "messages")) if isinstance(m, Mapping)]
    return await build(
        Head(SOURCE, id_at(value, "id") or text_at(value, "topic"), text_at(value, "topic"), updated=updated),
        list(_nodes(messages)),
    )


def _nodes(messages: list[Any]) -> Iterator[Node]:
    """One after the other: there are no branches. Its dates are words of a language that the file does not name."""
    before: str | None = None
    for number, message in enumerate(messages):
        id_ = f"{number}/{id_at(message, 'id') or ''}"
        parts = list_at(message, "content")
        texts = [text_at(message, "content"), *(text_at(part, "text") for part in parts)]
        yield Node(
            id_,
            before,
            text_at(message, "role"),
            "\n\n".join(filter(None, texts)),
            model=text_at(message, "model"),
            pictures=tuple(data_url(text_at(part, "image_url", "url"), "image") for part in parts if at(part, "image_url")),
            tool_calls=tuple(_calls(message)),
        )
        before = id_


def _calls(message: Any) -> Iterator[ToolCall]:
    for tool in list_at(message, "tools"):
        if name := text_at(tool, "function", "name"):
            yield ToolCall(text_at(tool, "id"), name, text_at(tool, "function", "arguments"))

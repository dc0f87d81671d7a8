"""Conversations and their messages.

The messages of a conversation are a tree: each names its parent, and an edit or a new answer is a new child beside the
old one, so nothing is ever overwritten. What a person sees is one path through it, from the root to the conversation's leaf.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from modeltab.domain.errors import ErrorRecord
from modeltab.domain.parameters import Parameters

Role = Literal["system", "user", "assistant"]
Status = Literal["streaming", "done", "stopped", "error"]
Messages = Mapping[str, "Message"]
#: The `finish_reason` of an answer whose tab was closed, or crashed, while it came.
INTERRUPTED = "interrupted"


class ImageRef(NamedTuple):
    """An image that goes with a message; its bytes are kept apart, under `digest`.

    :param digest: the SHA-256 of its bytes, in hexadecimal.
    :param size: bytes.
    """

    digest: str
    media_type: str
    name: str
    size: int


class ToolCall(NamedTuple):
    """A call of a tool that a model asked for. `arguments` is JSON as the model wrote it, whole or not."""

    id: str
    name: str
    arguments: str


class Stats(NamedTuple):
    """The figures of one answer. None where nobody told.

    :param tokens_per_second: of the answer, from its first token on.
    :param prompt_is_estimate: whether `prompt_tokens` was reckoned here; `completion_is_estimate`, the answer's.
    """

    seconds: float | None = None
    first_token_seconds: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_per_second: float | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_is_estimate: bool = False
    completion_is_estimate: bool = False


class Message(NamedTuple):
    """One message.

    :param created: seconds since 1970.
    :param model: who answered; `connection` is the id of where it is.
    :param went_to: where the request went: a host, or one of the words of `figures`; empty where that is not known.
    :param native_reason: why the answer ended, in the API's own word.
    :param provider_data: what one API alone says with an answer and wants to have back with the next request.
    :param parameters: what an answer was asked with; None where that is not known.
    :param continued_from: how many characters of an answer were there before: it goes on where another one was cut off.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    text: str
    created: float
    status: Status = "done"
    reasoning: str = ""
    model: str = ""
    connection: str = ""
    stats: Stats = Stats()
    finish_reason: str = ""
    native_reason: str = ""
    error: ErrorRecord | None = None
    images: tuple[ImageRef, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    provider_data: Mapping[str, Any] = {}
    went_to: str = ""
    parameters: Parameters | None = None
    continued_from: int = 0


class Conversation(NamedTuple):
    """A conversation's record. `leaf_id` is the last message of the path that is shown; `folder` is empty for none.

    :param parameters: its own, over the defaults; None where it has none.
    """

    id: str
    title: str
    created: float
    updated: float
    leaf_id: str | None = None
    pinned: bool = False
    folder: str = ""
    parameters: Parameters | None = None


def path(messages: Messages, leaf_id: str | None) -> tuple[Message, ...]:
    """The messages from the root to `leaf_id`, in order."""
    found: dict[str, Message] = {}
    while leaf_id is not None and leaf_id in messages and leaf_id not in found:  # a damaged record may make a ring
        found[leaf_id] = messages[leaf_id]
        leaf_id = messages[leaf_id].parent_id
    return tuple(reversed(found.values()))


def versions(messages: Messages, message: Message) -> tuple[Message, ...]:
    """The message and its siblings of the same role, oldest first."""
    siblings = [m for m in messages.values() if m.parent_id == message.parent_id and m.role == message.role]
    return tuple(sorted(siblings, key=lambda m: (m.created, m.id)))


def newest_leaf(messages: Messages, message_id: str) -> str:
    """The end of the newest branch below a message."""
    newest: dict[str | None, Message] = {}
    for message in messages.values():
        known = newest.get(message.parent_id)
        if known is None or (message.created, message.id) > (known.created, known.id):
            newest[message.parent_id] = message
    passed = {message_id}
    while (child := newest.get(message_id)) and child.id not in passed:  # a damaged record may make a ring
        message_id = child.id
        passed.add(message_id)
    return message_id


def subtree(messages: Messages, message_id: str) -> frozenset[str]:
    """The ids of a message and of everything that follows from it."""
    children: dict[str | None, list[str]] = {}
    for message in messages.values():
        children.setdefault(message.parent_id, []).append(message.id)
    found: set[str] = set()
    pending = [message_id]
    while pending:
        current = pending.pop()
        found.add(current)
        pending.extend(child for child in children.get(current, ()) if child not in found)
    return frozenset(found)


def title_from(text: str, limit: int = 60) -> str:
    """A conversation's title from its first message: the first line with something on it, at most `limit` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "New chat")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"

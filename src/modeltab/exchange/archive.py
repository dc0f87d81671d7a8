"""ModelTab's own archive: everything but models and keys, as files in a ZIP archive or a folder.

    conversations.jsonl   {"format": "modeltab-conversations", "version": 1}, then {"conversation": …} and its {"message": …}
    config.json           {"format": "modeltab-config", "version": 1, "config": …}: connections and settings
    comparisons.jsonl     {"format": "modeltab-comparisons", "version": 1}, then {"comparison": …, "answers": [message, …]}
    images/<SHA-256>.png  the images of the messages

Each says what it is, so each can be read back alone. One conversation alone is JSON with its images inside, and the exports
of before were one JSON file without images; both are read, too, and so is what the Compare page saves as JSON.
"""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from modeltab.domain.comparisons import Compared
from modeltab.domain.connections import Connection
from modeltab.domain.exchange import Thread
from modeltab.domain.messages import Conversation, Message
from modeltab.exchange.values import Load, Reading, at, list_at, text_at
from modeltab.state.comparisons import comparison_from_json
from modeltab.state.records import (
    Record,
    UnreadableError,
    config_from_json,
    conversation_from_json,
    conversation_to_json,
    message_from_json,
    message_to_json,
)
from modeltab.state.store import Settings

SOURCE = "ModelTab"
VERSION = 1
CONVERSATIONS, COMPARISONS, CONFIG = "modeltab-conversations", "modeltab-comparisons", "modeltab-config"
ALONE, BEFORE = "modeltab-conversation", "modeltab-export"
#: The name of an image in an archive: its digest, with what its type is called.
IMAGE_NAME = re.compile(r"([0-9a-f]{64})(?:\.\w+)?")
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}

Hide = Callable[[str], str]


class Piece(NamedTuple):
    """Some bytes of a file of the archive. The pieces of a file come one after the other."""

    name: str
    content: bytes


async def pieces(
    config: Record,
    conversations: list[Record],
    messages: Callable[[str], Awaitable[list[Record]]],
    image: Callable[[str], Awaitable[bytes | None]],
    comparisons: list[Record],
    answers: Callable[[str], Awaitable[list[Record]]],
    hide: Hide,
) -> AsyncIterator[Piece]:
    """The archive's files, a conversation at a time, so that it is never in memory as a whole.

    :param messages: the records of a conversation's messages, by its id; `answers`, those of a comparison's answers.
    :param image: the bytes behind a digest.
    :param hide: takes keys out of a text.
    """
    found = config_document(config, hide)
    yield Piece("config.json", _line(found))
    yield Piece("conversations.jsonl", _line({"format": CONVERSATIONS, "version": VERSION}))
    images: dict[str, str] = {}
    for conversation in conversations:
        own = await messages(conversation["id"])
        lines = [{"conversation": conversation}, *({"message": record} for record in own)]
        yield Piece("conversations.jsonl", b"".join(_line(hidden(line, hide)) for line in lines))
        images |= {item["digest"]: item.get("media_type", "") for record in own for item in list_at(record, "images")}
    yield Piece("comparisons.jsonl", _line({"format": COMPARISONS, "version": VERSION}))
    for comparison in comparisons:
        line = {"comparison": comparison, "answers": await answers(comparison["id"])}
        yield Piece("comparisons.jsonl", _line(hidden(line, hide)))
    for digest, media_type in images.items():
        content = await image(digest)
        if content is not None:
            yield Piece(f"images/{digest}.{_ENDINGS.get(media_type, 'bin')}", content)


def config_document(config: Record, hide: Hide) -> Record:
    """The file of connections and settings."""
    return {"format": CONFIG, "version": VERSION, "config": hidden(config, hide)}


def alone(thread: Thread, images: Mapping[str, bytes], hide: Hide) -> bytes:
    """One conversation as a JSON file, with all its versions and its images."""
    value = {
        "format": ALONE,
        "version": VERSION,
        "conversation": conversation_to_json(thread.conversation),
        "messages": [message_to_json(message) for message in thread.messages],
    }
    pictures = {digest: base64.b64encode(content).decode() for digest, content in images.items()}
    return json.dumps({**hidden(value, hide), "images": pictures}, indent=1).encode()


def hidden(value: Any, hide: Hide) -> Any:
    """JSON-like values without the keys that stand in their texts."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hide(str(name)): hidden(item, hide) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(item, hide) for item in value]
    return value


def _line(value: Any) -> bytes:
    # Only ASCII: a text from JavaScript may have half a character, which UTF-8 has no bytes for.
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def is_ours(value: Any) -> bool:
    """Whether a JSON document, or the first line of JSON Lines, is of ModelTab."""
    return at(value, "format") in (CONVERSATIONS, COMPARISONS, CONFIG, ALONE, BEFORE)


def read(value: Any) -> Reading:
    """What a JSON document has. :raises UnreadableError: when nothing of it can be used."""
    _check_version(value)
    if value["format"] == CONFIG:
        return _config(value.get("config"))
    if value["format"] == COMPARISONS:
        compared, lost = _compared(_listed(value, "comparisons"), _listed(value, "answers"))
        return Reading(SOURCE, problems=lost, compared=compared)
    if value["format"] == BEFORE:
        config = _config(value.get("config"))
        threads, problems = _threads(_listed(value, "conversations"), _listed(value, "messages"))
        return config._replace(threads=threads, problems=(*config.problems, *problems))
    threads, problems = _threads([value.get("conversation")], _listed(value, "messages"))
    images = {digest: _loader(content) for digest, content in (at(value, "images") or {}).items() if isinstance(content, str)}
    return Reading(SOURCE, threads, images, problems=problems)


def read_lines(records: Iterator[Any]) -> Reading:
    """What a file of conversations or comparisons has; `records` are its lines as JSON, None for one that is none."""
    first = next(records)
    _check_version(first)
    if first["format"] == COMPARISONS:
        return _comparison_lines(records)
    conversations, messages = [], []
    problems = []
    for number, record in enumerate(records, 2):
        if at(record, "conversation") is not None:
            conversations.append(record["conversation"])
        elif at(record, "message") is not None:
            messages.append(record["message"])
        else:
            problems.append(f"Line {number} of the conversations cannot be read.")
    threads, more = _threads(conversations, messages)
    return Reading(SOURCE, threads, problems=(*problems, *more))


def _comparison_lines(records: Iterator[Any]) -> Reading:
    comparisons, answers, problems = [], [], []
    for number, record in enumerate(records, 2):
        if at(record, "comparison") is None:
            problems.append(f"Line {number} of the comparisons cannot be read.")
        else:
            comparisons.append(record["comparison"])
            answers += list_at(record, "answers")
    compared, more = _compared(comparisons, answers)
    return Reading(SOURCE, problems=(*problems, *more), compared=compared)


def _check_version(value: Any) -> None:
    version = value.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise UnreadableError(f"it was written by a newer ModelTab, version {version}")


def _listed(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise UnreadableError(f"its {name} are not a list")
    return found


def _config(value: Any) -> Reading:
    """Connections and settings; a connection that cannot be read does not cost the others."""
    problems: list[str] = []
    connections: list[Connection] = []
    settings: Settings | None = None
    try:
        settings = config_from_json({**(value if isinstance(value, Mapping) else {}), "connections": []})[1]
    except UnreadableError as error:
        problems.append(f"The settings: {error}.")
    for item in list_at(value, "connections"):
        try:
            connections += config_from_json({"version": 1, "connections": [item], "settings": {}})[0]
        except (UnreadableError, TypeError) as error:
            problems.append(f"The connection “{text_at(item, 'name') or 'without a name'}”: {error}.")
    return Reading(SOURCE, connections=tuple(connections), settings=settings, problems=tuple(problems))


def _threads(conversations: list[Any], messages: list[Any]) -> tuple[tuple[Thread, ...], tuple[str, ...]]:
    """The conversations that can be read, and what cannot, by name."""
    problems = []
    own: dict[str, list[Message]] = {}
    titles = {text_at(record, "id"): text_at(record, "title") for record in conversations}
    for record in messages:
        try:
            message = message_from_json(record)
            own.setdefault(message.conversation_id, []).append(message)
        except (UnreadableError, TypeError) as error:
            name = titles.get(text_at(record, "conversation_id")) or "an unknown conversation"
            problems.append(f"A message of “{name}”: {error}.")
    threads = []
    for record in conversations:
        try:
            conversation: Conversation = conversation_from_json(record)
            threads.append(Thread(conversation, tuple(own.get(conversation.id, ()))))
        except (UnreadableError, TypeError) as error:
            problems.append(f"The conversation “{text_at(record, 'title') or 'without a title'}”: {error}.")
    return tuple(threads), tuple(problems)


def _compared(comparisons: list[Any], answers: list[Any]) -> tuple[tuple[Compared, ...], tuple[str, ...]]:
    """The comparisons that can be read, and what cannot."""
    problems = []
    own: dict[str, list[Message]] = {}
    for record in answers:
        try:
            answer = message_from_json(record)
            own.setdefault(answer.conversation_id, []).append(answer)
        except (UnreadableError, TypeError) as error:
            problems.append(f"An answer of a comparison: {error}.")
    found = []
    for record in comparisons:
        try:
            comparison = comparison_from_json(record)
            found.append(Compared(comparison, tuple(own.get(comparison.id, ()))))
        except (UnreadableError, TypeError) as error:
            problems.append(f"The comparison “{text_at(record, 'title') or 'without a title'}”: {error}.")
    return tuple(found), tuple(problems)


def _loader(content: str) -> Load:
    async def load() -> bytes:
        try:
            return base64.b64decode(content)
        except (binascii.Error, ValueError):
            return b""

    return load

"""What files are, by what is in them, whatever they are called; and everything that they have."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from modeltab.exchange import archive, chatgpt, llama_ui, nextchat, open_webui, zip_reader
from modeltab.exchange.tree import Built
from modeltab.exchange.values import MAX_TEXT_BYTES, Entry, Load, Reading, at, text_at, together
from modeltab.state.records import UnreadableError

_HEAD = 4


class Source(NamedTuple):
    """A file that was chosen: its name, its size in bytes, and what brings the bytes from `start` up to `end`."""

    name: str
    size: int
    read: Callable[[int, int], Awaitable[bytes]]


class _Unknown(UnreadableError):
    """JSON of something else."""


async def read(sources: Sequence[Source]) -> Reading:
    """What the files have, those in ZIP archives too.

    :raises UnreadableError: when nothing in them can be used: what is wrong with the first of them.
    """
    entries, is_archive = await _entries(sources)
    readings: list[Reading] = []
    problems: list[str] = []
    images: dict[str, Load] = {}
    for entry in sorted(entries, key=lambda item: item.name):
        match = archive.IMAGE_NAME.fullmatch(entry.base)
        if match:
            images[match[1]] = entry.load
            continue
        if is_archive and not entry.base.lower().endswith((".json", ".jsonl")):
            continue
        try:
            readings.append(await _read(entry, entries))
        except _Unknown as error:
            if not is_archive:  # an archive of another app has other things, too
                problems.append(f"{entry.base}: {error}.")
        except UnreadableError as error:
            problems.append(f"{entry.base}: {error}.")
    if not readings:
        reason = (
            problems[0].partition(": ")[2].rstrip(".") if problems else "it has no conversations of an app that is known here"
        )
        raise UnreadableError(reason)
    found = together(readings)
    return found._replace(images={**images, **found.images}, problems=(*problems, *found.problems))


async def _entries(sources: Sequence[Source]) -> tuple[list[Entry], bool]:
    """The files, with archives opened; and whether any of them was one."""
    found: list[Entry] = []
    is_archive = False
    for source in sources:
        head = await source.read(0, _HEAD)
        if head in (zip_reader.MAGIC, zip_reader.EMPTY_MAGIC):
            found += await zip_reader.entries(source.read, source.size)
            is_archive = True
        else:
            found.append(Entry(source.name, source.size, _whole(source)))
    return found, is_archive


def _whole(source: Source) -> Load:
    async def load() -> bytes:
        return await source.read(0, source.size)

    return load


async def _read(entry: Entry, files: Sequence[Entry]) -> Reading:
    if entry.size > MAX_TEXT_BYTES:
        raise UnreadableError("it is larger than 500 MB, which a tab cannot hold")
    try:
        text = (await entry.load()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Unknown("it is not text") from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        first = _json(text.lstrip().partition("\n")[0])
        if archive.is_ours(first):
            return archive.read_lines(map(_json, filter(str.strip, text.split("\n"))))
        if at(first, "type") == "session":
            lines = [_json(line) for line in text.split("\n") if line.strip()]
            return await _built(llama_ui.SOURCE, list(llama_ui.sessions(lines)), llama_ui.read, lines.count(None))
        raise UnreadableError(f"it is not JSON ({error})") from None
    return await _document(value, files)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


async def _document(value: Any, files: Sequence[Entry]) -> Reading:
    """What a JSON document has."""
    if archive.is_ours(value):
        return archive.read_lines(iter([value])) if _is_first_line(value) else archive.read(value)
    if at(value, "type") == "session":
        return await _built(llama_ui.SOURCE, list(llama_ui.sessions([value])), llama_ui.read)
    sessions = nextchat.sessions(value)
    if sessions is not None:
        return await _built(nextchat.SOURCE, sessions, nextchat.read, is_one=nextchat.is_conversation)
    items = value if isinstance(value, list) else [value]
    for app in (chatgpt, open_webui, llama_ui):
        if any(map(app.is_conversation, items)):
            reader = _with_files(files) if app is chatgpt else app.read
            return await _built(app.SOURCE, items, reader, is_one=app.is_conversation)
    raise _Unknown("it is not an export of an app that is known here")


def _is_first_line(value: Any) -> bool:
    """Whether a document is the first, and only, line of a file of lines."""
    return value["format"] == archive.CONVERSATIONS or (value["format"] == archive.COMPARISONS and "comparisons" not in value)


def _with_files(files: Sequence[Entry]) -> Callable[[Any], Awaitable[Built]]:
    async def read_one(value: Any) -> Built:
        return await chatgpt.read(value, files)

    return read_one


async def _built(
    source: str,
    values: list[Any],
    reader: Callable[[Any], Awaitable[Built]],
    lost_lines: int = 0,
    is_one: Callable[[Any], bool] = lambda value: True,
) -> Reading:
    """The conversations that can be read; those that cannot, by their titles."""
    found: list[Built] = []
    problems = [f"{lost_lines} lines are not JSON." if lost_lines > 1 else "1 line is not JSON."] if lost_lines else []
    for number, value in enumerate(values, 1):
        try:
            if not is_one(value):
                raise UnreadableError("it is not a conversation")
            found.append(await reader(value))
        except UnreadableError as error:
            problems.append(f"“{_title(value) or f'Conversation {number}'}”: {error}.")
    return Reading(
        source,
        tuple(built.thread for built in found),
        {digest: load for built in found for digest, load in built.images.items()},
        problems=(*problems, *(problem for built in found for problem in built.problems)),
    )


def _title(value: Any) -> str:
    return (
        text_at(value, "title") or text_at(value, "topic") or text_at(value, "conv", "name") or text_at(value, "chat", "title")
    )

"""What the readers of this room share: files and what was found in them; and looking at JSON that somebody else wrote."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from modeltab.domain.comparisons import Compared
from modeltab.domain.connections import Connection
from modeltab.domain.exchange import Thread
from modeltab.state.store import Settings

#: A text of more bytes than this is not read: a tab would run out of memory.
MAX_TEXT_BYTES = 500_000_000

Load = Callable[[], Awaitable[bytes]]


class Entry(NamedTuple):
    """A file that was chosen, or one in an archive. `size` in bytes, uncompressed; `load` brings its content."""

    name: str
    size: int
    load: Load

    @property
    def base(self) -> str:
        """Its name without folders."""
        return self.name.replace("\\", "/").rpartition("/")[2]


class Reading(NamedTuple):
    """What was found in a file.

    :param source: the app that wrote it.
    :param images: by SHA-256, what brings the bytes.
    :param settings: ModelTab's own, None where the file has none.
    :param problems: what could not be read, each with its name.
    :param compared: ModelTab's comparisons.
    """

    source: str
    threads: tuple[Thread, ...] = ()
    images: Mapping[str, Load] = {}
    connections: tuple[Connection, ...] = ()
    settings: Settings | None = None
    problems: tuple[str, ...] = ()
    compared: tuple[Compared, ...] = ()


def together(readings: list[Reading]) -> Reading:
    """What several files have, as one. Of a conversation that comes twice, the one with more messages stays."""
    threads: dict[str, Thread] = {}
    for thread in (thread for reading in readings for thread in reading.threads):
        known = threads.get(thread.conversation.id)
        if known is None or len(thread.messages) > len(known.messages):
            threads[thread.conversation.id] = thread
    return Reading(
        ", ".join(dict.fromkeys(reading.source for reading in readings)),
        tuple(threads.values()),
        {digest: load for reading in readings for digest, load in reading.images.items()},
        tuple({c.id: c for reading in readings for c in reading.connections}.values()),
        next((reading.settings for reading in readings if reading.settings), None),
        tuple(problem for reading in readings for problem in reading.problems),
        tuple({item.comparison.id: item for reading in readings for item in reading.compared}.values()),
    )


def at(value: Any, *names: str) -> Any:
    """What stands under these names, one in the other; None where there is nothing of the kind."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def text_at(value: Any, *names: str) -> str:
    """The text that stands there, or an empty one."""
    found = at(value, *names)
    return found if isinstance(found, str) else ""


def list_at(value: Any, *names: str) -> list[Any]:
    """The list that stands there, or an empty one."""
    found = at(value, *names)
    return found if isinstance(found, list) else []


def number_at(value: Any, *names: str) -> float | None:
    """The number that stands there, None where there is none."""
    found = at(value, *names)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return found if is_number and abs(found) < 1e20 else None


def count_at(value: Any, *names: str) -> int | None:
    """The whole number that stands there."""
    found = number_at(value, *names)
    return None if found is None else int(found)


def id_at(value: Any, name: str) -> str | None:
    """The id that stands there, which some write as a number."""
    found = at(value, name)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found else None


def fenced(text: str, language: str = "") -> str:
    """A text as a code block of Markdown, with a fence that it does not contain."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"

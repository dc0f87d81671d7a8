"""The rows of the list of conversations: searched, sorted and grouped as a person asked for; and which of them are drawn."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from modeltab.domain.messages import Conversation, Message, Messages, path
from modeltab.state.store import State

#: Rows drawn at a time of a long list, some of them before the first that is seen.
WINDOW, BEFORE = 44, 14
#: The same for what a search has found: those rows are twice as high, and each keystroke draws them anew.
FOUND_WINDOW, FOUND_BEFORE = 28, 9
#: A long conversation is drawn from its end: so many messages at first, and so many more whenever earlier ones are wanted:
#: as many as one frame or two can draw.
MESSAGES, MORE = 40, 15

Result = TypeVar("Result")


class Heading(NamedTuple):
    """A folder's first row. `size`: the conversations in it."""

    folder: str
    size: int
    folded: bool


Row = Heading | Conversation


class Page(NamedTuple):
    """What is drawn of the rows: those from `first` on, of `total`, among which are so many `conversations`."""

    rows: tuple[Row, ...]
    first: int
    total: int
    conversations: int


def remembering(function: Callable[..., Result]) -> Callable[..., Result]:
    """The function, worked out anew only when one of its arguments is another object than at the last call."""
    last: list[Any] = []

    def remembered(*arguments: Any) -> Result:
        if not last or any(a is not b for a, b in zip(arguments, last[0], strict=True)):
            last[:] = [arguments, function(*arguments)]
        return last[1]  # type: ignore[no-any-return]

    return remembered


def words_of(query: str) -> tuple[str, ...]:
    """The words that are searched for, in small letters."""
    return tuple(query.lower().split())


def page_of(state: State) -> Page:
    """The rows that are drawn."""
    rows, conversations = _rows(state.conversations, state.search, state.listing.snippets, *_order(state))
    window, before = (FOUND_WINDOW, FOUND_BEFORE) if words_of(state.search) else (WINDOW, BEFORE)
    first = max(0, min(state.listing.first - before, len(rows) - window))
    return Page(rows[first : first + window], first, len(rows), conversations)


def found(state: State) -> tuple[Conversation, ...]:
    """The conversations that the search has found, all of them without one, in the order of the list."""
    return _found(state.conversations, state.search, state.listing.snippets, state.settings.conversation_sort)


def beside(state: State, step: int, id_: str = "") -> str | None:
    """The id of the conversation so many places below another one, as the list has them; None where there is none.

    :param id_: of the other one; without it, that is the one that is shown. Below none, or one that the list has not, is
        the first.
    """
    rows = _rows(state.conversations, state.search, state.listing.snippets, *_order(state))[0]
    ids = [row.id for row in rows if isinstance(row, Conversation)]
    start = id_ or (state.conversation.id if state.conversation else "")
    if start not in ids:
        return ids[0] if ids and step > 0 else None
    place = ids.index(start) + step
    return ids[place] if 0 <= place < len(ids) else None


def folders_of(state: State) -> tuple[str, ...]:
    """The names of the folders, in their order."""
    return tuple(sorted({c.folder for c in state.conversations if c.folder}, key=lambda name: (name.casefold(), name)))


def drawn_of(state: State) -> tuple[tuple[Message, ...], int]:
    """The messages of the shown path that are drawn, and how many come before them."""
    return _drawn(state.messages, state.conversation.leaf_id if state.conversation else None, state.first_shown)


def first_of(messages: Messages, leaf_id: str | None) -> str:
    """The id of the message from which on a conversation is drawn at first; empty when it is drawn whole."""
    shown, before = _drawn(messages, leaf_id, "")
    return shown[0].id if before else ""


@remembering
def _drawn(messages: Messages, leaf_id: str | None, first_shown: str) -> tuple[tuple[Message, ...], int]:
    shown = path(messages, leaf_id)
    # From the end: of thousands of messages the last few are drawn, and this is asked with each token that is drawn.
    first = next((n for n in range(len(shown) - 1, -1, -1) if shown[n].id == first_shown), max(0, len(shown) - MESSAGES))
    return shown[first:], first


def _order(state: State) -> tuple[str, tuple[str, ...]]:
    return state.settings.conversation_sort, state.settings.folded_folders


@remembering
def _rows(
    conversations: tuple[Conversation, ...],
    query: str,
    snippets: Mapping[str, str] | None,
    sort: str,
    folded: tuple[str, ...],
) -> tuple[tuple[Row, ...], int]:
    """All rows in order, and how many conversations the search has found. What is searched for stands in no folder."""
    found_ = _found(conversations, query, snippets, sort)
    if words_of(query):
        return found_, len(found_)
    rows: list[Row] = [c for c in found_ if c.pinned]
    folders: dict[str, list[Conversation]] = {}
    rest: list[Row] = []
    for conversation in found_:
        if not conversation.pinned:
            (folders.setdefault(conversation.folder, []) if conversation.folder else rest).append(conversation)
    for name in sorted(folders, key=lambda name: (name.casefold(), name)):
        rows.append(Heading(name, len(folders[name]), name in folded))
        rows += () if name in folded else folders[name]
    return (*rows, *rest), len(found_)


@remembering
def _found(
    conversations: tuple[Conversation, ...], query: str, snippets: Mapping[str, str] | None, sort: str
) -> tuple[Conversation, ...]:
    words = words_of(query)
    if words:
        known = snippets or {}
        conversations = tuple(c for c in conversations if c.id in known or _has(c.title.lower(), words))
    if sort == "oldest":
        return tuple(reversed(conversations))
    if sort == "title":
        return tuple(sorted(conversations, key=lambda c: _natural(c.title)))
    return conversations


def _has(text: str, words: tuple[str, ...]) -> bool:
    return all(word in text for word in words)


def _natural(title: str) -> tuple[tuple[bool, int, str], ...]:
    """What titles are sorted by: numbers in them by their value."""
    parts = re.findall(r"\d+|\D+", title.casefold())
    return tuple((not part.isdecimal(), len(part.lstrip("0")) if part.isdecimal() else 0, part) for part in parts)

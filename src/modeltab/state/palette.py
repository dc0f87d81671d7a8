"""The command palette: what it offers, and which of that fits what is typed."""

from collections.abc import Iterable
from typing import NamedTuple

#: The palette shows this many.
SHOWS = 50
#: How many commands it remembers as the latest.
RECENT = 5

#: How well a word fits: the name begins with it, a word of the name does, it stands somewhere in that, it is in another name,
#: its letters stand in the name in this order.
_BEGINS, _BEGINS_WORD, _INSIDE, _BESIDE, _SCATTERED = 8, 6, 4, 3, 2


class Item(NamedTuple):
    """One line.

    :param key: its name among the latest commands; empty for what is not remembered there.
    :param group: what it belongs to, in a word or two.
    :param action: in the table of actions, with `id` and `value` of its event.
    :param keys: its shortcut, empty where it has none.
    :param words: what else it may be called.
    :param page: where what it does is seen, empty for everywhere.
    """

    key: str
    label: str
    group: str
    action: str
    id: str = ""
    value: str = ""
    keys: str = ""
    words: str = ""
    page: str = ""


class Palette(NamedTuple):
    """The palette while it is open.

    :param level: the list that it shows, empty for the commands; `title`, its name.
    :param items: what it offers now, the best first; `active`, the place of the one that Enter takes.
    :param has_more: whether there are others that fit.
    :param note: what there is to tell.
    """

    level: str = ""
    title: str = ""
    query: str = ""
    items: tuple[Item, ...] = ()
    active: int = 0
    has_more: bool = False
    note: str = ""

    @property
    def chosen(self) -> Item | None:
        """What Enter takes."""
        return self.items[self.active] if self.active < len(self.items) else None


def ranked(items: Iterable[Item], query: str) -> list[Item]:
    """The items that have every word of the query, the best first; those that fit alike stay in their order."""
    wanted = query.casefold().split()
    if not wanted:
        return list(items)
    fitting = [(fit, item) for item in items if (fit := _fit(wanted, item))]
    fitting.sort(key=lambda pair: -pair[0])
    return [item for _, item in fitting]


def with_recent_first(items: list[Item], recent: tuple[str, ...]) -> list[Item]:
    """The items that were used last, the latest first, in a group of their own; then the others."""
    known = {item.key: item for item in items if item.key}
    latest = [known[key]._replace(group="Recent") for key in recent if key in known]
    taken = {item.key for item in latest}
    return [*latest, *(item for item in items if item.key not in taken)]


def remembered(recent: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The latest commands, after this one."""
    return (key, *(other for other in recent if other != key))[:RECENT] if key else recent


def _fit(wanted: list[str], item: Item) -> float:
    """How well an item fits all the words; 0 where one of them is not in it."""
    label = item.label.casefold()
    others = item.words.casefold()
    total = 0.0
    for word in wanted:
        fit = _fit_of(word, label)
        if fit < _INSIDE and word in others:
            fit = _BESIDE
        if not fit:
            return 0
        total += fit
    return total / len(wanted) + 1 / (2 + len(label))  # of two that fit alike, the shorter one is meant


def _fit_of(word: str, text: str) -> int:
    place = text.find(word)
    if place == 0:
        return _BEGINS
    if place > 0:
        return _BEGINS_WORD if not text[place - 1].isalnum() or f" {word}" in text else _INSIDE
    return _SCATTERED if _is_scattered(word, text) else 0


def _is_scattered(word: str, text: str) -> bool:
    """Whether the letters stand in the text in this order, the first of them at the beginning of a word."""
    if len(word) < 2:
        return False
    for start, letter in enumerate(text):
        if letter == word[0] and (start == 0 or not text[start - 1].isalnum()):
            place = start
            for wanted in word[1:]:
                place = text.find(wanted, place + 1)
                if place < 0:
                    break
            else:
                return True
    return False

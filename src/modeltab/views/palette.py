"""The command palette: a combobox in a dialog, with what it offers as a listbox below."""

from itertools import groupby

from modeltab.state.palette import Item, Palette
from modeltab.state.shortcuts import words
from modeltab.state.store import State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import icon_button

_PALETTE = Template(
    '<dialog class="palette" id="the-palette" aria-label="Command palette" data-name="palette" closedby="any">'
    '<div class="palette-head"><span class="icon icon-search" aria-hidden="true"></span>'
    '<input class="palette-input" id="palette-input" role="combobox" aria-label="{label}" aria-expanded="true" '
    'aria-controls="palette-list" aria-autocomplete="list" aria-activedescendant="{active}" aria-describedby="palette-note" '
    'placeholder="{placeholder}" value="{query}" autocomplete="off" spellcheck="false" enterkeyhint="go" '
    'data-input="palette.type" data-keydown="palette.key">{close}</div>'
    '<div class="palette-list" id="palette-list" role="listbox" aria-label="Results">{items}</div>'
    '<p class="palette-note" id="palette-note" role="status">{note}</p></dialog>'
)
_GROUP = Template(
    '<div class="palette-group" role="group" aria-label="{name}"><div class="palette-group-name" aria-hidden="true">'
    "{name}</div>{items}</div>"
)
_ITEM = Template(
    '<div class="palette-item" role="option" id="palette-{place}" aria-selected="{active}" data-action="palette.choose" '
    'data-id="{place}"><span class="palette-label">{label}</span> <span class="palette-about">{about}</span>{keys}</div>'
)
_KEYS = Template(' <kbd class="keys">{keys}</kbd>')


def palette(state: State) -> Html:
    """The palette, empty while it is closed."""
    shown = state.palette
    if shown is None:
        return EMPTY
    return _PALETTE(
        label=shown.title or "Command",
        placeholder=shown.title or "Type a command, a model or a title",
        active=active_option(state),
        query=shown.query,
        close=icon_button("close", "Close command palette", "palette.close", ""),
        items=_items(shown, state.apple),
        note=_note(shown),
    )


def _items(shown: Palette, apple: bool) -> Html:
    rows = [(item.group, _item(place, item, shown, apple)) for place, item in enumerate(shown.items)]
    if shown.level or shown.query.strip():
        return join(row for _, row in rows)
    groups = groupby(rows, key=lambda pair: pair[0])
    return join(_GROUP(name=name, items=join(row for _, row in members)) for name, members in groups)


def _item(place: int, item: Item, shown: Palette, apple: bool) -> Html:
    return _ITEM(
        place=place,
        active="true" if place == shown.active else "false",
        label=item.label,
        about=item.group if shown.level or shown.query.strip() else "",
        keys=_KEYS(keys=words(item.keys, apple)) if item.keys else EMPTY,
    )


def _note(shown: Palette) -> str:
    """What there is to tell, or how much was found."""
    if shown.note and (not shown.query or not shown.items):
        return shown.note
    if not shown.items:
        return "Nothing has this in its name."
    count = len(shown.items)
    if shown.has_more:
        return f"The first {count}. Type more to find the others."
    return "1 result" if count == 1 else f"{count} results"


def active_option(state: State) -> str:
    """The id of the line that Enter takes, empty while there is none."""
    return f"palette-{state.palette.active}" if state.palette and state.palette.items else ""

"""What the message box offers while a command is typed: a list to complete from, and what there is to tell of it."""

from modeltab.state.store import State
from modeltab.state.writing import Suggestion
from modeltab.views.html import EMPTY, Html, Template, join

_LIST = Template('<div class="menu-items" role="listbox" id="menu-items" aria-label="Commands">{items}</div>')
_ITEM = Template(
    '<div class="menu-item" role="option" id="menu-{place}" aria-selected="{active}" data-mousedown="menu.take" '
    'data-id="{place}">'
    '<span class="menu-label">{label}</span><span class="menu-note">{note}</span></div>'
)
_NOTE = Template('<p class="menu-told">{text}</p>')


def menu(state: State) -> Html:
    """The list, empty while no command is typed."""
    shown = state.menu
    items = _LIST(items=join(_item(i, item, i == shown.active) for i, item in enumerate(shown.items))) if shown.items else EMPTY
    return join([items, _NOTE(text=shown.note) if shown.note else EMPTY])


def _item(place: int, item: Suggestion, active: bool) -> Html:
    return _ITEM(place=place, label=item.label, note=item.note, active="true" if active else "false")


def active_option(state: State) -> str:
    """The id of the option that Enter takes, empty while there is none."""
    return f"menu-{state.menu.active}" if state.menu.items else ""

"""The command palette: find what is to be done by typing a part of its name, and do it.

It offers what the table of controls has, the commands of the message box that have no control, models and conversations.
"""

from modeltab.actions.app import App, UiEvent
from modeltab.actions.commands import COMMANDS, Command
from modeltab.domain.errors import ModelTabError
from modeltab.state import controls
from modeltab.state.palette import SHOWS, Item, Palette, ranked, remembered, with_recent_first
from modeltab.state.store import State

#: How far PageDown goes.
_PAGE = 10
_TITLES = {"models": "Choose a model", "conversations": "Open a conversation"}
#: While a dialog is open, little else is possible.
_BEHIND = "A dialog is open: close it for the other commands."


def begin(app: App) -> None:
    """Follow what becomes possible, or is no longer, while the palette is open."""
    seen = [_possible(app.state)]

    def follow(state: State) -> None:
        possible = _possible(state)
        if any(a is not b for a, b in zip(possible, seen[0], strict=True)):
            seen[0] = possible
            if state.palette is not None:
                _show(app, state.palette)

    app.store.subscribe(follow)


def _possible(state: State) -> tuple[object, ...]:
    """What decides on what is possible, but for the tokens of an answer."""
    return state.models, state.conversations, state.conversation, state.generation is None, state.dialog is None, state.settings


def toggle(app: App, event: UiEvent) -> None:
    """Open it, or close it."""
    if app.state.palette is None:
        _show(app, Palette(note="" if app.state.dialog is None else _BEHIND))
    else:
        close(app, event)


def close(app: App, event: UiEvent) -> None:
    """Close it."""
    app.update(palette=None)


def open_list(app: App, event: UiEvent) -> None:
    """Show one of the lists: "models", "conversations", or what the command of that name takes."""
    command = _command(event.id)
    if command is not None:
        note = "" if command.values else f"{command.about} Type it, then press Enter."
        _show(app, Palette(command.name, command.label, note=note))
    else:
        _show(app, Palette(event.id, _TITLES[event.id]))


def type_(app: App, event: UiEvent) -> None:
    """Narrow what it offers."""
    if app.state.palette is not None:
        _show(app, app.state.palette._replace(query=event.value, active=0))


def key(app: App, event: UiEvent) -> bool | UiEvent:
    """Arrows, Home, End and the page keys move, Enter does it; Backspace where nothing is typed leaves a list."""
    palette = app.state.palette
    if palette is None:
        return False
    count, last = len(palette.items), len(palette.items) - 1
    if event.key == "Enter":
        return _taken(app, palette, palette.chosen)
    if event.key == "Backspace" and palette.level and not palette.query:
        _show(app, Palette())
        return True
    places = {
        "ArrowDown": (palette.active + 1) % max(count, 1),
        "ArrowUp": (palette.active - 1) % max(count, 1),
        "Home": 0,
        "End": last,
        "PageDown": min(palette.active + _PAGE, last),
        "PageUp": max(palette.active - _PAGE, 0),
    }
    if event.key not in places:
        return False
    app.update(palette=palette._replace(active=max(places[event.key], 0)))
    return True


def choose(app: App, event: UiEvent) -> bool | UiEvent:
    """A line was pressed."""
    palette, place = app.state.palette, int(event.id)
    if palette is None or place >= len(palette.items):
        return True
    return _taken(app, palette, palette.items[place])


def _taken(app: App, palette: Palette, item: Item | None) -> bool | UiEvent:
    """The event that does it. A list is only opened, everything else closes the palette."""
    command = _command(palette.level)
    if command is not None:
        text = item.label if item else "" if command.values else palette.query.strip()
        if text or not command.values:
            _run(app, palette, command, text)
        return True
    if item is None:
        return True
    if item.action != "palette.list":
        app.update(palette=None)
        if item.page and app.state.route.page != item.page:
            app.page.go(f"#/{item.page}")
    if item.key:
        app.set_setting(recent=remembered(app.state.settings.recent, item.key))
    return UiEvent(item.action, item.id, item.value)


def run(app: App, event: UiEvent) -> None:
    """Do a command of the message box that takes nothing."""
    command = _command(event.id)
    if command is not None:
        command.run(app, "")


def _run(app: App, palette: Palette, command: Command, text: str) -> None:
    """Do a command of the message box. What is wrong with what was typed is told in the palette, which stays."""
    try:
        command.run(app, text)
    except ModelTabError as error:
        app.update(palette=palette._replace(note=f"{error.message} {error.advice}"))
    else:
        app.update(palette=None)


def _command(name: str) -> Command | None:
    return next((command for command in COMMANDS if command.label and command.name == name), None)


def _show(app: App, palette: Palette) -> None:
    """Fill in what it offers, and keep the active line within that."""
    found = _found(app.state, palette)
    items = tuple(found[:SHOWS])
    active = min(palette.active, max(len(items) - 1, 0))
    app.update(palette=palette._replace(items=items, active=active, has_more=len(found) > len(items)))


def _found(state: State, palette: Palette) -> list[Item]:
    command = _command(palette.level)
    if command is not None:
        values = command.values(state) if command.values else []
        return ranked([Item("", value, note, "", value) for value, note in values], palette.query)
    if palette.level == "models":
        return ranked(controls.models(state), palette.query)
    if palette.level == "conversations":
        return ranked(controls.conversations(state, palette.query), palette.query)
    everything = controls.commands(state)
    if state.dialog is None:
        everything += [_item(c) for c in COMMANDS if c.label and (c.values is None or c.values(state))]
    if not palette.query.strip():
        known = everything if state.dialog else [*everything, *controls.models(state)]
        latest = with_recent_first(known, state.settings.recent)
        return [item for item in latest if item.action != "picker.choose" or item.group == "Recent"]
    if state.dialog is None:
        everything += [*controls.models(state), *controls.conversations(state, palette.query)]
    return ranked(everything, palette.query)


def _item(command: Command) -> Item:
    """A command of the message box as a line."""
    action, dots = ("palette.list", "…") if command.argument else ("palette.run", "")
    return Item(f"/{command.name}", f"{command.label}{dots}", "Message", action, command.name, words=f"/{command.name}")

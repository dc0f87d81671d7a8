"""The model picker: a combobox that can be typed into."""

from modeltab.actions.app import App, UiEvent
from modeltab.domain.models import split_key
from modeltab.state.store import Picker
from modeltab.views.chat import matches


def open_(app: App, event: UiEvent) -> None:
    """Show the options, the chosen one active."""
    if app.state.picker.open:
        return
    app.update(picker=Picker(open=True))
    keys = [model.key for model in matches(app.state)]
    chosen = app.state.settings.model
    app.update(picker=Picker(open=True, active=keys.index(chosen) if chosen in keys else 0))


def focus(app: App, event: UiEvent) -> None:
    """Put the focus into the picker, which opens it."""
    app.page.focus("model-input")


def close(app: App, event: UiEvent) -> None:
    """Hide the options; what was typed is forgotten."""
    app.update(picker=Picker())


def type_(app: App, event: UiEvent) -> None:
    """Filter the options."""
    app.update(picker=Picker(open=True, query=event.value))


def key(app: App, event: UiEvent) -> bool:
    """Arrows move, Enter chooses, Escape closes."""
    picker = app.state.picker
    if event.key == "Escape" and picker.open:
        close(app, event)
        return True
    if event.key in ("ArrowDown", "ArrowUp"):
        if not picker.open:
            open_(app, event)
            return True
        count = len(matches(app.state))
        if count:
            step = 1 if event.key == "ArrowDown" else -1
            app.update(picker=picker._replace(active=(picker.active + step) % count))
        return True
    if event.key == "Enter" and picker.open:
        shown = matches(app.state)
        if shown:
            choose(app, event._replace(id=shown[min(picker.active, len(shown) - 1)].key))
        return True
    return False


def choose(app: App, event: UiEvent) -> bool:
    """Choose a model, and go on to the message."""
    app.set_setting(model=event.id)
    app.update(picker=Picker())
    app.say(f"{split_key(event.id)[1]} is chosen")
    app.page.focus("message")
    return True

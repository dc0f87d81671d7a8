"""What a key does that no control on the page has taken: the shortcuts, and Escape."""

from modeltab.actions.app import App, UiEvent
from modeltab.domain.messages import Message
from modeltab.state import controls
from modeltab.state.listing import drawn_of
from modeltab.state.shortcuts import Pressed, is_bare, name_of
from modeltab.state.store import Dialog
from modeltab.state.updates import place_of
from modeltab.state.writing import Queued


def event_of(app: App, pressed: Pressed) -> UiEvent | None:
    """What is to be done; None where the key stays the browser's."""
    name = name_of(pressed, app.state.apple)
    if app.state.palette is not None and name != "Mod+K":
        return None  # it is above everything else, and has its own keys
    if name == "Escape":
        return _escape(app, pressed)
    if (is_bare(name) and pressed.field) or (pressed.field == "choice" and "Arrow" in name):
        return None
    return _shortcut(app, name)


def _shortcut(app: App, name: str) -> UiEvent | None:
    found = controls.pressed(app.state, name)
    return UiEvent(found[0].action, found[1], found[0].value) if found else None


def _escape(app: App, pressed: Pressed) -> UiEvent | None:
    """Leave the topmost only: a dialog, which the browser sees to; an edit; a selection. Else stop the answer that comes."""
    if app.state.dialog is not None or pressed.field == "search":
        return None  # a search box is emptied by the browser
    if _edited(app) is not None:
        return UiEvent("edit.leave", app.state.editing)
    if app.state.listing.selected is not None:
        return UiEvent("conversations.select")
    return _shortcut(app, "Escape")


def _edited(app: App) -> Message | Queued | None:
    """What is being edited on the page that is shown."""
    state = app.state
    if not state.editing or state.route.page != "chat":
        return None
    shown: list[Message | Queued] = [*drawn_of(state)[0], *(q for q in state.queue if q.place == place_of(state))]
    return next((item for item in shown if item.id == state.editing), None)


def leave_edit(app: App, event: UiEvent) -> UiEvent | None:
    """Close the editor. Where something was changed in it, that is asked for."""
    edited = _edited(app)
    if edited is None:
        return None
    is_queued = isinstance(edited, Queued)
    action = "queue.edit.cancel" if is_queued else "message.edit.cancel"
    if app.page.value(f"{'queued' if is_queued else 'edit'}-{edited.id}") == edited.text:
        return UiEvent(action, edited.id)
    values = {"title": "Discard your changes?", "confirm": "Discard", "cancel": "Keep editing", "action": action}
    app.update(dialog=Dialog("confirm", edited.id, values, "What you have changed in the message is not saved."))
    return None


def show(app: App, event: UiEvent) -> None:
    """Open the table of shortcuts."""
    app.update(dialog=Dialog("shortcuts"))


def toggle_single(app: App, event: UiEvent) -> None:
    """Let a single character be a shortcut, or not."""
    app.set_setting(single_keys=not app.state.settings.single_keys)


def focus_composer(app: App, event: UiEvent) -> UiEvent | None:
    """Put the focus into the message box, on the chat page where the one that is shown has none."""
    if app.state.route.page == "compare":
        app.page.focus("compare-message")
        return None
    if app.state.route.page == "chat":
        app.page.focus("message")
        return None
    return UiEvent("page.go", f"chat/{app.state.conversation.id}" if app.state.conversation else "chat")

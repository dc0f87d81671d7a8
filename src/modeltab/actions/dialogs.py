"""Close dialogs and alerts."""

from modeltab.actions import candidates, importing
from modeltab.actions.app import App, UiEvent
from modeltab.actions.keys import settle_unlock


def close(app: App, event: UiEvent) -> None:
    """Close the open dialog."""
    candidates.clear(app)
    importing.close(app)
    app.update(dialog=None, choices=None, code=None)
    settle_unlock(app, False)


def close_alert(app: App, event: UiEvent) -> None:
    """Close an alert."""
    app.update(alerts=tuple(a for a in app.state.alerts if a.id != event.id))

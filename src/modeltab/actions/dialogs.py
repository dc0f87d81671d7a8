"""Close dialogs and alerts."""

from modeltab.actions.app import App, UiEvent


def close(app: App, event: UiEvent) -> None:
    """Close the open dialog."""
    app.chosen_files = ()
    app.update(dialog=None)


def close_alert(app: App, event: UiEvent) -> None:
    """Close an alert."""
    app.update(alerts=tuple(a for a in app.state.alerts if a.id != event.id))

"""Settings: theme, offline only, storage; erase."""

from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh_all
from modeltab.state.store import Dialog


def set_theme(app: App, event: UiEvent) -> None:
    """Light, dark, or as the system."""
    app.set_setting(theme=event.value)
    app.page.set_theme(event.value)


async def toggle_offline(app: App, event: UiEvent) -> None:
    """Keep requests on this machine, or not."""
    app.set_setting(offline_only=not app.state.settings.offline_only)
    await refresh_all(app)


async def measure(app: App) -> None:
    """Look how full the browser's storage is."""
    app.update(storage=await app.page.storage())


async def persist(app: App, event: UiEvent) -> None:
    """Ask the browser to keep the storage."""
    granted = await app.page.persist()
    await measure(app)
    app.say(
        "The browser keeps the storage" if granted else "The browser did not agree; it may later, when the page is used more"
    )


def ask_erase(app: App, event: UiEvent) -> None:
    """Ask before everything is erased."""
    values = {"title": "Erase everything?", "confirm": "Erase", "action": "data.erase"}
    note = "Every conversation, model in this tab, connection, key and setting is deleted from this browser, for good."
    app.update(dialog=Dialog("confirm", "", values, note))


async def erase(app: App, event: UiEvent) -> None:
    """Delete all that the page keeps, then start anew."""
    app.update(dialog=None)
    for task in [
        app.answering,
        *app.comparing.values(),
        app.completing,
        app.structuring,
        app.code.running,
        *app.transfers.values(),
    ]:
        await app.cancel_and_wait(task)
    for running in list(app.calls.values()):
        await app.cancel_and_wait(running.task)
    app.config.clear()
    app.call_log.clear()
    app.keys.clear()
    await app.conversations.clear()
    await app.comparisons.clear()
    await app.code.records.clear()
    await app.images.clear()
    app.unkept.clear()
    app.touched = False
    app.unkept_pages.clear()
    await app.copy.clear()
    app.drafts.clear()
    for connection in app.state.connections:
        host = app.provider(connection.id).host
        if host is None or connection.base_url:
            continue  # what is on a server is not in this browser
        for model in await app.provider(connection.id).models():
            await host.remove(model.name)
    app.page.go("#/chat")
    app.page.reload()

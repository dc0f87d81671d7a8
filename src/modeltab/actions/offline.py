"""The app without a network: a copy of it is kept, and a new version is announced and taken."""

import asyncio
from typing import Any

from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import ModelTabError

#: Between looks for a newer version while a page stays open.
LOOK_EVERY_S = 6 * 3600


async def watch(app: App, visible: asyncio.Event) -> None:
    """Keep the copy, once the page is quiet, and look for newer versions as long as it is open."""
    if not app.state.offline.possible:
        return
    copy = app.copy
    app.tabs.claim(copy.name)  # so that no tab deletes this version's copy while this one may still need it
    await look(app)
    await copy.listen()
    await copy.quiet()
    while True:
        if app.state.settings.work_offline and (app.state.offline.kept or not copy.saves_data()):
            await _keep(app)
        await asyncio.sleep(LOOK_EVERY_S)
        await visible.wait()


async def look(app: App) -> None:
    """Look whether the copy is there."""
    if app.state.offline.possible:
        _show(app, kept=await app.copy.is_kept())


def hear(app: App, news: str) -> None:
    """A newer version is ready, or this one cannot go on as it is."""
    _show(app, news=news)


async def toggle(app: App, event: UiEvent) -> None:
    """Work offline, or not."""
    app.set_setting(work_offline=not app.state.settings.work_offline)
    if app.state.settings.work_offline:
        await _keep(app)
    else:
        await app.copy.drop()
        _show(app, error="", kept=False)


async def keep_now(app: App, event: UiEvent) -> None:
    """Make the copy, whatever it costs to load."""
    await _keep(app)
    if app.state.offline.kept:
        app.say("ModelTab works offline now")


async def remove(app: App, event: UiEvent) -> None:
    """Delete the copy, and what keeps it."""
    app.set_setting(work_offline=False)
    await app.copy.remove()
    _show(app, error="", kept=False, news="")
    app.say("The offline copy is removed")


async def take_new(app: App, event: UiEvent) -> None:
    """Load the page again, in its newer version."""
    await app.copy.take_over()
    app.page.reload()


def later(app: App, event: UiEvent) -> None:
    """Go on with this version for now."""
    _show(app, news="")


async def _keep(app: App) -> None:
    if app.state.offline.busy:
        return
    _show(app, busy=True, error="")
    error = ""
    try:
        await app.copy.keep()
    except ModelTabError as failure:
        error = f"{failure.message} {failure.detail}".strip()
    kept = await app.copy.is_kept()
    # Switched off meanwhile: then it was broken off, which is no failure.
    _show(app, busy=False, kept=kept, error="" if kept or not app.state.settings.work_offline else error)


def _show(app: App, **changes: Any) -> None:
    app.update(offline=app.state.offline._replace(**changes))

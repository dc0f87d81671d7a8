"""Pages that keep what is on them in localStorage: a moment after each change, and at the latest when the page is hidden."""

import asyncio
from collections.abc import Callable
from typing import Any

from modeltab.actions import drafts
from modeltab.actions.app import App
from modeltab.domain.errors import StorageFull


def soon(app: App, place: str, record: Callable[[], Any]) -> None:
    """Keep under `place` what `record` makes by then."""
    app.unkept_pages[place] = record
    if app.keeping_pages is None or app.keeping_pages.done():
        app.keeping_pages = app.spawn(_later(app))


async def _later(app: App) -> None:
    await asyncio.sleep(drafts.KEEP_AFTER)
    keep(app)


def keep(app: App) -> None:
    """Write what has still to be written. Where the browser refuses, that is told, once for all that it is about."""
    for place, record in list(app.unkept_pages.items()):
        del app.unkept_pages[place]
        problem = app.drafts.write(place, record())
        if problem:
            app.alert(StorageFull(problem, "What is on this page stays until it is closed. Free some space."))

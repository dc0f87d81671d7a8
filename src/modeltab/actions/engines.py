"""Whose turn it is with an engine that runs one model at a time: that of the tab, and that of the browser."""

import asyncio
from collections.abc import Callable

from modeltab.actions.app import App


class Turn:
    """A turn with the engine of a connection. Servers, which have an address, look after themselves."""

    def __init__(self, app: App, connection_id: str) -> None:
        shared = not app.connection(connection_id).base_url
        self._lock = app.engines.setdefault(connection_id, asyncio.Lock()) if shared else None
        self._held = False

    async def begin(self, tell: Callable[[str], object]) -> None:
        """Wait for it; `tell` is given the words for why."""
        if self._lock is None:
            return
        if self._lock.locked():
            tell("Waiting for the other model of this engine: they answer one after the other")
        await self._lock.acquire()
        self._held = True

    def end(self) -> None:
        """Let the next one have it."""
        if self._lock is not None and self._held:
            self._held = False
            self._lock.release()

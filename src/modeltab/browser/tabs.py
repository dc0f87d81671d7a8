"""The app's other tabs: a BroadcastChannel tells them what changes, Web Locks let them see what is going on."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_once_callable, create_proxy

from modeltab.actions.tabs import News

CHANNEL = "modeltab"


class BrowserTabs:
    """The other tabs of this origin.

    :param on_news: called with what another tab tells.
    """

    def __init__(self, on_news: Callable[[News], object]) -> None:
        self._channel = js.BroadcastChannel.new(CHANNEL)
        self._channel.onmessage = create_proxy(lambda event: on_news(json.loads(event.data)))  # for as long as the page lives
        self._held: dict[str, asyncio.Future[None]] = {}

    def tell(self, news: News) -> None:
        """Tell every other tab."""
        self._channel.postMessage(json.dumps(news))

    def claim(self, name: str) -> None:
        """Hold a lock until it is released; the browser releases it when the page is gone, however it goes."""
        if not _has_locks():
            return
        held = self._held[name] = asyncio.get_running_loop().create_future()
        js.navigator.locks.request(name, create_once_callable(lambda lock: held))

    def release(self, name: str) -> None:
        """Give the lock back."""
        held = self._held.pop(name, None)
        if held and not held.done():
            held.set_result(None)

    async def claimed(self) -> frozenset[str]:
        """The names of the locks that are held or asked for."""
        if not _has_locks():
            return frozenset()
        state = await js.navigator.locks.query()
        return frozenset(str(lock.name) for lock in [*state.held, *state.pending])

    async def when_free(self, name: str) -> None:
        """Wait until nobody holds the lock."""
        if _has_locks():
            await js.navigator.locks.request(name, create_once_callable(lambda lock: None))


def _has_locks() -> Any:
    """Whether the page may use Web Locks: not where it is neither on https nor on this machine."""
    return hasattr(js.navigator, "locks")

"""The copy of the app that sw.js keeps in the Cache API, and the newer version that waits: see there how they stay apart."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy

from modeltab.actions.offline_copy import OfflineCopy
from modeltab.browser.interop import absolute, error_text, to_object
from modeltab.browser.opfs import remove_folder
from modeltab.domain.errors import ModelTabError
from modeltab.state.machine import Offline

#: Where static/js/snapshot_worker.js keeps what the app starts from, in the origin's private file system.
SNAPSHOTS = "snapshot"
#: The first visit's start is over by then, and so is the visit of somebody who only had a look.
QUIET_AFTER_S = 10
#: A browser ends a worker after five minutes of one task. What has arrived by then is not loaded again.
KEEP_WITHIN_S = 300
#: A worker that has to take over waits for what the one before it is doing.
TAKE_OVER_WITHIN_S = 10
#: A worker that does not wait is "installed" for a moment, too.
SETTLED_AFTER_S = 1


class BrowserOfflineCopy(OfflineCopy):
    """The copy of this page's version.

    :param on_news: told "new" or "incomplete": see `Offline`.
    """

    def __init__(self, on_news: Callable[[str], object]) -> None:
        stamp = js.document.documentElement.getAttribute("data-offline") or ""  # written by tools/offline.py
        self._version, *sizes = str(stamp).split() or [""]
        main, compat = map(int, sizes or (0, 0))
        self._size = main if hasattr(js.WebAssembly, "Suspending") else main + compat  # as sw.js, isNeeded
        self._on_news = on_news
        self._listens = False
        self._copies = f"modeltab-copy {js.URL.new(absolute('./')).pathname} "
        self.name = self._copies + self._version
        if self.facts().possible:
            js.navigator.serviceWorker.addEventListener("message", create_proxy(self._told))  # for as long as the page lives

    def facts(self) -> Offline:
        """What is known of it without a look."""
        has_workers = hasattr(js.navigator, "serviceWorker") and hasattr(js, "caches") and hasattr(js.navigator, "locks")
        return Offline(self._version, self._size, possible=bool(self._version) and has_workers)

    def saves_data(self) -> bool:
        """Whether the person has asked the browser to load little."""
        return bool(getattr(getattr(js.navigator, "connection", None), "saveData", False))

    async def is_kept(self) -> bool:
        """Whether the page is in the copy, which comes last."""
        try:
            return bool(await js.caches.match(absolute("./index.html"), to_object({"cacheName": self.name})))
        except JsException:
            return False

    async def listen(self) -> None:
        """Hear of a newer version, where one has been kept before."""
        registration = await js.navigator.serviceWorker.getRegistration()
        if registration:
            self._listen(registration)

    async def quiet(self) -> None:
        """Wait until the page has done what it begins with, and has nothing to do."""
        await asyncio.sleep(QUIET_AFTER_S)
        if hasattr(js, "requestIdleCallback"):  # Safari has none
            idle = asyncio.get_running_loop().create_future()
            proxy = create_proxy(lambda deadline: _settle(idle))
            js.requestIdleCallback(proxy)
            try:
                await idle
            finally:
                proxy.destroy()

    async def keep(self) -> None:
        """Make the copy, unless it is there, and look whether there is a newer version."""
        try:
            registration = await js.navigator.serviceWorker.register(absolute("./sw.js"))
            self._listen(registration)
            ready = await js.navigator.serviceWorker.ready
        except JsException as error:
            raise ModelTabError("The browser did not allow it.", "", error_text(error)) from None
        with suppress(JsException):  # without a network there is nothing newer
            await registration.update()
        problem = await _ask(ready.active, "keep", KEEP_WITHIN_S)
        if problem:
            raise ModelTabError("The copy could not be made.", "", problem)

    async def drop(self) -> None:
        """Delete the copy, also one that is being made."""
        registration = await js.navigator.serviceWorker.getRegistration()
        for state in ("installing", "waiting", "active"):
            worker = getattr(registration, state, None)
            if worker:
                await _ask(worker, "drop", TAKE_OVER_WITHIN_S)
        for name in await js.caches.keys():
            if str(name).startswith(self._copies):
                await js.caches.delete(name)

    async def remove(self) -> None:
        """Delete the copy, and the service worker with it."""
        await self.drop()
        registration = await js.navigator.serviceWorker.getRegistration()
        if registration:
            await registration.unregister()
        js.sessionStorage.removeItem("modeltab.isolated")  # boot.js may want a new one, to isolate the page

    async def clear(self) -> None:
        """Delete all that is kept of the app's own files."""
        if self.facts().possible:
            await self.drop()
        await remove_folder(SNAPSHOTS)

    async def take_over(self) -> None:
        """Let the newer version be what the next load gets, if there is one."""
        registration = await js.navigator.serviceWorker.getRegistration()
        waiting = getattr(registration, "waiting", None)
        if waiting:
            changed = asyncio.get_running_loop().create_future()
            proxy = create_proxy(lambda event: _settle(changed))
            js.navigator.serviceWorker.addEventListener("controllerchange", proxy)
            waiting.postMessage(to_object({"modeltab": "take over"}))
            await asyncio.wait([changed], timeout=TAKE_OVER_WITHIN_S)
            js.navigator.serviceWorker.removeEventListener("controllerchange", proxy)
            proxy.destroy()

    def _listen(self, registration: Any) -> None:
        if self._listens:
            return
        self._listens = True

        def found(event: Any) -> None:
            registration.installing.addEventListener("statechange", changed)

        def look() -> None:
            if registration.waiting:
                self._on_news("new")

        def settle(event: Any) -> None:
            asyncio.get_running_loop().call_later(SETTLED_AFTER_S, look)

        changed = create_proxy(settle)  # like the one below, for as long as the page lives
        registration.addEventListener("updatefound", create_proxy(found))
        look()

    def _told(self, event: Any) -> None:
        if getattr(event.data, "modeltab", "") == "incomplete":
            self._on_news("incomplete")


async def _ask(worker: Any, task: str, seconds: float) -> str:
    """Have the worker do something; what has gone wrong, if anything."""
    channel = js.MessageChannel.new()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    proxy = create_proxy(lambda event: _settle(answer, str(getattr(event.data, "error", ""))))
    channel.port1.onmessage = proxy
    worker.postMessage(to_object({"modeltab": task}), js.Array.of(channel.port2))
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return "It takes long. What has arrived is kept, and it goes on with the next start."
    finally:
        channel.port1.onmessage = None
        channel.port1.close()
        proxy.destroy()


def _settle(future: "asyncio.Future[Any]", value: Any = None) -> None:
    if not future.done():
        future.set_result(value)

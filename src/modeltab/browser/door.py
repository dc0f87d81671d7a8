"""Calls of other pages, which the service worker hands over: one MessagePort for each (see sw.js).

Of several tabs one answers: the one that has a lock. The browser gives it to the next when that tab is gone, and it does not
put a tab to sleep that has one. While no page may call, any tab says so.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import js
from pyodide.ffi import JsException, create_once_callable, create_proxy

from modeltab.actions.endpoint import Caller
from modeltab.browser.files import BrowserFile
from modeltab.browser.interop import absolute, error_text, from_object, to_object
from modeltab.domain.errors import ModelTabError
from modeltab.endpoint.values import Out, Request

LOCK = "modeltab.api"
#: Browsers end a service worker that hears nothing for half a minute, also in the middle of an answer.
PING_EVERY_S = 15
#: Answers a call; cancelling the task is what a caller does who leaves.
Take = Callable[[Request, Caller, Out], "asyncio.Task[None]"]


class BrowserDoor:
    """Takes calls for as long as the page lives.

    :param is_open: whether other pages may call now.
    """

    def __init__(self, take: Take, is_open: Callable[[], bool]) -> None:
        self._take = take
        self._is_open = is_open
        self._waiting: list[Any] = []
        self._lock: asyncio.Future[None] | None = None
        self._has_lock = False
        self._running: set[_PortCall] = set()
        self._pinging: asyncio.Task[None] | None = None
        self._elsewhere = create_proxy(self._gone_elsewhere)  # for as long as the page lives

    def begin(self) -> None:
        """Take what came while Python started, and all that comes."""
        if self.exists():
            for port in js.modeltabBoot.calls:
                self._offered(port)
            js.modeltabBoot.onCall = create_proxy(self._offered)  # for as long as the page lives

    def exists(self) -> bool:
        """Service workers and locks are for pages that come over https or from this machine."""
        return hasattr(js.navigator, "serviceWorker") and hasattr(js.navigator, "locks")

    async def open(self) -> None:
        """Ask for the lock, and see to it that there is a service worker."""
        if self._lock is None and self.exists():
            self._lock = asyncio.get_running_loop().create_future()
            js.navigator.locks.request(LOCK, create_once_callable(self._granted))
            try:
                await js.navigator.serviceWorker.register(absolute("./sw.js"))
            except JsException as error:
                raise ModelTabError(
                    "The browser did not let this page answer other pages.",
                    "Allow site data for this page, and leave private browsing.",
                    error_text(error),
                ) from None

    def close(self) -> None:
        """Give the lock back."""
        lock, self._lock, self._has_lock = self._lock, None, False
        if lock and not lock.done():
            lock.set_result(None)
        self._answer_waiting()

    def _granted(self, lock: Any) -> Any:
        held = self._lock
        if held is not None:
            self._has_lock = True
            self._answer_waiting()
        return held

    def _offered(self, port: Any) -> None:
        self._waiting.append(port)
        port.onclose = self._elsewhere
        port.start()
        self._answer_waiting()

    def _gone_elsewhere(self, event: Any) -> None:
        """Another tab has taken the call, or the caller has left."""
        self._waiting = [port for port in self._waiting if port.js_id != event.target.js_id]

    def _answer_waiting(self) -> None:
        """Take the calls that wait, when they are for this tab."""
        if self._has_lock or not self._is_open():
            ports, self._waiting = self._waiting, []
            for port in ports:
                self._running.add(_PortCall(port, self._take, self._running.discard))
            if self._running and self._pinging is None:
                self._pinging = asyncio.ensure_future(self._ping())

    async def _ping(self) -> None:
        while self._running:
            await asyncio.sleep(PING_EVERY_S)
            registration = await js.navigator.serviceWorker.getRegistration()
            if registration and registration.active:
                registration.active.postMessage("stay")
        self._pinging = None


class _PortCall:
    """A call at its port: in, the call and then "abort"; out, the head, texts, and the end."""

    def __init__(self, port: Any, take: Take, on_end: Callable[["_PortCall"], None]) -> None:
        self._port = port
        self._take = take
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._proxies = [create_proxy(self._received), create_proxy(lambda event: self._left())]
        port.onmessage, port.onclose = self._proxies
        port.postMessage("here")

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The status and the headers."""
        self._port.postMessage(to_object({"status": status, "headers": dict(headers)}))

    def write(self, text: str) -> None:
        """More of the body."""
        self._port.postMessage(text)

    def end(self) -> None:
        """The end."""
        self._port.postMessage(to_object({"end": True}))

    def break_off(self, reason: str) -> None:
        """The end before the end."""
        self._port.postMessage(to_object({"error": reason}))

    def _received(self, event: Any) -> None:
        if event.data == "abort":
            self._left()
        elif self._task is None:
            self._task = self._take(*_call_of(event.data), self)
            self._task.add_done_callback(lambda task: self._close())

    def _left(self) -> None:
        """The caller is gone, or the service worker is."""
        if self._task is None:
            self._close()
        else:
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def _close(self) -> None:
        if self._proxies:
            self._port.onmessage = self._port.onclose = None
            proxies, self._proxies = self._proxies, []
            for proxy in proxies:
                asyncio.get_running_loop().call_soon(proxy.destroy)
            self._on_end(self)


def _call_of(data: Any) -> tuple[Request, Caller]:
    headers = from_object(js.Object.fromEntries(data.headers))
    is_form = data.body.constructor.name == "Blob"
    content = b"" if is_form else data.body.to_bytes()
    form = BrowserFile(js.File.new(js.Array.of(data.body), "form")) if is_form else None
    return Request(data.method, data.path, headers, content, form), Caller(data.caller, data.client)

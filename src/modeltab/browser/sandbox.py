"""Sandboxes for code: a frame whose origin is nobody's, and in it one worker. The frame is in index.html, with its own policy.

The frame cannot fetch the app's files, for it has another origin; so the page hands them over, as blobs, which are not copied.
Between the code and the page there is one channel for texts, and each of those is JSON.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy

from modeltab.actions.code_ports import Hear
from modeltab.browser.dom import element
from modeltab.browser.interop import absolute, error_text, to_object
from modeltab.domain.errors import ModelTabError

#: What each language's worker is made of: scripts, one after the other, and files by the names that they have there.
SCRIPTS = {
    "python": ("./static/vendor/pyodide/pyodide.js", "./static/js/sandbox_python.js"),
    "javascript": ("./static/js/sandbox_javascript.js",),
}
FILES = {
    "python": {
        "pyodide.asm.wasm": "./static/vendor/pyodide/pyodide.asm.wasm",
        "pyodide-lock.json": "./static/vendor/pyodide/pyodide-lock.json",
        "python_stdlib.zip": "./static/vendor/pyodide/python_stdlib.zip",
        "packages.zip": "./static/vendor/python/packages.zip",
        "playground.zip": "./static/playground.zip",
    },
    "javascript": {},
}
#: What code may reach: any server that lets it, or this machine alone. The policy cannot be taken back from inside.
EVERYWHERE = "connect-src http: https:"
THIS_MACHINE = "connect-src http://localhost:* http://127.0.0.1:* http://*.localhost:* https://localhost:* https://127.0.0.1:*"

_RELOAD = "Reload the page and try again."


class BrowserSandbox:
    """One sandbox."""

    def __init__(self, language: str, offline: bool) -> None:
        self.hear: Hear = lambda message: None
        self._frame = element("sandbox").content.firstElementChild.cloneNode(True)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda future: future.cancelled() or future.exception())  # told to who waits, if any
        self._channel = js.MessageChannel.new()
        self._hearing = create_proxy(self._receive)
        self._channel.port1.onmessage = self._hearing
        self._loading = asyncio.ensure_future(self._load(language, THIS_MACHINE if offline else EVERYWHERE))

    async def ready(self) -> None:
        """Wait until it takes code."""
        await asyncio.shield(self._ready)

    def run(self, code: str) -> None:
        """Run code."""
        self._post({"code": code})

    def answer(self, event: Mapping[str, Any]) -> None:
        """Answer what the code asked."""
        self._post({"event": json.dumps(event)})

    def kill(self) -> None:
        """Take the frame away: its worker ends with it, whatever it does."""
        if self._hearing is None:
            return
        self._loading.cancel()
        self._frame.remove()
        self._channel.port1.onmessage = None
        self._channel.port1.close()
        self._hearing.destroy()
        self._hearing = None
        self._ready.cancel()

    def _post(self, message: dict[str, str]) -> None:
        if self._hearing is not None:
            self._channel.port1.postMessage(to_object(message))

    async def _load(self, language: str, policy: str) -> None:
        try:
            scripts = js.Array.new(*await asyncio.gather(*map(_blob, SCRIPTS[language])))
            names = FILES[language]
            files = js.Object.new()
            for name, blob in zip(names, await asyncio.gather(*map(_blob, names.values())), strict=True):
                js.Reflect.set(files, name, blob)
            await self._insert()
            message = to_object({"policy": policy})
            message.scripts, message.files = scripts, files
            self._frame.contentWindow.postMessage(message, "*", js.Array.of(self._channel.port2))
        except JsException as error:
            self._fail(ModelTabError("The sandbox could not start.", _RELOAD, error_text(error)))
        except ModelTabError as error:
            self._fail(error)

    async def _insert(self) -> None:
        """Put the frame into the page, and wait until its script listens."""
        loaded = asyncio.get_running_loop().create_future()
        heard = create_proxy(lambda _: loaded.set_result(None))
        self._frame.onload = heard
        js.document.body.append(self._frame)
        try:
            await loaded
        finally:
            self._frame.onload = None
            heard.destroy()

    def _receive(self, event: Any) -> None:
        try:
            message = json.loads(event.data) if isinstance(event.data, str) else None
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if self._ready.done():
            self.hear(message)
        elif message.get("kind") == "ready":
            self._ready.set_result(None)
        elif message.get("kind") == "failed":
            self._fail(ModelTabError("The sandbox could not start.", _RELOAD, str(message.get("text"))))

    def _fail(self, error: ModelTabError) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)


class BrowserSandboxes:
    """Makes sandboxes."""

    def create(self, language: str, offline: bool) -> BrowserSandbox:
        """A new one."""
        return BrowserSandbox(language, offline)


async def _blob(path: str) -> Any:
    response = await js.fetch(absolute(path))
    if not response.ok:
        raise ModelTabError("A part of the sandbox is missing.", "Run python run.py once more in the app's folder.", path)
    return await response.blob()

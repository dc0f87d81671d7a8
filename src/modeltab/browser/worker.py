"""The worker that writes and hashes model files: static/js/model_writer.js. One for each piece of work."""

import asyncio
from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_proxy

from modeltab.browser.interop import absolute, to_object
from modeltab.domain.errors import StorageFailed

WRITER = "./static/js/model_writer.js"
#: Called with the bytes that are done, and with a word for what has happened: "", "resumed", "restarted", "lost".
OnReport = Callable[[int, str], None]


class WorkFailed(Exception):
    """The worker gave up. `kind`: a DOMException's name, or one of the worker's own."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


async def work(message: Any, on_report: OnReport) -> str:
    """Let a worker do what the message says; the SHA-256 of what went by, where it was asked for.

    Cancelling the task cancels it there too, and waits until the files are closed.

    :raises WorkFailed: when it could not be done.
    """
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def receive(event: Any) -> None:
        data = event.data
        if hasattr(data, "sent"):
            on_report(int(data.sent), str(data.step))
        elif not ended.done():
            ended.set_result(data)

    def fail(event: Any) -> None:
        detail = str(getattr(event, "message", "") or "")  # a script that cannot be had fails without a word
        if not ended.done():
            ended.set_exception(StorageFailed("The file writer could not start.", "Reload the page.", detail))

    worker = js.Worker.new(absolute(WRITER))
    proxies = [create_proxy(receive), create_proxy(fail)]
    worker.onmessage, worker.onerror = proxies
    try:
        worker.postMessage(message)
        try:
            result = await asyncio.shield(ended)
        except asyncio.CancelledError:
            worker.postMessage(to_object({"cancel": True}))
            await asyncio.shield(ended)
            raise
        if hasattr(result, "error"):
            raise WorkFailed(str(result.error.name), str(result.error.message))
        return str(getattr(result, "sha256", "") or "")
    finally:
        worker.terminate()
        for proxy in proxies:
            proxy.destroy()

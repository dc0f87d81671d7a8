"""Model files in the browser's private storage (OPFS): complete ones in models/, growing ones in partial/."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy

from modeltab.browser.files import BrowserFile, RemoteFile
from modeltab.browser.interop import absolute, error_name, error_text, to_object
from modeltab.domain.errors import (
    Conflict,
    ModelTabError,
    NotAModel,
    NotFound,
    StorageFailed,
    StorageFull,
    Unreachable,
)
from modeltab.providers.base import ModelFile, OnBytes
from modeltab.providers.in_tab import StoredFile

WRITER = "./static/js/model_writer.js"


class OpfsModels:
    """The model files of this tab's origin."""

    async def list(self) -> tuple[StoredFile, ...]:
        """The complete files, by name."""
        found = []
        models = await _directory("models")
        entries = models.values()
        while not (step := await entries.next()).done:
            if step.value.kind == "file":
                file = await step.value.getFile()
                modified = datetime.fromtimestamp(file.lastModified / 1000, UTC).isoformat(timespec="seconds")
                found.append(StoredFile(file.name, file.size, modified))
        return tuple(sorted(found, key=lambda item: item.name.casefold()))

    async def add(self, file: ModelFile, name: str, on_bytes: OnBytes) -> None:
        """Copy a file in, in a worker."""
        if any(stored.name == name for stored in await self.list()):
            raise Conflict(f"{name} is in this tab already.", "Delete it first, or rename the file.")
        await _check_room(file.size)
        message: Any
        if isinstance(file, RemoteFile):
            message = to_object({"name": name, "sources": [absolute(url) for url in file.sources]})
        else:
            assert isinstance(file, BrowserFile)
            message = to_object({"name": name})
            message.file = file.handle
        await _write(message, name, on_bytes)

    async def remove(self, name: str) -> None:
        """Delete a file."""
        models = await _directory("models")
        try:
            await models.removeEntry(name)
        except JsException as error:
            raise _explain(error_name(error), error_text(error), name) from None

    async def open(self, name: str) -> Any:
        """The file, for the engine: a JavaScript File, which is a Blob."""
        models = await _directory("models")
        try:
            return await (await models.getFileHandle(name)).getFile()
        except JsException as error:
            raise _explain(error_name(error), error_text(error), name) from None

    async def clean(self) -> None:
        """Delete what broken transfers left, as far as that can be done: what another tab is writing is locked."""
        with contextlib.suppress(StorageFailed):
            partial = await _directory("partial")
            names = []
            entries = partial.keys()
            while not (step := await entries.next()).done:
                names.append(step.value)
            for name in names:
                with contextlib.suppress(JsException):
                    await partial.removeEntry(name)


async def _directory(name: str) -> Any:
    try:
        root = await js.navigator.storage.getDirectory()
        return await root.getDirectoryHandle(name, to_object({"create": True}))
    except (JsException, AttributeError) as error:
        raise StorageFailed(
            "The browser does not let this page store models.",
            "Leave private browsing, allow site data for this page, and open it over https or on this machine.",
            str(error),
        ) from None


async def _check_room(size: int) -> None:
    estimate = await js.navigator.storage.estimate()
    free = estimate.quota - estimate.usage
    if size > free:
        raise StorageFull(
            f"The browser has room for {free / 1e9:.1f} GB more; this file takes {size / 1e9:.1f} GB.",
            "Delete models in this tab, or free disk space: browsers give a page a share of what is free.",
        )


async def _write(message: Any, name: str, on_bytes: OnBytes) -> None:
    """Let the worker write; cancelling the task cancels it there, and waits until nothing is left of the file."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def receive(event: Any) -> None:
        data = event.data
        if hasattr(data, "sent"):
            on_bytes(int(data.sent))
        elif not ended.done():
            ended.set_result(data)

    def fail(event: Any) -> None:
        if not ended.done():
            ended.set_exception(StorageFailed("The file writer could not start.", "Reload the page.", str(event.message)))

    worker = js.Worker.new(absolute(WRITER))
    proxies = [create_proxy(receive), create_proxy(fail)]
    worker.onmessage, worker.onerror = proxies
    try:
        worker.postMessage(message)
        try:
            result = await asyncio.shield(ended)
        except asyncio.CancelledError:
            worker.postMessage(to_object({"cancel": True}))
            await asyncio.shield(ended)  # until nothing is left of the file
            raise
        if hasattr(result, "error"):
            raise _explain(result.error.name, result.error.message, name)
    finally:
        worker.terminate()
        for proxy in proxies:
            proxy.destroy()


def _explain(kind: str, detail: str, name: str) -> ModelTabError:
    if kind == "QuotaExceededError":
        return StorageFull(
            "The browser's storage is full.", "Delete models in this tab, or free disk space, then try again.", detail
        )
    if kind == "NotAModel":
        return NotAModel(f"{name} is not a GGUF file.", "Choose a .gguf file: that is what runs here.", detail)
    if kind == "Unreachable":
        return Unreachable(
            f"{name} could not be fetched.",
            "Run python run.py once to bring it, or add a model file of your own.",
            detail,
        )
    if kind == "NoModificationAllowedError":
        return Conflict(f"{name} is in use by another tab.", "Unload it there, or wait until its transfer ends.", detail)
    if kind == "NotFoundError":
        return NotFound(f"{name} is no longer in this browser's storage.", "Add it again.", detail)
    return StorageFailed(
        f"{name} could not be stored.", "Try again; if it stays, the details below tell more.", f"{kind}: {detail}"
    )

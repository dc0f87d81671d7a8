"""Model files in the browser's private storage (OPFS): complete ones in models/, growing ones in partial/, each with a
record of how much of it is there, deleted ones in deleted/ until they are given up.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import js
from pyodide.ffi import JsException

from modeltab.browser.files import BrowserFile, unreadable
from modeltab.browser.interop import error_name, error_text, to_object
from modeltab.browser.remote_files import RemoteFile
from modeltab.browser.worker import WorkFailed, work
from modeltab.domain.errors import (
    Conflict,
    ModelTabError,
    NotAModel,
    NotFound,
    StorageFailed,
    StorageFull,
    Unauthorized,
    Unreachable,
)
from modeltab.providers.base import ModelFile, OnStep, Unfinished
from modeltab.providers.in_tab import StoredFile

_LOCK = "modeltab:model:"
_RECORD = ".json"
#: What the writer tells, in words.
_STEPS = {
    "resumed": "going on where it was",
    "restarted": "started again: the source has changed",
    "lost": "connection lost, trying again",
}
#: A part is let go of within this time by the worker that wrote it.
_CLOSE_TRIES, _CLOSE_PAUSE_S = 50, 0.1


class OpfsModels:
    """The model files of this tab's origin."""

    async def list(self) -> tuple[StoredFile, ...]:
        """The complete files, by name."""
        found = []
        async for handle in _entries(await _directory("models")):
            if handle.kind == "file":
                file = await handle.getFile()
                modified = datetime.fromtimestamp(file.lastModified / 1000, UTC).isoformat(timespec="seconds")
                found.append(StoredFile(file.name, file.size, modified))
        return tuple(sorted(found, key=lambda item: item.name.casefold()))

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Copy a file in, in a worker; where a part of the same file is there, from its end on.

        Cancelling the task keeps what has arrived.
        """
        if any(stored.name == name for stored in await self.list()):
            raise Conflict(f"{name} is in this tab already.", "Delete it first, or rename the file.")
        kept = next((part.received for part in await self._records() if part.name == name and part.size == file.size), 0)
        await _check_room(file.size - kept)
        message: Any
        if isinstance(file, RemoteFile):
            told = {"size": file.size, "sha256": file.expected, "stamp": file.stamp}
            message = to_object({"name": name, "sources": list(file.allowed_sources()), **told})
        else:
            assert isinstance(file, BrowserFile)
            message = to_object({"name": name, "stamp": file.stamp})
            message.file = file.handle
        step = ""

        def tell(sent: int, word: str) -> None:
            nonlocal step
            step = _STEPS.get(word, "") or ("" if step != _STEPS["restarted"] else step)
            on_step(step, sent)

        try:
            await work(message, tell)
        except WorkFailed as error:
            raise _explain(error.kind, error.detail, name) from None

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """The parts that can be gone on with, and that no tab is writing."""
        try:
            records = await self._records()
        except StorageFailed:
            return ()  # where nothing can be stored, there is nothing unfinished
        held = await _held_locks()
        return tuple(part for part in records if _LOCK + part.name not in held)

    async def discard(self, name: str) -> None:
        """Delete a part and its record, unless another tab is writing it."""
        if not await _is_let_go(name):
            return
        partial = await _directory("partial")
        for entry in (name, name + _RECORD):
            await _remove(partial, entry)

    async def remove(self, name: str) -> None:
        """Delete a file: it can be restored until the deleted ones are given up."""
        await self._move(name, "models", "deleted")

    async def restore(self, name: str) -> None:
        """Have a deleted file again."""
        await self._move(name, "deleted", "models")

    async def empty(self) -> None:
        """Give up the deleted files."""
        deleted = await _directory("deleted")
        names = [handle.name async for handle in _entries(deleted)]
        for name in names:
            with contextlib.suppress(JsException):
                await deleted.removeEntry(name)

    async def open(self, name: str) -> BrowserFile:
        """A file. Its `handle`, a JavaScript File, is what the engine reads."""
        models = await _directory("models")
        try:
            return BrowserFile(await (await models.getFileHandle(name)).getFile())
        except JsException as error:
            raise _explain(error_name(error), error_text(error), name) from None

    async def clean(self) -> None:
        """Delete what is of no use: parts without a record, records without a part, and what was deleted before."""
        with contextlib.suppress(StorageFailed):
            await self.empty()
            partial = await _directory("partial")
            useful = {part.name for part in await self._records()}
            held = await _held_locks()
            names = [handle.name async for handle in _entries(partial)]
            for name in names:
                model = name.removesuffix(_RECORD)
                if model not in useful and _LOCK + model not in held:
                    with contextlib.suppress(JsException):
                        await partial.removeEntry(name)

    async def _records(self) -> tuple[Unfinished, ...]:
        partial = await _directory("partial")
        sizes: dict[str, int] = {}
        texts: dict[str, str] = {}
        async for handle in _entries(partial):
            with contextlib.suppress(JsException):  # gone meanwhile
                file = await handle.getFile()
                if file.name.endswith(_RECORD):
                    texts[file.name.removesuffix(_RECORD)] = await file.text()
                else:
                    sizes[file.name] = file.size
        parts = (_part(name, text, sizes[name]) for name, text in sorted(texts.items()) if name in sizes)
        return tuple(part for part in parts if part)

    async def _move(self, name: str, origin: str, target: str) -> None:
        try:
            handle = await (await _directory(origin)).getFileHandle(name)
            await handle.move(await _directory(target), name)
        except JsException as error:
            raise _explain(error_name(error), error_text(error), name) from None


def _part(name: str, text: str, size: int) -> Unfinished | None:
    """A record as a value; None when it is of no use."""
    try:
        record = json.loads(text)
        received = min(int(record["received"]), size)
        sources = tuple(map(str, record["sources"]))
        whole = int(record["size"] or 0)
        part = Unfinished(name, whole, received, sources, str(record["stamp"]), str(record["sha256"]))
    except (ValueError, KeyError, TypeError):
        return None
    return part if received else None


async def remove_folder(name: str) -> None:
    """Delete a folder of the origin's private file system with all that is in it, if there is one."""
    with contextlib.suppress(AttributeError, JsException):
        root = await js.navigator.storage.getDirectory()
        await root.removeEntry(name, to_object({"recursive": True}))


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


async def _entries(directory: Any) -> AsyncIterator[Any]:
    entries = directory.values()
    while not (step := await entries.next()).done:
        yield step.value


async def _remove(directory: Any, name: str) -> None:
    """Delete an entry if it is there. A worker that was told to stop may still have it open for a moment."""
    for _ in range(_CLOSE_TRIES):
        try:
            await directory.removeEntry(name)
            return
        except JsException as error:
            if error_name(error) == "NotFoundError":
                return
            problem = error
        await asyncio.sleep(_CLOSE_PAUSE_S)
    raise _explain(error_name(problem), error_text(problem), name)


async def _is_let_go(name: str) -> bool:
    """Whether no worker has a part's lock. One that has just ended may still have it for a moment."""
    for _ in range(_CLOSE_TRIES):
        if _LOCK + name not in await _held_locks():
            return True
        await asyncio.sleep(_CLOSE_PAUSE_S)
    return False


async def _held_locks() -> set[str]:
    """The names of the locks that this app's tabs hold."""
    state = await js.navigator.locks.query()
    return {str(lock.name) for lock in state.held}


async def _check_room(size: int) -> None:
    estimate = await js.navigator.storage.estimate()
    free = estimate.quota - estimate.usage
    if size > free:
        raise StorageFull(
            f"The browser has room for {free / 1e9:.1f} GB more; this file takes {size / 1e9:.1f} GB.",
            "Delete models in this tab, or free disk space: browsers give a page a share of what is free.",
        )


def _explain(kind: str, detail: str, name: str) -> ModelTabError:
    if kind == "QuotaExceededError":
        return StorageFull(
            "The browser's storage is full. What has arrived is kept.",
            "Delete models in this tab, or free disk space, then press Retry.",
            detail,
        )
    if kind == "NoRoom":
        return StorageFull(
            f"The browser has no room for {name}. Nothing was written.",
            "Delete models in this tab, or free disk space: browsers give a page a share of what is free.",
            detail,
        )
    if kind == "NotKept":
        return StorageFull(
            f"The browser did not keep all of {name}, so it was deleted.",
            "Leave private browsing, where files are only in memory; or delete other models in this tab, then press Retry.",
            detail,
        )
    if kind == "NotAModel":
        return NotAModel(f"{name} is not a GGUF file.", "Choose a .gguf file: that is what runs here.", detail)
    if kind == "Damaged":
        return NotAModel(
            f"{name} did not arrive as it was published, so it was not kept.",
            "Try again; if it stays, its source has changed: look it up anew.",
            detail,
        )
    if kind == "Unreachable":
        return Unreachable(f"{name} could not be fetched.", "Check the network, then press Retry: it goes on.", detail)
    if kind == "NotFound":
        return NotFound(
            f"{name} is not there.", "Look for it anew; the model that comes with the app: run python run.py once.", detail
        )
    if kind == "Unauthorized":
        return Unauthorized(
            f"The source gives {name} only to people who are signed in there.", "Download it there, then add the file.", detail
        )
    if kind == "NotReadableError":
        return unreadable(name, detail)
    if kind == "NoModificationAllowedError":
        return Conflict(f"{name} is in use by another tab.", "Unload it there, or wait until its transfer ends.", detail)
    if kind == "NotFoundError":
        return NotFound(f"{name} is no longer in this browser's storage.", "Add it again.", detail)
    return StorageFailed(
        f"{name} could not be stored.", "Try again; if it stays, the details below tell more.", f"{kind}: {detail}"
    )

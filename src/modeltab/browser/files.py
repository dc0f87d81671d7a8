"""Files that a person chose. Their bytes stay with the browser: only slices that somebody reads enter Python."""

from collections.abc import Sequence
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from modeltab.browser.interop import error_text, to_object
from modeltab.browser.worker import WorkFailed, work
from modeltab.domain.errors import BadRequest
from modeltab.files.values import Parts
from modeltab.providers.base import ModelFile, OnBytes


class BrowserFile:
    """A JavaScript File (`handle`) as providers and actions see it."""

    def __init__(self, handle: Any, stamp: str = "") -> None:
        self.handle = handle
        self.name: str = handle.name
        self.size: int = handle.size
        self.stamp = stamp or str(handle.lastModified)

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""
        try:
            buffer = await self.handle.slice(start, end).arrayBuffer()
        except JsException as error:
            raise unreadable(self.name, error_text(error)) from None
        return buffer.to_bytes()  # type: ignore[no-any-return]

    async def sha256(self, on_bytes: OnBytes) -> str:
        """The SHA-256 of the whole, in a worker."""
        message: Any = js.Object.new()
        message.digest = self.handle
        try:
            return await work(message, lambda done, step: on_bytes(done))
        except WorkFailed as error:
            raise unreadable(self.name, str(error)) from None

    async def text(self) -> str:
        """The whole file as text."""
        return await self.handle.text()  # type: ignore[no-any-return]

    async def content(self) -> bytes:
        """The whole file."""
        return (await self.handle.arrayBuffer()).to_bytes()  # type: ignore[no-any-return]


def compose(parts: Parts, files: Sequence[ModelFile], name: str) -> BrowserFile:
    """A file that is put together from bytes and from pieces of files of this machine; nothing is copied."""
    pieces = js.Array.new()
    handles = [file.handle for file in files if isinstance(file, BrowserFile)]
    if len(handles) != len(files):
        raise BadRequest(
            f"{name} would have to be put together from files on the web.",
            "Add them to this tab as they are, or download them first.",
        )
    for part in parts:
        pieces.push(to_js(part) if isinstance(part, bytes) else handles[part.file].slice(part.start, part.end))
    return BrowserFile(js.File.new(pieces, name, to_object({})), "|".join(file.stamp for file in files))


def unreadable(name: str, detail: str) -> BadRequest:
    """The error for a file that was there when it was chosen."""
    return BadRequest(
        f"{name} can no longer be read: it was changed, moved or deleted after it was chosen.", "Choose it again.", detail
    )

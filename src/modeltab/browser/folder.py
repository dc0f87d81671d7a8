"""A folder of this machine that a person lets the page write into. Only browsers of Chromium's family have that."""

from typing import Any

import js
from pyodide.ffi import JsException, to_js

from modeltab.browser.interop import error_name, error_text, to_object
from modeltab.domain.errors import StorageFailed, StorageFull


class BrowserFolder:
    """A chosen folder (`handle`). What is written into a file replaces it when the file is closed, not before."""

    def __init__(self, handle: Any) -> None:
        self.name: str = handle.name
        self._handle = handle
        self._open_name = ""
        self._open: Any = None

    async def write(self, name: str, content: bytes) -> None:
        """Add to a file; another name than before closes that one."""
        try:
            if name != self._open_name:
                await self.finish()
                self._open, self._open_name = await self._created(name), name
            await self._open.write(to_js(content))
        except JsException as error:
            raise _refused(name, error) from None

    async def finish(self) -> None:
        """Close the file that was written last."""
        opened, name = self._open, self._open_name
        self._open, self._open_name = None, ""
        if opened is not None:
            try:
                await opened.close()
            except JsException as error:
                raise _refused(name, error) from None

    async def _created(self, name: str) -> Any:
        *folders, own = name.split("/")
        place = self._handle
        for folder in folders:
            place = await place.getDirectoryHandle(folder, to_object({"create": True}))
        file = await place.getFileHandle(own, to_object({"create": True}))
        return await file.createWritable()


def are_there() -> bool:
    """Whether this browser has them."""
    return hasattr(js.window, "showDirectoryPicker")


async def pick() -> BrowserFolder | None:
    """Ask for one, None when the person closes the question."""
    try:
        options = to_object({"id": "modeltab-backup", "mode": "readwrite", "startIn": "documents"})
        return BrowserFolder(await js.window.showDirectoryPicker(options))
    except JsException as error:
        if error_name(error) == "AbortError":
            return None
        raise StorageFailed(
            "The browser does not open a folder for this page.", "Export the data as a file instead.", error_text(error)
        ) from None


def _refused(name: str, error: JsException) -> StorageFailed | StorageFull:
    if error_name(error) == "QuotaExceededError":
        return StorageFull(f"There is no room for {name}.", "Free disk space, then back up again.", error_text(error))
    return StorageFailed(f"{name} could not be written.", "Choose a folder that you may write into.", error_text(error))

"""The images of messages in the browser's private storage (OPFS): one file each, named by the SHA-256 of its bytes."""

from typing import Any

import js
from pyodide.ffi import JsException, to_js

from modeltab.browser.interop import error_name, error_text, to_object
from modeltab.browser.opfs import remove_folder
from modeltab.domain.errors import StorageFailed, StorageFull

FOLDER = "attachments"


class OpfsImages:
    """The images of this tab's origin. The same bytes are kept once, however many messages have them."""

    async def add(self, digest: str, content: bytes) -> None:
        """Keep an image."""
        try:
            folder = await _folder()
            file = await folder.getFileHandle(digest, to_object({"create": True}))
            writable = await file.createWritable()
            await writable.write(to_js(content))
            await writable.close()
        except (AttributeError, JsException) as error:
            name = error_name(error) if isinstance(error, JsException) else ""
            kind = StorageFull if name == "QuotaExceededError" else StorageFailed
            detail = error_text(error) if isinstance(error, JsException) else str(error)
            raise kind(
                "The browser's storage refuses the image.",
                "Leave private browsing, allow site data for this page, or free disk space.",
                f"{name}: {detail}",
            ) from None

    async def read(self, digest: str) -> bytes | None:
        """An image's bytes."""
        file = await self.open(digest)
        return (await file.arrayBuffer()).to_bytes() if file else None

    async def open(self, digest: str) -> Any:
        """An image as a JavaScript File, None when it is gone."""
        try:
            return await (await (await _folder()).getFileHandle(digest)).getFile()
        except (AttributeError, JsException):
            return None

    async def clear(self) -> None:
        """Delete all."""
        await remove_folder(FOLDER)


async def _folder() -> Any:
    root = await js.navigator.storage.getDirectory()
    return await root.getDirectoryHandle(FOLDER, to_object({"create": True}))

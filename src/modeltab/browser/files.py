"""Files that a person chose. Their bytes stay with the browser: only slices that somebody reads enter Python."""

import hashlib
from typing import Any

from modeltab.providers.base import OnBytes

SLICE_BYTES = 8 * 1024 * 1024


class BrowserFile:
    """A JavaScript File (`handle`) as providers and actions see it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.name: str = handle.name
        self.size: int = handle.size
        self.stamp = str(handle.lastModified)

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""
        buffer = await self.handle.slice(start, end).arrayBuffer()
        return buffer.to_bytes()  # type: ignore[no-any-return]

    async def sha256(self, on_bytes: OnBytes) -> str:
        """The SHA-256 of the whole, in slices."""
        digest = hashlib.sha256()
        for start in range(0, self.size, SLICE_BYTES):
            digest.update(await self.read(start, start + SLICE_BYTES))
            on_bytes(min(start + SLICE_BYTES, self.size))
        return digest.hexdigest()

    async def text(self) -> str:
        """The whole file as text."""
        return await self.handle.text()  # type: ignore[no-any-return]

    async def content(self) -> bytes:
        """The whole file."""
        return (await self.handle.arrayBuffer()).to_bytes()  # type: ignore[no-any-return]


class RemoteFile:
    """A file at one of several addresses, which the browser itself reads when it is stored."""

    def __init__(self, name: str, size: int, sources: tuple[str, ...]) -> None:
        self.name = name
        self.size = size
        self.sources = sources
        self.stamp = ""

    async def read(self, start: int, end: int) -> bytes:
        """Not read before it is stored: whoever stores it looks at its beginning as it arrives."""
        return b"GGUF"[start:end]

    async def sha256(self, on_bytes: OnBytes) -> str:
        """Not known before it is stored."""
        raise NotImplementedError

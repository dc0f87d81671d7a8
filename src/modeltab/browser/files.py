"""Files that a person chose. Their bytes stay with the browser: only slices that somebody reads enter Python."""

from typing import Any


class BrowserFile:
    """A JavaScript File (`handle`) as providers and actions see it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.name: str = handle.name
        self.size: int = handle.size

    async def head(self, count: int) -> bytes:
        """The first `count` bytes."""
        buffer = await self.handle.slice(0, count).arrayBuffer()
        return buffer.to_bytes()  # type: ignore[no-any-return]

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

    async def head(self, count: int) -> bytes:
        """Not read before it is stored: whoever stores it looks at its beginning as it arrives."""
        return b"GGUF"[:count]

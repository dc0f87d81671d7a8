"""A parser that reads a file as it goes: synchronous code over a window of bytes, which asks for more when it runs out.

A parser is a generator over a `Window`: it yields how many bytes it needs from its position (0: some more) and goes on
when they are there. So the loops over hundreds of thousands of entries are plain Python, and only the reading waits.
"""

import struct
from collections.abc import Callable, Generator
from typing import TypeVar

from modeltab.domain.errors import NotAModel
from modeltab.files.values import Read
from modeltab.files.words import size as size_words

T = TypeVar("T")
Parser = Generator[int, None, T]

#: The least that is read at once: one round trip to the disk, or a packet or two from a server.
CHUNK = 64 * 1024
#: Headers of today's largest vocabularies have some 20 MB. One that goes on beyond this is none.
MAX_READ = 64 * 1024 * 1024
DOWNLOAD_AGAIN = "Download it again, or copy it again from where it is whole."


class Short(Exception):
    """What a parser is in the middle of goes on beyond the window, to `needed` bytes from its position; 0: unknown."""

    def __init__(self, needed: int = 0) -> None:
        super().__init__(needed)
        self.needed = needed


class Window:
    """Some bytes of a file of `size` bytes. `data[0]` is the file's byte number `base`, `at` the position in `data`.

    :ivar ahead: the bytes to read at least, next time; None: as much again as was read so far.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = b""
        self.base = 0
        self.at = 0
        self.read = 0
        self.ahead: int | None = None

    @property
    def position(self) -> int:
        """The position in the file."""
        return self.base + self.at

    @property
    def left(self) -> int:
        """The bytes from the position to the file's end."""
        return self.size - self.base - self.at

    def skip(self, count: int) -> None:
        """Go on by some bytes, which are not read when they lie beyond the window.

        :raises NotAModel: when the file ends before that.
        """
        if count > self.left:
            raise cut_off_header(self.size)
        self.at += count
        if self.at > len(self.data):
            self.base += self.at
            self.data, self.at = b"", 0

    def take(self, count: int) -> bytes:
        """The next bytes.

        :raises Short: when the window ends before that.
        """
        end = self.at + count
        if end > len(self.data):
            raise Short(count)
        taken = self.data[self.at : end]
        self.at = end
        return taken

    async def fill(self, read: Read, needed: int) -> None:
        """Read more, up to `needed` bytes from the position at least.

        :raises NotAModel: when the file ends before that, or no header is as long.
        """
        self.data = self.data[self.at :]
        self.base += self.at
        self.at = 0
        start = self.base + len(self.data)
        if start >= self.size or needed > self.left:
            raise cut_off_header(self.size)
        if max(self.read, needed) > MAX_READ:
            raise NotAModel(
                f"It is damaged: its header has no end within {size_words(MAX_READ)}.",
                DOWNLOAD_AGAIN,
                f"read up to byte {start}, {needed} bytes needed from byte {self.base}",
            )
        ahead = max(CHUNK, self.read) if self.ahead is None else self.ahead
        end = min(self.size, max(start + ahead, self.base + needed))
        more = await read(start, end)
        self.read += len(more)
        self.data += more
        if len(more) < end - start:  # the file is shorter than it was said to be
            self.size = start + len(more)


def whole(window: Window, parse: Callable[[], T]) -> Parser[T]:
    """What `parse` makes of the bytes at the position, once all that it needs is there."""
    while True:
        start = window.position
        try:
            return parse()
        except Short as short:
            needed = window.position - start + short.needed if short.needed else 0
        except struct.error:
            needed = 0
        window.at = start - window.base
        yield needed


async def run(parser: Parser[T], window: Window, read: Read) -> T:
    """What a parser makes of a file.

    :raises NotAModel: when the file ends in its middle, and what the parser raises.
    """
    needed = next(parser, None)
    while needed is not None:
        await window.fill(read, needed)
        try:
            needed = parser.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
    raise AssertionError("a parser needs bytes before it ends")


def cut_off_header(size: int) -> NotAModel:
    """What a file is that ends before its header does."""
    return NotAModel(f"It is cut off: its {size_words(size)} end within its header.", DOWNLOAD_AGAIN)


def damaged(reason: str, detail: str = "") -> NotAModel:
    """What a file is that cannot be as it should be."""
    return NotAModel(f"It is damaged: {reason}.", DOWNLOAD_AGAIN, detail)

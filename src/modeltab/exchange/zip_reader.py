"""ZIP archives, read where they lie: the list at their end, then only the files that somebody asks for.

An export of ChatGPT can have gigabytes of images; Python's zipfile would want all of it in memory.
"""

import zlib
from collections.abc import Awaitable, Callable
from struct import unpack_from
from typing import NamedTuple

from modeltab.exchange.values import Entry
from modeltab.state.records import UnreadableError

MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LOCATOR_64 = b"PK\x06\x07"
_LISTED = b"PK\x01\x02"
_END_BYTES = 22
_MAX_COMMENT = 65_535
_STORED, _DEFLATED = 0, 8
_FULL = 0xFFFFFFFF

Read = Callable[[int, int], Awaitable[bytes]]


class _Place(NamedTuple):
    """Where a file's data are. Sizes and offset in bytes."""

    name: str
    method: int
    packed: int
    size: int
    offset: int
    crc: int
    is_encrypted: bool


async def entries(read: Read, size: int) -> list[Entry]:
    """The files of an archive of `size` bytes; folders are left out.

    :param read: brings the bytes from `start` up to `end`.
    :raises UnreadableError: when it is no ZIP archive, or a damaged one.
    """
    tail_start = max(0, size - _END_BYTES - _MAX_COMMENT - 20)
    tail = await read(tail_start, size)
    place = tail.rfind(_END)
    if place < 0 or place + _END_BYTES > len(tail):
        raise UnreadableError("it is not a whole ZIP archive: its list of files is missing")
    count, list_size, list_start = unpack_from("<10xHII", tail, place)
    if (count == 0xFFFF or _FULL in (list_size, list_start)) and tail[place - 20 : place - 16] == _LOCATOR_64:
        (end_64,) = unpack_from("<8xQ", tail, place - 20)
        record = await read(end_64, end_64 + 56)
        if record[:4] != _END_64 or len(record) < 56:
            raise UnreadableError("it is a damaged ZIP archive")
        list_size, list_start = unpack_from("<40xQQ", record)
    listed = await read(list_start, list_start + list_size)
    if len(listed) < list_size:
        raise UnreadableError("it is not a whole ZIP archive: its list of files is cut off")
    return [_entry(read, item) for item in _places(listed) if not item.name.endswith("/")]


def _places(listed: bytes) -> list[_Place]:
    found, at = [], 0
    while listed[at : at + 4] == _LISTED and at + 46 <= len(listed):
        flags, method, crc, packed, size, names, extras, comments, offset = unpack_from("<8xHH4xIIIHHH8xI", listed, at)
        name = listed[at + 46 : at + 46 + names].decode("utf-8" if flags & 0x800 else "cp437", "replace")
        extra = listed[at + 46 + names : at + 46 + names + extras]
        size, packed, offset = _wide(extra, size, packed, offset)
        found.append(_Place(name, method, packed, size, offset, crc, bool(flags & 1)))
        at += 46 + names + extras + comments
    return found


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """Sizes and offset, where they need more than four bytes: those stand in the extra field with the tag 1, in this order."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = unpack_from("<HH", extra, at)
        if tag == 1:
            wide = [unpack_from("<Q", extra, place)[0] for place in range(at + 4, min(at + 4 + length, len(extra)) - 7, 8)]
            return tuple(wide.pop(0) if value == _FULL and wide else value for value in values)
        at += 4 + length
    return values


def _entry(read: Read, place: _Place) -> Entry:
    async def load() -> bytes:
        return await _content(read, place)

    return Entry(place.name, place.size, load)


async def _content(read: Read, place: _Place) -> bytes:
    """A file's content. :raises UnreadableError: when it is damaged, encrypted, or packed in a way that is not known here."""
    if place.is_encrypted:
        raise UnreadableError(f"{place.name} is encrypted")
    if place.method not in (_STORED, _DEFLATED):
        raise UnreadableError(f"{place.name} is packed by the method {place.method}, which is not known here")
    head = await read(place.offset, place.offset + 30)
    if head[:4] != MAGIC or len(head) < 30:
        raise UnreadableError(f"{place.name} is damaged in the archive")
    names, extras = unpack_from("<26xHH", head)
    start = place.offset + 30 + names + extras
    packed = await read(start, start + place.packed)
    content = packed if place.method == _STORED else _inflated(packed, place)
    if len(content) != place.size or zlib.crc32(content) != place.crc:
        raise UnreadableError(f"{place.name} is damaged in the archive")
    return content


def _inflated(packed: bytes, place: _Place) -> bytes:
    try:
        # One byte more than it should have at most: what says that it is small must not fill the memory.
        return zlib.decompressobj(wbits=-15).decompress(packed, place.size + 1)
    except zlib.error as error:
        raise UnreadableError(f"{place.name} is damaged in the archive ({error})") from None

"""Reading a file that is put together from pieces of others, as if it were there."""

from collections.abc import Sequence

from modeltab.files.values import Parts, Read


def reader(parts: Parts, reads: Sequence[Read]) -> Read:
    """What reads the file that these parts make; `reads` has a reader for each file that they come from."""

    async def read(start: int, end: int) -> bytes:
        pieces = []
        at = 0
        for part in parts:
            size = len(part) if isinstance(part, bytes) else part.end - part.start
            first, last = max(start - at, 0), min(end - at, size)
            at += size
            if first >= last:
                continue
            if isinstance(part, bytes):
                pieces.append(part[first:last])
            else:
                pieces.append(await reads[part.file](part.start + first, part.start + last))
        return b"".join(pieces)

    return read

"""A ZIP archive that is made piece by piece; what is ready can leave memory at once."""

import zipfile
from typing import IO

from modeltab.exchange.archive import Piece


class _Sink:
    """Takes what zipfile writes. It has no way back, so the sizes of a file come after it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep a chunk."""
        self.chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""


class ZipWriter:
    """Packs pieces; `take` gives the bytes of the archive that are ready."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)  # type: ignore[call-overload]
        self._open: IO[bytes] | None = None
        self._name = ""

    def add(self, piece: Piece) -> None:
        """Pack a piece; one with another name begins another file."""
        if piece.name != self._name or self._open is None:
            self._close()
            # Images are packed already.
            info = zipfile.ZipInfo(piece.name)
            info.compress_type = zipfile.ZIP_STORED if piece.name.startswith("images/") else zipfile.ZIP_DEFLATED
            self._open, self._name = self._zip.open(info, "w", force_zip64=True), piece.name
        self._open.write(piece.content)

    def take(self) -> list[bytes]:
        """The bytes since the last time."""
        ready, self._sink.chunks = self._sink.chunks, []
        return ready

    def finish(self) -> list[bytes]:
        """The last bytes."""
        self._close()
        self._zip.close()
        return self.take()

    def _close(self) -> None:
        if self._open:
            self._open.close()
            self._open = None

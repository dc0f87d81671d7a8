"""Newline-delimited JSON: bytes as they arrive → values. A line ends with `\\n` and with nothing else.

Other line separators (U+2028, U+0085, …) may stand unescaped in a JSON string, so no text-oriented splitting will do.
"""

import json

from modeltab.domain.errors import BadReply
from modeltab.providers.base import Json

#: A line longer than this, in bytes, is no answer of a model.
MAX_LINE_BYTES = 64 * 1024 * 1024


class NdjsonDecoder:
    """Decodes one stream."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Json]:
        """More bytes; the values of the lines that they complete.

        :raises BadReply: when a line is no JSON, or longer than `MAX_LINE_BYTES`.
        """
        end = chunk.rfind(b"\n")
        if end < 0:
            self._keep(chunk)
            return []
        complete = b"".join((*self._pieces, chunk[:end]))
        self._pieces, self._size = [], 0
        self._keep(chunk[end + 1 :])
        return [_value(line) for line in complete.split(b"\n") if line.strip()]

    def end(self) -> list[Json]:
        """The stream is at its end; the value of a last line that no line feed ended. Half a value is none."""
        line = b"".join(self._pieces)
        self._pieces = []
        try:
            return [json.loads(line)] if line.strip() else []
        except ValueError:
            return []

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > MAX_LINE_BYTES:
                raise BadReply(
                    "The server sends a line without end.",
                    "This is not an answer of a model: check the base URL.",
                    f"more than {MAX_LINE_BYTES} bytes without a line feed",
                )


def _value(line: bytes) -> Json:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        shown = line[:200].decode("utf-8", "replace")
        raise BadReply(
            "The server's stream has a line that is not JSON.",
            "Check the base URL: its host, its port and the path at its end.",
            shown,
        ) from None

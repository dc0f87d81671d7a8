"""Server-sent events: bytes as they arrive → events, by the WHATWG HTML standard, "Server-sent events", §9.2.5 and §9.2.6.

Lines end with CR LF, LF or CR, wherever the bytes were split; a byte order mark at the very beginning is skipped; lines
that begin with a colon are comments; several `data` lines are joined with line feeds; an event is what stands before an
empty line, so one that the stream's end cuts off is none. What is only for reconnecting (`id`, `retry`) is left out:
these streams answer a POST, and nothing reconnects to them.
"""

from typing import NamedTuple

from modeltab.domain.errors import BadReply

#: An event longer than this, in bytes, is no answer of a model but an attack on the tab's memory, or a mistake.
MAX_EVENT_BYTES = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_LF, _CR = 10, 13


class ServerSentEvent(NamedTuple):
    """One event. `event` is its type, "message" unless the stream names another."""

    data: str
    event: str = "message"


#: Makes an event in half the time of the class's own call, as measured in Pyodide.
_new = tuple.__new__


class SseDecoder:
    """Decodes one stream.

    Complete events are cut out of the bytes as a whole, and only then decoded: a character that is split across chunks
    never reaches the decoder in halves, and the usual event, one `data` line, costs a handful of string operations.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._begun = False
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """More bytes; the events that they complete.

        :raises BadReply: when an event is longer than `MAX_EVENT_BYTES`.
        """
        if not self._begun or self._after_cr or _CR in chunk:
            chunk = self._normalised(chunk)
        if not chunk:
            return []
        last = chunk.rfind(b"\n\n")
        if last >= 0:
            end = last + 2
        elif self._pieces and self._pieces[-1][-1] == chunk[0] == _LF:  # the empty line lies across the border
            end = 1
        else:
            self._keep(chunk)
            return []
        complete = chunk[:end]
        if self._pieces:
            complete = b"".join((*self._pieces, complete))
            self._pieces, self._size = [], 0
        if end < len(chunk):
            self._keep(chunk[end:])
        return _events(complete.decode("utf-8", "replace"))

    def _normalised(self, chunk: bytes) -> bytes:
        """The bytes with every line ended by a line feed, and without a byte order mark at the stream's beginning."""
        if not self._begun:
            chunk = b"".join((*self._pieces, chunk))
            self._pieces, self._size = [], 0
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._keep(chunk)  # too short to tell
                return b""
            self._begun = True
            chunk = chunk.removeprefix(_BOM)
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if _CR in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > MAX_EVENT_BYTES:
                raise BadReply(
                    "The server sends an event without end.",
                    "This is not an answer of a model: check the base URL.",
                    f"more than {MAX_EVENT_BYTES} bytes without an empty line",
                )


def _events(text: str) -> list[ServerSentEvent]:
    """The events of a text that ends with an empty line."""
    if text.startswith("data: "):
        if text.find("\n", 6) == len(text) - 2:
            return [_new(ServerSentEvent, (text[6:-2], "message"))]
        values = text[6:-2].split("\n\ndata: ")
        if text.count("\n") == 2 * len(values):  # no line but these: the usual stream, and no work for each of its lines
            return [_new(ServerSentEvent, (value, "message")) for value in values]
    events = []
    for block in text.split("\n\n"):
        if block.startswith("data:") and "\n" not in block:
            events.append(ServerSentEvent(block[6:] if block[5:6] == " " else block[5:]))
        elif block:
            event = _event(block)
            if event is not None:
                events.append(event)
    return events


def _event(block: str) -> ServerSentEvent | None:
    """The event of some lines; None when they have no data, as the standard wants it."""
    data: list[str] = []
    name = ""
    for line in block.split("\n"):
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return ServerSentEvent("\n".join(data), name or "message") if data else None

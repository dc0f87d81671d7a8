"""The app's transport on real HTTP, so that providers and actions are tested against real servers without a browser.

It keeps to `modeltab.providers.base.Transport` as the browser's does: what stands for "no answer" is Unreachable, a body
that breaks off is CutOff, and a task that is cancelled closes its connection, which the server sees.

    files = run(LocalLlm("c", server.url, RealTransport()).models())
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from modeltab.domain.errors import CutOff, Unreachable
from modeltab.providers.base import HttpRequest, ModelFile, OnBytes

T = TypeVar("T")

CHUNK_BYTES = 64 * 1024
BOUNDARY = "----modeltab-test"
#: Longer than any test takes: only one that would never end meets it.
TIMEOUT_S = 60.0


def run(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns or raises. TimeoutError when it does not end.

    In a thread of its own, because pytest-playwright keeps an event loop running in the main thread.
    """
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, asyncio.wait_for(work, TIMEOUT_S)).result()


class PathFile:
    """A file of this computer as a person's choice; ``name`` is what it is called there, the path's own by default."""

    def __init__(self, path: Path, name: str = "") -> None:
        self.path = path
        self.name = name or path.name
        self.size = path.stat().st_size
        self.stamp = str(path.stat().st_mtime)

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to ``end``."""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    async def sha256(self, on_bytes: OnBytes) -> str:
        """The SHA-256 of the whole."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        on_bytes(self.size)
        return digest

    async def text(self) -> str:
        """The whole of it."""
        return self.path.read_text(encoding="utf-8")

    async def content(self) -> bytes:
        """The whole of it."""
        return self.path.read_bytes()


class _Line:
    """One TCP connection. ``close`` may be called from another thread than the one that waits for its answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
        # http.client forgets its socket as soon as the reply will be the last one.
        self._socket: socket.socket | None = None
        self.closed = False

    def open(self, method: str, headers: Mapping[str, str]) -> None:
        """Sends a request up to its body."""
        self._http.connect()
        self._socket = self._http.sock
        if self.closed:
            self.close()
        parts = urlsplit(self.url)
        self._http.putrequest(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        for name, value in headers.items():
            self._http.putheader(name, value)
        self._http.endheaders()

    def send(self, data: bytes) -> None:
        """Sends a piece of the request's body."""
        self._http.send(data)

    def answer(self) -> http.client.HTTPResponse:
        """The reply, its body still to be read."""
        return self._http.getresponse()

    def close(self) -> None:
        """Ends it, and wakes the thread that waits for it."""
        self.closed = True
        if self._socket:
            with contextlib.suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    async def wait_for(self, work: Callable[[], T]) -> T:
        """Does blocking work on the connection in a thread. Cancelled, it closes the connection.

        :raises Unreachable: when the connection fails.
        """
        try:
            return await asyncio.to_thread(work)
        except asyncio.CancelledError:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            where = urlsplit(self.url).netloc
            raise Unreachable(f"No answer from {where}.", "Start the server there.", f"{self.url}: {error!r}") from None


class RealResponse:
    """A reply that is read as it comes."""

    def __init__(self, line: _Line, reply: http.client.HTTPResponse) -> None:
        self._line = line
        self._reply = reply
        self.status = reply.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in reply.getheaders()}

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they arrive."""
        try:
            while chunk := await asyncio.to_thread(self._reply.read1, CHUNK_BYTES):
                yield chunk
        except asyncio.CancelledError:
            self._line.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            raise self._cut_off(repr(error)) from None
        if self._reply.length:
            raise self._cut_off(f"{self._reply.length} bytes are missing")

    def _cut_off(self, detail: str) -> CutOff:
        return CutOff("The connection broke before the answer was complete.", "Try again.", f"{self._line.url}: {detail}")

    async def aclose(self) -> None:
        """Ends the connection, wherever it is."""
        self._line.close()
        self._reply.close()


class RealTransport:
    """Requests over http.client. The one thing that it leaves out is what only a page has: CORS and "Offline only"."""

    async def send(self, request: HttpRequest) -> RealResponse:
        """Sends a request."""
        line = _Line(request.url)
        body = request.body

        def exchange() -> http.client.HTTPResponse:
            length = {"Content-Length": str(len(body))} if body is not None else {}
            line.open(request.method, {**request.headers, **length})
            if body:
                line.send(body)
            return line.answer()

        return RealResponse(line, await line.wait_for(exchange))

    async def upload(
        self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes, headers: Mapping[str, str] = {}
    ) -> RealResponse:
        """Posts a PathFile as multipart/form-data, or as it is, in pieces, and tells how far it got."""
        assert isinstance(file, PathFile)
        line = _Line(url)
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        if not field:
            head, tail, content_type = b"", b"", "application/octet-stream"
        length = len(head) + file.size + len(tail)
        loop = asyncio.get_running_loop()

        def tell(sent: int) -> None:
            if not line.closed:  # what the thread still said when the upload was cancelled is no news
                on_bytes(sent)

        def exchange() -> http.client.HTTPResponse:
            line.open("POST", {**headers, "Content-Type": content_type, "Content-Length": str(length)})
            line.send(head)
            sent = 0
            with file.path.open("rb") as content:
                while chunk := content.read(CHUNK_BYTES):
                    line.send(chunk)
                    sent += len(chunk)
                    loop.call_soon_threadsafe(tell, sent)
            line.send(tail)
            return line.answer()

        return RealResponse(line, await line.wait_for(exchange))

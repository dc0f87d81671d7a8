"""Static hosts that count what they send: ModelTab's own server, and one for what it is compared with, which does the same.

What is sent is counted on the sockets, so it is whatever goes over the wire: heads too, and what a service worker fetches, of
which the page's own tools know nothing.
"""

import json
import mimetypes
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from tools.precompress import ENCODINGS
from tools.serve import SiteServer

#: A folder of files that have a hash of their content in their names: they never change.
IMMUTABLE = "immutable"
#: What isolates a page, so that WebAssembly has threads in it.
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Counter:
    """Bytes that were sent, by all connections together."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count some more."""
        with self._lock:
            self.bytes += count


class Line:
    """What lies between a host and its visitor: all connections share it.

    :param bits: that it carries in a second.
    :param delay: seconds from a question to the first byte of its answer, and to open a connection.
    """

    PIECE = 16 * 1024

    def __init__(self, bits: float, delay: float) -> None:
        self.delay = delay
        self._bytes = bits / 8
        self._is_free_at = 0.0
        self._lock = threading.Lock()

    def carry(self, count: int) -> None:
        """Wait as long as so many bytes take, after what is on its way already."""
        with self._lock:
            self._is_free_at = max(self._is_free_at, time.monotonic()) + count / self._bytes
            is_there_at = self._is_free_at
        time.sleep(max(0.0, is_there_at - time.monotonic()))


class _CountedSocket(socket.socket):
    """A connection whose bytes are counted as they go out."""

    counter: Counter
    line: Line | None
    _waits = 2  # to be opened, and to be asked

    def recv_into(self, *arguments: Any) -> int:
        """Hear, which is what an answer's delay begins with."""
        count = super().recv_into(*arguments)
        self._waits = max(self._waits, 1)
        return count

    def sendall(self, data: Any, *flags: int) -> None:
        """Count, and send."""
        self.counter.add(len(data))  # first, so that who has read an answer finds it counted
        if self.line is None:
            super().sendall(data, *flags)
            return
        time.sleep(self.line.delay * self._waits)
        self._waits = 0
        whole = memoryview(data)
        for start in range(0, len(whole), Line.PIECE):
            piece = whole[start : start + Line.PIECE]
            self.line.carry(len(piece))
            super().sendall(piece, *flags)


class CountingServer(ThreadingHTTPServer):
    """A server that counts what it sends. `line`: what its next connections go over."""

    daemon_threads = True
    counter: Counter
    line: Line | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        connection, address = super().get_request()
        counted = _CountedSocket(connection.family, connection.type, connection.proto, connection.detach())
        counted.counter, counted.line = self.counter, self.line
        return counted, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a page that was closed before its answer was complete."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class CountedSite(CountingServer, SiteServer):
    """ModelTab as its own server serves it."""

    def __init__(self, root: Path) -> None:
        self.counter = Counter()
        super().__init__(root.resolve(), 0, "/", True)


class PeerServer(CountingServer):
    """Serves what ModelTab is compared with.

    :param folders: by the prefix of the paths, the longest first. Files are revalidated, but for those that never change.
    :param api: (method, path) → what is answered as JSON.
    :param headers: what every answer says beside.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        api: Mapping[tuple[str, str], Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.counter = Counter()
        self.folders = folders
        self.api = api or {}
        self.headers = headers or {}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}/"

    def find(self, path: str) -> Path | None:
        """The file that a path stands for."""
        for prefix, folder in self.folders.items():
            if path.startswith(prefix):
                name = unquote(path.removeprefix(prefix))
                file = folder / (f"{name}index.html" if name.endswith("/") or not name else name)
                return file if file.is_file() else None
        return None


class _Handler(BaseHTTPRequestHandler):
    server: PeerServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with a file, or what the API has."""
        path = urlsplit(self.path).path
        file = self.server.find(path)
        if file is None:
            self._answer_by_api("GET", path)
            return
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        sent, encoding = self._encoded(file)
        tag = f'"{sent.stat().st_mtime_ns:x}-{sent.stat().st_size:x}"'
        kept = "public, max-age=31536000, immutable" if IMMUTABLE in file.parts else "no-cache"
        headers = {"Content-Type": kind, "Cache-Control": kept, "ETag": tag, "Vary": "Accept-Encoding", **encoding}
        if self.headers.get("If-None-Match") == tag:
            self._send(HTTPStatus.NOT_MODIFIED, headers)
        else:
            self._send(HTTPStatus.OK, headers, sent.read_bytes())

    def do_POST(self) -> None:
        """Answer what the API has."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer_by_api("POST", urlsplit(self.path).path)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _encoded(self, file: Path) -> tuple[Path, dict[str, str]]:
        accepted = [name.strip() for name in self.headers.get("Accept-Encoding", "").split(",")]
        for encoding, ending in ENCODINGS.items():
            compressed = file.with_name(file.name + ending)
            if encoding in accepted and compressed.is_file():
                return compressed, {"Content-Encoding": encoding}
        return file, {}

    def _answer_by_api(self, method: str, path: str) -> None:
        known = (method, path) in self.server.api
        body = json.dumps(self.server.api[method, path] if known else {"error": "not found"}).encode()
        self._send(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, {"Content-Type": "application/json"}, body)

    def _send(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, **self.server.headers}.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


S = TypeVar("S", bound=CountingServer)


@contextmanager
def running(server: S) -> Iterator[S]:
    """A server that answers as long as the block lasts."""
    with server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()

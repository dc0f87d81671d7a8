"""A server that does what a test says, faults above all: it hangs up, stalls, lies about its body, forgets CORS.

    with ScriptedServer({("GET", "/health"): json_reply({"status": "healthy"})}) as server:
        server.on("POST", "/models", Reply(drop_upload_after=1000))
        ...  # the app talks to server.url
        upload = server.wait_for_request("POST", "/models")

What is not scripted is a 404. Every connection closes after one reply.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

READ_BYTES = 64 * 1024
POLL_S = 0.02


@dataclass(frozen=True)
class Reply:
    """One reply and what is wrong with it.

    ``body`` is sent with its length; ``chunks``, when given, are sent in its place, one transfer chunk each, with
    ``chunk_delay_s`` seconds before each. ``delay_s`` seconds pass before anything is sent. ``cut_after`` closes the
    connection after so many bytes of the body, which the client was told would be longer. ``drop_upload_after``
    resets the connection after so many bytes of the *request's* body, with no reply. Without ``cors`` the reply has
    no CORS headers; without ``preflight`` the preflight before it has none.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] | None = None
    chunk_delay_s: float = 0.0
    delay_s: float = 0.0
    cut_after: int | None = None
    drop_upload_after: int | None = None
    cors: bool = True
    preflight: bool = True


def json_reply(value: Any, status: int = 200, **faults: Any) -> Reply:
    """A reply with ``value`` as JSON; ``faults`` are other fields of Reply."""
    return Reply(status=status, body=json.dumps(value).encode(), **faults)


def html_reply(html: str, status: int = 500, **faults: Any) -> Reply:
    """A reply in HTML, as a proxy or a crashed framework sends it; ``faults`` are other fields of Reply."""
    return Reply(status=status, body=html.encode(), content_type="text/html; charset=utf-8", **faults)


@dataclass
class RecordedRequest:
    """A request as it arrived. ``headers`` has lower-case names; ``body`` is what came of it.

    ``finished`` is set when the server is done with it, and then ``client_left`` says whether the client closed the
    connection before it had the whole reply.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    client_left: bool = False
    finished: threading.Event = field(default_factory=threading.Event)

    def json(self) -> Any:
        """The body as JSON. ValueError when it is none."""
        return json.loads(self.body)


Script = Reply | Callable[[RecordedRequest], Reply]


class ScriptedServer:
    """A threaded server on a free port of 127.0.0.1 for as long as the ``with`` block lasts.

    ``scripts`` maps (method, path without query) to a Reply, or to a function that makes one from the whole request.
    With ``tls`` it speaks https; a reply cannot be delayed then.
    """

    def __init__(self, scripts: Mapping[tuple[str, str], Script] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = dict(scripts or {})
        self._tls = tls is not None
        self._requests: list[RecordedRequest] = []
        self._arrived = threading.Condition()
        self.closing = threading.Event()
        self._http = _Server(self, tls)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": POLL_S})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """The server's origin, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._http.server_port

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, preflights too, in the order of arrival."""
        with self._arrived:
            return list(self._requests)

    def on(self, method: str, path: str, script: Script) -> None:
        """Scripts one method and path from now on."""
        self._scripts[method, path] = script

    def script(self, method: str, path: str) -> Script | None:
        """What one method and path is scripted to do."""
        return self._scripts.get((method, path))

    def record(self, request: RecordedRequest) -> None:
        """Adds a request and wakes those that wait for one."""
        with self._arrived:
            self._requests.append(request)
            self._arrived.notify_all()

    def wait_for_request(self, method: str, path: str, timeout_s: float = 5.0) -> RecordedRequest:
        """The latest request of that method and path, as soon as there is one. TimeoutError when none comes."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: self._latest(method, path), timeout_s)
        if found is None:
            raise TimeoutError(f"no {method} {path} in {timeout_s} s")
        return found

    def _latest(self, method: str, path: str) -> RecordedRequest | None:
        matching = (request for request in reversed(self._requests) if (request.method, request.path) == (method, path))
        return next(matching, None)


class _Server(ThreadingHTTPServer):
    # A handler may still be stalling, as scripted, when the test is over.
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: ScriptedServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            # The handshake is left to the connection's own thread: one that never comes to its end holds up no other.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that leaves: browsers open connections that they do not use."""


class _ClientLeft(Exception):
    """The client closed the connection before the reply was complete."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the requests are recorded."""

    def do_OPTIONS(self) -> None:
        wanted = self.headers.get("Access-Control-Request-Method", "")
        path = urlsplit(self.path).path
        owner = self.server.owner
        script = owner.script("OPTIONS", path)
        if script is None:
            answered = owner.script(wanted, path)
            script = Reply(status=204, cors=not isinstance(answered, Reply) or answered.preflight)
        self._serve(script)

    def _serve_scripted(self) -> None:
        path = urlsplit(self.path).path
        self._serve(self.server.owner.script(self.command, path) or json_reply({"error": "Not scripted"}, status=404))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve_scripted

    def _serve(self, script: Script) -> None:
        self.close_connection = True
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = RecordedRequest(self.command, url.path, url.query, headers)
        try:
            self._exchange(request, script)
        except (_ClientLeft, OSError):
            request.client_left = True
        finally:
            request.finished.set()

    def _exchange(self, request: RecordedRequest, script: Script) -> None:
        limit = script.drop_upload_after if isinstance(script, Reply) else None
        try:
            self._read_body(request, limit)
        finally:
            self.server.owner.record(request)
        if limit is not None:
            self._reset()
            return
        reply = script if isinstance(script, Reply) else script(request)
        self._stall(reply.delay_s)
        self._send_head(reply)
        if self.command != "HEAD":
            self._send_body(reply)

    def _read_body(self, request: RecordedRequest, limit: int | None) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        wanted = length if limit is None else min(limit, length)
        received: list[bytes] = []
        try:
            while wanted:
                data = self.rfile.read(min(READ_BYTES, wanted))
                if not data:
                    raise _ClientLeft
                received.append(data)
                wanted -= len(data)
        finally:
            request.body = b"".join(received)

    def _reset(self) -> None:
        # Lingering for no time turns the close into a reset, which is what a server that dies looks like.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _stall(self, seconds: float) -> None:
        """Waits, but not for a client that has left, nor beyond the server's end."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.server.owner.closing.wait(POLL_S):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise _ClientLeft

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Connection", "close")
        if reply.chunks is not None:
            self.send_header("Transfer-Encoding", "chunked")
        elif reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        if reply.cors:
            self._send_cors_headers()
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_cors_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        if self.command == "OPTIONS":
            self.send_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
            asked = self.headers.get("Access-Control-Request-Headers")
            if asked:
                self.send_header("Access-Control-Allow-Headers", asked)

    def _send_body(self, reply: Reply) -> None:
        if reply.chunks is None:
            self.wfile.write(reply.body[: reply.cut_after])
        else:
            self._send_chunks(reply.chunks, reply.chunk_delay_s, reply.cut_after)

    def _send_chunks(self, chunks: Iterable[bytes], delay_s: float, cut_after: int | None) -> None:
        left = cut_after
        for chunk in chunks:
            self._stall(delay_s)
            part = chunk[:left]
            # The chunk's full length is announced even when less of it follows.
            self.wfile.write(b"%x\r\n%s" % (len(chunk), part))
            if left is not None:
                left -= len(part)
                if len(part) < len(chunk) or left == 0:
                    return
            self.wfile.write(b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

"""A server before another one: it hands requests on, and keeps what came.

with RecordingServer(real.url) as server:
    ...  # the client talks to server.url
    server.requests[-1].json()
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.servers.scripted import RecordedRequest, Reply, Script, ScriptedServer

_OWN = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_TIMEOUT_S = 60.0


class RecordingServer(ScriptedServer):
    """Hands every request on to the server at `origin`, a scheme, a host and a port."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._netloc = urlsplit(origin).netloc

    def script(self, method: str, path: str) -> Script | None:
        """What the other server answers."""
        return self._forward

    def _forward(self, request: RecordedRequest) -> Reply:
        line = http.client.HTTPConnection(self._netloc, timeout=_TIMEOUT_S)
        headers = {name: value for name, value in request.headers.items() if name not in _OWN}
        target = request.path + (f"?{request.query}" if request.query else "")
        line.request(request.method, target, request.body or None, headers)
        reply = line.getresponse()
        kind = reply.headers.get("Content-Type", "")
        return Reply(reply.status, content_type=kind, chunks=_pieces(line, reply))


def _pieces(line: http.client.HTTPConnection, reply: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := reply.read1(64 * 1024):
            yield piece
    finally:
        line.close()

"""The hosts of the benchmarks send what was compressed to those who take it, and count every byte."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.hosting import PeerServer, running


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[PeerServer]:
    """A peer with a page, a file that never changes, and an API."""
    (tmp_path / "immutable").mkdir()
    for name, content in {"index.html": b"plain", "index.html.br": b"br", "immutable/a.js": b"code"}.items():
        (tmp_path / name).write_bytes(content)
    with running(PeerServer({"/": tmp_path}, {("POST", "/tools"): [1]}, {"X-Beside": "yes"})) as server:
        yield server


def asked(
    peer: PeerServer, path: str, headers: Mapping[str, str] = {}, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    """What a request is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", peer.server_port, timeout=5)
    connection.request(method, path, headers=dict(headers))
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_compressed_form_goes_to_those_who_take_it(peer):
    response, body = asked(peer, "/", {"Accept-Encoding": "gzip, br"})
    assert (response.getheader("Content-Encoding"), body) == ("br", b"br")
    assert response.getheader("Content-Type") == "text/html"
    assert asked(peer, "/")[1] == b"plain"


def test_what_never_changes_is_kept_and_all_else_revalidated(peer):
    assert "immutable" in str(asked(peer, "/immutable/a.js")[0].getheader("Cache-Control"))
    first = asked(peer, "/")[0]
    assert first.getheader("Cache-Control") == "no-cache"
    again, body = asked(peer, "/", {"If-None-Match": str(first.getheader("ETag"))})
    assert (again.status, body) == (304, b"")


def test_api_answers_and_every_answer_has_the_headers(peer):
    response, body = asked(peer, "/tools", method="POST")
    assert (body, response.getheader("X-Beside")) == (b"[1]", "yes")
    assert asked(peer, "/other")[0].status == 404


def test_every_byte_is_counted_heads_too(peer):
    asked(peer, "/")
    before = peer.counter.bytes
    response, body = asked(peer, "/")
    headers = sum(len(f"{name}: {value}\r\n") for name, value in response.getheaders())
    assert peer.counter.bytes - before == len("HTTP/1.1 200 OK\r\n") + headers + len("\r\n") + len(body)

"""The scripted server commits the faults it is told to, and only those."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

import pytest

from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, html_reply, json_reply


def connect(server: ScriptedServer) -> http.client.HTTPConnection:
    """A connection to the server."""
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)


def ask(
    server: ScriptedServer, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    """One request's reply, with the body still to be read."""
    connection = connect(server)
    connection.request(method, path, body, headers or {})
    return connection.getresponse()


def test_requests_are_answered_and_recorded() -> None:
    with ScriptedServer({("POST", "/a"): json_reply({"ok": True}, status=201)}) as server:
        reply = ask(server, "POST", "/a?x=1", b'{"n": 2}', {"X-Key": "k"})
        assert (reply.status, reply.read()) == (201, b'{"ok": true}')
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        [request] = server.requests
        assert (request.method, request.path, request.query) == ("POST", "/a", "x=1")
        assert (request.json(), request.headers["x-key"]) == ({"n": 2}, "k")
        assert request.finished.wait(5)
        assert not request.client_left
        assert ask(server, "GET", "/b").status == 404


def test_a_function_makes_the_reply() -> None:
    def echo(request: RecordedRequest) -> Reply:
        return Reply(body=request.body, content_type="text/plain", headers={"X-Path": request.path})

    with ScriptedServer() as server:
        server.on("PUT", "/echo", echo)
        reply = ask(server, "PUT", "/echo", b"hello")
        assert (reply.read(), reply.headers["X-Path"]) == (b"hello", "/echo")


def test_html_in_place_of_json() -> None:
    with ScriptedServer({("GET", "/a"): html_reply("<h1>Bad Gateway</h1>", status=502)}) as server:
        reply = ask(server, "GET", "/a")
        assert (reply.status, reply.headers["Content-Type"]) == (502, "text/html; charset=utf-8")


@pytest.mark.parametrize("cors", [True, False])
@pytest.mark.parametrize("preflight", [True, False])
def test_cors_headers_can_be_missing(cors: bool, preflight: bool) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-key"}
    with ScriptedServer({("POST", "/a"): json_reply({}, cors=cors, preflight=preflight)}) as server:
        before = ask(server, "OPTIONS", "/a", headers=asked)
        assert before.status == 204
        assert ("Access-Control-Allow-Origin" in before.headers) is preflight
        assert before.headers["Access-Control-Allow-Headers"] == ("content-type,x-key" if preflight else None)
        assert ("Access-Control-Allow-Origin" in ask(server, "POST", "/a").headers) is cors


def test_an_upload_is_dropped_half_way() -> None:
    with ScriptedServer({("POST", "/up"): Reply(drop_upload_after=1000)}) as server:
        connection = connect(server)
        connection.putrequest("POST", "/up")
        connection.putheader("Content-Length", "5000")
        connection.endheaders(b"x" * 1000)
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        assert server.wait_for_request("POST", "/up").body == b"x" * 1000


def test_a_reply_is_cut() -> None:
    with ScriptedServer({("GET", "/a"): Reply(body=b"0123456789", cut_after=4)}) as server:
        with pytest.raises(http.client.IncompleteRead) as error:
            ask(server, "GET", "/a").read()
        assert error.value.partial == b"0123"


def test_chunks_are_streamed() -> None:
    with ScriptedServer({("GET", "/a"): Reply(chunks=[b"one", b"two"], chunk_delay_s=0.2)}) as server:
        reply = ask(server, "GET", "/a")
        assert reply.read1() == b"one"
        between = time.monotonic()
        assert reply.read() == b"two"
        assert time.monotonic() - between > 0.1


@pytest.mark.parametrize("cut_after", [3, 4])
def test_a_stream_is_cut(cut_after: int) -> None:
    with ScriptedServer({("GET", "/a"): Reply(chunks=[b"one", b"two"], cut_after=cut_after)}) as server:
        reply = ask(server, "GET", "/a")
        assert b"".join(reply.read(1) for _ in range(cut_after)) == b"onetwo"[:cut_after]
        with pytest.raises(http.client.IncompleteRead):
            reply.read()


def test_a_client_that_leaves_is_noticed() -> None:
    with ScriptedServer({("POST", "/slow"): json_reply({}, delay_s=60)}) as server:
        connection = connect(server)
        connection.request("POST", "/slow", b"{}")
        request = server.wait_for_request("POST", "/slow")
        assert not request.finished.is_set()
        connection.close()
        assert request.finished.wait(5)
        assert request.client_left


def test_the_end_does_not_wait_for_a_stalled_reply() -> None:
    started = time.monotonic()
    with ScriptedServer({("GET", "/slow"): json_reply({}, delay_s=60)}) as server:
        connection = connect(server)
        connection.request("GET", "/slow")
        server.wait_for_request("GET", "/slow")
    connection.close()
    assert time.monotonic() - started < 5


def test_a_request_that_never_comes() -> None:
    with ScriptedServer() as server, pytest.raises(TimeoutError, match="GET /a"):
        server.wait_for_request("GET", "/a", timeout_s=0.05)

"""What the HTTP providers share: statuses → errors in the server's own words, the key where it belongs and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modeltab.domain import errors
from modeltab.domain.errors import ModelTabError
from modeltab.providers.http import GENERAL_ADVICE, Endpoint, bearer, error_from, words_of
from tests.servers.transport import run
from tests.unit.fakes import CannedResponse, CannedTransport, canned, sse

URL = "https://api.example/v1"
KEY = 'sk-secret/0123456789"abc'


def endpoint(*replies: CannedResponse | Exception, key: str = KEY, **options: Any) -> tuple[Endpoint, CannedTransport]:
    """An endpoint whose server gives these replies."""
    transport = CannedTransport(*replies)
    return Endpoint(transport, URL + "/", lambda: key, bearer, **options), transport


def failure(*replies: CannedResponse | Exception, key: str = KEY, **options: Any) -> ModelTabError:
    """The error that a call ends with."""
    asked, _ = endpoint(*replies, key=key, **options)
    with pytest.raises(ModelTabError) as caught:
        run(asked.call("GET", "/models"))
    return caught.value


async def all_of(values: Any) -> list[Any]:
    """Every value of a stream."""
    return [value async for value in values]


# ---- Requests --------------------------------------------------------------------------------------------------------


def test_a_request_has_the_key_in_its_header_and_its_value_as_json():
    asked, transport = endpoint(canned({"ok": True}))
    assert run(asked.call("POST", "/models", {"name": "ä"})) == {"ok": True}
    (request,) = transport.requests
    assert (request.method, request.url) == ("POST", f"{URL}/models")
    assert request.headers == {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    assert transport.body == {"name": "ä"}


def test_without_a_key_and_a_value_a_request_has_no_header_that_a_server_would_have_to_allow():
    asked, transport = endpoint(canned({}), key="")
    run(asked.call("GET", "/models"))
    assert (transport.requests[0].headers, transport.requests[0].body) == ({}, None)


def test_the_key_is_asked_for_at_each_request():
    keys = iter(["first-key", "second-key"])
    transport = CannedTransport(canned({}))
    asked = Endpoint(transport, URL, lambda: next(keys), bearer)
    run(asked.call("GET", "/a"))
    run(asked.call("GET", "/b"))
    assert [request.headers["Authorization"] for request in transport.requests] == ["Bearer first-key", "Bearer second-key"]


def test_an_api_that_needs_a_key_is_not_asked_without_one():
    asked, transport = endpoint(canned({}), key="", needs_key="OpenAI")
    with pytest.raises(errors.KeyMissing, match=r"^OpenAI needs an API key\.$"):
        run(asked.call("GET", "/models"))
    assert transport.requests == []


@pytest.mark.parametrize("error", [errors.KeysLocked("Locked."), errors.KeyMissing("For another address.")])
def test_a_key_that_cannot_be_had_ends_the_request_before_it_leaves(error):
    def no_key() -> str:
        raise error

    transport = CannedTransport(canned({}))
    with pytest.raises(type(error)):
        run(Endpoint(transport, URL, no_key, bearer).call("GET", "/models"))
    assert transport.requests == []


def test_an_empty_reply_is_none_and_every_reply_is_closed():
    replies = CannedResponse(b" \n"), canned({"error": "no"}, 500), canned([1])
    asked, _ = endpoint(*replies)
    assert run(asked.call("DELETE", "/a")) is None
    with pytest.raises(errors.ServerFailed):
        run(asked.call("GET", "/a"))
    assert run(asked.call("GET", "/a")) == [1]
    assert all(reply.closed for reply in replies)


# ---- Statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (400, errors.BadRequest, False),
        (401, errors.Unauthorized, False),
        (402, errors.OutOfCredit, False),
        (403, errors.Unauthorized, False),
        (404, errors.NotFound, False),
        (405, errors.BadRequest, False),
        (408, errors.BadRequest, True),
        (409, errors.Conflict, False),
        (413, errors.TooLarge, False),
        (418, errors.BadRequest, False),
        (422, errors.BadRequest, False),
        (429, errors.RateLimited, True),
        (500, errors.ServerFailed, True),
        (501, errors.ServerFailed, False),
        (502, errors.ServerFailed, True),
        (503, errors.ServerFailed, True),
        (504, errors.ServerFailed, True),
        (529, errors.ServerFailed, True),
    ],
)
def test_every_status_is_an_error_with_the_servers_words_and_what_to_do(status, kind, transient):
    error = failure(canned({"error": {"message": "It said no"}}, status))
    assert type(error) is kind
    assert (error.message, error.transient, error.retry_after) == ("It said no.", transient, None)
    assert error.advice == GENERAL_ADVICE.get(kind, "")
    assert error.detail.startswith(f"{status} from {URL}/models: ")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_answer_that_leads_elsewhere_is_not_followed_and_not_taken_for_one(status):
    asked, transport = endpoint(CannedResponse(b"", status, location="https://evil.example"))
    with pytest.raises(errors.Redirected, match="sends this request on"):
        run(asked.call("GET", "/models"))
    assert len(transport.requests) == 1


@pytest.mark.parametrize("error", [errors.Redirected("Elsewhere."), errors.Unreachable("Nothing."), errors.OfflineOnly("Off.")])
def test_what_the_transport_says_is_passed_on(error):
    assert failure(error) is error


@pytest.mark.parametrize("body", [b"", b"<h1>Bad gateway</h1>", b"null", b"[]", b'"text"', b'{"error": null}', b"{" * 100_000])
def test_an_error_without_words_says_its_status(body):
    assert failure(CannedResponse(body, 502)).message == "The server answered with status 502."


@pytest.mark.parametrize("mark", [".", "!", "?"])
def test_a_sentence_of_the_server_gets_no_second_end(mark):
    assert failure(canned({"error": "No" + mark}, 400)).message == "No" + mark


def test_the_advice_is_that_of_the_servers_words_then_of_the_api_then_the_general_one():
    replies = canned({"error": "model is required"}, 404), canned({"error": "no"}, 404)
    advice = {"model is": "Choose one."}
    assert failure(replies[0], advice=advice).advice == "Choose one."
    assert failure(replies[1], advice=advice).advice == GENERAL_ADVICE[errors.NotFound]
    assert failure(replies[1], advice={**advice, "": "Look at its log."}).advice == "Look at its log."


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"error": "a"}, "a"),
        ({"error": {"message": "a", "code": 1}}, "a"),
        ({"message": "a"}, "a"),
        ({"detail": "a"}, "a"),
        ({"detail": {"message": "a"}}, "a"),
        ({"detail": [{"loc": ["body"], "msg": "a"}, {"msg": "b"}, 7]}, "a; b"),
        ([{"error": {"message": "a"}}], "a"),
        ({"error": {"code": 1}, "message": "a"}, "a"),
        ({"error": "", "message": "a"}, "a"),
        ({"error": {"message": None}}, ""),
        ({"error": {"message": {"deep": "a"}}}, ""),
        ({"detail": ["a"]}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
        ("a", ""),
        (7, ""),
    ],
)
def test_the_words_of_an_error_are_found_in_each_shape_that_apis_give_them(reply, words):
    assert words_of(reply) == words


# ---- When to come back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "17"}, {}, 17.0),
        ({"retry-after": "0"}, {}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, {}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({"retry-after": "-5"}, {}, None),
        ({"retry-after": "nan"}, {}, None),
        ({"retry-after": "inf"}, {}, None),
        ({}, {"error": {"details": [{"@type": "x"}, {"retryDelay": "17s"}]}}, 17.0),
        ({}, [{"error": {"details": [{"retryDelay": "1.5s"}]}}], 1.5),
        ({}, {"error": {"details": "x"}}, None),
        ({}, {"error": {"details": [{"retryDelay": "soon"}]}}, None),
        ({}, {}, None),
    ],
)
def test_the_time_that_a_server_asks_to_wait_is_read_where_it_stands(headers, body, seconds):
    error = error_from(429, json.dumps(body).encode(), URL, {}, headers)
    assert (error.retry_after, error.transient) == (seconds, True)
    if seconds and seconds >= 1:
        assert error.advice == f"The server asks to wait {seconds:.0f} s; try again then."
    else:
        assert error.advice == GENERAL_ADVICE[errors.RateLimited]


@pytest.mark.parametrize("error", [{"code": "insufficient_quota"}, {"code": None, "type": "insufficient_quota"}])
def test_an_account_without_credit_is_not_told_to_wait(error):
    found = failure(canned({"error": {"message": "You exceeded your quota", **error}}, 429, retry_after="5"))
    assert isinstance(found, errors.OutOfCredit)
    assert not found.transient and "credit" in found.advice


# ---- Replies that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<h1>A wiki</h1>", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_reply_that_is_no_json_is_told_with_its_beginning(body):
    error = failure(CannedResponse(body))
    assert isinstance(error, errors.BadReply)
    assert "not with JSON" in error.message and error.advice
    assert error.detail.startswith(f"{URL}/models answered: ") and len(error.detail) < 300


def test_a_web_page_in_place_of_a_stream_is_told():
    page = CannedResponse(b"<h1>Sign in</h1>", content_type="text/html")
    asked, _ = endpoint(page)
    for stream in (asked.sse("/chat", {}), asked.ndjson("/chat", {})):
        with pytest.raises(errors.BadReply, match="not with JSON"):
            run(all_of(stream))


# ---- Streams ---------------------------------------------------------------------------------------------------------


def test_events_are_values_and_the_end_mark_is_none():
    asked, transport = endpoint(sse({"a": 1}, {"b": "ä"}))
    assert run(all_of(asked.sse("/chat", {"stream": True}))) == [{"a": 1}, {"b": "ä"}, None]
    assert transport.body == {"stream": True}


def test_a_server_that_does_not_stream_gives_its_one_value():
    asked, _ = endpoint(canned({"a": 1}))
    assert run(all_of(asked.sse("/chat", {}))) == [{"a": 1}]


def test_lines_are_values():
    asked, _ = endpoint(CannedResponse(b'{"a": 1}\n{"b": 2}', content_type="application/x-ndjson"))
    assert run(all_of(asked.ndjson("/chat", {}))) == [{"a": 1}, {"b": 2}]


def test_a_stream_that_is_left_early_is_closed():
    reply = sse({"a": 1}, {"b": 2})
    asked, _ = endpoint(reply)

    async def first() -> Any:
        stream = asked.sse("/chat", {})
        try:
            return await anext(stream)
        finally:
            await stream.aclose()

    assert run(first()) == {"a": 1}
    assert reply.closed


# ---- The key, nowhere else -------------------------------------------------------------------------------------------

ECHO = {"error": {"message": f"Incorrect key {KEY} given"}, "headers": {"authorization": f"Bearer {KEY}"}}
#: As servers write it: Python's way, PHP's way, and bare.
WRITTEN = [json.dumps(ECHO), json.dumps(ECHO).replace("/", "\\/"), f"Wrong key: {KEY}"]


def is_hidden(text: str) -> bool:
    """Whether nothing of the key is left, in whatever way it is written."""
    return "0123456789" not in text and "sk-secret" not in text


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_key_that_a_server_repeats_is_in_no_error(written, status):
    body = written if status != 200 else "no json: " + written
    error = failure(CannedResponse(body.encode(), status))
    assert is_hidden(repr(error.record())) and is_hidden(str(error)) and is_hidden(repr(error.args))
    assert "[key]" in error.detail


@pytest.mark.parametrize("before", range(360, 400, 7))
def test_no_part_of_a_key_is_left_where_a_long_reply_is_cut(before):
    error = failure(CannedResponse(("x" * before + KEY + "y" * 100).encode(), 401))
    assert is_hidden(error.detail) and "sk-" not in error.detail


@pytest.mark.parametrize("written", WRITTEN[:2])
def test_a_key_that_a_server_repeats_is_in_no_reply(written):
    asked, _ = endpoint(CannedResponse(written.encode()))
    reply = run(asked.call("GET", "/models"))
    assert reply == {"error": {"message": "Incorrect key [key] given"}, "headers": {"authorization": "Bearer [key]"}}


@pytest.mark.parametrize("written", WRITTEN[:2])
def test_a_key_that_a_server_repeats_is_in_no_stream_however_it_is_cut_into_pieces(written):
    wanted = [{"error": {"message": "Incorrect key [key] given"}, "headers": {"authorization": "Bearer [key]"}}]
    for size in (1, 2, 5, 16, 1000):

        class Pieces(CannedResponse):
            """The body in pieces of that size."""

            async def iter_bytes(self, size=size):
                for place in range(0, len(self.body), size):
                    yield self.body[place : place + size]

        asked, _ = endpoint(Pieces(f"data: {written}\n\n".encode(), content_type="text/event-stream"))
        assert run(all_of(asked.sse("/chat", {}))) == wanted
        asked, _ = endpoint(Pieces(f"{written}\n".encode(), content_type="application/x-ndjson"))
        assert run(all_of(asked.ndjson("/chat", {}))) == wanted


def test_what_only_begins_like_a_key_is_not_lost():
    text = "see sk-secret/01234 and sk-"
    asked, _ = endpoint(canned({"text": text}))
    assert run(asked.call("GET", "/a")) == {"text": text}
    asked, _ = endpoint(CannedResponse(b'{"a": 1}\n"sk-', content_type="application/x-ndjson"))
    assert run(all_of(asked.ndjson("/a", {}))) == [{"a": 1}]


def test_a_key_that_is_erased_while_the_answer_comes_is_hidden_in_the_rest_of_it():
    keys = [KEY]
    reply = sse({"a": 1}, {"b": KEY})
    asked = Endpoint(CannedTransport(reply), URL, lambda: keys[0], bearer)

    async def take() -> list[Any]:
        found = []
        async for value in asked.sse("/chat", {}):
            found.append(value)
            keys[0] = ""
        return found

    assert run(take()) == [{"a": 1}, {"b": "[key]"}, None]


def test_an_error_of_the_transport_has_no_key_either():
    error = failure(errors.Unreachable(f"No answer with {KEY}.", f"Try {KEY}", f"{KEY}: refused"))
    assert error.record() == ("No answer with [key].", "Try [key]", "[key]: refused")


def test_a_word_that_is_too_short_to_be_a_key_is_left_as_it_is():
    assert failure(canned({"error": "It is none"}, 400), key="none").message == "It is none."

"""The OpenAI-compatible provider: what it sends to each vendor, and what it makes of replies."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.requests import ChatRequest, Finished, Parameters, TextDelta, Usage
from modeltab.providers.openai import OpenAi, connection_type
from modeltab.providers.openai_vendors import VENDORS, vendor_of
from tests.servers.scripted import Reply, ScriptedServer, json_reply
from tests.servers.transport import RealTransport, run
from tests.unit.fakes import CannedResponse, CannedTransport, canned, sse

KEY = "sk-test-0123456789abcdef"
ANSWER = sse({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})
PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))


def provider_of(base_url: str, *replies: CannedResponse | Exception, key: str = KEY, model: str = ""):
    """The provider of a connection, and the transport that answers it."""
    transport = CannedTransport(*(replies or (ANSWER,)))
    connection = Connection("c", "openai", "C", base_url, model)
    return OpenAi(connection, lambda: key, transport), transport


def say(text: str, role: str = "user", **fields) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


def ask(*messages: Message, **parameters) -> ChatRequest:
    """A request."""
    return ChatRequest("m-1", messages or (say("Hi"),), Parameters(**parameters), {"d1": PIXEL})


def answer(provider, request=None):
    """The events of an answer."""

    async def collect():
        async with aclosing(provider.generate(request or ask())) as events:
            return [event async for event in events]

    return run(collect())


# ---- Requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_what_the_reference_says_with_the_key_in_its_header_alone():
    provider, transport = provider_of("https://api.openai.com/v1/")
    assert answer(provider) == [TextDelta("Hi"), Finished("stop", "stop")]
    (request,) = transport.requests
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/chat/completions")
    assert request.headers == {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    assert json.loads(request.body or b"") == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert KEY not in request.url and KEY.encode() not in (request.body or b"")


def test_without_a_key_no_header_is_sent():
    provider, transport = provider_of("http://127.0.0.1:1234/v1", key="")
    answer(provider)
    assert transport.requests[0].headers == {"Content-Type": "application/json"}


def test_azure_has_the_key_in_a_header_of_its_own():
    provider, transport = provider_of("https://mine.openai.azure.com/openai/v1")
    answer(provider)
    assert transport.requests[0].headers == {"api-key": KEY, "Content-Type": "application/json"}


VALUES = {
    "system_prompt": "Be brief.",
    "temperature": 0.0,
    "max_tokens": 7,
    "top_p": 0.5,
    "top_k": 3,
    "seed": 0,
    "reasoning": "low",
    "extra_json": '{"min_p": 0.1}',
    "template": "{question}",
    "n_gpu_layers": 1,
    "n_batch": 2,
    "n_ctx": 3,
}
HOSTS = {vendor.preset.name: vendor.preset.base_url.replace("YOUR-RESOURCE", "mine") for vendor in VENDORS} | {
    "any": "https://llm.example/v1"
}


@pytest.mark.parametrize("parameter", VALUES)
@pytest.mark.parametrize("host", HOSTS)
def test_every_parameter_that_is_taken_is_really_sent_and_no_other(host, parameter):
    plain, transport = provider_of(HOSTS[host])
    answer(plain)
    before = transport.body
    provider, transport = provider_of(HOSTS[host])
    answer(provider, ask(**{parameter: VALUES[parameter]}))
    assert (transport.body != before) is (parameter in provider.capabilities.parameters)


NAMES = [
    ("openai", {"max_tokens": 7, "seed": 1}, {"max_completion_tokens": 7, "seed": 1}),
    ("mistral", {"max_tokens": 7, "seed": 1, "top_k": 2}, {"max_tokens": 7, "random_seed": 1, "top_k": 2}),
    ("groq", {"max_tokens": 7}, {"max_completion_tokens": 7}),
    ("openrouter", {"reasoning": "low"}, {"reasoning": {"effort": "low"}}),
    ("openrouter", {"reasoning": "off"}, {"reasoning": {"enabled": False}}),
    ("deepseek", {"reasoning": "off"}, {"thinking": {"type": "disabled"}}),
    ("deepseek", {"reasoning": "high"}, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
    ("xai", {"reasoning": "off"}, {"reasoning_effort": "none"}),
    ("any", {"reasoning": "medium", "top_k": 5}, {"reasoning_effort": "medium", "top_k": 5}),
]


@pytest.mark.parametrize(("host", "parameters", "fields"), NAMES)
def test_each_vendor_is_asked_in_its_own_words(host, parameters, fields):
    provider, transport = provider_of(HOSTS[host])
    answer(provider, ask(**parameters))
    assert fields.items() <= transport.body.items()


@pytest.mark.parametrize("host", ["mistral", "groq"])
def test_who_tells_the_figures_unasked_is_not_asked(host):
    provider, transport = provider_of(HOSTS[host])
    answer(provider)
    assert "stream_options" not in transport.body


def test_extra_json_has_the_last_word():
    provider, transport = provider_of("https://llm.example/v1")
    answer(provider, ask(temperature=1.0, extra_json='{"temperature": 0.1, "stream_options": {}, "tools": []}'))
    assert (transport.body["temperature"], transport.body["stream_options"], transport.body["tools"]) == (0.1, {}, [])


def test_images_go_along_as_data_urls_before_the_text():
    provider, transport = provider_of("https://api.openai.com/v1")
    answer(provider, ask(say("What is this?", images=(IMAGE,))))
    (message,) = transport.body["messages"]
    image, text = message["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert text == {"type": "text", "text": "What is this?"}


def test_an_image_that_is_gone_is_told_before_anything_is_sent():
    provider, transport = provider_of("https://api.openai.com/v1")
    gone = IMAGE._replace(digest="d2", name="holiday.png")
    with pytest.raises(errors.BadRequest, match=r"holiday\.png is no longer"):
        answer(provider, ask(say("?", images=(gone,))))
    assert transport.requests == []


# ---- Replies ---------------------------------------------------------------------------------------------------------


def test_a_server_that_does_not_stream_has_answered_too():
    reply = canned({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 1}})
    provider, _ = provider_of("https://llm.example/v1", reply)
    assert answer(provider) == [TextDelta("Hi"), Usage(None, 1), Finished("stop", "stop")]


def test_blank_lines_before_a_reply_in_one_piece_do_not_matter():
    body = b'\n\n\n{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    provider, _ = provider_of("https://api.deepseek.com", CannedResponse(body))
    assert answer(provider) == [TextDelta("Hi"), Finished("stop", "stop")]


def test_a_web_page_in_place_of_a_stream_is_a_bad_reply():
    provider, _ = provider_of("https://llm.example/v1", CannedResponse(b"<html>Log in</html>", content_type="text/html"))
    with pytest.raises(errors.BadReply, match="not with JSON"):
        answer(provider)


def test_an_event_that_is_no_json_is_a_bad_reply_after_what_has_come():
    stream = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\ndata: oops\n\n'
    provider, _ = provider_of("https://llm.example/v1", CannedResponse(stream, content_type="text/event-stream"))
    events = []

    async def collect():
        async with aclosing(provider.generate(ask())) as stream:
            async for event in stream:
                events.append(event)

    with pytest.raises(errors.BadReply):
        run(collect())
    assert events == [TextDelta("Hi")]


def test_a_stream_without_an_end_mark_has_no_end():
    provider, _ = provider_of("https://llm.example/v1", sse({"choices": [{"delta": {"content": "Hi"}}]}, done=False))
    assert answer(provider) == [TextDelta("Hi")]


def test_after_the_end_mark_nothing_more_is_read_and_the_reply_is_closed():
    reply = sse({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]})
    reply.body += b"data: nonsense\n\n"
    provider, _ = provider_of("https://llm.example/v1", reply)
    assert answer(provider) == [TextDelta("Hi"), Finished("stop", "stop")]
    assert reply.closed


def error_reply(status: int, message: str = "It is so.", **headers: str) -> CannedResponse:
    """An error as OpenAI words it."""
    return canned({"error": {"message": message, "type": "x", "code": None}}, status, **headers)


STATUSES = [
    (400, errors.BadRequest, False),
    (401, errors.Unauthorized, False),
    (402, errors.OutOfCredit, False),
    (403, errors.Unauthorized, False),
    (404, errors.NotFound, False),
    (413, errors.TooLarge, False),
    (422, errors.BadRequest, False),
    (429, errors.RateLimited, True),
    (500, errors.ServerFailed, True),
    (503, errors.ServerFailed, True),
    (529, errors.ServerFailed, True),
    (501, errors.ServerFailed, False),
]


@pytest.mark.parametrize(("status", "kind", "transient"), STATUSES)
def test_each_status_is_an_error_of_its_kind_in_the_vendors_own_words_with_advice(status, kind, transient):
    provider, _ = provider_of("https://api.openai.com/v1", error_reply(status))
    with pytest.raises(kind) as caught:
        answer(provider)
    error = caught.value
    assert (error.message, error.transient) == ("It is so.", transient)
    assert error.advice or status in (400, 422)
    assert str(status) in error.detail


def test_an_empty_account_is_no_rate_limit_that_waiting_helps_against():
    reply = canned({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, 429)
    provider, _ = provider_of("https://api.openai.com/v1", reply)
    with pytest.raises(errors.OutOfCredit) as caught:
        answer(provider)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry_after": "7"}, 7.0), ({"retry_after_ms": "1500"}, 1.5), ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None)],
)
def test_the_pause_that_a_server_asks_for_is_known(headers, seconds):
    provider, _ = provider_of("https://api.openai.com/v1", error_reply(429, **headers))
    with pytest.raises(errors.RateLimited) as caught:
        answer(provider)
    assert caught.value.retry_after == seconds


WORDS = [
    {"error": "plain words"},
    {"error": {"message": "plain words"}},
    {"message": "plain words"},
    {"detail": "plain words"},
    {"detail": [{"loc": ["body"], "msg": "plain words", "type": "missing"}]},
    [{"error": {"message": "plain words"}}],
]


@pytest.mark.parametrize("body", WORDS)
def test_the_words_of_an_error_are_found_wherever_an_api_puts_them(body):
    provider, _ = provider_of("https://llm.example/v1", canned(body, 400))
    with pytest.raises(errors.BadRequest, match=r"plain words\."):
        answer(provider)


def test_a_key_that_a_server_repeats_is_in_no_error():
    reply = error_reply(401, f"Incorrect API key provided: {KEY}. Really {KEY}")
    provider, _ = provider_of("https://api.openai.com/v1", reply)
    with pytest.raises(errors.Unauthorized) as caught:
        answer(provider)
    record = caught.value.record()
    assert "[key]" in record.message
    assert KEY not in repr((caught.value, caught.value.args, record))


def test_a_key_that_a_stream_repeats_is_in_no_error():
    provider, _ = provider_of("https://api.openai.com/v1", sse({"error": {"message": f"Bad key {KEY}", "code": 401}}))
    with pytest.raises(errors.Unauthorized) as caught:
        answer(provider)
    assert KEY not in repr((caught.value.args, caught.value.record()))


# ---- Health and models -----------------------------------------------------------------------------------------------

LIST = canned({"object": "list", "data": [{"id": "b-model", "object": "model"}, {"id": "a-model", "owned_by": "me"}]})


def test_the_models_are_listed_by_name():
    provider, transport = provider_of("https://api.openai.com/v1", LIST)
    assert [(m.name, m.state) for m in run(provider.models())] == [("a-model", "Remote"), ("b-model", "Remote")]
    assert transport.requests[0].url == "https://api.openai.com/v1/models"


def test_a_bare_list_is_one_too():
    provider, _ = provider_of(
        "https://api.together.xyz/v1", canned([{"id": "m", "type": "chat"}, {"id": "e", "type": "embedding"}])
    )
    assert [m.name for m in run(provider.models())] == ["m"]


def test_models_that_a_person_named_are_the_only_ones_and_are_not_asked_for():
    provider, transport = provider_of("https://api.openai.com/v1", LIST, model=" gpt-x , gpt-y,gpt-x ")
    assert [m.name for m in run(provider.models())] == ["gpt-x", "gpt-y"]
    assert transport.requests == []


def test_what_a_list_tells_of_a_model_is_in_its_details():
    entry = {"id": "m", "context_length": 128000, "architecture": {"input_modalities": ["text", "image"]}, "owned_by": "x"}
    provider, _ = provider_of("https://openrouter.ai/api/v1", canned({"data": [entry]}))
    (model,) = run(provider.models())
    assert model.details == {"Context": "128000 tokens", "Owner": "x", "Takes": "text, image"}


def test_a_check_needs_the_right_key():
    provider, _ = provider_of("https://api.openai.com/v1", LIST)
    assert run(provider.check()) == "OpenAI answers"
    provider, _ = provider_of("https://api.openai.com/v1", error_reply(401, "Incorrect API key provided"))
    with pytest.raises(errors.Unauthorized, match="Incorrect"):
        run(provider.check())


def test_where_the_list_is_open_to_everybody_the_key_is_checked_elsewhere():
    provider, transport = provider_of("https://openrouter.ai/api/v1", canned({"data": {"label": "x"}}), LIST)
    run(provider.check())
    assert [request.url for request in transport.requests] == [
        "https://openrouter.ai/api/v1/key",
        "https://openrouter.ai/api/v1/models",
    ]


def test_an_api_that_lists_nothing_works_with_a_model_that_was_named():
    missing = CannedResponse(b"not found", 404, "text/plain")
    provider, _ = provider_of("https://llm.example/v1", missing, model="mine")
    assert "does not list models" in run(provider.check())
    provider, _ = provider_of("https://llm.example/v1", missing)
    with pytest.raises(errors.NotFound):
        run(provider.check())


def test_another_api_is_told_as_one():
    provider, _ = provider_of("http://127.0.0.1:5000/v1", canned({"models": []}))
    with pytest.raises(errors.BadReply, match="another API"):
        run(provider.check())


@pytest.mark.parametrize("host", [name for name in HOSTS if vendor_of(HOSTS[name]).requires_key])
def test_a_vendor_that_needs_a_key_is_not_asked_without_one(host):
    provider, transport = provider_of(HOSTS[host], LIST, key="")
    with pytest.raises(errors.KeyMissing, match="needs an API key"):
        run(provider.check())
    assert transport.requests == []


@pytest.mark.parametrize(
    "url", ["https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "https://integrate.api.nvidia.com/v1"]
)
def test_an_api_that_no_page_can_use_is_told_as_such(url):
    provider, transport = provider_of(url)
    with pytest.raises(errors.NotForBrowsers, match="no page of another origin"):
        run(provider.check())
    assert transport.requests == []


def test_a_host_that_only_looks_like_a_vendors_is_not_that_vendor():
    assert vendor_of("https://api.openai.com.evil.example/v1").preset.label == "OpenAI-compatible"
    assert vendor_of("https://notapi.openai.com/v1").preset.label == "OpenAI-compatible"


def test_no_two_presets_have_the_same_name_and_each_but_the_general_one_has_an_address():
    presets = connection_type(RealTransport()).presets
    assert len({preset.name for preset in presets}) == len(presets)
    assert [preset.name for preset in presets if not preset.base_url] == ["openai-compatible"]


# ---- Stopping --------------------------------------------------------------------------------------------------------


def test_stopping_closes_the_connection_at_once():
    chunk = b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'
    reply = Reply(chunks=[chunk] * 2000, chunk_delay_s=0.02, content_type="text/event-stream")
    with ScriptedServer({("POST", "/v1/chat/completions"): reply, ("GET", "/v1/models"): json_reply({"data": []})}) as server:
        provider = OpenAi(Connection("c", "openai", "C", server.url + "/v1"), lambda: "", RealTransport())

        async def stop_early():
            async def take():
                async with aclosing(provider.generate(ask())) as events:
                    async for _ in events:
                        begun.set()

            begun = asyncio.Event()
            task = asyncio.ensure_future(take())
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])

        run(stop_early())
        request = server.wait_for_request("POST", "/v1/chat/completions")
        assert request.finished.wait(5)
        assert request.client_left

"""The llama-server provider against a real one, which has one model."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.requests import ChatRequest, Finished, Parameters, Progress, ReasoningDelta, TextDelta, Usage
from modeltab.providers.llama_server import CAPABILITIES, LlamaServer, connection_type
from tests.servers.processes import RunningServer, llama_server
from tests.servers.scripted import json_reply
from tests.servers.transport import RealTransport, run
from tests.unit.fakes import CannedTransport, canned, sse

MODEL = Path(__file__).parents[2] / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
KEY = "llama-0123456789abcdef"
PROPS = {"default_generation_settings": {"params": {}, "n_ctx": 4096}, "total_slots": 1, "build_info": "b11549-1a2b3c4"}
PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A llama-server that wants a key."""
    if not MODEL.exists():
        pytest.skip(f"{MODEL.name} is not there: python run.py brings it")
    with llama_server(MODEL, "--api-key", KEY) as running:
        yield running


@pytest.fixture
def provider(server):
    """The provider of the real server."""
    return provider_of(server.url)


def provider_of(url: str, key: str = KEY) -> LlamaServer:
    """A provider that has asked for nothing yet."""
    return LlamaServer(Connection("c", "llama-server", "C", url), lambda: key, RealTransport())


def canned_provider(*replies):
    """A provider that gets these replies, and the transport that gives them."""
    transport = CannedTransport(*replies)
    return LlamaServer(Connection("c", "llama-server", "C", "http://127.0.0.1:8080"), lambda: KEY, transport), transport


def say(text: str, role: str = "user", **fields: Any) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


def ask(*texts: str, **parameters: Any) -> ChatRequest:
    """A request with messages of the person and the model in turn, the person's first."""
    messages = tuple(say(text, ("user", "assistant")[place % 2]) for place, text in enumerate(texts or ("Hi",)))
    return ChatRequest(MODEL.name, messages, Parameters(**parameters), {"d1": PIXEL})


def answer(provider, request=None):
    """The events of an answer."""

    async def collect():
        async with aclosing(provider.generate(request or ask())) as events:
            return [event async for event in events]

    return run(collect())


def text_of(events) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def busy_slots(server: RunningServer) -> int:
    """How many slots the server works on, by itself."""
    request = urllib.request.Request(server.url + "/slots", headers={"X-Api-Key": KEY})
    with urllib.request.urlopen(request) as reply:
        return sum(slot["is_processing"] for slot in json.load(reply))


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# ---- A real server ---------------------------------------------------------------------------------------------------


@pytest.mark.model
def test_a_check_says_who_answers(provider):
    assert run(provider.check()).startswith("llama-server")
    assert (provider.host, provider.memory, provider.downloads) == (None, None, None)


@pytest.mark.model
@pytest.mark.parametrize("end", ["/", "/v1", "/v1/"])
def test_the_address_that_other_programs_ask_for_is_understood(server, end):
    assert run(provider_of(server.url + end).check()).startswith("llama-server")


@pytest.mark.model
def test_after_a_check_the_servers_defaults_and_senses_are_known(provider):
    assert provider.capabilities.defaults == {}
    run(provider.check())
    assert provider.capabilities.defaults == {"temperature": 0.8, "top_p": 0.95, "top_k": 40}
    assert not provider.capabilities.images


@pytest.mark.model
def test_the_model_is_listed_by_its_files_name(provider):
    (model,) = run(provider.models())
    assert (model.name, model.state) == (MODEL.name, "Loaded")
    assert MODEL.stat().st_size * 0.9 < (model.size or 0) < MODEL.stat().st_size
    assert model.details == {
        "Parameters": "135M",
        "Quantization": "Q4_1",
        "Context": "1024 tokens",
        "Trained context": "8192 tokens",
        "Takes": "text",
        "Path": str(MODEL),
    }


@pytest.mark.model
def test_its_details_say_what_it_was_started_with(provider):
    details = run(provider.details(MODEL.name))
    assert details["Context"] == "1024 tokens"
    assert details["Slots"] == "0 of 2 busy"
    assert details["Takes"] == "text"
    assert details["Path"] == str(MODEL)
    assert "for message in messages" in details["Template"]


@pytest.mark.model
def test_a_prompt_is_shown_as_the_model_reads_it_with_as_many_tokens_as_an_answer_counts(provider):
    request = ask("Hello", "Hi!", "How are you?", system_prompt="Be brief.", max_tokens=1, temperature=0.0)
    rendered = run(provider.render(request))
    assert rendered.text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n")
    assert rendered.text.endswith("How are you?<|im_end|>\n<|im_start|>assistant\n")
    (usage,) = [event for event in answer(provider, request) if isinstance(event, Usage)]
    assert rendered.tokens == usage.prompt_tokens
    assert rendered.n_ctx == 1024


@pytest.mark.model
def test_an_answer_has_text_figures_and_an_end_and_tells_how_far_the_prompt_is_read(provider):
    run(provider.models())
    events = answer(provider, ask("Tell me a long story about a fox.", max_tokens=5, temperature=0.0))
    assert isinstance(events[0], Progress)
    assert Progress("Reading the prompt", 1.0) in events
    assert text_of(events).strip()
    (usage,) = [event for event in events if isinstance(event, Usage)]
    assert usage.completion_tokens == 5
    assert (usage.prompt_tokens or 0) > 5
    assert (usage.seconds or 0) > 0 and (usage.tokens_per_second or 0) > 0
    assert events[-1] == Finished("length", "length")


@pytest.mark.model
def test_an_answer_that_was_cut_off_goes_on_where_it_was(provider):
    question = "Count from one to ten in words."
    begun = text_of(answer(provider, ask(question, max_tokens=8, temperature=0.0)))
    assert run(provider.render(ask(question, begun))).text.endswith(f"<|im_start|>assistant\n{begun}")
    more = text_of(answer(provider, ask(question, begun, max_tokens=16, temperature=0.0)))
    assert more and not more.startswith(begun)


@pytest.mark.model
def test_every_parameter_is_taken_by_the_server(provider):
    parameters = {name: 1 for name in ("max_tokens", "top_k", "seed")} | {"temperature": 0.5, "top_p": 0.5}
    request = ask(system_prompt="Be brief.", reasoning="low", extra_json='{"min_p": 0.1}', **parameters)
    assert isinstance(answer(provider, request)[-1], Finished)
    assert isinstance(answer(provider, ask(reasoning="off", max_tokens=1))[-1], Finished)


@pytest.mark.model
def test_the_seed_and_the_temperature_count(provider):
    request = ask("Tell me a story.", max_tokens=12, temperature=1.5, seed=7)
    assert text_of(answer(provider, request)) == text_of(answer(provider, request))


@pytest.mark.model
def test_stopping_frees_the_slot(server, provider):
    async def stop_early():
        begun = asyncio.Event()

        async def take():
            request = ask("Tell me a very long story about a fox.", temperature=0.0, extra_json='{"ignore_eos": true}')
            async with aclosing(provider.generate(request)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        begun.set()

        task = asyncio.ensure_future(take())
        await begun.wait()
        busy = await asyncio.to_thread(busy_slots, server)
        task.cancel()
        await asyncio.wait([task])
        return busy

    assert run(stop_early()) == 1
    assert within(2, lambda: busy_slots(server) == 0)  # by itself it would go on for longer


@pytest.mark.model
def test_a_conversation_that_is_too_long_is_refused_with_advice(provider):
    with pytest.raises(errors.BadRequest, match="exceeds the available context size") as caught:
        answer(provider, ask("word " * 3000))
    assert "--ctx-size" in caught.value.advice
    assert not caught.value.transient


@pytest.mark.model
def test_an_image_that_the_server_cannot_see_is_refused_with_advice_and_not_sent_again(provider):
    request = ask()._replace(messages=(say("What is this?", images=(IMAGE,)),))
    with pytest.raises(errors.ServerFailed, match="image input is not supported") as caught:
        answer(provider, request)
    assert "--mmproj" in caught.value.advice
    assert not caught.value.transient
    run(provider.check())
    with pytest.raises(errors.BadRequest, match="takes no images"):
        answer(provider, request)


@pytest.mark.model
@pytest.mark.parametrize("key", ["", "llama-another-key"])
def test_without_the_right_key_a_check_and_an_answer_fail_with_advice(server, key):
    for work in (lambda provider: run(provider.check()), answer):
        with pytest.raises(errors.Unauthorized, match="Invalid API Key") as caught:
            work(provider_of(server.url, key))
        assert "--api-key" in caught.value.advice


@pytest.mark.model
def test_whether_it_is_well_needs_no_key(server):
    with urllib.request.urlopen(server.url + "/health") as reply:
        assert json.load(reply) == {"status": "ok"}


@pytest.mark.model
def test_a_page_may_send_the_key_as_it_is_sent(server):
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    request = urllib.request.Request(server.url + "/v1/chat/completions", headers=headers, method="OPTIONS")
    with urllib.request.urlopen(request) as reply:
        assert reply.headers["Access-Control-Allow-Headers"] == "*"


@pytest.mark.model
def test_a_page_sees_that_its_key_is_refused(server):
    request = urllib.request.Request(server.url + "/props", headers={"Origin": "https://app.example"})
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request):
        pass
    assert (caught.value.code, caught.value.headers["Access-Control-Allow-Origin"]) == (401, "https://app.example")


@pytest.mark.model
def test_a_real_servers_properties_are_recognised(server):
    (fingerprint,) = connection_type(RealTransport()).fingerprints
    request = urllib.request.Request(server.url + fingerprint.path, headers={"X-Api-Key": KEY})
    with urllib.request.urlopen(request) as reply:
        assert fingerprint.recognise(json.load(reply)).startswith("llama-server")


# ---- What it sends ---------------------------------------------------------------------------------------------------

ANSWER = sse({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})


def test_a_request_is_what_the_readme_says_with_the_key_in_its_header_alone():
    provider, transport = canned_provider(ANSWER)
    assert answer(provider, ask("Hi", max_tokens=7, top_k=3)) == [TextDelta("Hi"), Finished("stop", "stop")]
    (request,) = transport.requests
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:8080/v1/chat/completions")
    assert request.headers == {"X-Api-Key": KEY, "Content-Type": "application/json"}
    assert transport.body == {
        "model": MODEL.name,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "max_tokens": 7,
        "top_k": 3,
    }
    assert KEY.encode() not in (request.body or b"")


def test_the_model_is_asked_for_by_its_whole_id():
    provider, transport = canned_provider(canned({"data": [{"id": "/models/" + MODEL.name, "meta": None}]}), ANSWER)
    run(provider.models())
    answer(provider)
    assert transport.body["model"] == "/models/" + MODEL.name


@pytest.mark.parametrize(
    ("texts", "reasoning", "fields"),
    [
        (("Hi",), None, {}),
        (("Hi",), "high", {"reasoning_effort": "high"}),
        (("Hi",), "off", {"chat_template_kwargs": {"enable_thinking": False}}),
        (("Hi", "Hel"), "high", {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_how_much_to_think_is_said_in_the_servers_words_and_a_continued_answer_does_not_think(texts, reasoning, fields):
    provider, transport = canned_provider(ANSWER)
    answer(provider, ask(*texts, reasoning=reasoning))
    sent = {name: transport.body[name] for name in ("reasoning_effort", "chat_template_kwargs") if name in transport.body}
    assert sent == fields


def test_extra_json_has_the_last_word():
    provider, transport = canned_provider(ANSWER)
    answer(provider, ask(temperature=1.0, extra_json='{"temperature": 0.1, "return_progress": false}'))
    assert (transport.body["temperature"], transport.body["return_progress"]) == (0.1, False)


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


@pytest.mark.parametrize("parameter", VALUES)
def test_every_parameter_that_is_taken_is_really_sent_and_of_the_others_it_is_said_why_not(parameter):
    plain, before = canned_provider(ANSWER)
    answer(plain)
    provider, transport = canned_provider(ANSWER)
    answer(provider, ask(**{parameter: VALUES[parameter]}))
    taken = parameter in CAPABILITIES.parameters
    assert (transport.body != before.body) is taken
    assert (parameter in CAPABILITIES.reasons) is not taken


# ---- What it makes of replies ----------------------------------------------------------------------------------------


def test_reasoning_is_told_apart():
    reply = sse(
        {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]},
        {"choices": [{"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}]},
    )
    assert answer(canned_provider(reply)[0])[:2] == [ReasoningDelta("Hm."), TextDelta("Yes.")]


def test_a_stream_without_an_end_mark_has_no_end():
    reply = sse({"choices": [{"delta": {"content": "Hi"}}]}, done=False)
    assert answer(canned_provider(reply)[0]) == [TextDelta("Hi")]


@pytest.mark.parametrize(("kind", "transient"), [("server_error", False), ("unavailable_error", True)])
def test_a_failure_of_its_own_is_not_tried_again_and_one_that_passes_is(kind, transient):
    error = {"error": {"code": 503, "message": "It is so", "type": kind}}
    for reply in (canned(error, 503), sse(error)):
        with pytest.raises(errors.ServerFailed) as caught:
            answer(canned_provider(reply)[0])
        assert caught.value.transient is transient


def test_a_model_that_still_loads_is_told_as_such_and_may_be_tried_again():
    loading = canned({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, 503)
    with pytest.raises(errors.ServerFailed, match="still loading") as caught:
        run(canned_provider(loading)[0].check())
    assert caught.value.transient
    assert "Wait until" in caught.value.advice


def test_another_failure_of_its_health_is_told_as_it_is():
    with pytest.raises(errors.ServerFailed, match="Bad gateway"):
        run(canned_provider(canned({"error": "Bad gateway"}, 502))[0].check())


def test_behind_a_proxy_that_lets_only_answers_through_it_is_there():
    listed = canned({"data": [{"id": "a", "meta": None}]})
    provider, transport = canned_provider(canned({"status": "ok"}), canned({}, 404), listed)
    assert run(provider.check()) == "llama-server answers"
    assert [request.url.rpartition(":8080")[2] for request in transport.requests] == ["/health", "/props", "/v1/models"]


@pytest.mark.parametrize("reply", [{}, [], {"default_generation_settings": None}, {"version": "0.17.9"}])
def test_another_program_is_told_as_one(reply):
    with pytest.raises(errors.BadReply, match="may not be llama-server"):
        run(canned_provider(canned({"status": "ok"}), canned(reply))[0].check())


@pytest.mark.parametrize(
    ("build", "words"), [("b11549-1a2b3c4", "llama-server b11549"), ("b0-unknown", "llama-server"), (None, "llama-server")]
)
def test_its_build_is_told_where_it_has_a_number(build, words):
    props = {**PROPS, "build_info": build}
    assert run(canned_provider(canned({"status": "ok"}), canned(props))[0].check()) == words
    (fingerprint,) = connection_type(RealTransport()).fingerprints
    assert fingerprint.recognise(props) == words


@pytest.mark.parametrize(
    "reply", [None, [], {}, {"default_generation_settings": {}}, {"version": "0.17.9"}, "Ollama is running"]
)
def test_what_is_something_else_is_not_recognised(reply):
    (fingerprint,) = connection_type(RealTransport()).fingerprints
    assert fingerprint.recognise(reply) == ""


@pytest.mark.parametrize(
    ("modalities", "sees"), [({"vision": True}, True), ({"vision": False}, False), ({}, True), (None, True)]
)
def test_images_are_offered_unless_the_model_is_known_not_to_see(modalities, sees):
    provider, _ = canned_provider(canned({"status": "ok"}), canned({**PROPS, "modalities": modalities}))
    run(provider.check())
    assert provider.capabilities.images is sees


def test_defaults_that_are_no_numbers_are_none():
    settings = {"params": {"temperature": None, "top_p": "x", "top_k": 40}, "n_ctx": 0}
    provider, _ = canned_provider(canned({"status": "ok"}), canned({**PROPS, "default_generation_settings": settings}))
    run(provider.check())
    assert provider.capabilities.defaults == {"top_k": 40}


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        (canned({"error": {"message": "This server does not support slots endpoint.", "code": 501}}, 501), "1"),
        (canned({"slots": 1}), "1"),
        (canned([{"id": 0}]), "0 of 1 busy"),
    ],
)
def test_where_slots_are_not_told_their_number_is(slots, words):
    assert run(canned_provider(canned(PROPS), slots)[0].details("m"))["Slots"] == words


def test_a_preview_without_the_size_of_the_context_is_one():
    tokens = canned({"tokens": [1, 2, 3]})
    provider, transport = canned_provider(canned({"prompt": "Hi"}), tokens, canned({"error": "x"}, 501))
    assert run(provider.render(ask())) == ("Hi", 3, None)
    assert json.loads(transport.requests[1].body or b"") == {
        "model": MODEL.name,
        "content": "Hi",
        "add_special": True,
        "parse_special": True,
    }


@pytest.mark.parametrize("replies", [(canned({}),), (canned({"prompt": "Hi"}), canned({}))])
def test_a_preview_that_is_none_is_a_bad_reply(replies):
    with pytest.raises(errors.BadReply, match="answered without"):
        run(canned_provider(*replies)[0].render(ask()))


def test_a_key_that_a_server_repeats_is_in_no_error():
    reply = canned({"error": {"code": 401, "message": f"Invalid API Key {KEY}", "type": "authentication_error"}}, 401)
    with pytest.raises(errors.Unauthorized) as caught:
        answer(canned_provider(reply)[0])
    assert KEY not in repr((caught.value.args, caught.value.record()))


def test_each_recipe_names_the_page():
    recipes = connection_type(RealTransport()).allow("http://127.0.0.1:8080")
    assert all("{origin}" in recipe.code for recipe in recipes)


def test_without_a_key_no_header_is_sent(scripted):
    scripted.on("GET", "/health", json_reply({"status": "ok"}))
    scripted.on("GET", "/props", json_reply(PROPS))
    connection = Connection("c", "llama-server", "C", scripted.url)
    assert run(connection_type(RealTransport()).build(connection, lambda: "").check()) == "llama-server b11549"
    assert all(not {"x-api-key", "authorization"} & set(request.headers) for request in scripted.requests)

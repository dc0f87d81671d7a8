"""The Ollama provider against a scripted Ollama, and that one against Ollama's own client and OpenAPI document."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import ollama
import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.requests import ChatRequest, Finished, Parameters, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from modeltab.providers import ollama as provider_module
from modeltab.providers.base import DownloadProgress, HttpRequest
from modeltab.providers.ollama import ADVICE, Ollama, connection_type
from modeltab.providers.ollama_chat import PARAMETERS, ChatReader
from tests.servers.ollama import FOREVER, HEADERS, PULL_STEPS, OllamaModel, OllamaServer, ollama_server
from tests.servers.openapi import Exchange, OpenApi, document
from tests.servers.scripted import Reply, json_reply
from tests.servers.transport import PathFile, RealTransport, run
from tests.unit.fakes import CannedTransport, canned

KEY = "ollama-0123456789abcdef"
PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))
MODEL = "llama3.2:1b"
THINKER = "qwen3:0.6b"
CLOUD = "gpt-oss:120b-cloud"
MODELS = {
    MODEL: OllamaModel(),
    THINKER: OllamaModel(answer="Yes.", thinking="Hm. Well.", capabilities=("completion", "tools", "thinking"), family="qwen3"),
    CLOUD: OllamaModel(answer="Far.", remote_host="https://ollama.com:443", remote_model="gpt-oss:120b"),
}
NEW = "smollm2:135m"
FOREIGN = "https://app.example"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A model that leaves is looked after often."""
    monkeypatch.setattr(provider_module, "UNLOAD_POLL_S", 0.005)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    """An Ollama with a model, one that thinks and one in the cloud; another can be pulled."""
    with ollama_server(MODELS, registry={NEW: OllamaModel(size=4_000_000)}) as running:
        yield running


@pytest.fixture
def provider(server):
    """The provider of the scripted Ollama."""
    return provider_of(server)


def provider_of(server: OllamaServer, key: str = "", model: str = "", end: str = "") -> Ollama:
    """A provider of a server."""
    return Ollama(Connection("c", "ollama", "C", server.url + end, model), lambda: key, RealTransport())


@contextmanager
def one_model(**fields: Any) -> Iterator[tuple[OllamaServer, Ollama]]:
    """A server with one model of these properties, and its provider."""
    with ollama_server({MODEL: OllamaModel(**fields)}) as server:
        yield server, provider_of(server)


def say(text: str, role: str = "user", **fields: Any) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


def ask(*messages: Message, model: str = MODEL, **parameters: Any) -> ChatRequest:
    """A request."""
    return ChatRequest(model, messages or (say("Hi"),), Parameters(**parameters), {"d1": PIXEL})


async def all_of(events):
    """Every event."""
    async with aclosing(events) as found:
        return [event async for event in found]


def answer(provider, request=None):
    """The events of an answer."""
    return run(all_of(provider.generate(request or ask())))


def text_of(events) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def reasoning_of(events) -> str:
    """The reasoning before an answer."""
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def body_sent(server: OllamaServer, path: str = "/api/chat") -> dict[str, Any]:
    """The latest body that went to a path."""
    return server.wait_for_request("POST", path).json()


def model_named(provider, name: str = MODEL):
    """A model of the list."""
    (model,) = (model for model in run(provider.models()) if model.name == name)
    return model


def load(provider, name: str = MODEL, **parameters: Any) -> None:
    """Load a model."""
    run(provider.load(name, Parameters(**parameters), lambda fraction: None))


async def cancelled_after(work, condition):
    """Runs a coroutine and cancels it as soon as the condition holds."""
    task = asyncio.ensure_future(work)
    while not condition():
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def lines(*values: Any) -> Reply:
    """A stream of lines."""
    return Reply(content_type="application/x-ndjson", chunks=[json.dumps(value).encode() + b"\n" for value in values])


def piece(content: str = "", **fields: Any) -> dict[str, Any]:
    """A line of an answer."""
    return {"model": MODEL, "message": {"role": "assistant", "content": content, **fields}, "done": False}


DONE = {"model": MODEL, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}

# ---- Whether it is there ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "/", "/api", "/v1", "/v1/"])
def test_a_check_says_its_version_by_whichever_address_other_programs_ask_for(server, end):
    assert run(provider_of(server, end=end).check()) == "Ollama 0.17.9"
    assert [request.path for request in server.requests] == ["/api/version"]


@pytest.mark.parametrize("reply", [{}, [], {"version": 1}, None])
def test_another_program_is_told_as_one(server, provider, reply):
    server.on("GET", "/api/version", json_reply(reply))
    with pytest.raises(errors.BadReply, match="may not be Ollama"):
        run(provider.check())


def test_it_is_recognised_by_its_version_and_nothing_else():
    (fingerprint,) = connection_type(RealTransport()).fingerprints
    assert fingerprint.recognise({"version": "0.17.9"}) == "Ollama 0.17.9"
    others: list[Any] = [{}, [], None, {"version": "1", "name": "x"}, {"version": 1}, {"error": "x"}]
    assert [fingerprint.recognise(other) for other in others] == [""] * len(others)


def test_each_recipe_names_the_page():
    recipes = connection_type(RealTransport()).allow("http://127.0.0.1:11434")
    assert all("{origin}" in recipe.code and "OLLAMA_ORIGINS" in recipe.code for recipe in recipes)


# ---- The key ---------------------------------------------------------------------------------------------------------


def test_the_key_is_in_its_header_alone():
    with ollama_server(MODELS, key=KEY) as server:
        provider = provider_of(server, KEY)
        run(provider.check())
        answer(provider)
        for request in server.requests:
            assert request.headers["authorization"] == f"Bearer {KEY}"
            assert KEY.encode() not in request.body and KEY not in request.path + request.query


@pytest.mark.parametrize("key", ["", "ollama-another-key"])
def test_without_the_right_key_everything_is_unauthorized(key):
    with ollama_server(MODELS, key=KEY) as server:
        provider = provider_of(server, key)
        for work in (provider.check, provider.models, provider.loaded):
            with pytest.raises(errors.Unauthorized, match="unauthorized") as caught:
                run(work())
            assert "ollama signin" in caught.value.advice
        with pytest.raises(errors.Unauthorized):
            answer(provider)


def test_a_key_that_a_reply_or_a_stream_repeats_is_nowhere(server):
    provider = provider_of(server, KEY)
    server.on("POST", "/api/show", json_reply({"error": f"bad key {KEY}"}, 401))
    with pytest.raises(errors.Unauthorized) as caught:
        run(provider.details(MODEL))
    assert KEY not in repr((caught.value.args, caught.value.record()))
    server.on("POST", "/api/chat", lines(piece(f"Your key is {KEY}."), {"error": f"bad key {KEY}"}))
    events = []

    async def collect():
        async with aclosing(provider.generate(ask())) as stream:
            async for event in stream:
                events.append(event)

    with pytest.raises(errors.ServerFailed) as broken:
        run(collect())
    assert text_of(events) == "Your key is [key]."
    assert KEY not in repr((broken.value.args, broken.value.record()))


# ---- Models ----------------------------------------------------------------------------------------------------------


def test_the_list_says_what_is_on_disk(provider):
    model = model_named(provider)
    assert (model.key, model.size, model.state) == (f"c/{MODEL}", 1_321_098_329, "On disk")
    assert model.modified.startswith("2026-10-03T23:34:03")
    assert model.details == {
        "Family": "llama",
        "Parameters": "1.2B",
        "Quantization": "Q8_0",
        "Trained context": "131072 tokens",
        "Capabilities": "completion",
    }


def test_the_list_says_what_is_in_memory_and_how(provider):
    load(provider, n_ctx=8192)
    model = model_named(provider)
    assert model.state == "Loaded"
    assert model.details["Context"] == "8192 tokens"
    assert model.details["In GPU memory"] == "100% of 1.3 GB"
    assert re.fullmatch(r"2026-11-17 \d\d:\d\d", model.details["Unloads"])
    assert model_named(provider, THINKER).state == "On disk"


def test_a_model_that_stays_for_good_says_so(server, provider):
    load(provider, n_gpu_layers=0)
    server.loaded[MODEL]["expires"] = FOREVER
    details = model_named(provider).details
    assert (details["Unloads"], details["In GPU memory"]) == ("never", "0% of 1.3 GB")


def test_a_cloud_model_is_remote_and_has_no_size_here(provider):
    model = model_named(provider, CLOUD)
    assert (model.state, model.size, model.details["Runs at"]) == ("Remote", None, "https://ollama.com:443")


def test_models_that_a_person_named_are_the_only_ones_with_what_is_known_of_them(server):
    server.models["mistral:latest"] = OllamaModel(family="mistral")
    provider = provider_of(server, model=f"mistral, {MODEL}, kimi-k2:cloud")
    load(provider, "mistral")
    assert [(m.name, m.state, m.details.get("Family")) for m in run(provider.models())] == [
        ("mistral", "Loaded", "mistral"),
        (MODEL, "On disk", "llama"),
        ("kimi-k2:cloud", "Remote", None),
    ]


def test_without_a_list_of_what_is_in_memory_there_is_still_one_of_models(server, provider):
    server.on("GET", "/api/ps", json_reply({"error": "not found"}, 404))
    assert len(run(provider.models())) == 3
    assert run(provider.loaded()) == ()


def test_the_hosted_ollamas_models_are_all_remote():
    transport = CannedTransport(canned({"models": [{"name": "kimi-k2:1t", "size": 5}]}), canned("404 page not found", 404))
    provider = Ollama(Connection("c", "ollama", "C", "https://ollama.com/api"), lambda: KEY, transport)
    (model,) = run(provider.models())
    assert (model.name, model.state, model.size) == ("kimi-k2:1t", "Remote", None)
    assert [request.url for request in transport.requests] == ["https://ollama.com/api/tags", "https://ollama.com/api/ps"]


@pytest.mark.parametrize("reply", [{}, [], {"models": None}, {"data": []}])
def test_a_list_that_is_none_is_a_bad_reply(server, provider, reply):
    server.on("GET", "/api/tags", json_reply(reply))
    with pytest.raises(errors.BadReply, match="without a list"):
        run(provider.models())


def test_odd_entries_of_a_list_do_no_harm(server, provider):
    server.on("GET", "/api/tags", json_reply({"models": ["x", {}, {"model": "a", "size": "big", "details": None}]}))
    server.on("GET", "/api/ps", json_reply({"models": [{"name": "a", "size": 0, "size_vram": 0, "expires_at": "soon"}]}))
    (model,) = run(provider.models())
    assert (model.name, model.size, model.state, model.details) == ("a", None, "Loaded", {"Unloads": "soon"})


def test_a_sync_is_the_list_again(server, provider):
    server.models["added:latest"] = OllamaModel()
    assert "added:latest" in [model.name for model in run(provider.sync())]


def test_details_tell_more_than_the_list(server, provider):
    details = run(provider.details(MODEL))
    assert details == {
        "Architecture": "llama",
        "Parameters": "1.2B",
        "Quantization": "Q8_0",
        "Trained context": "131072 tokens",
        "Capabilities": "completion",
        "Licence": "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT",
        "SHA-256": MODELS[MODEL].file_digest,
        "Template": "{{ .Prompt }}",
    }
    assert body_sent(server, "/api/show") == {"model": MODEL}
    cloud = run(provider.details(CLOUD))
    assert cloud["Runs at"] == "https://ollama.com:443" and "SHA-256" not in cloud


def test_what_details_do_not_have_is_left_out(server, provider):
    server.on("POST", "/api/show", json_reply({"model_info": {"general.parameter_count": 134_515_008}, "details": None}))
    assert run(provider.details(MODEL)) == {"Parameters": "135M"}
    server.on("POST", "/api/show", json_reply([]))
    with pytest.raises(errors.BadReply, match="details"):
        run(provider.details(MODEL))


def test_a_model_is_copied_under_another_name(server, provider):
    run(provider.copy(MODEL, "mine"))
    assert body_sent(server, "/api/copy") == {"source": MODEL, "destination": "mine"}
    assert model_named(provider, "mine:latest").size == model_named(provider).size


def test_a_model_is_deleted(server, provider):
    run(provider.remove(MODEL))
    assert server.wait_for_request("DELETE", "/api/delete").json() == {"model": MODEL}
    assert MODEL not in [model.name for model in run(provider.models())]


def test_what_is_not_there_is_told_with_advice(provider):
    for work in (provider.remove("gone"), provider.copy("gone", "mine"), provider.details("gone"), provider.unload("gone")):
        with pytest.raises(errors.NotFound, match="gone") as caught:
            run(work)
        assert "Download it" in caught.value.advice
    with pytest.raises(errors.NotFound, match="'gone' not found") as caught:
        answer(provider, ask(model="gone"))
    assert "Download it" in caught.value.advice


# ---- Memory ----------------------------------------------------------------------------------------------------------


def test_loading_asks_nothing_and_says_nothing_of_options_that_nobody_set(server, provider):
    load(provider)
    assert body_sent(server, "/api/generate") == {"model": MODEL, "stream": False}
    assert run(provider.loaded()) == (MODEL,)


def test_a_model_is_loaded_with_the_very_options_of_the_next_question(server, provider):
    parameters: dict[str, Any] = {
        "n_ctx": 8192,
        "n_gpu_layers": 0,
        "n_batch": 64,
        "extra_json": '{"options": {"num_thread": 2}}',
    }
    load(provider, **parameters)
    options = {"num_ctx": 8192, "num_gpu": 0, "num_batch": 64, "num_thread": 2}
    assert body_sent(server, "/api/generate")["options"] == options
    answer(provider, ask(**parameters))
    assert body_sent(server)["options"] == options


def test_a_model_that_does_not_fit_says_so_with_advice():
    with one_model(load_error="model requires more system memory (9.1 GiB) than is available (3.2 GiB)") as (_, provider):
        with pytest.raises(errors.ServerFailed, match=r"9\.1 GiB") as caught:
            load(provider)
        assert "smaller context" in caught.value.advice
        with pytest.raises(errors.ServerFailed, match=r"9\.1 GiB") as caught:
            answer(provider)
        assert not caught.value.transient


@pytest.mark.parametrize("name", ["mistral", "mistral:latest"])
def test_unloading_lasts_until_the_memory_is_free(name):
    with ollama_server({"mistral": OllamaModel()}, lingers=3) as server:
        provider = provider_of(server)
        load(provider, "mistral")
        run(provider.unload(name))
        assert body_sent(server, "/api/generate") == {"model": name, "keep_alive": 0, "stream": False}
        assert server.loaded == {}
        assert len([request for request in server.requests if request.path == "/api/ps"]) == 4


def test_a_model_that_is_busy_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(provider_module, "UNLOAD_POLLS", 2)
    with ollama_server(MODELS, lingers=1000) as server:
        provider = provider_of(server)
        load(provider)
        run(provider.unload(MODEL))
        assert run(provider.loaded()) == (MODEL,)


def test_freeing_unloads_every_model(provider):
    load(provider)
    load(provider, THINKER)
    assert set(run(provider.loaded())) == {MODEL, THINKER}
    run(provider.free())
    assert run(provider.loaded()) == ()


# ---- Downloads -------------------------------------------------------------------------------------------------------


def test_a_download_tells_its_steps_and_bytes_until_it_is_there(server, provider):
    progress = run(all_of(provider.download(NEW)))
    assert body_sent(server, "/api/pull") == {"model": NEW, "stream": True}
    assert progress[0] == DownloadProgress("pulling manifest")
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    first = progress[1 : PULL_STEPS + 2]
    assert [(p.done, p.total) for p in first] == [(4_000_000 * step // PULL_STEPS, 4_000_000) for step in range(PULL_STEPS + 1)]
    assert [re.sub(r"[0-9a-f]{12}", "…", p.text) for p in first[:2]] == [
        "pulling … (layer 1: 0.0 of 4.0 MB)",
        "pulling … (layer 1: 1.0 of 4.0 MB)",
    ]
    assert "(layer 2: " in progress[PULL_STEPS + 3].text
    assert progress[-1] == DownloadProgress("success", 4_011_485, 4_011_485)
    assert NEW in [model.name for model in run(provider.models())]


def test_a_name_that_does_not_exist_is_told_with_advice(provider):
    with pytest.raises(errors.ServerFailed, match="file does not exist") as caught:
        run(all_of(provider.download("no-such-model")))
    assert "hf.co/user/repo" in caught.value.advice
    assert not caught.value.transient


def test_a_download_that_breaks_off_is_cut_off(server, provider):
    server.on("POST", "/api/pull", lines({"status": "pulling manifest"}, {"status": "pulling x", "digest": "x", "total": 5}))
    with pytest.raises(errors.CutOff, match="before its end mark"):
        run(all_of(provider.download(NEW)))
    server.on("POST", "/api/pull", lines("what?"))
    with pytest.raises(errors.ServerFailed, match="broke off"):
        run(all_of(provider.download(NEW)))


def test_a_download_that_is_cancelled_closes_its_connection_and_goes_on_later():
    with ollama_server(registry={NEW: OllamaModel(size=4_000_000)}, pull_delay_s=0.03) as server:
        provider = provider_of(server)
        told: list[DownloadProgress] = []

        async def collect():
            async with aclosing(provider.download(NEW)) as progress:
                async for step in progress:
                    told.append(step)

        run(cancelled_after(collect(), lambda: told and told[-1].done))
        request = server.wait_for_request("POST", "/api/pull")
        assert request.finished.wait(5)
        assert request.client_left
        assert run(provider.models()) == ()
        again = run(all_of(provider.download(NEW)))
        assert again[1].done >= told[-1].done
        assert again[-1].text == "success"


# ---- Requests for answers --------------------------------------------------------------------------------------------


def test_a_request_is_what_the_reference_says(server, provider):
    answer(provider, ask(say("Hi"), say("Hello!", "assistant"), say("How are you?")))
    request = server.wait_for_request("POST", "/api/chat")
    assert request.json() == {
        "model": MODEL,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "How are you?"},
        ],
        "stream": True,
    }
    assert request.headers["content-type"] == "application/json"
    assert set(request.headers) <= {"host", "accept-encoding", "content-type", "content-length"}


def test_what_a_person_sets_goes_where_ollama_reads_it(server, provider):
    parameters: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "top_k": 3, "seed": 0, "max_tokens": 7, "n_ctx": 8192}
    answer(provider, ask(system_prompt="Be brief.", n_gpu_layers=0, n_batch=64, **parameters))
    body = body_sent(server)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["options"] == {
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 3,
        "seed": 0,
        "num_predict": 7,
        "num_ctx": 8192,
        "num_gpu": 0,
        "num_batch": 64,
    }


VALUES = {
    "system_prompt": "Be brief.",
    "temperature": 0.0,
    "max_tokens": 7,
    "top_p": 0.5,
    "top_k": 3,
    "seed": 0,
    "reasoning": "low",
    "extra_json": '{"format": "json"}',
    "template": "{question}",
    "n_gpu_layers": 1,
    "n_batch": 2,
    "n_ctx": 3,
}


@pytest.mark.parametrize("parameter", VALUES)
def test_every_parameter_that_is_taken_is_really_sent_and_no_other(server, provider, parameter):
    answer(provider, ask(model=THINKER))
    before = body_sent(server)
    answer(provider, ask(model=THINKER, **{parameter: VALUES[parameter]}))
    assert (body_sent(server) != before) is (parameter in PARAMETERS)


def test_extra_json_has_the_last_word_and_its_options_join_the_others(server, provider):
    extra = {"options": {"min_p": 0.1, "top_k": 9}, "keep_alive": "1h", "model": THINKER}
    answer(provider, ask(temperature=0.5, top_k=3, extra_json=json.dumps(extra)))
    body = body_sent(server)
    assert (body["keep_alive"], body["model"]) == ("1h", THINKER)
    assert body["options"] == {"temperature": 0.5, "top_k": 9, "min_p": 0.1}


def test_extra_json_that_is_no_object_is_told_before_anything_is_sent(server, provider):
    with pytest.raises(errors.BadRequest, match="not an object"):
        answer(provider, ask(extra_json="[1]"))
    assert server.requests == []


def test_images_go_along_as_bare_base64(server, provider):
    answer(provider, ask(say("What is this?", images=(IMAGE,)), say("A pixel.", "assistant"), say("Sure?")))
    assert body_sent(server)["messages"][0] == {
        "role": "user",
        "content": "What is this?",
        "images": [base64.b64encode(PIXEL).decode()],
    }


@pytest.mark.parametrize(
    ("reasoning", "think"), [(None, None), ("off", False), ("low", "low"), ("medium", "medium"), ("high", "high")]
)
def test_how_much_to_think_is_said_in_ollamas_words(server, provider, reasoning, think):
    answer(provider, ask(model=THINKER, reasoning=reasoning))
    assert body_sent(server).get("think") == think


def test_an_ollama_that_knows_no_levels_is_asked_to_think():
    with ollama_server(MODELS, levels=False) as server:
        events = answer(provider_of(server), ask(model=THINKER, reasoning="low"))
        assert (reasoning_of(events), text_of(events)) == ("Hm. Well.", "Yes.")
        thinks = [request.json()["think"] for request in server.requests]
        assert thinks == ["low", True]


def test_a_model_that_does_not_think_says_so_with_advice(server, provider):
    with pytest.raises(errors.BadRequest, match="does not support thinking") as caught:
        answer(provider, ask(reasoning="low"))
    assert "Set Reasoning back" in caught.value.advice
    assert len(server.requests) == 1
    assert text_of(answer(provider, ask(reasoning="off"))) == "You said: Hi"


def test_what_is_refused_after_levels_were_is_told_with_advice_too(server, provider):
    replies = iter(['think value "low" is not supported for this model', f'"{MODEL}" does not support thinking'])
    server.on("POST", "/api/chat", lambda request: json_reply({"error": next(replies)}, 400))
    with pytest.raises(errors.BadRequest, match="does not support thinking") as caught:
        answer(provider, ask(reasoning="low"))
    assert "Set Reasoning back" in caught.value.advice


# ---- Answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_comes_in_pieces_with_its_figures_and_end(provider):
    assert answer(provider, ask(say("one two"))) == [
        TextDelta("You "),
        TextDelta("said: "),
        TextDelta("one "),
        TextDelta("two"),
        Usage(2, 4, 0.12, 50.0),
        Finished("stop", "stop"),
    ]


def test_an_answer_ends_at_its_limit(provider):
    *events, usage, finished = answer(provider, ask(max_tokens=2))
    assert text_of(events) == "You said: "
    assert (usage.completion_tokens, finished) == (2, Finished("length", "length"))


def test_thinking_is_told_apart(provider):
    events = answer(provider, ask(model=THINKER))
    assert (reasoning_of(events), text_of(events)) == ("Hm. Well.", "Yes.")
    assert reasoning_of(answer(provider, ask(model=THINKER, reasoning="off"))) == ""


def test_thinking_that_is_left_in_the_text_is_told_apart_too():
    with one_model(answer="<think>\nHm. Well.\n</think>\n\nYes.") as (_, provider):
        events = answer(provider)
    assert (reasoning_of(events), text_of(events)) == ("Hm. Well.", "Yes.")


def test_calls_of_tools_come_whole_and_are_counted_by_us():
    calls: Any = (("weather", {"city": "Zürich"}), ("time", {}))
    with one_model(answer="Wait.", tool_calls=calls) as (_, provider):
        *events, _, finished = answer(provider)
    assert events[-2:] == [
        ToolCallDelta(0, "call_0", "weather", '{"city": "Zürich"}'),
        ToolCallDelta(1, "call_1", "time", "{}"),
    ]
    assert finished == Finished("tool_calls", "stop")


def test_an_answer_of_a_cloud_model_is_one(server, provider):
    assert text_of(answer(provider, ask(model=CLOUD))) == "Far."
    assert server.loaded == {}


def test_an_error_in_a_stream_is_one_after_what_has_come():
    with one_model(answer="one two three", fails_after=2) as (_, provider):
        events = []

        async def collect():
            async with aclosing(provider.generate(ask())) as stream:
                async for event in stream:
                    events.append(event)

        with pytest.raises(errors.ServerFailed, match="has terminated") as caught:
            run(collect())
        assert not caught.value.transient
        assert text_of(events) == "one two "


def test_an_answer_without_its_end_mark_has_no_end_and_nothing_of_it_is_lost():
    with one_model(answer="one two three", cut_after=2) as (_, provider):
        assert answer(provider) == [TextDelta("one "), TextDelta("two ")]
    with one_model(answer="<thin air", cut_after=1) as (_, provider):
        assert answer(provider) == [TextDelta("<thin ")]
    with one_model(answer="<th ink", cut_after=1) as (_, provider):
        assert text_of(answer(provider)) == "<th "


def test_a_beginning_that_might_have_become_a_tag_is_kept(server, provider):
    server.on("POST", "/api/chat", lines(piece("<thi")))
    assert answer(provider) == [TextDelta("<thi")]
    server.on("POST", "/api/chat", lines(piece("<thi"), DONE))
    assert answer(provider) == [TextDelta("<thi"), Finished("stop", "stop")]


def test_a_stream_that_breaks_off_in_the_middle_of_a_line_is_cut_off(server, provider):
    body = json.dumps(piece("Hello")).encode() + b"\n"
    server.on("POST", "/api/chat", Reply(content_type="application/x-ndjson", chunks=[body, body], cut_after=len(body) + 9))
    events = []

    async def collect():
        async with aclosing(provider.generate(ask())) as stream:
            async for event in stream:
                events.append(event)

    with pytest.raises(errors.CutOff):
        run(collect())
    assert events == [TextDelta("Hello")]


def test_after_its_end_mark_nothing_more_is_read(server, provider):
    server.on("POST", "/api/chat", lines(piece("Hi"), DONE, {"error": "too late"}))
    assert answer(provider) == [TextDelta("Hi"), Finished("stop", "stop")]


USAGE = [
    ({"prompt_eval_count": 9, "eval_count": 20, "eval_duration": 400_000_000}, [Usage(9, 20, None, 50.0)]),
    ({"total_duration": 1_500_000_000, "eval_count": 2, "eval_duration": 0}, [Usage(None, 2, 1.5)]),
    ({"eval_count": "many", "prompt_eval_count": None, "total_duration": True}, []),
]


@pytest.mark.parametrize(("figures", "usage"), USAGE)
def test_the_figures_are_told_as_far_as_they_are_there(server, provider, figures, usage):
    server.on("POST", "/api/chat", lines({**DONE, **figures}))
    assert answer(provider) == [*usage, Finished("stop", "stop")]


ENDS = [("stop", "stop"), ("length", "length"), ("load", "other"), ("", "stop"), (None, "stop")]


@pytest.mark.parametrize(("native", "reason"), ENDS)
def test_each_word_for_the_end_is_known(native, reason):
    (finished,) = ChatReader(ADVICE).read({**DONE, "done_reason": native})
    assert finished == Finished(reason, native or "stop")


def test_odd_lines_do_no_harm():
    reader = ChatReader(ADVICE)
    assert reader.read({"message": None}) == []
    assert reader.read({"message": {"content": None, "tool_calls": ["x", {"function": None}]}}) == [
        ToolCallDelta(0, "", "", "{}")
    ]
    assert reader.read({"message": {"tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]}}) == [
        ToolCallDelta(1, "", "f", '{"a": 1}')
    ]
    with pytest.raises(errors.BadReply, match="no part of an answer"):
        reader.read([1])


@pytest.mark.parametrize(
    ("status", "transient"), [(500, False), (502, True), (503, True)], ids=["Ollama's own", "a proxy's", "its queue is full"]
)
def test_what_may_pass_is_tried_again_and_a_failure_of_its_own_is_not(server, provider, status, transient):
    words = "server busy, please try again.  maximum pending requests exceeded"
    server.on("POST", "/api/chat", json_reply({"error": words}, status))
    with pytest.raises(errors.ServerFailed, match="server busy") as caught:
        answer(provider)
    assert caught.value.transient is transient
    assert "queue is full" in caught.value.advice


def test_a_web_page_in_place_of_a_stream_is_a_bad_reply(server, provider):
    server.on("POST", "/api/chat", Reply(content_type="text/html; charset=utf-8", body=b"<html>Log in</html>"))
    with pytest.raises(errors.BadReply, match="not with JSON"):
        answer(provider)


def test_stopping_closes_the_connection_at_once():
    with ollama_server({MODEL: OllamaModel(answer="word " * 500)}, chunk_delay_s=0.02) as server:
        events: list[Any] = []

        async def collect():
            async with aclosing(provider_of(server).generate(ask())) as stream:
                async for event in stream:
                    events.append(event)

        run(cancelled_after(collect(), lambda: events))
        request = server.wait_for_request("POST", "/api/chat")
        assert request.finished.wait(5)
        assert request.client_left


# ---- What a page may ask ---------------------------------------------------------------------------------------------


async def asked_by_a_page(server: OllamaServer, origin: str, method: str, path: str, **headers: str):
    """A reply's status and headers, asked as a browser asks."""
    response = await RealTransport().send(HttpRequest(method, server.url + path, {"Origin": origin, **headers}))
    async with aclosing(response):
        return response.status, response.headers


ORIGIN_RULES = [
    (FOREIGN, (), False),
    (FOREIGN, (FOREIGN,), True),
    (FOREIGN, ("https://*.example",), True),
    (FOREIGN, ("*",), True),
    ("https://app.example.evil", (FOREIGN,), False),
    ("http://localhost:8000", (), True),
    ("http://127.0.0.1:9000", (), True),
]


@pytest.mark.parametrize(("origin", "origins", "allowed"), ORIGIN_RULES)
def test_the_stand_in_answers_pages_by_ollamas_rule(origin, origins, allowed):
    with ollama_server(MODELS, origins) as server:
        for method in ("GET", "OPTIONS"):
            status, headers = run(asked_by_a_page(server, origin, method, "/api/version"))
            assert (status in (200, 204)) is allowed
            assert (status == 403) is not allowed
            assert ("access-control-allow-origin" in headers) is allowed


def test_no_request_has_a_header_that_ollama_allows_no_page_to_send(tmp_path):
    """Lower-case names: what http.client adds by itself is none of the provider's."""
    allowed = {name.lower() for name in HEADERS.split(",")} & {"authorization", "content-type"}
    by_itself = {"host", "accept-encoding", "content-length"}
    with ollama_server(MODELS, registry={NEW: OllamaModel()}, key=KEY) as server:
        everything(provider_of(server, KEY), tmp_path)
        assert {name for request in server.requests for name in request.headers} <= allowed | by_itself


# ---- The stand-in is right -------------------------------------------------------------------------------------------


def everything(provider: Ollama, folder: Path) -> None:
    """One of each of the provider's requests, and some that fail."""
    run(provider.check())
    load(provider, n_ctx=8192)
    run(provider.models())
    run(provider.details(MODEL))
    run(provider.header(MODEL))
    (folder / "new.gguf").write_bytes(b"GGUF....")
    assert provider.uploads is not None
    run(provider.uploads.add(PathFile(folder / "new.gguf"), "new.gguf", lambda step, done: None))
    run(provider.copy(MODEL, "mine"))
    run(all_of(provider.download(NEW)))
    with pytest.raises(errors.ServerFailed):
        run(all_of(provider.download("no-such-model")))
    conversation = (say("Hi", images=(IMAGE,)), say("Hello!", "assistant"), say("How are you?"))
    parameters: dict[str, Any] = {name: VALUES[name] for name in PARAMETERS - {"reasoning", "extra_json"}}
    answer(provider, ask(*conversation, **parameters, extra_json='{"keep_alive": "5m", "options": {"min_p": 0.1}}'))
    for reasoning in (None, "off", "low", "medium", "high"):
        answer(provider, ask(model=THINKER, reasoning=reasoning))
    answer(provider, ask(model=CLOUD))
    with pytest.raises(errors.NotFound):
        answer(provider, ask(model="gone"))
    run(provider.unload(MODEL))
    run(provider.free())
    run(provider.remove("mine"))


@pytest.mark.parametrize("closed", [False, True], ids=["as it is", "with no other fields"])
def test_what_is_sent_and_answered_is_what_ollamas_openapi_document_describes(server, provider, tmp_path, closed):
    """Replies are only held against the document as it is: Ollama's have fields that it does not list. It has no blobs,
    and no files to make a model of: those are in docs/api.md alone (see test_ollama_uploads.py).
    """
    spec = OpenApi.read(document("ollama.yaml"), closed)
    everything(provider, tmp_path)
    unlisted = ("/api/blobs/", "/api/create") if closed else ("/api/blobs/",)
    exchanges = [exchange for exchange in server.exchanges if not exchange.path.startswith(unlisted)]
    judge = spec.request_problems if closed else spec.problems
    assert [problem for exchange in exchanges for problem in judge(exchange)] == []
    assert len(server.exchanges) == len(server.requests)
    assert len(exchanges) > 20


WRONG = [
    {"messages": []},
    {"model": MODEL, "messages": [], "thinkk": True},
    {"model": MODEL, "messages": [], "think": "huge"},
    {"model": MODEL, "messages": [], "options": {"num_ctx": "8192"}},
    {"model": MODEL, "messages": [{"role": "user", "content": "Hi", "image": []}]},
]


@pytest.mark.parametrize("body", WRONG)
def test_the_check_against_the_document_finds_what_is_wrong(body):
    spec = OpenApi.read(document("ollama.yaml"), closed=True)
    exchange = Exchange("POST", "/api/chat", "application/json", json.dumps(body).encode())
    assert len(spec.request_problems(exchange)) == 1
    assert spec.request_problems(dataclasses.replace(exchange, path="/api/chatt")) == ["POST /api/chatt: no such operation"]


@pytest.fixture
def client(server) -> ollama.Client:
    """Ollama's own client."""
    return ollama.Client(host=server.url)


def test_ollamas_own_client_reads_the_stand_ins_lists(client):
    assert [model.model for model in client.list().models] == list(MODELS)
    details = client.list().models[0].details
    assert details is not None and details.parameter_size == "1.2B"
    assert client.show(MODEL).capabilities == ["completion"]
    client.generate(MODEL)
    (running,) = client.ps().models
    assert (running.model, running.context_length, running.size_vram) == (MODEL, 4096, 1_321_098_329)
    assert running.expires_at is not None and running.expires_at.year == 2026


def test_ollamas_own_client_chats_with_the_stand_in(client):
    messages = [{"role": "user", "content": "Hi"}]
    whole = client.chat(THINKER, messages, think=True)
    assert (whole.message.content, whole.message.thinking, whole.done_reason) == ("Yes.", "Hm. Well.", "stop")
    parts = list(client.chat(MODEL, messages, stream=True, options={"num_predict": 2}))
    assert "".join(part.message.content or "" for part in parts) == "You said: "
    assert (parts[-1].done, parts[-1].done_reason, parts[-1].eval_count) == (True, "length", 2)
    assert client.generate(MODEL, "Hi").response == "You said: Hi"


def test_ollamas_own_client_reads_the_stand_ins_calls_of_tools(server, client):
    server.models[MODEL] = OllamaModel(tool_calls=(("weather", {"city": "Paris"}),))
    calls = client.chat(MODEL, [{"role": "user", "content": "Weather?"}]).message.tool_calls or ()
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", {"city": "Paris"})]


def test_ollamas_own_client_keeps_the_stand_ins_models(server, client):
    assert client.pull(NEW).status == "success"
    steps = list(client.pull(NEW, stream=True))
    assert (steps[0].status, steps[-1].status) == ("pulling manifest", "success")
    assert client.copy(NEW, "mine").status == "success"
    assert client.delete("mine").status == "success"
    assert NEW in server.models and "mine:latest" not in server.models


def test_ollamas_own_client_understands_the_stand_ins_failures(client):
    for work in (
        lambda: client.show("gone"),
        lambda: client.chat("gone", [{"role": "user", "content": "Hi"}]),
        lambda: client.copy("gone", "x"),
    ):
        with pytest.raises(ollama.ResponseError, match="not found") as caught:
            work()
        assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="does not support thinking"):
        client.chat(MODEL, [{"role": "user", "content": "Hi"}], think=True)
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        list(client.pull("no-such-model", stream=True))

"""llama-server as a router over many models, against a scripted one."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.requests import ChatRequest, Finished, Parameters, TextDelta, Usage
from modeltab.providers import llama_router as router_module
from modeltab.providers.base import DownloadProgress
from modeltab.providers.llama_server import LlamaServer, connection_type
from tests.servers.llama_router import MIB, LlamaRouter, RouterModel, llama_router
from tests.servers.scripted import json_reply
from tests.servers.transport import RealTransport, run

TINY, BIG, MINE = "org/tiny-GGUF:Q8_0", "org/big-GGUF:Q4_K_M", "mine"
MODELS = {TINY: RouterModel(answer="Hello there."), BIG: RouterModel(fails=True), MINE: RouterModel(source="models_dir")}
NEW = "org/new-GGUF:Q4_K_M"
KEY = "llama-0123456789abcdef"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What takes time is looked after often."""
    monkeypatch.setattr(router_module, "POLL_S", 0.005)


@pytest.fixture
def server():
    """A router with three models, of which one does not load and one is not its own."""
    with llama_router(MODELS, hub={NEW: RouterModel()}) as running:
        yield running


@pytest.fixture
def provider(server):
    """The provider of the router, which knows that it is one."""
    return known(server)


def provider_of(server: LlamaRouter, key: str = "") -> LlamaServer:
    """A provider that has asked for nothing yet."""
    return LlamaServer(Connection("c", "llama-server", "C", server.url), lambda: key, RealTransport())


def known(server: LlamaRouter) -> LlamaServer:
    """A provider that has been checked."""
    provider = provider_of(server)
    run(provider.check())
    return provider


def ask(text: str = "Hi", model: str = TINY, **parameters: Any) -> ChatRequest:
    """A request with one message."""
    return ChatRequest(model, (Message("", "", None, "user", text, 0.0),), Parameters(**parameters))


async def all_of(events):
    """Every event."""
    async with aclosing(events) as found:
        return [event async for event in found]


def answer(provider, request=None):
    """The events of an answer."""
    return run(all_of(provider.generate(request or ask())))


def load(provider, name, on_fraction=lambda fraction: None):
    """Load a model."""
    run(provider.memory.load(name, Parameters(), on_fraction))


def asked(server):
    """What was asked of the server."""
    return [(request.method, request.path, request.query) for request in server.requests]


async def cancelled_after(work, condition):
    """Runs a coroutine and cancels it as soon as the condition holds."""
    task = asyncio.ensure_future(work)
    while not condition():
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


# ---- Which of the two it is ------------------------------------------------------------------------------------------


def test_before_it_has_answered_nothing_is_promised(server):
    provider = provider_of(server)
    assert (provider.host, provider.memory, provider.downloads) == (None, None, None)


def test_a_check_finds_a_router_and_what_it_can_do(server):
    provider = provider_of(server)
    assert run(provider.check()) == "llama-server b11549, router"
    assert None not in (provider.host, provider.memory, provider.downloads)
    assert provider.memory is not None and not provider.memory.loads_first


def test_the_list_finds_it_too(server):
    provider = provider_of(server)
    run(provider.models())
    assert provider.memory is not None


def test_a_router_without_models_is_one():
    with llama_router() as server:
        provider = provider_of(server)
        assert run(provider.models()) == ()
        assert provider.downloads is not None


def test_what_became_a_server_with_one_model_is_no_router_any_more(server, provider):
    server.on("GET", "/v1/models", json_reply({"data": [{"id": "/models/a.gguf", "meta": {"size": 5}}]}))
    assert [(m.name, m.state) for m in run(provider.models())] == [("a.gguf", "Loaded")]
    assert (provider.host, provider.memory, provider.downloads) == (None, None, None)


def test_a_router_that_loads_nothing_by_itself_wants_a_model_loaded_first():
    with llama_router(MODELS, autoload=False) as server:
        provider = known(server)
        assert provider.memory is not None and provider.memory.loads_first
        with pytest.raises(errors.BadRequest, match="not loaded") as caught:
            answer(provider)
        assert "Load the model first" in caught.value.advice
        load(provider, TINY)
        assert answer(provider)[-1] == Finished("stop", "stop")


def test_its_key_goes_where_a_page_may_send_it_and_a_check_needs_it():
    with llama_router(MODELS, key=KEY) as server:
        assert run(provider_of(server, KEY).check()).endswith("router")
        with pytest.raises(errors.Unauthorized, match="Invalid API Key") as caught:
            run(provider_of(server, "llama-another-key").check())
        assert "--api-key" in caught.value.advice
        assert all("authorization" not in request.headers for request in server.requests)


def test_it_is_recognised_by_its_properties(server):
    (fingerprint,) = connection_type(RealTransport()).fingerprints
    props = {"role": "router", "default_generation_settings": {"params": None, "n_ctx": 0}, "build_info": "b1-abc"}
    assert fingerprint.recognise(props) == "llama-server b1, router"


# ---- The list --------------------------------------------------------------------------------------------------------


def test_the_list_says_where_each_model_is_from_and_what_it_takes(server, provider):
    models = {model.name: model for model in run(provider.models())}
    assert [model.state for model in models.values()] == ["On disk"] * 3
    assert models[TINY].details == {"Takes": "text", "From": "downloads"}
    assert models[MINE].details["From"] == "the models folder"


@pytest.mark.parametrize(
    ("value", "state"), [("loaded", "Loaded"), ("sleeping", "Loaded"), ("unloaded", "On disk"), ("loading", "Loading")]
)
def test_each_state_is_told_in_our_words(server, provider, value, state):
    server.put(TINY, value)
    (model,) = (model for model in run(provider.models()) if model.name == TINY)
    assert model.state == state
    assert ("Asleep" in model.details) is (value == "sleeping")
    assert 0.3 < model.progress < 0.4 or value != "loading"


def test_a_loaded_model_tells_its_size_and_contexts(server, provider):
    server.put(TINY, "loaded")
    model = run(provider.models())[0]
    assert model.size == 100 * MIB
    assert (model.details["Context"], model.details["Trained context"]) == ("4096 tokens", "8192 tokens")
    assert (model.details["Parameters"], model.details["Quantization"]) == ("135M", "Q8_0")


def test_a_sync_has_the_folder_read_again(server, provider):
    server.folder["dropped-in"] = RouterModel(source="models_dir")
    assert "dropped-in" not in [model.name for model in run(provider.models())]
    assert "dropped-in" in [model.name for model in run(provider.host.sync())]
    assert ("GET", "/models", "reload=1") in asked(server)


def test_a_list_that_is_none_is_a_bad_reply(server, provider):
    server.on("GET", "/v1/models", json_reply({"models": []}))
    with pytest.raises(errors.BadReply, match="without a list"):
        run(provider.models())


# ---- Memory ----------------------------------------------------------------------------------------------------------


def test_loading_lasts_until_the_model_is_there_and_tells_how_far_it_is(server, provider):
    told: list[float] = []
    load(provider, TINY, told.append)
    assert server.states[TINY].value == "loaded"
    assert told == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert server.wait_for_request("POST", "/models/load").json() == {"model": TINY}
    assert run(provider.memory.loaded()) == (TINY,)


def test_loading_what_is_loaded_is_no_failure(server, provider):
    server.put(TINY, "sleeping")
    load(provider, TINY)
    assert run(provider.memory.loaded()) == (TINY,)


def test_a_load_that_fails_says_so_and_the_list_remembers_it(server, provider):
    with pytest.raises(errors.ServerFailed, match="did not load") as caught:
        load(provider, BIG)
    assert "log says why" in caught.value.advice
    (model,) = (model for model in run(provider.models()) if model.name == BIG)
    assert model.details["Failed"] == "it did not load (exit code 1)"


def test_a_model_that_is_not_there_is_not_loaded(provider):
    with pytest.raises(errors.NotFound):
        load(provider, "gone")


def test_a_load_that_is_cancelled_takes_the_model_out_again(server, provider):
    server.put(TINY, "unloaded")
    server.looks = 1000
    told: list[float] = []
    run(cancelled_after(provider.memory.load(TINY, Parameters(), told.append), lambda: told))
    assert server.wait_for_request("POST", "/models/unload").json() == {"model": TINY}
    assert server.states[TINY].value == "unloaded"


def test_unloading_lasts_until_the_model_is_gone(server, provider):
    server.put(TINY, "loaded")
    run(provider.memory.unload(TINY))
    assert server.states[TINY].value == "unloaded"
    run(provider.memory.unload(TINY))
    with pytest.raises(errors.BadRequest, match="not found"):
        run(provider.memory.unload("gone"))


def test_freeing_unloads_every_model(server, provider):
    server.put(TINY, "loaded")
    server.put(MINE, "sleeping")
    run(provider.memory.free())
    assert run(provider.memory.loaded()) == ()


# ---- Downloads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NEW, "org/new-GGUF", "ORG/new-gguf:q4_k_m"])
def test_a_download_tells_its_bytes_over_all_files_until_it_is_there(server, provider, name):
    progress = run(all_of(provider.downloads.download(name)))
    total = 101 * MIB
    assert [p.total for p in progress] == [total] * 3
    assert progress[0].done == pytest.approx(total / 3, abs=2)
    assert progress[-1] == DownloadProgress("downloaded", total, total)
    assert NEW in [model.name for model in run(provider.models())]
    assert server.wait_for_request("POST", "/models").json() == {"model": name}


def test_while_it_comes_the_list_has_it(server, provider):
    server.looks = 1000

    async def stop_early():
        async with aclosing(provider.downloads.download(NEW)) as progress:
            await anext(progress)
            return await provider.models()

    models = run(stop_early())
    (model,) = (model for model in models if model.name == NEW)
    assert model.state == "Downloading"
    assert NEW not in server.states


def test_a_download_that_fails_says_so(server, provider):
    server.hub[NEW] = RouterModel(fails=True)
    with pytest.raises(errors.ServerFailed, match="did not download"):
        run(all_of(provider.downloads.download(NEW)))


def test_another_quantization_that_is_there_does_not_hide_a_failure(server, provider):
    server.models["org/new-GGUF:Q8_0"] = RouterModel()
    server.put("org/new-GGUF:Q8_0", "unloaded")
    server.hub[NEW] = RouterModel(fails=True)
    with pytest.raises(errors.ServerFailed, match="did not download"):
        run(all_of(provider.downloads.download("org/new-GGUF")))


def test_what_is_there_already_under_its_whole_name_is_no_failure(server, provider):
    server.looks = 0
    server.models[NEW] = RouterModel()
    server.put(NEW, "unloaded")
    assert run(all_of(provider.downloads.download("org/new-GGUF")))[-1].text == "downloaded"


@pytest.mark.parametrize(
    ("name", "words", "advice"), [("nonsense", "validation failed", "user/repo"), (TINY, "exists", "Sync")]
)
def test_what_cannot_be_downloaded_is_told_at_once(server, provider, name, words, advice):
    server.hub[TINY] = RouterModel()
    with pytest.raises(errors.BadRequest, match=words) as caught:
        run(all_of(provider.downloads.download(name)))
    assert advice in caught.value.advice


def test_a_download_that_is_cancelled_is_stopped_on_the_server(server, provider):
    server.looks = 1000
    told: list[DownloadProgress] = []

    async def collect():
        async with aclosing(provider.downloads.download(NEW)) as progress:
            async for step in progress:
                told.append(step)

    run(cancelled_after(collect(), lambda: told))
    assert server.wait_for_request("POST", "/models/unload").json() == {"model": NEW}
    assert NEW not in server.states


def test_a_model_that_it_downloaded_is_deleted(server, provider):
    run(provider.host.remove(TINY))
    assert ("DELETE", "/models", "model=org%2Ftiny-GGUF%3AQ8_0") in asked(server)
    assert TINY not in [model.name for model in run(provider.models())]


def test_a_model_that_is_not_its_own_is_not_deleted_and_why_is_told(provider):
    with pytest.raises(errors.ServerFailed, match="not removable") as caught:
        run(provider.host.remove(MINE))
    assert "models folder" in caught.value.advice
    with pytest.raises(errors.ServerFailed, match="not found") as caught:
        run(provider.host.remove("gone"))
    assert "models folder" not in caught.value.advice


# ---- Its models ------------------------------------------------------------------------------------------------------


def test_an_answer_comes_from_the_model_that_was_named(server, provider):
    assert answer(provider) == [TextDelta("Hello "), TextDelta("there."), Usage(5, 2), Finished("stop", "stop")]
    assert server.wait_for_request("POST", "/v1/chat/completions").json()["model"] == TINY


def test_a_model_that_does_not_load_for_an_answer_is_not_asked_again_and_why_is_told(provider):
    with pytest.raises(errors.ServerFailed, match="failed to load") as caught:
        answer(provider, ask(model=BIG))
    assert not caught.value.transient
    assert "log says why" in caught.value.advice


def test_a_model_that_is_gone_is_told_with_advice(provider):
    with pytest.raises(errors.BadRequest, match="'gone' not found") as caught:
        answer(provider, ask(model="gone"))
    assert "Sync" in caught.value.advice


def test_details_load_no_model(server, provider):
    with pytest.raises(errors.BadRequest, match="not loaded") as caught:
        run(provider.model_details.details(TINY))
    assert "Load the model first" in caught.value.advice
    assert server.states[TINY].value == "unloaded"
    assert server.requests[-1].query == "model=org%2Ftiny-GGUF%3AQ8_0&autoload=false"


def test_a_loaded_model_tells_its_details(server, provider):
    server.put(TINY, "loaded")
    assert run(provider.model_details.details(TINY)) == {
        "Context": "4096 tokens",
        "Slots": "1 of 2 busy",
        "Takes": "text",
        "Path": f"/cache/{TINY}.gguf",
        "Build": "b11549-1a2b3c4",
        "Template": "{{ messages }}",
    }


def test_a_sleeping_model_is_not_woken_for_its_details(server, provider):
    server.put(TINY, "sleeping")
    assert run(provider.model_details.details(TINY))["Slots"] == "2"
    assert "/slots" not in [request.path for request in server.requests]


def test_a_preview_loads_no_model_either(server, provider):
    with pytest.raises(errors.BadRequest, match="not loaded"):
        run(provider.preview.render(ask()))
    assert server.states[TINY].value == "unloaded"
    server.put(TINY, "loaded")
    rendered = run(provider.preview.render(ask("Hi you", system_prompt="Be brief.")))
    assert rendered == ("<system>Be brief.\n<user>Hi you\n", 4, 4096)


def test_stopping_an_answer_closes_its_connection():
    with llama_router({TINY: RouterModel(answer="word " * 500)}, chunk_delay_s=0.02) as server:
        provider = known(server)
        events: list[Any] = []

        async def collect():
            async with aclosing(provider.generate(ask())) as stream:
                async for event in stream:
                    events.append(event)

        run(cancelled_after(collect(), lambda: events))
        request = server.wait_for_request("POST", "/v1/chat/completions")
        assert request.finished.wait(5)
        assert request.client_left

"""The models of the tab, with a plain store and engine in place of the browser's."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, EngineFailed, NotFound
from modeltab.domain.messages import Message
from modeltab.domain.requests import ChatRequest, Event, Finished, Parameters, TextDelta, extra_fields
from modeltab.providers.chat_completions import body_of
from modeltab.providers.in_tab import NAMES, InTab, connection_type
from modeltab.providers.tab_engines import EngineInfo
from modeltab.providers.tab_threads import Speed
from tests.servers.transport import run
from tests.unit.fakes import FakeEngine, FakeModels, JinjaTemplates, MemoryFile, stop, words


@pytest.fixture
def files() -> FakeModels:
    """A store with two models."""
    return FakeModels("a.gguf", "b.gguf")


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with nothing loaded."""
    return FakeEngine()


@pytest.fixture
def tab(files: FakeModels, engine: FakeEngine) -> InTab:
    """The provider of a connection named "tab"."""
    return InTab("tab", files, engine, JinjaTemplates())


def say(text: str, role: str = "user") -> Message:
    """A message with nothing but a text."""
    return Message("", "", None, role, text, 0.0)  # type: ignore[arg-type]


def ask(*messages: Message, **parameters: Any) -> ChatRequest:
    """A request for the model a.gguf."""
    return ChatRequest("a.gguf", messages or (say("Hi"),), Parameters(**parameters))


def chat_body(request: ChatRequest) -> Any:
    """What the engine is asked."""
    return body_of(request, NAMES, return_progress=True)


async def load(tab: InTab, name: str = "a.gguf", **parameters: Any) -> list[float]:
    """Loads a model; the fractions that were told."""
    told: list[float] = []
    await tab.load(name, Parameters(**parameters), told.append)
    return told


# ---- Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "text"), [((), "0 models"), (("a",), "1 model"), (("a", "b"), "2 models")])
def test_the_tab_says_how_many_models_it_keeps(engine, names, text):
    assert run(InTab("tab", FakeModels(*names), engine, JinjaTemplates()).check()) == f"{text} in this browser's storage"


def test_every_file_in_storage_is_a_model_on_disk(tab):
    first, second = run(tab.models())
    assert (first.key, first.size, first.modified, first.state) == ("tab/a.gguf", 1000, "2026-11-22T10:00:00+00:00", "On disk")
    assert second.name == "b.gguf"
    assert run(tab.sync()) == (first, second)


def test_the_loaded_model_says_how_it_runs(tab, engine):
    run(load(tab, n_ctx=2048))
    loaded, other = run(tab.models())
    assert (loaded.state, other.state) == ("Loaded", "On disk")
    assert loaded.details == {"Context": "2048 of 8192 tokens", "Threads": "4", "GPU": "none"}
    engine.info = EngineInfo("a.gguf", 1, 2, 1, gpu=True)
    assert run(tab.models())[0].details["GPU"] == "WebGPU"


def test_the_loaded_model_says_what_runs_it_and_how_quick_it_is_and_a_model_that_is_gone_why(tab, engine):
    engine.info = EngineInfo("a.gguf", 1024, 8192, 2, False, 4096, 4, "wllama 3", "the request has tools", Speed(50.2, 20.04))
    assert run(tab.models())[0].details == {
        "Context": "1024 of 8192 tokens; more does not fit into memory",
        "Threads": "2 of 4 cores",
        "GPU": "none",
        "Engine": "wllama 3, because the request has tools",
        "Speed": "50 tokens/s read, 20.0 written, as measured here",
    }
    engine.info, engine.gone = None, ("b.gguf", "the browser has put this tab to sleep")
    assert [model.details for model in run(tab.models())] == [{}, {"Unloaded": "the browser has put this tab to sleep"}]


def test_only_the_model_that_is_loaded_is_measured(tab, engine):
    run(load(tab))
    run(tab.measure("a.gguf", lambda fraction: None))
    assert engine.log[-1] == "measure"
    with pytest.raises(EngineFailed, match="not loaded"):
        run(tab.measure("b.gguf", lambda fraction: None))


def test_a_file_is_copied_into_storage_and_tells_how_far_it_is(tab, files):
    told: list[int] = []
    run(tab.add(MemoryFile("chosen.bin", b"GGUF" * 10), "c.gguf", lambda step, sent: told.append(sent)))
    assert told == [20, 40]
    assert files.files["c.gguf"] == 40


def test_removing_a_model_unloads_it_first(tab, files, engine):
    async def remove() -> None:
        await load(tab)
        await tab.remove("a.gguf")

    run(remove())
    assert engine.info is None
    assert "a.gguf" not in files.files


def test_removing_another_model_leaves_the_loaded_one_alone(tab, engine):
    async def remove() -> None:
        await load(tab)
        await tab.remove("b.gguf")

    run(remove())
    assert engine.info is not None
    assert "unload" not in engine.log


def test_removing_a_model_that_is_not_there_says_so(tab):
    with pytest.raises(NotFound):
        run(tab.remove("none.gguf"))


# ---- Memory ----------------------------------------------------------------------------------------------------------


def test_a_model_is_loaded_with_the_default_context_and_tells_how_far_it_is(tab, engine):
    assert run(load(tab)) == [0.5, 1.0]
    assert engine.log == ["load a.gguf with 4096 from a.gguf"]
    assert run(tab.loaded()) == ("a.gguf",)


def test_a_model_that_is_loaded_is_not_loaded_again(tab, engine):
    run(load(tab, n_ctx=2048))
    assert run(load(tab, n_ctx=2048)) == []
    assert len(engine.log) == 1


def test_another_context_loads_the_model_again(tab, engine):
    run(load(tab, n_ctx=2048))
    run(load(tab, n_ctx=1024))
    assert [line.split()[3] for line in engine.log] == ["2048", "1024"]


def test_a_context_beyond_what_the_model_was_trained_for_is_not_loaded_again_for_nothing(tab, engine):
    run(load(tab, n_ctx=100_000))
    assert engine.info is not None and engine.info.n_ctx == 8192
    run(load(tab, n_ctx=100_000))
    run(load(tab, n_ctx=50_000))
    assert len(engine.log) == 1


def test_another_model_takes_the_place_of_the_loaded_one(tab):
    run(load(tab, "a.gguf"))
    run(load(tab, "b.gguf"))
    assert run(tab.loaded()) == ("b.gguf",)


def test_a_model_that_fails_to_load_is_not_in_memory(tab, engine):
    engine.fails_to_load = EngineFailed("no")
    with pytest.raises(EngineFailed):
        run(load(tab))
    assert run(tab.loaded()) == ()


def test_unloading_another_model_than_the_loaded_one_does_nothing(tab):
    run(load(tab))
    run(tab.unload("b.gguf"))
    assert run(tab.loaded()) == ("a.gguf",)
    run(tab.unload("a.gguf"))
    assert run(tab.loaded()) == ()


def test_freeing_memory_unloads_whatever_is_loaded(tab):
    run(load(tab))
    run(tab.free())
    assert run(tab.loaded()) == ()


# ---- Requests --------------------------------------------------------------------------------------------------------


def test_without_parameters_only_the_messages_are_sent():
    messages = (say("Be kind.", "system"), say("Hi"), say("Hello!", "assistant"), say("Bye"))
    assert chat_body(ask(*messages)) == {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "Bye"},
        ],
        "return_progress": True,
    }


def test_the_system_prompt_is_the_first_message():
    body = chat_body(ask(system_prompt="Be brief."))
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_every_sampling_parameter_is_sent_and_zero_is_a_value():
    values = {"temperature": 0.0, "max_tokens": 20, "top_p": 0.5, "top_k": 0, "seed": 0}
    body = chat_body(ask(**values))
    assert {name: body[name] for name in values} == values


def test_what_belongs_to_loading_or_to_other_apis_is_not_sent():
    body = chat_body(ask(n_ctx=512, n_batch=8, n_gpu_layers=1, template="{question}"))
    assert set(body) == {"messages", "return_progress"}


def test_every_parameter_that_the_tab_says_it_takes_changes_the_request_or_the_loading():
    plain = chat_body(ask())
    sent = {"system_prompt": "a", "temperature": 1.0, "max_tokens": 1, "top_p": 1.0, "top_k": 1, "seed": 1}
    sent["extra_json"] = '{"a": 1}'
    for name, value in sent.items():
        assert chat_body(ask(**{name: value})) != plain, name
    assert {*sent, "n_ctx"} == InTab.capabilities.parameters


def test_a_message_without_text_is_not_sent():
    assert chat_body(ask(say("Hi"), say("", "assistant")))["messages"] == [{"role": "user", "content": "Hi"}]


def test_an_answer_to_be_continued_is_the_last_message():
    assert chat_body(ask(say("Hi"), say("Hel", "assistant")))["messages"][-1] == {"role": "assistant", "content": "Hel"}


def test_extra_json_is_part_of_the_request_and_has_the_last_word():
    body = chat_body(ask(temperature=0.5, extra_json='{"min_p": 0.1, "temperature": 0.9}'))
    assert (body["min_p"], body["temperature"]) == (0.1, 0.9)


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_empty_extra_json_adds_nothing(text):
    assert extra_fields(text) == {}


@pytest.mark.parametrize("text", ["{", "min_p: 1", "{'min_p': 1}", "{} {}"])
def test_extra_json_that_is_not_json_is_refused(text):
    with pytest.raises(BadRequest, match="not JSON") as caught:
        extra_fields(text)
    assert caught.value.advice and caught.value.detail


@pytest.mark.parametrize("text", ["[1]", "5", '"text"', "null", "true"])
def test_extra_json_that_is_not_an_object_is_refused(text):
    with pytest.raises(BadRequest, match="not an object"):
        extra_fields(text)


def test_wrong_extra_json_fails_the_answer_before_the_engine_is_asked(tab, engine):
    async def generate() -> None:
        async for _ in tab.generate(ask(extra_json="{")):
            pass

    with pytest.raises(BadRequest):
        run(generate())
    assert engine.bodies == []


# ---- Answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_comes_as_it_is_generated(tab, engine):
    gate = asyncio.Event()
    engine.steps = (*words("One"), gate, *words(" two"), stop("length"))

    async def generate() -> list[object]:
        async with aclosing(tab.generate(ask())) as events:
            first = await anext(events)  # although the second is not there yet
            gate.set()
            return [first, *[event async for event in events]]

    assert run(generate()) == [TextDelta("One"), TextDelta(" two"), Finished("length", "length")]


def test_closing_an_answer_stops_the_engine(tab, engine):
    engine.steps = (*words("One"), asyncio.Event())

    async def generate() -> None:
        async with aclosing(tab.generate(ask())) as events:
            await anext(events)

    run(generate())
    assert engine.log == ["stopped"]


def test_cancelling_an_answer_stops_the_engine(tab, engine):
    begun = asyncio.Event()
    engine.steps = (*words("One"), asyncio.Event())

    async def take() -> None:
        async with aclosing(tab.generate(ask())) as events:
            async for _ in events:
                begun.set()

    async def cancel() -> None:
        task = asyncio.ensure_future(take())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel())
    assert engine.log == ["stopped"]


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_the_reason_for_the_end_is_kept_beside_the_common_one(tab, engine, reason):
    engine.steps = (stop(reason),)
    assert run(all_of(tab)) == [Finished(reason, reason)]


def test_a_chunk_that_is_an_error_raises(tab, engine):
    engine.steps = ({"error": {"message": "out of memory"}},)
    with pytest.raises(EngineFailed, match="stopped") as caught:
        run(all_of(tab))
    assert "out of memory" in caught.value.detail


async def all_of(tab: InTab) -> list[Event]:
    """Every event of an answer."""
    return [event async for event in tab.generate(ask())]


def test_the_tab_is_always_there_and_has_no_address(files, engine):
    type_ = connection_type(files, engine, JinjaTemplates())
    assert (type_.name, type_.permanent, type_.takes_url, type_.default_url) == ("in-tab", True, False, "")
    assert run(type_.build(Connection("x", "in-tab", "X"), lambda: "").models())[0].connection_id == "x"

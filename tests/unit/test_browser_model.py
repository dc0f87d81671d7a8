"""The model that some browsers bring along: what it says of itself, how it is downloaded, asked and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, EngineFailed, Unreachable
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.requests import ChatRequest, Finished, Parameters, TextDelta
from modeltab.providers.base import Json, OnFraction
from modeltab.providers.browser_model import NAME, BrowserModel, connection_type
from tests.servers.transport import run
from tests.unit.rig import Rig

HERE = Connection("b", "browser-model", "Built in")


class FakeLanguageModel:
    """Says what it is told to. `log` has what was done with it."""

    def __init__(self, state: str = "available") -> None:
        self.exists = True
        self.state = state
        self.steps: tuple[str | Exception | asyncio.Event, ...] = ("Hello", " there")
        self.refuses: Exception | None = None
        self.log: list[object] = []

    async def availability(self) -> str:
        """As the test says."""
        return self.state

    async def prepare(self, on_fraction: OnFraction) -> None:
        """A download in two steps."""
        self.log.append("prepare")
        if self.refuses:
            raise self.refuses
        if self.state == "downloadable":
            on_fraction(0.5)
            await asyncio.sleep(0)
        on_fraction(1.0)
        self.state = "available"

    async def prompt(self, history: Json, text: str, schema: Json = None) -> AsyncGenerator[str, None]:
        """The steps; the log tells when it is closed before its end."""
        self.log.append((history, text))
        self.schema = schema
        try:
            for step in self.steps:
                await asyncio.sleep(0)
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.log.append("stopped")
            raise


def message(role: Any, text: str, **fields: Any) -> Message:
    """One message."""
    return Message(text, "c", None, role, text, 0.0, **fields)


async def collect(model: FakeLanguageModel, *messages: Message, **parameters: Any) -> list[object]:
    """All events of an answer."""
    request = ChatRequest(NAME, messages, Parameters(**parameters))
    return [event async for event in BrowserModel(HERE, model).generate(request)]


# ---- What it says of itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "words", "listed"),
    [
        ("available", "is on this machine", "On disk"),
        ("downloading", "is downloading", "Downloading"),
        ("downloadable", "at the first message", "Remote"),
    ],
)
def test_each_availability_is_told_in_words_as_experimental_and_lists_the_one_model(state, words, listed):
    provider = BrowserModel(HERE, FakeLanguageModel(state))
    text = run(provider.check())
    assert text.startswith("Experimental.") and words in text
    (model,) = run(provider.models())
    assert (model.key, model.state) == (f"b/{NAME}", listed)


@pytest.mark.parametrize("state", ["unavailable", "no", "something new"])
def test_a_browser_without_a_model_for_this_machine_says_what_it_would_need(state):
    provider = BrowserModel(HERE, FakeLanguageModel(state))
    with pytest.raises(Unreachable, match="no model for this machine") as caught:
        run(provider.check())
    assert "disk space" in caught.value.advice and state in caught.value.detail
    assert run(provider.models()) == ()


def test_a_browser_that_has_no_such_api_says_so_before_anything_is_saved():
    model = FakeLanguageModel()
    assert connection_type(model).unavailable == ""
    model.exists = False
    type_ = connection_type(model)
    assert type_.unavailable == "This browser has no built-in model."
    assert (type_.key, type_.takes_url, type_.permanent) == ("none", False, False)


def test_it_takes_no_parameter_but_the_system_prompt_and_says_why():
    capabilities = BrowserModel(HERE, FakeLanguageModel()).capabilities
    assert capabilities.parameters == {"system_prompt"}
    assert capabilities.streaming and not capabilities.images
    assert set(capabilities.reasons) == {
        *("temperature", "max_tokens", "top_p", "top_k", "seed", "n_ctx", "reasoning", "extra_json"),
    }


def test_nothing_is_claimed_of_its_memory():
    provider = BrowserModel(HERE, FakeLanguageModel())
    assert run(provider.loaded()) == ()
    assert (provider.loads, provider.loads_first, provider.unloads_one, provider.frees) == (False, True, False, False)


# ---- The download ----------------------------------------------------------------------------------------------------


def test_the_download_tells_how_far_it_is():
    model, told = FakeLanguageModel("downloadable"), list[float]()
    run(BrowserModel(HERE, model).load(NAME, Parameters(), told.append))
    assert told == [0.5, 1.0]


def test_a_download_that_the_browser_refuses_is_told():
    model = FakeLanguageModel("downloadable")
    model.refuses = EngineFailed("The browser's model refused or stopped.", "press Retry.")
    with pytest.raises(EngineFailed, match="refused"):
        run(BrowserModel(HERE, model).load(NAME, Parameters(), lambda fraction: None))


# ---- The answer ------------------------------------------------------------------------------------------------------


def test_an_answer_streams_and_gets_what_was_said_before():
    model = FakeLanguageModel()
    said = message("user", "One"), message("assistant", "First"), message("user", "Two")
    events = run(collect(model, *said, system_prompt="Be brief."))
    assert events == [TextDelta("Hello"), TextDelta(" there"), Finished("stop")]
    assert model.log == [
        (
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "One"},
                {"role": "assistant", "content": "First"},
            ],
            "Two",
        )
    ]


def test_an_answer_is_held_to_a_schema_when_there_is_one():
    model = FakeLanguageModel()

    async def ask(**fields: Any) -> None:
        request = ChatRequest(NAME, (message("user", "One"),), **fields)
        assert [event async for event in BrowserModel(HERE, model).generate(request)]

    run(ask(schema={"type": "object"}))
    assert model.schema == {"type": "object"}
    run(ask())
    assert model.schema is None


def test_without_a_system_prompt_there_is_none():
    model = FakeLanguageModel()
    run(collect(model, message("user", "One")))
    assert model.log == [([], "One")]


def test_there_is_nothing_to_answer_without_a_message():
    with pytest.raises(EngineFailed, match="nothing to answer"):
        run(collect(FakeLanguageModel()))


def test_an_image_is_refused_and_an_earlier_one_is_named():
    image = ImageRef("d", "image/png", "cat.png", 3)
    with pytest.raises(BadRequest, match="takes no images"):
        run(collect(FakeLanguageModel(), message("user", "One", images=(image,))))
    model = FakeLanguageModel()
    run(collect(model, message("user", "One", images=(image,)), message("user", "Two")))
    assert model.log == [([{"role": "user", "content": "[image: cat.png]\n\nOne"}], "Two")]


def test_a_failure_in_the_middle_leaves_what_came_before_it():
    model = FakeLanguageModel()
    model.steps = ("Half", EngineFailed("It stopped."))
    events: list[object] = []

    async def take() -> None:
        async for event in BrowserModel(HERE, model).generate(ChatRequest(NAME, (message("user", "One"),))):
            events.append(event)

    with pytest.raises(EngineFailed, match="It stopped"):
        run(take())
    assert events == [TextDelta("Half")]


def test_an_answer_that_is_left_stops_the_model():
    model = FakeLanguageModel()
    model.steps = ("Half", asyncio.Event())

    async def leave() -> None:
        answer = BrowserModel(HERE, model).generate(ChatRequest(NAME, (message("user", "One"),)))
        assert await anext(answer) == TextDelta("Half")
        await answer.aclose()

    run(leave())
    assert model.log[-1] == "stopped"


# ---- In the app ------------------------------------------------------------------------------------------------------


def app_with(model: FakeLanguageModel) -> Rig:
    """An app whose browser has that model."""
    rig = Rig()
    type_ = connection_type(model)
    rig.app.registry._types[type_.name] = type_
    rig.app.update(types=rig.app.registry.types)
    rig.connect(HERE)
    return rig


async def test_the_first_message_downloads_the_model_with_its_progress_and_is_answered():
    model = FakeLanguageModel("downloadable")
    rig = app_with(model)
    progress: list[str] = []
    rig.app.store.subscribe(lambda state: progress.append(state.generation.progress if state.generation else ""))
    await rig.start(f"b/{NAME}")
    answer = await rig.say("Hi")
    assert (answer.text, answer.status) == ("Hello there", "done")
    assert f"Loading {NAME}: 50%" in progress
    assert rig.state.models["b"][0].state == "On disk"


async def test_stop_ends_the_models_work_and_keeps_the_text():
    model = FakeLanguageModel()
    model.steps = ("Half", asyncio.Event())
    rig = app_with(model)
    await rig.start(f"b/{NAME}")
    await rig.begin("Hi", "Half")
    await rig.do("chat.stop")
    assert (rig.texts, rig.shown[-1].status, model.log[-1]) == (["Hi", "Half"], "stopped", "stopped")


async def test_a_browser_without_the_api_does_not_save_the_connection():
    model = FakeLanguageModel()
    model.exists = False
    rig = app_with(model)
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.save", values={"type": "browser-model", "name": "Mine"})
    assert rig.state.dialog is not None and rig.state.dialog.error is not None
    assert rig.state.dialog.error.message == "This browser has no built-in model."
    assert len(rig.state.connections) == 2


async def test_the_doctor_says_why_the_browsers_model_is_not_there():
    rig = app_with(FakeLanguageModel("unavailable"))
    await rig.start()
    await rig.do("connection.test", "b")
    found = rig.state.diagnoses["b"]
    assert (found.kind, found.title) == ("failed", "This browser has no model for this machine.")
    assert rig.surroundings.looked == []

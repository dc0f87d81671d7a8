"""A real llama-server speaks Anthropic's Messages and OpenAI's Responses: both providers get a real answer from it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.requests import ChatRequest, Event, Finished, Parameters, TextDelta, Usage
from modeltab.providers.anthropic import Anthropic
from modeltab.providers.base import Provider
from modeltab.providers.openai_responses import OpenAiResponses
from tests.servers.processes import RunningServer, llama_server
from tests.servers.transport import RealTransport, run

MODEL = Path(__file__).parents[2] / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
KEY = "llama-0123456789abcdef"

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A llama-server that wants a key."""
    if not MODEL.exists():
        pytest.skip(f"{MODEL.name} is not there: python run.py brings it")
    with llama_server(MODEL, "--api-key", KEY) as running:
        yield running


def provider_of(kind: type[Any], url: str, key: str = KEY) -> Provider:
    """A provider of the server."""
    return kind(Connection("c", "x", "C", url + "/v1"), lambda: key, RealTransport())


@pytest.fixture(params=[Anthropic, OpenAiResponses])
def provider(server: RunningServer, request: pytest.FixtureRequest) -> Provider:
    """Each of the two."""
    return provider_of(request.param, server.url)


def ask(*texts: str, **parameters: Any) -> ChatRequest:
    """A request with messages of the person and the model in turn, the person's first."""
    messages = tuple(Message("", "", None, ("user", "assistant")[place % 2], text, 0.0) for place, text in enumerate(texts))
    return ChatRequest("default", messages, Parameters(**parameters))


async def all_of(events: AsyncGenerator[Event, None]) -> list[Event]:
    """Every event."""
    async with aclosing(events) as found:
        return [event async for event in found]


def prompt_tokens(events: list[Event]) -> int:
    """How long the prompt was, by the last figures."""
    return [event.prompt_tokens for event in events if isinstance(event, Usage)][-1] or 0


def test_it_lists_its_model_and_answers_a_check(provider):
    (model,) = run(provider.models())
    assert model.name.endswith(MODEL.name)
    assert "answers" in run(provider.check())


def test_a_long_answer_ends_at_its_limit_with_its_figures(provider):
    request = ask("Tell me a long story about a fox.", max_tokens=5, temperature=0.0)
    *events, usage, finished = run(all_of(provider.generate(request)))
    assert {type(event) for event in events} <= {TextDelta, Usage}
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip()
    assert isinstance(usage, Usage)
    assert usage.completion_tokens == 5
    assert (usage.prompt_tokens or 0) > 5
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.provider_data) == ("length", {})


def test_a_short_answer_ends_by_itself(provider):
    request = ask("What color is the sky? Answer with one word.", max_tokens=200, temperature=0.0)
    finished = run(all_of(provider.generate(request)))[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "stop"


def test_a_conversation_with_all_that_can_be_set_is_taken(provider):
    request = ask(
        "My name is Zoë.",
        "Hello, Zoë!",
        "What is my name?",
        system_prompt="Be brief.",
        temperature=0.0,
        top_p=0.9,
        max_tokens=8,
        reasoning="low",
        extra_json='{"cache_prompt": true}',
    )
    shorter = run(all_of(provider.generate(ask("What is my name?", max_tokens=8))))
    longer = run(all_of(provider.generate(request)))
    assert isinstance(longer[-1], Finished)
    assert prompt_tokens(longer) > prompt_tokens(shorter) + 8


def test_a_conversation_that_is_too_long_is_refused_with_the_figures(provider):
    with pytest.raises(errors.BadRequest, match="exceeds the available context size"):
        run(all_of(provider.generate(ask("word " * 5000, max_tokens=5))))


@pytest.mark.parametrize("kind", [Anthropic, OpenAiResponses])
def test_a_wrong_key_is_refused_and_told_to_nobody(server, kind):
    wrong = "llama-wrong-0123456789"
    with pytest.raises(errors.Unauthorized) as caught:
        run(all_of(provider_of(kind, server.url, wrong).generate(ask("Hi", max_tokens=1))))
    assert wrong not in repr(caught.value.record())

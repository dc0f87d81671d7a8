"""A JSON schema, and probabilities in chat, on their way to every provider: each has its own words for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.requests import ChatRequest, Event, Parameters, TextDelta, TokenProbabilities
from modeltab.domain.schema_examples import EXAMPLES
from modeltab.domain.tokens import Alternative, Token
from modeltab.providers.anthropic import Anthropic
from modeltab.providers.base import Provider
from modeltab.providers.gemini import Gemini
from modeltab.providers.in_tab import InTab
from modeltab.providers.llama_server import LlamaServer
from modeltab.providers.local_llm import LocalLlm
from modeltab.providers.ollama import Ollama
from modeltab.providers.openai import OpenAi
from modeltab.providers.openai_responses import OpenAiResponses
from tests.servers.ollama import OllamaModel, ollama_server
from tests.servers.processes import RunningServer, llama_server
from tests.servers.transport import RealTransport, run
from tests.servers.vendor_types import anthropic_problems, chat_problems, gemini_problems, responses_problems
from tests.unit.fakes import CannedTransport, FakeEngine, FakeModels, JinjaTemplates, canned, sse

MODEL = Path(__file__).parents[2] / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
STRICT = EXAMPLES[0].schema
LOOSE = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def ask(schema: Any = None, n: int = 0, model: str = "m", **parameters: Any) -> ChatRequest:
    """A request."""
    question = Message("", "", None, "user", "Marie Curie was born in 1867. The facts, as JSON.", 0.0)
    return ChatRequest(model, (question,), Parameters(**parameters), schema=schema, n_alternatives=n)


def answer(provider: Provider, request: ChatRequest) -> list[Event]:
    """The events of an answer."""

    async def collect() -> list[Event]:
        async with aclosing(provider.generate(request)) as events:
            return [event async for event in events]

    return run(collect())


def sent(kind: Any, url: str, request: ChatRequest, *events: Any) -> dict[str, Any]:
    """What a provider of an API that is not here sends."""
    transport = CannedTransport(sse(*events))
    answer(kind(Connection("c", "x", "C", url), lambda: "sk-ant-0123456789", transport), request)
    body: dict[str, Any] = transport.body
    return body


@pytest.mark.parametrize(("schema", "strict"), [(STRICT, {"strict": True}), (LOOSE, {})])
def test_openai_is_held_to_it_strictly_where_it_takes_that(schema, strict):
    body = sent(OpenAi, "https://api.openai.com/v1", ask(schema, 4))
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **strict}}
    assert (body["logprobs"], body["top_logprobs"]) == (True, 4)
    assert chat_problems(body) == []
    body = sent(OpenAiResponses, "https://api.openai.com/v1", ask(schema), {"type": "response.completed", "response": {}})
    assert body["text"] == {"format": {"type": "json_schema", "name": "answer", "schema": schema, **strict}}
    assert responses_problems(body) == []


def test_anthropic_has_it_beside_the_effort():
    done = {"type": "message_stop"}
    body = sent(Anthropic, "https://api.anthropic.com/v1", ask(STRICT, model="claude-opus-4-8", reasoning="low"), done)
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": STRICT}}
    assert anthropic_problems(body) == []
    body = sent(Anthropic, "https://api.anthropic.com/v1", ask(STRICT, model="claude-haiku-4-5"), done)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": STRICT}}


def test_gemini_has_it_in_its_configuration_and_tells_probabilities_in_lists_of_its_own():
    chosen = {"chosenCandidates": [{"token": "{", "logProbability": -0.5}], "topCandidates": [{"candidates": [{"token": "{"}]}]}
    frame = {"candidates": [{"content": {"parts": [{"text": "{"}]}, "logprobsResult": chosen, "finishReason": "STOP"}]}
    transport = CannedTransport(sse(frame))
    url = "https://generativelanguage.googleapis.com/v1beta"
    events = answer(Gemini(Connection("c", "gemini", "C", url), lambda: "AIza0123456789", transport), ask(STRICT, 3))
    config = transport.body["generationConfig"]
    assert config == {
        "responseMimeType": "application/json",
        "responseJsonSchema": STRICT,
        "responseLogprobs": True,
        "logprobs": 3,
    }
    assert gemini_problems(transport.body) == []
    assert events[:2] == [TokenProbabilities((Token("{", -0.5, (Alternative("{", 0.0),)),)), TextDelta("{")]


def test_ollama_has_it_as_its_format():
    with ollama_server({"m:latest": OllamaModel(answer='{"name": 1}')}) as server:
        provider = Ollama(Connection("c", "ollama", "C", server.url), lambda: "", RealTransport())
        events = answer(provider, ask(STRICT, 2))
        body = server.wait_for_request("POST", "/api/chat").json()
    assert (body["format"], body["logprobs"], body["top_logprobs"]) == (STRICT, True, 2)
    assert any(isinstance(event, TokenProbabilities) for event in events)


def test_the_tab_gives_it_to_its_engine():
    engine = FakeEngine()
    answer(InTab("tab", FakeModels("m"), engine, JinjaTemplates()), ask(LOOSE))
    assert engine.bodies[0]["response_format"]["json_schema"] == {"name": "answer", "schema": LOOSE}


def test_without_a_schema_nothing_of_it_is_sent():
    body = sent(OpenAi, "https://api.openai.com/v1", ask())
    assert body.keys().isdisjoint({"response_format", "logprobs", "top_logprobs"})


def test_who_cannot_says_why():
    transport = CannedTransport(canned({}))
    local = LocalLlm(Connection("c", "local-llm", "C", "http://127.0.0.1:5000/api/v1"), transport)
    deepseek = OpenAi(Connection("c", "openai", "C", "https://api.deepseek.com"), lambda: "", transport)
    for provider in (local, deepseek):
        assert not provider.capabilities.schema
        assert provider.capabilities.reasons["schema"]


@pytest.fixture(scope="module")
def real() -> Iterator[RunningServer]:
    """A llama-server with the starter model."""
    if not MODEL.exists():
        pytest.skip(f"{MODEL.name} is not there: python run.py brings it")
    with llama_server(MODEL) as running:
        yield running


@pytest.mark.model
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_a_real_server_keeps_to_it_and_tells_how_sure_it_was(real, example):
    provider = LlamaServer(Connection("c", "llama-server", "C", real.url), lambda: "", RealTransport())
    question = Message("", "", None, "user", example.prompt, 0.0)
    request = ChatRequest(MODEL.name, (question,), Parameters(temperature=0.0, max_tokens=200), schema=example.schema)
    events = answer(provider, request._replace(n_alternatives=2))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    Draft202012Validator(example.schema).validate(json.loads(text))
    told = [token for event in events if isinstance(event, TokenProbabilities) for token in event.tokens]
    assert told and all(token.logprob is not None and len(token.alternatives) == 2 for token in told)

"""What goes to OpenAI, held against OpenAI's own OpenAPI document.

Needs the document: see `tests.servers.openapi.document`.
"""

from __future__ import annotations

import json
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import ModelTabError
from modeltab.domain.messages import ImageRef, Message, ToolCall
from modeltab.domain.requests import REASONING_EFFORTS, ChatRequest, Parameters
from modeltab.providers.openai import OpenAi
from modeltab.providers.openai_responses import OpenAiResponses
from tests.servers.openapi import Exchange, OpenApi, document
from tests.servers.transport import run
from tests.unit.fakes import CannedTransport, canned, sse

PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))


def say(text: str, role: str = "user", **fields) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


TURNS = (say("Hi"), say("Hello.", "assistant", reasoning="I greet."), say("And now?"))
REQUESTS: dict[str, tuple[tuple[Message, ...], dict[str, Any]]] = {
    "a question": ((say("Hi"),), {}),
    "a conversation": (TURNS, {}),
    "an image": ((say("What is this?", images=(IMAGE,)),), {}),
    "a tool's call before": ((say("Hi"), say("", "assistant", tool_calls=(ToolCall("t1", "f", "{}"),)), say("Go on.")), {}),
    "every parameter": (TURNS, {"system_prompt": "Be brief.", "temperature": 0.2, "max_tokens": 100, "top_p": 0.9, "seed": 7}),
    "extra JSON": ((say("Hi"),), {"extra_json": '{"metadata": {"a": "b"}, "store": false}'}),
    **{f"reasoning {effort}": ((say("Hi"),), {"reasoning": effort}) for effort in REASONING_EFFORTS},
}


@pytest.mark.parametrize("model", ["gpt-4.1-mini", "gpt-5-mini"])
@pytest.mark.parametrize("request_", list(REQUESTS))
@pytest.mark.parametrize("kind", [OpenAi, OpenAiResponses])
def test_what_is_sent_is_what_openais_document_describes(kind, request_, model):
    spec = OpenApi.read(document("openai.yaml"), closed=True)
    messages, parameters = REQUESTS[request_]
    taken = kind(Connection("c", "x", "C", "https://api.openai.com/v1"), lambda: "", CannedTransport()).capabilities.parameters
    wanted = {name: value for name, value in parameters.items() if name in taken}
    transport = CannedTransport(sse({"choices": []}))
    provider = kind(Connection("c", "x", "C", "https://api.openai.com/v1"), lambda: "sk-0123456789", transport)

    async def ask() -> None:
        request = ChatRequest(model, messages, Parameters(**wanted), {"d1": PIXEL})
        with suppress(ModelTabError):  # the canned reply is no answer
            async with aclosing(provider.generate(request)) as events:
                async for _ in events:
                    pass

    run(ask())
    (sent,) = transport.requests
    exchange = Exchange(sent.method, urlsplit(sent.url).path, "application/json", sent.body or b"")
    assert spec.request_problems(exchange) == []


def test_the_list_of_models_is_one_of_its_operations_too():
    spec = OpenApi.read(document("openai.yaml"))
    transport = CannedTransport(canned({"object": "list", "data": []}))
    run(OpenAi(Connection("c", "x", "C", "https://api.openai.com/v1"), lambda: "sk-0123456789", transport).models())
    (sent,) = transport.requests
    assert spec.request_problems(Exchange(sent.method, urlsplit(sent.url).path)) == []


@pytest.mark.parametrize(
    "body", [{"model": "m"}, {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_toknes": 3}]
)
def test_the_check_finds_what_is_wrong(body):
    spec = OpenApi.read(document("openai.yaml"), closed=True)
    exchange = Exchange("POST", "/v1/chat/completions", "application/json", json.dumps(body).encode())
    assert spec.request_problems(exchange)

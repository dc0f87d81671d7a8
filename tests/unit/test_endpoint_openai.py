"""OpenAI's API in the tab: every model under one name, requests that go through or are refused, answers whole and streamed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
from typing import Any

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, Finished, TextDelta
from modeltab.endpoint import names
from modeltab.endpoint.chat_request import chat_call
from modeltab.endpoint.errors import CallError
from modeltab.endpoint.fields import Fields
from modeltab.endpoint.values import Request
from modeltab.providers.base import Capabilities
from modeltab.providers.openai import OpenAi
from tests.servers.model_files import small_gguf
from tests.servers.scripted import ScriptedServer, json_reply
from tests.unit.calling import BASE, LoopTransport, opened
from tests.unit.conftest import EchoServer
from tests.unit.fakes import stop, told, words

TAB = "In this tab/a.gguf"
CHAT = "v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello?"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


# ---- Names -----------------------------------------------------------------------------------------------------------

CONNECTIONS = (
    Connection("in-tab", "in-tab", "In this tab"),
    Connection("a", "openai", "Lab"),
    Connection("b", "openai", "Lab/GPU"),
    Connection("c", "ollama", "Ollama"),
    Connection("d", "ollama", "Ollama"),
)
MODELS = {
    "in-tab": (Model("in-tab", "one.gguf"), Model("in-tab", "two.gguf")),
    "a": (Model("a", "GPU/one"), Model("a", "org/three")),
    "b": (Model("b", "one"),),
    "c": (Model("c", "four:1b"),),
    "d": (Model("d", "four:1b"),),
}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("In this tab/one.gguf", "in-tab/one.gguf"),
        ("In this tab/one", "in-tab/one.gguf"),
        ("in-tab/two.gguf", "in-tab/two.gguf"),
        ("Lab/GPU/one", "b/one"),  # the longest name of a connection wins
        ("a/GPU/one", "a/GPU/one"),
        ("Lab/org/three", "a/org/three"),
        ("org/three", "a/org/three"),
        ("two", "in-tab/two.gguf"),
        ("c/four:1b", "c/four:1b"),
    ],
)
def test_a_model_is_found_by_its_name(name: str, key: str):
    found = names.find(name, CONNECTIONS, MODELS)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize("name", ["", "/", "five", "Lab/five", "Lab/", "in this tab/one.gguf"])
def test_what_is_not_there_is_not_found(name: str):
    assert names.find(name, CONNECTIONS, MODELS) is None


def test_a_name_that_several_connections_have_is_asked_back_and_each_is_listed_apart():
    with pytest.raises(CallError, match=r"Name one: c/four:1b, d/four:1b"):
        names.find("four:1b", CONNECTIONS, MODELS)
    assert "c/four:1b" in names.named(CONNECTIONS, MODELS)
    assert "Lab/GPU/one" in names.named(CONNECTIONS, MODELS)


async def test_the_list_has_every_model_of_every_connection():
    with ScriptedServer({("GET", "/v1/models"): json_reply({"object": "list", "data": [{"id": "org/m"}]})}) as server:
        rig, page = await opened("a.gguf")
        rig.connect(Connection("lab", "openai", "Lab", server.url + "/v1"))
        value = await page.get("v1/models")
        assert [(m["id"], m["object"], m["owned_by"]) for m in value["data"]] == [
            (TAB, "model", "in-tab"),
            ("Lab/org/m", "model", "lab"),
        ]
        assert value["data"][0]["created"] == 1795341600
        assert (await page.get("v1/models/Lab%2Forg%2Fm"))["id"] == "Lab/org/m"
        reply = await page.call("GET", "v1/models/none")
        assert (reply.status, reply.json()["error"]["code"]) == (404, "model_not_found")


# ---- Answers ---------------------------------------------------------------------------------------------------------


async def test_an_answer_in_one_piece():
    rig, page = await opened("a.gguf")
    reply = await page.call("POST", CHAT, {"model": TAB, "messages": HELLO, "max_completion_tokens": 7, "temperature": 0})
    value = reply.json()
    assert (reply.status, value["object"], value["model"]) == (200, "chat.completion", TAB)
    assert value["choices"][0]["message"] == {"role": "assistant", "content": "Hello there", "refusal": None}
    assert value["choices"][0]["finish_reason"] == "stop"
    assert value["usage"]["total_tokens"] == value["usage"]["prompt_tokens"] + value["usage"]["completion_tokens"] > 0
    assert rig.engine.bodies == [{"messages": HELLO, "return_progress": True, "max_tokens": 7, "temperature": 0.0}]


async def test_a_streamed_answer_and_its_usage():
    rig, page = await opened("a.gguf")
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    rig.engine.steps = (*words("Hello", " there"), stop(), {"choices": [], "usage": usage})
    body = {"model": "a", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    reply = await page.call("POST", CHAT, body)
    assert reply.headers["content-type"] == "text/event-stream"
    *chunks, last, done = reply.events()
    assert done == "[DONE]"
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "Hello"}, {"content": " there"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert {chunk["id"] for chunk in (*chunks, last)} == {chunks[0]["id"]}
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (last["choices"], last["usage"]) == ([], {**usage, "total_tokens": 7})


async def test_reasoning_tools_and_probabilities_come_in_openais_shape():
    rig, page = await opened("a.gguf")
    calls = [{"index": 0, "id": "c1", "function": {"name": "look", "arguments": '{"a"'}}]
    more = [{"index": 0, "function": {"arguments": ": 1}"}}]
    rig.engine.steps = (
        {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]},
        {"choices": [{"index": 0, "delta": {"content": "So"}, "logprobs": {"content": [told("So")]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": calls}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": more}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    )
    body = {"model": TAB, "messages": HELLO, "tools": [TOOL], "tool_choice": "auto", "logprobs": True, "top_logprobs": 2}
    value = (await page.call("POST", CHAT, body)).json()["choices"][0]
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    assert value["message"] == {
        "role": "assistant",
        "content": "So",
        "refusal": None,
        "reasoning_content": "Hm.",
        "tool_calls": [call],
    }
    assert value["finish_reason"] == "tool_calls"
    (token,) = value["logprobs"]["content"]
    assert (token["token"], token["bytes"], len(token["top_logprobs"])) == ("So", [83, 111], 2)
    assert rig.engine.bodies[-1]["tools"] == [TOOL]

    chunks = (await page.call("POST", CHAT, {**body, "stream": True})).events()[:-1]
    sent = [delta["tool_calls"][0] for chunk in chunks if "tool_calls" in (delta := chunk["choices"][0]["delta"])]
    assert sent[0] == {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a"'}}
    assert sent[1] == {"index": 0, "function": {"arguments": ": 1}"}}
    assert [chunk["choices"][0]["logprobs"]["content"][0]["token"] for chunk in chunks if chunk["choices"][0]["logprobs"]] == [
        "So"
    ]


async def test_messages_of_any_kind_go_through_as_they_are():
    rig, page = await opened("a.gguf")
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    fields = {"response_format": {"type": "json_object"}, "stop": ["\n"], "min_p": 0.1, "user": "me", "store": True}
    await page.call("POST", CHAT, {"model": TAB, "messages": messages, **fields})
    sent = rig.engine.bodies[-1]
    assert sent["messages"] == messages
    assert (sent["response_format"], sent["stop"], sent["min_p"]) == (fields["response_format"], ["\n"], 0.1)
    assert (sent["user"], sent["store"]) == ("me", True)


async def test_the_apps_own_client_of_openais_api_takes_the_answers():
    _, page = await opened("a.gguf")
    client = OpenAi(Connection("c", "openai", "Tab", BASE + "v1"), lambda: "", LoopTransport(page))
    assert [model.name for model in await client.models()] == [TAB]
    question = Message("1", "", None, "user", "Hello?", 0.0)
    events = [event async for event in client.generate(ChatRequest(TAB, (question,)))]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello there"
    assert isinstance(events[-1], Finished)


# ---- What cannot be done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", None),
        (b"[]", 400, "invalid_json", None),
        ({}, 400, "missing_required_parameter", "model"),
        ({"model": 5}, 400, "invalid_type", "model"),
        ({"model": "none", "messages": HELLO}, 404, "model_not_found", "model"),
        ({"model": TAB}, 400, "missing_required_parameter", "messages"),
        ({"model": TAB, "messages": ["Hello"]}, 400, "invalid_type", "messages"),
        ({"model": TAB, "messages": HELLO, "temperature": "warm"}, 400, "invalid_type", "temperature"),
        ({"model": TAB, "messages": HELLO, "stream": 1}, 400, "invalid_type", "stream"),
        ({"model": TAB, "messages": HELLO, "n": 2}, 400, "unsupported_parameter", "n"),
        ({"model": TAB, "messages": HELLO, "logprobs": True, "top_logprobs": 99}, 400, "unsupported_parameter", "top_logprobs"),
    ],
)
async def test_a_request_that_is_wrong_is_refused_in_openais_shape(body: Any, status: int, code: str, param: str | None):
    _, page = await opened("a.gguf")
    reply = await page.call("POST", CHAT, body)
    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"], error["type"]) == (status, code, param, "invalid_request_error")
    assert error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "v1/responses", 404, "unknown_url"),
        ("GET", "v1/models/", 404, "unknown_url"),
        ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", "v1/models", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_told(method: str, path: str, status: int, code: str):
    _, page = await opened()
    reply = await page.call(method, path)
    assert (reply.status, reply.json()["error"]["code"]) == (status, code)
    assert ("allow" in reply.headers) == (status == 405)


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (json_reply({"error": {"message": "No such key"}}, 401), 401, "unauthorized"),
        (json_reply({"error": {"message": "Too long"}}, 400), 400, None),
        (json_reply({"error": {"message": "Slow down"}}, 429, headers={"Retry-After": "90"}), 429, "rate_limit_exceeded"),
    ],
)
async def test_what_the_provider_fails_with_keeps_its_kind(reply: Any, status: int, code: str | None):
    lists = json_reply({"object": "list", "data": [{"id": "m"}]})
    with ScriptedServer({("GET", "/v1/models"): lists, ("POST", "/v1/chat/completions"): reply}) as server:
        rig, page = await opened()
        rig.connect(Connection("lab", "openai", "Lab", server.url + "/v1"))
        answer = await page.call("POST", CHAT, {"model": "Lab/m", "messages": HELLO, "stream": True})
        assert (answer.status, answer.json()["error"]["code"]) == (status, code)
        assert answer.headers.get("retry-after") == ("90" if status == 429 else None)


async def test_what_fails_in_the_middle_is_an_event_of_a_stream_and_breaks_the_other_off():
    rig, page = await opened("a.gguf")
    rig.engine.steps = (*words("Hello"), {"error": "out of memory"})
    reply = await page.call("POST", CHAT, {"model": TAB, "messages": HELLO, "stream": True})
    assert reply.status == 200
    assert "The engine stopped" in reply.events()[-1]["error"]["message"]
    assert reply.ended
    reply = await page.call("POST", CHAT, {"model": TAB, "messages": HELLO})
    assert "The engine stopped" in reply.broken

    rig.engine.steps = words("Hello")
    reply = await page.call("POST", CHAT, {"model": TAB, "messages": HELLO})
    assert "end mark" in reply.broken


async def test_what_nobody_foresaw_is_told_to_both(capsys):
    rig, page = await opened("a.gguf")
    rig.engine.steps = (ValueError("a defect"),)
    reply = await page.call("POST", CHAT, {"model": TAB, "messages": HELLO})
    assert (reply.status, reply.json()["error"]["type"]) == (500, "server_error")
    assert rig.alerts == ["ModelTab met an error that it did not expect."]
    assert "a defect" in capsys.readouterr().err


async def test_a_caller_who_leaves_stops_the_engine_and_the_next_one_has_its_turn():
    rig, page = await opened("a.gguf")
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    out, task = page.begin("POST", CHAT, {"model": TAB, "messages": HELLO, "stream": True})
    await rig.until(lambda: "Hello" in out.text)
    rig.engine.steps = (*words("Next"), stop())
    waiting, second = page.begin("POST", CHAT, {"model": TAB, "messages": HELLO})
    await asyncio.sleep(0.01)
    assert not waiting.status
    task.cancel()
    await asyncio.wait([second])
    assert rig.engine.log[-1] == "stopped"
    assert waiting.json()["choices"][0]["message"]["content"] == "Next"
    assert [call.status for call in rig.state.api_calls] == [200, 499]


# ---- Providers that do not speak it ----------------------------------------------------------------------------------

PLAIN = Capabilities(streaming=True, parameters=frozenset({"system_prompt", "temperature", "max_tokens", "reasoning"}))


def translated(body: dict[str, Any], takes: Capabilities = PLAIN) -> ChatRequest:
    """What a body becomes for a provider."""
    fields = Fields(Request("POST", CHAT, content=json.dumps(body).encode()))
    return chat_call(fields, "m", "Lab/m", takes).request


def test_a_conversation_is_translated():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "?"}]},
        {"role": "assistant", "content": "Yes."},
        {"role": "developer", "content": "In French."},
        {"role": "user", "content": "Why?"},
    ]
    request = translated(
        {"messages": messages, "max_tokens": 5, "reasoning_effort": "none", "frequency_penalty": 0, "tools": []}
    )
    assert [(m.role, m.text) for m in request.messages] == [("user", "Hello?"), ("assistant", "Yes."), ("user", "Why?")]
    assert request.parameters.system_prompt == "Be brief.\n\nIn French."
    assert (request.parameters.max_tokens, request.parameters.reasoning) == (5, "off")


def test_images_and_schemas_go_to_those_that_take_them():
    picture = base64.b64encode(b"PNG").decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    body = {"messages": [{"role": "user", "content": [image]}], "response_format": wanted}
    request = translated(body, PLAIN._replace(images=True, schema=True))
    digest = hashlib.sha256(b"PNG").hexdigest()
    assert request.messages[0].images[0][:2] == (digest, "image/png")
    assert request.images == {digest: b"PNG"}
    assert request.schema == {"type": "object"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"stop": ["\n"]}, "stop"),
        ({"top_p": 0.5}, "top_p"),
        ({"seed": 1}, "seed"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "response_format"),
        ({"messages": [{"role": "tool", "content": "42"}]}, "tools"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"min_p": 0.1}, "min_p"),
    ],
)
def test_what_a_provider_does_not_take_is_refused_by_name(body: dict[str, Any], param: str):
    with pytest.raises(CallError) as found:
        translated({"messages": HELLO, **body})
    assert (found.value.status, found.value.param) == (400, param)


@pytest.mark.parametrize("url", ["https://a.example/x.png", "data:image/png;base64,!!!", "data:text"])
def test_an_image_that_would_have_to_be_fetched_is_refused(url: str):
    body = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
    with pytest.raises(CallError) as found:
        translated(body, PLAIN._replace(images=True))
    assert found.value.code == "invalid_image_url"


# ---- Completions and embeddings --------------------------------------------------------------------------------------


async def test_text_goes_on_without_a_template():
    rig, page = await opened("a.gguf")
    reply = await page.call("POST", "v1/completions", {"model": TAB, "prompt": "The capital", "logprobs": 2})
    value = reply.json()
    assert (value["object"], value["choices"][0]["text"]) == ("text_completion", " Paris.")
    assert value["choices"][0]["logprobs"]["tokens"] == [" Paris", "."]
    assert rig.engine.bodies[-1]["prompt"] == "The capital"
    assert rig.engine.bodies[-1]["max_tokens"] == 16
    chunks = (await page.call("POST", "v1/completions", {"model": TAB, "prompt": ["The"], "stream": True})).events()
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks[:-1]) == " Paris."
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("body", [{"prompt": ["a", "b"]}, {"prompt": "a", "echo": True}, {"prompt": "a", "suffix": "b"}, {}])
async def test_a_completion_that_cannot_be_made_is_refused(body: dict[str, Any]):
    _, page = await opened("a.gguf")
    assert (await page.call("POST", "v1/completions", {"model": TAB, **body})).status == 400


async def test_vectors_of_texts():
    def vectors(request: Any) -> Any:
        asked = request.json()["input"]
        data = [{"index": n, "embedding": [n, 0.5]} for n in range(len(asked))]
        return json_reply({"data": data[::-1], "usage": {"prompt_tokens": 4}})

    lists = json_reply({"object": "list", "data": [{"id": "m"}]})
    with ScriptedServer({("GET", "/v1/models"): lists, ("POST", "/v1/embeddings"): vectors}) as server:
        rig, page = await opened("a.gguf")
        rig.connect(Connection("lab", "openai", "Lab", server.url + "/v1"))
        body = {"model": "Lab/m", "input": ["one", "two"]}
        value = (await page.call("POST", "v1/embeddings", body)).json()
        assert [item["embedding"] for item in value["data"]] == [[0.0, 0.5], [1.0, 0.5]]
        assert value["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
        coded = (await page.call("POST", "v1/embeddings", {**body, "encoding_format": "base64"})).json()
        assert struct.unpack("<2f", base64.b64decode(coded["data"][1]["embedding"])) == (1.0, 0.5)
        refused: tuple[dict[str, Any], ...] = ({"input": []}, {"input": [[1, 2]]}, {"dimensions": 2}, {"encoding_format": "x"})
        for wrong in refused:
            assert (await page.call("POST", "v1/embeddings", {"model": "Lab/m", "input": "a", **wrong})).status == 400


async def test_a_connection_that_makes_no_vectors_says_so(echo: EchoServer):
    (echo.folder / "b.gguf").write_bytes(small_gguf())
    rig, page = await opened("a.gguf", url=echo.url)
    await rig.do("models.sync")
    for model in ("Workshop/b.gguf", TAB):
        reply = await page.call("POST", "v1/embeddings", {"model": model, "input": "one"})
        assert (reply.status, reply.json()["error"]["code"]) == (400, "unsupported_endpoint")
    reply = await page.call("POST", "v1/completions", {"model": "Workshop/b.gguf", "prompt": "one"})
    assert reply.json()["choices"][0]["text"].startswith("You said: ")
    answer = (await page.call("POST", CHAT, {"model": "Workshop/b.gguf", "messages": HELLO, "stream": True})).events()
    assert answer[1]["choices"][0]["delta"] == {"content": "You said: Hello?"}

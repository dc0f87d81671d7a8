"""The Anthropic provider: what it sends, held against Anthropic's own types and client, and what it makes of streams."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import anthropic
import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import ImageRef, Message
from modeltab.domain.models import Model
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    Parameters,
    ReasoningDelta,
    Retrying,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from modeltab.providers import retrying
from modeltab.providers.anthropic import (
    DEFAULT_URL,
    MAX_TOKENS,
    Anthropic,
    MessageReader,
    connection_type,
)
from modeltab.providers.anthropic_thinking import Thinking, thinking_of
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply
from tests.servers.transport import RealTransport, run
from tests.servers.vendor_types import anthropic_problems, damaged, stream
from tests.unit.fakes import CannedTransport, canned

KEY = "sk-ant-api03-0123456789abcdef"
OLD, NEW = "claude-haiku-4-5", "claude-opus-4-8"
PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))


def provider_of(url: str, key: str = KEY, model: str = "") -> Anthropic:
    """The provider of a connection."""
    return Anthropic(Connection("c", "anthropic", "C", url, model), lambda: key, RealTransport())


def say(text: str, role: str = "user", **fields: Any) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


def ask(*messages: Message, model: str = OLD, **parameters: Any) -> ChatRequest:
    """A request."""
    return ChatRequest(model, messages or (say("Hi"),), Parameters(**parameters), {"d1": PIXEL})


async def all_of(events: AsyncGenerator[Event, None]) -> list[Event]:
    """Every event."""
    async with aclosing(events) as found:
        return [event async for event in found]


def answer(provider: Anthropic, request: ChatRequest | None = None) -> list[Event]:
    """The events of an answer."""
    return run(all_of(provider.generate(request or ask())))


# ---- Streams, as the reference shapes them ---------------------------------------------------------------------------


def start(**usage: Any) -> dict[str, Any]:
    """The first event."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": OLD,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage or {"input_tokens": 9, "output_tokens": 1},
    }
    return {"type": "message_start", "message": message}


def block(index: int, kind: str, *deltas: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The events of one block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    """The events of a text."""
    return block(index, "text", *({"type": "text_delta", "text": piece} for piece in pieces), text="")


def end(reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    """The last two events."""
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": usage or {"output_tokens": 4}},
        {"type": "message_stop"},
    ]


PING = {"type": "ping"}
PLAIN = [start(), *text(0, "Good ", "day, Zoë 🌍!"), *end()]
THOUGHT = {"type": "thinking", "thinking": "Let me see: 2 + 2.", "signature": "EqQBCgIYAhIM"}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3p"}
FULL = [
    start(
        input_tokens=20,
        cache_creation_input_tokens=100,
        cache_read_input_tokens=1000,
        cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
        output_tokens=2,
        service_tier="standard",
    ),
    PING,
    *block(
        0,
        "thinking",
        {"type": "thinking_delta", "thinking": "Let me see: "},
        {"type": "thinking_delta", "thinking": "2 + 2."},
        {"type": "signature_delta", "signature": "EqQBCgIYAhIM"},
        thinking="",
        signature="",
    ),
    *block(1, "redacted_thinking", data="EmwKAhgBEgy3va3p"),
    PING,
    *text(2, "It is ", "4."),
    *block(
        3,
        "tool_use",
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"city":'},
        {"type": "input_json_delta", "partial_json": ' "Bern"}'},
        id="toolu_1",
        name="get_weather",
        input={},
    ),
    *block(4, "tool_use", {"type": "input_json_delta", "partial_json": "{}"}, id="toolu_2", name="get_time", input={}),
    *end(
        "tool_use",
        input_tokens=20,
        cache_creation_input_tokens=100,
        cache_read_input_tokens=1000,
        output_tokens=89,
        output_tokens_details={"thinking_tokens": 30},
    ),
]
FULL_EVENTS = [
    Usage(1120, 2, cached_tokens=1000),
    ReasoningDelta("Let me see: "),
    ReasoningDelta("2 + 2."),
    TextDelta("It is "),
    TextDelta("4."),
    ToolCallDelta(0, "toolu_1", "get_weather"),
    ToolCallDelta(0, arguments='{"city":'),
    ToolCallDelta(0, arguments=' "Bern"}'),
    ToolCallDelta(1, "toolu_2", "get_time"),
    ToolCallDelta(1, arguments="{}"),
    Usage(1120, 89, reasoning_tokens=30, cached_tokens=1000),
    Finished("tool_calls", "tool_use", {"anthropic": {"model": OLD, "thinking": [THOUGHT, REDACTED]}}),
]


@pytest.fixture
def provider(scripted: ScriptedServer) -> Anthropic:
    """The provider of the scripted server, which answers with a plain stream."""
    scripted.on("POST", "/v1/messages", stream(PLAIN, named=True))
    return provider_of(scripted.url + "/v1")


def sent(scripted: ScriptedServer) -> RecordedRequest:
    """The latest request for an answer."""
    return scripted.wait_for_request("POST", "/v1/messages")


# ---- What is sent ----------------------------------------------------------------------------------------------------


def test_a_request_has_what_the_api_requires_and_nothing_else(provider, scripted):
    assert answer(provider) == [
        Usage(9, 1),
        TextDelta("Good "),
        TextDelta("day, Zoë 🌍!"),
        Usage(9, 4),
        Finished("stop", "end_turn"),
    ]
    assert sent(scripted).json() == {
        "model": OLD,
        "max_tokens": MAX_TOKENS,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_the_key_is_in_its_header_alone_with_the_version_and_the_leave_for_pages(provider, scripted):
    answer(provider)
    request = sent(scripted)
    assert {name: value for name, value in request.headers.items() if name not in ("host", "content-length")} == {
        "x-api-key": KEY,
        "anthropic-version": "2023-06-01",
        "anthropic-dangerous-direct-browser-access": "true",
        "content-type": "application/json",
        "accept-encoding": request.headers.get("accept-encoding", ""),
    }
    assert request.query == ""
    assert KEY.encode() not in request.body


def test_at_anthropic_nothing_is_asked_without_a_key():
    transport: Any = CannedTransport(canned({"data": []}))
    provider = Anthropic(Connection("c", "anthropic", "C", DEFAULT_URL), lambda: "", transport)
    with pytest.raises(errors.KeyMissing, match="Anthropic needs an API key"):
        run(provider.check())
    assert transport.requests == []


def test_another_server_is_asked_without_a_key_if_there_is_none(scripted):
    scripted.on("POST", "/messages", stream(PLAIN))
    assert answer(provider_of(scripted.url, key=""))[-1] == Finished("stop", "end_turn")
    assert "x-api-key" not in scripted.wait_for_request("POST", "/messages").headers


#: What each parameter becomes in the request.
TAKEN: dict[str, Any] = {
    "system_prompt": ("Be brief.", {"system": "Be brief."}),
    "temperature": (0.5, {"temperature": 0.5}),
    "max_tokens": (5, {"max_tokens": 5}),
    "top_p": (0.9, {"top_p": 0.9}),
    "top_k": (40, {"top_k": 40}),
    "reasoning": ("off", {"thinking": {"type": "disabled"}}),
    "extra_json": ('{"stop_sequences": ["END"]}', {"stop_sequences": ["END"]}),
}


@pytest.mark.parametrize("name", sorted(Anthropic.capabilities.parameters))
def test_each_parameter_that_it_says_it_takes_arrives(provider, scripted, name):
    value, field = TAKEN[name]
    answer(provider, ask(**{name: value}))
    body = sent(scripted).json()
    assert field.items() <= body.items()
    assert anthropic_problems(body) == []


def test_zero_is_a_value_and_arrives(provider, scripted):
    answer(provider, ask(temperature=0.0, top_k=0))
    assert {"temperature": 0.0, "top_k": 0}.items() <= sent(scripted).json().items()


def test_what_it_does_not_take_never_arrives(provider, scripted):
    others: dict[str, Any] = {"template": "x", "seed": 1, "n_gpu_layers": 1, "n_batch": 1, "n_ctx": 512}
    assert {*others, *TAKEN} == set(Parameters._fields)
    answer(provider, ask(**others))
    assert sent(scripted).json().keys() == {"model", "max_tokens", "stream", "messages"}


def test_an_image_goes_before_the_text_in_base64(provider, scripted):
    answer(provider, ask(say("What is it?", images=(IMAGE,))))
    body = sent(scripted).json()
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgouLi4u"}
    assert body["messages"][0]["content"] == [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    assert anthropic_problems(body) == []


def test_turns_go_as_they_are_and_system_messages_into_the_system_prompt(provider, scripted):
    messages = (say("Obey.", "system"), say("Hello!", "assistant"), say("Hi"), say("Are you there?"), say(" \n", "assistant"))
    answer(provider, ask(*messages, system_prompt="Be brief."))
    body = sent(scripted).json()
    assert body["system"] == "Be brief.\n\nObey."
    assert [(turn["role"], turn["content"][0]["text"]) for turn in body["messages"]] == [
        ("assistant", "Hello!"),
        ("user", "Hi"),
        ("user", "Are you there?"),
    ]
    assert anthropic_problems(body) == []


@pytest.mark.parametrize(("extra", "words"), [("{", "not JSON"), ("[]", "not an object")])
def test_extra_json_that_is_no_object_is_told_before_anything_is_sent(provider, scripted, extra, words):
    with pytest.raises(errors.BadRequest, match=words):
        answer(provider, ask(extra_json=extra))
    assert scripted.requests == []


def test_extra_json_adds_to_the_output_config_and_replaces_the_rest(provider, scripted):
    extra = {"output_config": {"format": {"type": "json_schema", "schema": {}}}, "max_tokens": 7}
    answer(provider, ask(model=NEW, reasoning="low", extra_json=json.dumps(extra)))
    body = sent(scripted).json()
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": {}}}
    assert body["max_tokens"] == 7
    assert anthropic_problems(body) == []


def test_the_official_client_sends_the_same_body(provider, scripted):
    answer(provider, ask(say("Hi"), say("Yes?", "assistant"), say("Go on."), system_prompt="Be brief.", top_p=0.5, top_k=3))
    ours = sent(scripted).json()
    client = anthropic.Anthropic(api_key=KEY, base_url=scripted.url, max_retries=0)
    given = {name: value for name, value in ours.items() if name not in ("top_p", "top_k")}
    client.messages.create(**given, extra_body={"top_p": 0.5, "top_k": 3}).close()
    assert sent(scripted).json() == ours


# ---- How long, and how much thought ----------------------------------------------------------------------------------

ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        (OLD, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": MAX_TOKENS + 2048}),
        (OLD, "high", {"thinking": {"type": "enabled", "budget_tokens": 16384}, "max_tokens": MAX_TOKENS + 16384}),
        ("some-model", "medium", {"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": MAX_TOKENS + 8192}),
        ("some-model", "off", {"thinking": {"type": "disabled"}, "max_tokens": MAX_TOKENS}),
        (NEW, "off", {"thinking": {"type": "disabled"}, "max_tokens": MAX_TOKENS}),
        (NEW, "medium", {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}, "max_tokens": MAX_TOKENS + 8192}),
        ("claude-sonnet-5-5", "off", {"thinking": {"type": "between_tools"}, "max_tokens": MAX_TOKENS}),
        ("claude-opus-5-5", "off", {"output_config": {"effort": "low"}, "max_tokens": MAX_TOKENS}),
        ("claude-opus-5-5", "high", {"thinking": ADAPTIVE, "output_config": {"effort": "high"}, "max_tokens": 24576}),
    ],
)
def test_an_effort_becomes_what_the_model_takes(provider, scripted, model, effort, expected):
    answer(provider, ask(model=model, reasoning=effort))
    body = sent(scripted).json()
    assert {name: value for name, value in body.items() if name not in ("model", "stream", "messages")} == expected
    assert anthropic_problems(body) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-3-haiku-20240307", Thinking(False, "disabled")),
        ("claude-3-7-sonnet-20250219", Thinking(False, "disabled")),
        ("claude-opus-4-20250514", Thinking(False, "disabled")),
        ("claude-sonnet-4-5-20250929", Thinking(False, "disabled")),
        ("claude-opus-4-6", Thinking(True, "disabled")),
        ("anthropic/claude-opus-4.7", Thinking(True, "disabled")),
        ("claude-sonnet-5", Thinking(True, "disabled")),
        ("claude-opus-5", Thinking(True, "disabled")),
        ("claude-haiku-5-5", Thinking(True, "disabled")),
        ("claude-sonnet-5-5", Thinking(True, "between_tools")),
        ("claude-opus-5-5", Thinking(True, "")),
        ("claude-fable-5-1", Thinking(True, "")),
        ("claude-mythos-preview", Thinking(True, "")),
        ("llama-3.2", Thinking(False, "disabled")),
    ],
)
def test_a_models_way_to_think_is_read_from_its_name(name, expected):
    assert thinking_of(name, {}) == expected


def supports(**kinds: bool) -> dict[str, Any]:
    """An entry's capabilities, as far as thinking goes."""
    return {"thinking": {"supported": True, "types": {name: {"supported": value} for name, value in kinds.items()}}}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"adaptive": True, "enabled": False, "disabled": True}, Thinking(True, "disabled")),
        ({"adaptive": True, "disabled": False, "between_tools": True}, Thinking(True, "between_tools")),
        ({"adaptive": True, "disabled": False, "between_tools": False}, Thinking(True, "")),
        ({"adaptive": False, "enabled": True, "disabled": True}, Thinking(False, "disabled")),
    ],
)
def test_what_the_list_of_models_tells_counts_more_than_a_name(kinds, expected):
    assert thinking_of("claude-opus-4-6", {"capabilities": supports(**kinds)}) == expected


@pytest.mark.parametrize(
    ("model", "parameters", "length", "budget"),
    [
        ("small", {}, 4096, None),
        ("large", {}, MAX_TOKENS, None),
        ("small", {"max_tokens": 100}, 100, None),
        ("small", {"max_tokens": 100, "reasoning": "high"}, 4096, 3996),
        ("small", {"reasoning": "high"}, 4096, 3072),
        ("large", {"max_tokens": 5, "reasoning": "low"}, 2053, 2048),
        ("large", {"max_tokens": 64000, "reasoning": "high"}, 64000, 16384),
        ("adaptive", {"max_tokens": 100, "reasoning": "high"}, 100, None),
        ("adaptive", {"reasoning": "high"}, 20000, None),
    ],
)
def test_an_answer_is_as_long_as_the_person_and_the_model_allow(provider, scripted, model, parameters, length, budget):
    entries = [
        {"id": "small", "max_tokens": 4096},
        {"id": "large", "max_tokens": 64000},
        {"id": "adaptive", "max_tokens": 20000, "capabilities": supports(adaptive=True)},
    ]
    scripted.on("GET", "/v1/models", json_reply({"data": entries, "has_more": False}))
    run(provider.models())
    answer(provider, ask(model=model, **parameters))
    body = sent(scripted).json()
    assert (body["max_tokens"], body.get("thinking", {}).get("budget_tokens")) == (length, budget)
    assert budget is None or 1024 <= budget < length
    assert anthropic_problems(body) == []


# ---- Models ----------------------------------------------------------------------------------------------------------

OPUS = {
    "type": "model",
    "id": "claude-opus-4-8",
    "display_name": "Claude Opus 4.8",
    "created_at": "2026-05-28T00:00:00Z",
    "lifecycle": "active",
    "max_input_tokens": 1000000,
    "max_tokens": 128000,
}
HAIKU = {**OPUS, "id": "claude-haiku-4-5", "display_name": "Claude Haiku 4.5", "lifecycle": "deprecated"}
RETIRED = {**OPUS, "id": "claude-2.1", "lifecycle": "retired"}


def test_the_list_of_models_is_read_page_by_page(provider, scripted):
    def page(request: RecordedRequest) -> Reply:
        if request.query == "limit=1000":
            return json_reply({"data": [OPUS, RETIRED], "has_more": True, "first_id": "a", "last_id": RETIRED["id"]})
        assert request.query == "limit=1000&after_id=claude-2.1"
        entry = {**HAIKU, "retires_at": "2027-02-01T00:00:00Z"}
        return json_reply({"data": [entry], "has_more": False, "first_id": "b", "last_id": HAIKU["id"]})

    scripted.on("GET", "/v1/models", page)
    sizes = {"Context": "1000000 tokens", "Longest answer": "128000 tokens"}
    retires = {"Name": "Claude Haiku 4.5", **sizes, "Retires": "2027-02-01"}
    assert run(provider.models()) == (
        Model("c", "claude-haiku-4-5", state="Remote", details=retires),
        Model("c", "claude-opus-4-8", state="Remote", details={"Name": "Claude Opus 4.8", **sizes}),
    )
    assert scripted.wait_for_request("GET", "/v1/models").headers["x-api-key"] == KEY


def test_the_official_client_reads_the_same_pages(scripted):
    pages = {
        "limit=1000": {"data": [OPUS], "has_more": True, "first_id": OPUS["id"], "last_id": OPUS["id"]},
        "limit=1000&after_id=claude-opus-4-8": {"data": [HAIKU], "has_more": False, "first_id": "", "last_id": HAIKU["id"]},
    }
    scripted.on("GET", "/v1/models", lambda request: json_reply(pages[request.query]))
    client = anthropic.Anthropic(api_key=KEY, base_url=scripted.url, max_retries=0)
    assert [model.id for model in client.models.list(limit=1000)] == [OPUS["id"], HAIKU["id"]]


def test_a_server_that_repeats_its_page_is_not_asked_for_ever(provider, scripted):
    scripted.on("GET", "/v1/models", json_reply({"data": [OPUS], "has_more": True, "last_id": OPUS["id"]}))
    assert len(run(provider.models())) == 1
    assert len(scripted.requests) == 2


def test_named_models_alone_are_listed_and_nobody_is_asked(scripted):
    models = run(provider_of(scripted.url, model="a, b").models())
    assert models == (Model("c", "a", state="Remote"), Model("c", "b", state="Remote"))
    assert scripted.requests == []


def test_a_server_without_a_list_is_fine_where_a_model_is_named(scripted):
    assert run(provider_of(scripted.url, model="m").check()) == "The server answers; it does not list models"
    with pytest.raises(errors.NotFound):
        run(provider_of(scripted.url).check())


def test_a_check_says_who_answers():
    transport: Any = CannedTransport(canned({"data": [OPUS], "has_more": False}))
    provider = Anthropic(Connection("c", "anthropic", "C", DEFAULT_URL), lambda: KEY, transport)
    assert run(provider.check()) == "Anthropic answers"
    assert transport.requests[0].url == "https://api.anthropic.com/v1/models?limit=1000"


def test_a_list_of_another_shape_means_another_program(provider, scripted):
    scripted.on("GET", "/v1/models", json_reply({"models": []}))
    with pytest.raises(errors.BadReply):
        run(provider.check())


# ---- Streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [0, 1, 7, 100_000])
@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
def test_a_full_stream_is_decoded_exactly_wherever_its_bytes_are_split(provider, scripted, piece, end_of_line):
    scripted.on("POST", "/v1/messages", stream(FULL, named=True, piece=piece, end=end_of_line))
    assert answer(provider) == FULL_EVENTS


def test_the_official_client_makes_the_same_of_the_full_stream(scripted):
    scripted.on("POST", "/v1/messages", stream(FULL, named=True))
    client = anthropic.Anthropic(api_key=KEY, base_url=scripted.url, max_retries=0)
    with client.messages.stream(model=OLD, max_tokens=9, messages=[{"role": "user", "content": "Hi"}]) as found:
        message = found.get_final_message()
    thinking, redacted, said, weather, _ = [item.model_dump() for item in message.content]
    assert (thinking, redacted) == (THOUGHT, REDACTED)
    assert said["text"] == "It is 4."
    assert (weather["id"], weather["name"], weather["input"]) == ("toolu_1", "get_weather", {"city": "Bern"})
    assert (message.stop_reason, message.usage.output_tokens, message.usage.input_tokens) == ("tool_use", 89, 20)


def test_events_and_blocks_and_deltas_that_nobody_knows_are_passed_over(provider, scripted):
    events = [
        PING,
        start(),
        {"type": "content_block_delta", "index": 7, "delta": {"type": "signature_delta", "signature": "x"}},
        *block(0, "server_tool_use", {"type": "input_json_delta", "partial_json": "{}"}, id="s", name="web_search", input={}),
        *block(1, "brand_new", {"type": "newer_delta", "x": 1}),
        *block(2, "text", {"type": "citations_delta", "citation": {}}, {"type": "text_delta", "text": "Hi"}, text=""),
        {"type": "something_else"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4, "odd": None}},
        {"type": "message_stop"},
    ]
    scripted.on("POST", "/v1/messages", stream(events))
    assert answer(provider) == [Usage(9, 1), TextDelta("Hi"), Usage(9, 4), Finished("stop", "end_turn")]


def test_blocks_that_begin_with_their_content_lose_none_of_it(provider, scripted):
    events = [
        start(),
        *block(0, "thinking", thinking="Hm.", signature="s"),
        *block(1, "text", text="Hi"),
        *block(2, "tool_use", id="t", name="f", input={"a": "ü"}),
        *end("tool_use"),
    ]
    scripted.on("POST", "/v1/messages", stream(events, done=True))
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    assert answer(provider)[1:] == [
        ReasoningDelta("Hm."),
        TextDelta("Hi"),
        ToolCallDelta(0, "t", "f", '{"a": "ü"}'),
        Usage(9, 4),
        Finished("tool_calls", "tool_use", {"anthropic": {"model": OLD, "thinking": [thought]}}),
    ]


def test_a_server_that_does_not_stream_is_understood(provider, scripted):
    content = [THOUGHT, {"type": "text", "text": "4"}]
    usage = {"input_tokens": 9, "output_tokens": 4}
    message = {"type": "message", "role": "assistant", "content": content, "stop_reason": "max_tokens", "usage": usage}
    scripted.on("POST", "/v1/messages", json_reply(message))
    assert answer(provider) == [
        ReasoningDelta("Let me see: 2 + 2."),
        TextDelta("4"),
        Usage(9, 4),
        Finished("length", "max_tokens", {"anthropic": {"model": OLD, "thinking": [THOUGHT]}}),
    ]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("brand_new", "other"),
    ],
)
def test_a_reason_to_stop_keeps_the_apis_own_word(provider, scripted, native, reason):
    scripted.on("POST", "/v1/messages", stream([start(), *text(0, "Hi"), *end(native)]))
    assert answer(provider)[-1] == Finished(reason, native)


@pytest.mark.parametrize(
    ("events", "figures"),
    [
        ([start(input_tokens=9, output_tokens=0), *end(output_tokens=5)], Usage(9, 5)),
        ([start(input_tokens=0, output_tokens=0), *end(input_tokens=12, output_tokens=5)], Usage(12, 5)),
        (
            [start(input_tokens=1, cache_read_input_tokens=30, output_tokens=1), *end(output_tokens=5)],
            Usage(31, 5, cached_tokens=30),
        ),
        ([start(input_tokens=1, cache_read_input_tokens=None, output_tokens=1), *end(output_tokens=5)], Usage(1, 5)),
    ],
)
def test_figures_are_totals_of_which_the_latest_counts(provider, scripted, events, figures):
    scripted.on("POST", "/v1/messages", stream(events))
    assert [event for event in answer(provider) if isinstance(event, Usage)][-1] == figures


def test_a_stream_without_its_end_is_not_finished(provider, scripted):
    scripted.on("POST", "/v1/messages", stream(PLAIN[:-1]))
    assert not any(isinstance(event, Finished) for event in answer(provider))
    scripted.on("POST", "/v1/messages", stream(PLAIN, cut_after=700))
    with pytest.raises(errors.CutOff):
        answer(provider)


def test_an_answer_that_is_closed_early_closes_its_connection(provider, scripted):
    scripted.on("POST", "/v1/messages", stream([*PLAIN[:3], *[PING] * 1000], chunk_delay_s=0.01))

    async def close() -> None:
        async with aclosing(provider.generate(ask())) as events:
            assert await anext(events) == Usage(9, 1)

    run(close())
    request = sent(scripted)
    assert request.finished.wait(10)
    assert request.client_left


def test_a_stream_of_any_shape_becomes_events_or_an_error_of_ours():
    for events in damaged(FULL, 3000):
        reader = MessageReader(OLD)
        with suppress(errors.ModelTabError):
            for event in events:
                reader.read(event)


def test_what_is_no_event_means_another_program(provider, scripted):
    scripted.on("POST", "/v1/messages", stream([5]))
    with pytest.raises(errors.BadReply):
        answer(provider)


# ---- Thoughts that go back -------------------------------------------------------------------------------------------


def thoughtful(model: str = OLD, *blocks: dict[str, Any], said: str = "It is 4.") -> Message:
    """An answer with what was thought before it."""
    data = {"anthropic": {"model": model, "thinking": list(blocks or (THOUGHT, REDACTED))}}
    return say(said, "assistant", provider_data=data)


def test_thoughts_go_back_first_and_unchanged_to_the_model_that_had_them(provider, scripted):
    scripted.on("POST", "/v1/messages", stream(FULL, named=True))
    finished = answer(provider)[-1]
    assert isinstance(finished, Finished)
    kept = json.loads(json.dumps(finished.provider_data))  # as it is kept on record
    answer(provider, ask(say("2 + 2?"), say("It is 4.", "assistant", provider_data=kept), say("And 3 + 3?")))
    body = sent(scripted).json()
    assert body["messages"][1]["content"] == [THOUGHT, REDACTED, {"type": "text", "text": "It is 4."}]
    assert anthropic_problems(body) == []


@pytest.mark.parametrize(
    "earlier",
    [
        thoughtful("another-model"),
        say("It is 4.", "assistant"),
        say("It is 4.", "assistant", provider_data={"anthropic": {"model": OLD, "thinking": "damaged"}}),
        say("It is 4.", "assistant", provider_data={"anthropic": "damaged"}),
        say("It is 4.", "assistant", provider_data={"gemini": {"model": OLD, "parts": []}}),
    ],
)
def test_nothing_goes_back_to_another_model_or_from_another_api(provider, scripted, earlier):
    answer(provider, ask(say("2 + 2?"), earlier, say("And 3 + 3?")))
    assert sent(scripted).json()["messages"][1]["content"] == [{"type": "text", "text": "It is 4."}]


def test_a_thought_without_a_signature_is_shown_and_not_kept(provider, scripted):
    thought = block(0, "thinking", {"type": "thinking_delta", "thinking": "Hm."}, thinking="", signature="")
    scripted.on("POST", "/v1/messages", stream([start(), *thought, *text(1, "Hi"), *end()]))
    assert answer(provider)[1:3] == [ReasoningDelta("Hm."), TextDelta("Hi")]
    assert answer(provider)[-1] == Finished("stop", "end_turn")


def test_a_thought_whose_text_is_omitted_is_kept_for_its_signature(provider, scripted):
    thought = block(0, "thinking", {"type": "signature_delta", "signature": "sig"}, thinking="", signature="")
    scripted.on("POST", "/v1/messages", stream([start(), *thought, *text(1, "Hi"), *end()]))
    kept = {"type": "thinking", "thinking": "", "signature": "sig"}
    assert answer(provider)[-1] == Finished("stop", "end_turn", {"anthropic": {"model": OLD, "thinking": [kept]}})


REFUSED = "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."


def refusal(words: str, kind: str = "invalid_request_error", status: int = 400) -> Reply:
    """An error as the API words it."""
    return json_reply({"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}, status=status)


def test_thoughts_that_the_api_refuses_to_take_back_are_left_out(provider, scripted):
    def reply(request: RecordedRequest) -> Reply:
        thinks = any(item["type"] == "thinking" for turn in request.json()["messages"] for item in turn["content"])
        return refusal(REFUSED) if thinks else stream(PLAIN)

    scripted.on("POST", "/v1/messages", reply)
    assert answer(provider, ask(say("2 + 2?"), thoughtful(), say("And 3 + 3?")))[-1] == Finished("stop", "end_turn")
    with_thoughts, without = (request.json()["messages"] for request in scripted.requests)
    assert with_thoughts[1]["content"] == [THOUGHT, REDACTED, *without[1]["content"]]


@pytest.mark.parametrize(
    ("earlier", "words"), [(thoughtful(), "max_tokens: too large"), (say("It is 4.", "assistant"), REFUSED)]
)
def test_any_other_refusal_is_not_asked_about_again(provider, scripted, earlier, words):
    scripted.on("POST", "/v1/messages", refusal(words))
    with pytest.raises(errors.BadRequest):
        answer(provider, ask(say("2 + 2?"), earlier, say("And 3 + 3?")))
    assert len(scripted.requests) == 1


# ---- Errors ----------------------------------------------------------------------------------------------------------

ERRORS = [
    ("invalid_request_error", 400, errors.BadRequest, False),
    ("authentication_error", 401, errors.Unauthorized, False),
    ("billing_error", 402, errors.OutOfCredit, False),
    ("permission_error", 403, errors.Unauthorized, False),
    ("not_found_error", 404, errors.NotFound, False),
    ("request_too_large", 413, errors.TooLarge, False),
    ("rate_limit_error", 429, errors.RateLimited, True),
    ("api_error", 500, errors.ServerFailed, True),
    ("timeout_error", 504, errors.ServerFailed, True),
    ("overloaded_error", 529, errors.ServerFailed, True),
]


@pytest.mark.parametrize(("kind", "status", "expected", "transient"), ERRORS)
def test_an_error_is_the_same_as_a_status_and_in_the_middle_of_a_stream(provider, scripted, kind, status, expected, transient):
    event = {"type": "error", "error": {"type": kind, "message": "Not now"}}
    replies = [refusal("Not now", kind, status), stream([start(), event], named=True), stream([event], named=True)]
    for reply in replies:
        scripted.on("POST", "/v1/messages", reply)
        with pytest.raises(expected) as caught:
            answer(provider)
        assert type(caught.value) is expected
        assert (caught.value.message, caught.value.transient) == ("Not now.", transient)
        assert kind in caught.value.detail


def test_the_official_client_calls_these_events_errors_too(scripted):
    for kind, status, _, _ in ERRORS:
        event = {"type": "error", "error": {"type": kind, "message": "Not now"}}
        scripted.on("POST", "/v1/messages", stream([start(), event], named=True))
        client = anthropic.Anthropic(api_key=KEY, base_url=scripted.url, max_retries=0)
        found = client.messages.create(model=OLD, max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True)
        with pytest.raises(anthropic.APIStatusError, match="Not now"):
            list(found)
        scripted.on("POST", "/v1/messages", refusal("Not now", kind, status))
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model=OLD, max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
        assert caught.value.status_code == status


def test_an_error_of_another_server_counts_by_its_code(provider, scripted):
    scripted.on("POST", "/v1/messages", stream([start(), {"error": {"code": 503, "message": "Loading model"}}]))
    with pytest.raises(errors.ServerFailed, match="Loading model") as caught:
        answer(provider)
    assert caught.value.transient


def test_an_overloaded_api_is_asked_again_while_nothing_has_come(provider, scripted, monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.01)
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    replies = iter([stream([start(), overloaded]), stream(PLAIN)])
    scripted.on("POST", "/v1/messages", lambda request: next(replies))
    events = run(all_of(retrying.generate(provider, ask())))
    assert next(event for event in events if isinstance(event, Retrying)).reason == "Overloaded."
    assert events[-1] == Finished("stop", "end_turn")


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("`temperature` is deprecated for this model.", "empty Temperature, Top P and Top K"),
        ("`temperature` and `top_p` cannot both be specified for this model. Please use only one.", "one of the two"),
        ("`temperature` may only be set to 1 when thinking is enabled.", "set Reasoning to off"),
        ('"thinking.type.disabled" is not supported for this model.', "set Reasoning to another value"),
        ("max_tokens: 999999 > 64000, which is the maximum allowed number of output tokens", "Lower Max tokens"),
        ("prompt is too long: 210000 tokens > 200000 maximum", "Shorten the conversation"),
        ("Your credit balance is too low to access the Anthropic API.", "Add credit"),
    ],
)
def test_a_refusal_comes_with_what_to_do_about_it(provider, scripted, words, advice):
    scripted.on("POST", "/v1/messages", refusal(words))
    with pytest.raises(errors.BadRequest) as caught:
        answer(provider)
    assert caught.value.message.rstrip(".") == words.rstrip(".")
    assert advice in caught.value.advice


def test_the_key_is_in_no_error_wherever_the_server_repeats_it(provider, scripted):
    event = {"type": "error", "error": {"type": "authentication_error", "message": f"invalid x-api-key {KEY}"}}
    for reply in (json_reply(event, status=401), stream([start(), event]), stream([KEY]), Reply(status=500, body=KEY.encode())):
        scripted.on("POST", "/v1/messages", reply)
        with pytest.raises(errors.ModelTabError) as caught:
            answer(provider)
        told = caught.value.record()
        assert KEY not in repr((told, caught.value.args))
        assert "[key]" in repr(told)


# ---- The type --------------------------------------------------------------------------------------------------------


def test_the_type_is_what_a_person_chooses():
    type_ = connection_type(RealTransport())
    assert (type_.name, type_.label, type_.default_url) == ("anthropic", "Anthropic", "https://api.anthropic.com/v1")
    assert (type_.key, type_.takes_models, type_.takes_url) == ("required", True, True)
    (preset,) = type_.presets
    assert (preset.base_url, preset.keys_at) == (DEFAULT_URL, "platform.claude.com/settings/keys")
    assert isinstance(type_.build(Connection("c", "anthropic", "C", DEFAULT_URL), lambda: ""), Anthropic)

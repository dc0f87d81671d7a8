"""The Responses provider: what it sends, held against OpenAI's own types and client, and what it makes of streams."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

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
from modeltab.providers import openai as chat
from modeltab.providers import retrying
from modeltab.providers.openai_responses import OpenAiResponses, ResponseReader, connection_type
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply
from tests.servers.transport import RealTransport, run
from tests.servers.vendor_types import damaged, responses_problems, stream
from tests.unit.fakes import CannedTransport, canned

KEY = "sk-test-0123456789abcdef"
PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))


def provider_of(url: str, key: str = KEY, model: str = "") -> OpenAiResponses:
    """The provider of a connection."""
    return OpenAiResponses(Connection("c", "openai-responses", "C", url, model), lambda: key, RealTransport())


def say(text: str, role: str = "user", **fields: Any) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


def ask(*messages: Message, **parameters: Any) -> ChatRequest:
    """A request."""
    return ChatRequest("gpt-5", messages or (say("Hi"),), Parameters(**parameters), {"d1": PIXEL})


async def all_of(events: AsyncGenerator[Event, None]) -> list[Event]:
    """Every event."""
    async with aclosing(events) as found:
        return [event async for event in found]


def answer(provider: OpenAiResponses, request: ChatRequest | None = None) -> list[Event]:
    """The events of an answer."""
    return run(all_of(provider.generate(request or ask())))


# ---- Streams, as the reference shapes them ---------------------------------------------------------------------------


def response(status: str, *output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A response."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1795653108,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-5",
        "output": list(output),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        **fields,
    }


def figures(prompt: int = 8, answer: int = 4, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """The figures of a response."""
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + answer,
    }


def said(*texts: str, item: int = 0, kind: str = "output_text") -> list[dict[str, Any]]:
    """The events of a message."""
    place: dict[str, Any] = {"item_id": f"msg_{item}", "output_index": item, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []} if kind == "output_text" else {"type": kind, "refusal": ""}
    whole = {**part, ("text" if kind == "output_text" else "refusal"): "".join(texts)}
    message = {"id": f"msg_{item}", "type": "message", "role": "assistant"}
    begun, done = {**message, "status": "in_progress", "content": []}, {**message, "status": "completed", "content": [whole]}
    extra: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
    name = "text" if kind == "output_text" else "refusal"
    return [
        {"type": "response.output_item.added", "output_index": item, "item": begun},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": f"response.{kind}.delta", **place, "delta": text, **extra} for text in texts),
        {"type": f"response.{kind}.done", **place, name: "".join(texts), **extra},
        {"type": "response.content_part.done", **place, "part": whole},
        {"type": "response.output_item.done", "output_index": item, "item": done},
    ]


def thought(*parts: tuple[str, ...], item: int = 0) -> list[dict[str, Any]]:
    """The events of a summary of reasoning, part by part."""
    events: list[dict[str, Any]] = []
    begun = {"id": f"rs_{item}", "type": "reasoning", "summary": []}
    for index, texts in enumerate(parts):
        place: dict[str, Any] = {"item_id": f"rs_{item}", "output_index": item, "summary_index": index}
        part, whole = ({"type": "summary_text", "text": text} for text in ("", "".join(texts)))
        events += [
            {"type": "response.reasoning_summary_part.added", **place, "part": part},
            *({"type": "response.reasoning_summary_text.delta", **place, "delta": text} for text in texts),
            {"type": "response.reasoning_summary_text.done", **place, "text": "".join(texts)},
            {"type": "response.reasoning_summary_part.done", **place, "part": whole},
        ]
    done = {**begun, "summary": [{"type": "summary_text", "text": "".join(texts)} for texts in parts]}
    return [
        {"type": "response.output_item.added", "output_index": item, "item": begun},
        *events,
        {"type": "response.output_item.done", "output_index": item, "item": done},
    ]


def called(name: str, *pieces: str, item: int = 0) -> list[dict[str, Any]]:
    """The events of a call of a tool."""
    call = {"id": f"fc_{item}", "type": "function_call", "call_id": f"call_{item}", "name": name}
    place: dict[str, Any] = {"item_id": f"fc_{item}", "output_index": item}
    whole = "".join(pieces)
    return [
        {
            "type": "response.output_item.added",
            "output_index": item,
            "item": {**call, "arguments": "", "status": "in_progress"},
        },
        *({"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in pieces),
        {"type": "response.function_call_arguments.done", **place, "name": name, "arguments": whole},
        {
            "type": "response.output_item.done",
            "output_index": item,
            "item": {**call, "arguments": whole, "status": "completed"},
        },
    ]


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """Events between the first two and in their order."""
    first = [{"type": f"response.{name}", "response": response("in_progress")} for name in ("created", "in_progress")]
    return [{**event, "sequence_number": number} for number, event in enumerate([*first, *events])]


def end(status: str = "completed", **fields: Any) -> dict[str, Any]:
    """The last event."""
    return {"type": f"response.{status}", "response": response(status, usage=figures(), **fields)}


PLAIN = numbered(*said("Good ", "day, Zoë 🌍!"), end())
FULL = numbered(
    *thought(("First ", "this."), ("Then that.",)),
    *said("It is ", "4.", item=1),
    *called("get_weather", '{"city":', ' "Bern"}', item=2),
    *called("get_time", "{}", item=3),
    {**end(), "response": response("completed", usage=figures(1120, 89, 1000, 30))},
)
FULL_EVENTS = [
    ReasoningDelta("First "),
    ReasoningDelta("this."),
    ReasoningDelta("\n\n"),
    ReasoningDelta("Then that."),
    TextDelta("It is "),
    TextDelta("4."),
    ToolCallDelta(0, "call_2", "get_weather"),
    ToolCallDelta(0, arguments='{"city":'),
    ToolCallDelta(0, arguments=' "Bern"}'),
    ToolCallDelta(1, "call_3", "get_time"),
    ToolCallDelta(1, arguments="{}"),
    Usage(1120, 89, reasoning_tokens=30, cached_tokens=1000),
    Finished("tool_calls", "completed"),
]


@pytest.fixture
def provider(scripted: ScriptedServer) -> OpenAiResponses:
    """The provider of the scripted server, which answers with a plain stream."""
    scripted.on("POST", "/v1/responses", stream(PLAIN, named=True))
    return provider_of(scripted.url + "/v1")


def sent(scripted: ScriptedServer) -> RecordedRequest:
    """The latest request for an answer."""
    return scripted.wait_for_request("POST", "/v1/responses")


@pytest.mark.parametrize("events", [PLAIN, FULL], ids=["plain", "full"])
def test_these_streams_are_what_openais_types_expect(events):
    judge: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for event in events:
        assert judge.validate_python(event).type == event["type"]


# ---- What is sent ----------------------------------------------------------------------------------------------------


def test_a_request_keeps_nothing_at_the_server(provider, scripted):
    assert answer(provider) == [
        TextDelta("Good "),
        TextDelta("day, Zoë 🌍!"),
        Usage(8, 4),
        Finished("stop", "completed"),
    ]
    assert sent(scripted).json() == {
        "model": "gpt-5",
        "stream": True,
        "store": False,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    }


def test_the_key_is_in_its_header_alone(provider, scripted):
    answer(provider)
    request = sent(scripted)
    own = {name: value for name, value in request.headers.items() if name not in ("host", "content-length", "accept-encoding")}
    assert own == {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    assert request.query == ""
    assert KEY.encode() not in request.body


@pytest.mark.parametrize(
    ("base_url", "header", "value"),
    [
        ("https://api.openai.com/v1", "Authorization", f"Bearer {KEY}"),
        ("https://api.x.ai/v1", "Authorization", f"Bearer {KEY}"),
        ("https://mine.openai.azure.com/openai/v1", "api-key", KEY),
    ],
)
def test_each_vendor_gets_the_key_where_it_wants_it(base_url, header, value):
    transport: Any = CannedTransport(canned(response("completed", usage=figures())))
    answer(OpenAiResponses(Connection("c", "openai-responses", "C", base_url), lambda: KEY, transport))
    (request,) = transport.requests
    assert request.url == base_url + "/responses"
    assert dict(request.headers) == {header: value, "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("base_url", "label"), [("https://api.openai.com/v1", "OpenAI"), ("https://openrouter.ai/api/v1", "OpenRouter")]
)
def test_at_a_vendor_nothing_is_asked_without_a_key(base_url, label):
    transport: Any = CannedTransport(canned({}))
    provider = OpenAiResponses(Connection("c", "openai-responses", "C", base_url), lambda: "", transport)
    with pytest.raises(errors.KeyMissing, match=label):
        answer(provider)
    assert transport.requests == []


def test_another_server_is_asked_without_a_key_if_there_is_none(scripted):
    scripted.on("POST", "/responses", stream(PLAIN))
    assert answer(provider_of(scripted.url, key=""))[-1] == Finished("stop", "completed")
    assert "authorization" not in scripted.requests[-1].headers


#: What each parameter becomes in the request.
TAKEN: dict[str, Any] = {
    "system_prompt": ("Be brief.", {"instructions": "Be brief."}),
    "temperature": (0.0, {"temperature": 0.0}),
    "max_tokens": (5, {"max_output_tokens": 5}),
    "top_p": (0.9, {"top_p": 0.9}),
    "reasoning": ("low", {"reasoning": {"effort": "low", "summary": "auto"}}),
    "extra_json": ('{"truncation": "auto"}', {"truncation": "auto"}),
}


@pytest.mark.parametrize("name", sorted(OpenAiResponses.capabilities.parameters))
def test_each_parameter_that_it_says_it_takes_arrives(provider, scripted, name):
    value, fields = TAKEN[name]
    answer(provider, ask(**{name: value}))
    body = sent(scripted).json()
    assert fields.items() <= body.items()
    assert responses_problems(body) == []


def test_what_it_does_not_take_never_arrives(provider, scripted):
    others: dict[str, Any] = {"template": "x", "top_k": 1, "seed": 1, "n_gpu_layers": 1, "n_batch": 1, "n_ctx": 512}
    assert {*others, *TAKEN} == set(Parameters._fields)
    answer(provider, ask(**others))
    assert sent(scripted).json().keys() == {"model", "input", "stream", "store"}


@pytest.mark.parametrize(
    ("effort", "extra", "expected"),
    [
        ("off", "", {"effort": "none"}),
        ("high", "", {"effort": "high", "summary": "auto"}),
        ("high", '{"reasoning": {"summary": null}}', {"effort": "high", "summary": None}),
        (None, '{"reasoning": {"effort": "xhigh"}}', {"effort": "xhigh"}),
    ],
)
def test_an_effort_becomes_one_of_theirs_and_extra_json_adds_to_it(provider, scripted, effort, extra, expected):
    answer(provider, ask(reasoning=effort, extra_json=extra))
    body = sent(scripted).json()
    assert body["reasoning"] == expected
    assert responses_problems(body) == []


@pytest.mark.parametrize(("extra", "words"), [("{", "not JSON"), ("[]", "not an object")])
def test_extra_json_that_is_no_object_is_told_before_anything_is_sent(provider, scripted, extra, words):
    with pytest.raises(errors.BadRequest, match=words):
        answer(provider, ask(extra_json=extra))
    assert scripted.requests == []


def test_a_conversation_with_images_goes_as_items_of_the_input(provider, scripted):
    answer(
        provider,
        ask(
            say("Obey.", "system"), say("What is it?", images=(IMAGE,)), say("A pixel.", "assistant"), say("", images=(IMAGE,))
        ),
    )
    body = sent(scripted).json()
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgouLi4u", "detail": "auto"}
    text = {"type": "output_text", "text": "A pixel.", "annotations": [], "logprobs": []}
    assert body["input"] == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Obey."}]},
        {"type": "message", "role": "user", "content": [image, {"type": "input_text", "text": "What is it?"}]},
        {"type": "message", "role": "assistant", "id": "msg_2", "status": "completed", "content": [text]},
        {"type": "message", "role": "user", "content": [image]},
    ]
    assert responses_problems(body) == []


def test_the_official_client_sends_the_same_body(provider, scripted):
    every = {name: value for name, (value, _) in TAKEN.items()}
    answer(provider, ask(say("Hi", images=(IMAGE,)), say("Yes?", "assistant"), say("Go on."), **every))
    ours = sent(scripted).json()
    client = openai.OpenAI(api_key=KEY, base_url=scripted.url + "/v1", max_retries=0)
    client.responses.create(**ours).close()
    assert sent(scripted).json() == ours


# ---- Models ----------------------------------------------------------------------------------------------------------


def test_models_are_listed_and_checked_as_for_chat_completions(provider, scripted):
    entries = [{"id": "gpt-5", "object": "model", "owned_by": "openai"}, {"id": "a", "object": "model"}]
    scripted.on("GET", "/v1/models", json_reply({"object": "list", "data": entries}))
    assert [model.name for model in run(provider.models())] == ["a", "gpt-5"]
    assert run(provider.check()) == "OpenAI-compatible answers"
    assert scripted.wait_for_request("GET", "/v1/models").headers["authorization"] == f"Bearer {KEY}"


def test_named_models_alone_are_listed_and_a_server_without_a_list_is_fine(scripted):
    provider = provider_of(scripted.url, model="a, b")
    assert run(provider.models()) == (Model("c", "a", state="Remote"), Model("c", "b", state="Remote"))
    assert "does not list models" in run(provider.check())
    with pytest.raises(errors.NotFound):
        run(provider_of(scripted.url).check())


# ---- Streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [0, 1, 7, 100_000])
@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
def test_a_full_stream_is_decoded_exactly_wherever_its_bytes_are_split(provider, scripted, piece, end_of_line):
    scripted.on("POST", "/v1/responses", stream(FULL, named=True, piece=piece, end=end_of_line))
    assert answer(provider) == FULL_EVENTS


def test_the_official_client_makes_the_same_of_the_full_stream(scripted):
    scripted.on("POST", "/v1/responses", stream(FULL, named=True))
    client = openai.OpenAI(api_key=KEY, base_url=scripted.url + "/v1", max_retries=0)
    texts: dict[str, str] = {}
    with client.responses.stream(model="gpt-5", input="Hi") as found:
        for event in found:
            if event.type.endswith(".delta"):
                texts[event.type] = texts.get(event.type, "") + str(getattr(event, "delta", ""))
        final = found.get_final_response()
    assert texts == {
        "response.reasoning_summary_text.delta": "First this.Then that.",
        "response.output_text.delta": "It is 4.",
        "response.function_call_arguments.delta": '{"city": "Bern"}{}',
    }
    assert final.usage and (final.usage.input_tokens, final.usage.output_tokens) == (1120, 89)


def test_raw_reasoning_is_shown_as_a_summary_is(provider, scripted):
    place = {"item_id": "rs_0", "output_index": 0}
    deltas = [
        {"type": "response.reasoning_text.delta", **place, "content_index": index, "delta": text}
        for index, text in ((0, "Hm"), (0, "."), (1, "Ah."))
    ]
    scripted.on("POST", "/v1/responses", stream(numbered(*deltas, *said("Hi", item=1), end())))
    assert answer(provider)[:5] == [
        ReasoningDelta("Hm"),
        ReasoningDelta("."),
        ReasoningDelta("\n\n"),
        ReasoningDelta("Ah."),
        TextDelta("Hi"),
    ]


def test_two_messages_of_one_answer_do_not_run_together(provider, scripted):
    scripted.on("POST", "/v1/responses", stream(numbered(*said("I look it up."), *said("It", " is 4.", item=1), end())))
    texts = [event.text for event in answer(provider) if isinstance(event, TextDelta)]
    assert texts == ["I look it up.", "\n\n", "It", " is 4."]


def test_a_refusal_is_shown_and_counts_as_filtered(provider, scripted):
    scripted.on("POST", "/v1/responses", stream(numbered(*said("I cannot ", "do that.", kind="refusal"), end())))
    assert answer(provider) == [
        TextDelta("I cannot "),
        TextDelta("do that."),
        Usage(8, 4),
        Finished("content_filter", "refusal"),
    ]


@pytest.mark.parametrize(
    ("native", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("brand_new", "other")]
)
def test_an_incomplete_answer_says_why(provider, scripted, native, reason):
    last = end("incomplete", incomplete_details={"reason": native})
    scripted.on("POST", "/v1/responses", stream(numbered(*said("Hi"), last)))
    assert answer(provider) == [TextDelta("Hi"), Usage(8, 4), Finished(reason, native)]


def test_events_that_nobody_knows_are_passed_over(provider, scripted):
    events = [
        {"type": "keepalive"},
        {"type": "response.queued", "response": response("queued")},
        {"type": "response.web_search_call.searching", "item_id": "ws", "output_index": 0},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "web_search_call", "id": "ws"}},
        {"type": "response.function_call_arguments.delta", "output_index": 9, "delta": "{}"},
        {"type": "response.output_text.delta", "delta": None},
        {"type": "response.output_item.added", "item": None},
        *said("Hi", item=1),
        {"type": "response.completed", "response": {"status": "completed"}},
    ]
    scripted.on("POST", "/v1/responses", stream(events, done=True))
    assert answer(provider) == [TextDelta("Hi"), Finished("stop", "completed")]


def test_calls_that_llama_cpp_sends_without_places_and_ids_are_told_apart(provider, scripted):
    events: list[dict[str, Any]] = []
    for name in ("one", "two"):
        item = {"type": "function_call", "call_id": f"fc_{name}", "name": name}
        events += [
            {"type": "response.output_item.added", "item": {**item, "arguments": "", "status": "in_progress"}},
            {"type": "response.function_call_arguments.delta", "item_id": f"fc_{name}", "delta": "{}"},
            {"type": "response.output_item.done", "item": {**item, "arguments": "{}", "status": "completed"}},
        ]
    scripted.on("POST", "/v1/responses", stream([*events, {"type": "response.completed", "response": response("completed")}]))
    assert answer(provider) == [
        ToolCallDelta(0, "fc_one", "one"),
        ToolCallDelta(0, arguments="{}"),
        ToolCallDelta(1, "fc_two", "two"),
        ToolCallDelta(1, arguments="{}"),
        Finished("tool_calls", "completed"),
    ]


def test_a_call_whose_arguments_come_only_whole_has_them(provider, scripted):
    events = [event for event in called("f", '{"a": 1}') if "arguments" not in event["type"]]
    scripted.on("POST", "/v1/responses", stream([*events, end()]))
    assert answer(provider)[:2] == [ToolCallDelta(0, "call_0", "f"), ToolCallDelta(0, arguments='{"a": 1}')]


MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is 4."}]}
REASONING = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}


def test_a_server_that_does_not_stream_is_understood(provider, scripted):
    scripted.on("POST", "/v1/responses", json_reply(response("completed", REASONING, MESSAGE, CALL, usage=figures())))
    assert answer(provider) == [
        ReasoningDelta("Hm."),
        TextDelta("It is 4."),
        ToolCallDelta(0, "c1", "f"),
        ToolCallDelta(0, arguments="{}"),
        Usage(8, 4),
        Finished("tool_calls", "completed"),
    ]
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    scripted.on("POST", "/v1/responses", json_reply(response("completed", refused)))
    assert answer(provider) == [TextDelta("No."), Finished("content_filter", "refusal")]
    scripted.on("POST", "/v1/responses", json_reply(response("failed", error={"code": "server_error", "message": "Oh"})))
    with pytest.raises(errors.ServerFailed, match="Oh"):
        answer(provider)


def test_what_was_said_in_pieces_is_not_said_again_at_the_end_and_the_rest_is(provider, scripted):
    last = {"type": "response.completed", "response": response("completed", REASONING, MESSAGE, CALL)}
    scripted.on(
        "POST", "/v1/responses", stream([*thought(("Hm.",)), *said("It is 4.", item=1), *called("f", "{}", item=2), last])
    )
    assert answer(provider)[:-1] == [
        ReasoningDelta("Hm."),
        TextDelta("It is 4."),
        ToolCallDelta(0, "call_2", "f"),
        ToolCallDelta(0, arguments="{}"),
    ]
    scripted.on("POST", "/v1/responses", stream([*thought(("Hm.",)), last]))
    assert answer(provider)[:2] == [ReasoningDelta("Hm."), TextDelta("It is 4.")]


TIMINGS = {
    "cache_n": 10,
    "prompt_n": 21,
    "prompt_ms": 60.0,
    "predicted_n": 5,
    "predicted_ms": 40.0,
    "predicted_per_second": 125.0,
}


@pytest.mark.parametrize(
    ("limit", "timings", "reason"), [(5, TIMINGS, "length"), (6, TIMINGS, "stop"), (None, TIMINGS, "stop"), (4, None, "stop")]
)
def test_llama_cpp_calls_an_answer_complete_that_it_ended_for_its_length(provider, scripted, limit, timings, reason):
    last = {"type": "response.completed", "response": response("completed", usage=figures(31, 5))}
    scripted.on("POST", "/v1/responses", stream([*said("Hi"), {**last, "timings": timings} if timings else last]))
    *_, usage, finished = answer(provider, ask(max_tokens=limit))
    assert finished == Finished(reason, "completed")
    assert usage == (Usage(31, 5, 0.1, 125.0) if timings else Usage(31, 5))


def test_a_stream_without_its_end_is_not_finished(provider, scripted):
    scripted.on("POST", "/v1/responses", stream(PLAIN[:-1], done=True))
    assert answer(provider) == [TextDelta("Good "), TextDelta("day, Zoë 🌍!")]
    scripted.on("POST", "/v1/responses", stream(PLAIN, cut_after=1500))
    with pytest.raises(errors.CutOff):
        answer(provider)


def test_an_answer_that_is_closed_early_closes_its_connection(provider, scripted):
    scripted.on("POST", "/v1/responses", stream([*PLAIN[:6], *[{"type": "keepalive"}] * 1000], chunk_delay_s=0.01))

    async def close() -> None:
        async with aclosing(provider.generate(ask())) as events:
            assert await anext(events) == TextDelta("Good ")

    run(close())
    request = sent(scripted)
    assert request.finished.wait(10)
    assert request.client_left


def test_a_stream_of_any_shape_becomes_events_or_an_error_of_ours():
    for events in (*damaged(FULL, 3000), *damaged([{**end(), "timings": TIMINGS}], 1000)):
        reader = ResponseReader(5)
        with suppress(errors.ModelTabError):
            for event in events:
                reader.read(event)


def test_what_is_no_event_means_another_program(provider, scripted):
    scripted.on("POST", "/v1/responses", stream([5]))
    with pytest.raises(errors.BadReply):
        answer(provider)


# ---- Errors ----------------------------------------------------------------------------------------------------------

ERRORS = [
    ("server_error", errors.ServerFailed, True),
    ("server_is_overloaded", errors.ServerFailed, True),
    ("brand_new", errors.ServerFailed, True),
    (None, errors.ServerFailed, True),
    ("rate_limit_exceeded", errors.RateLimited, True),
    ("insufficient_quota", errors.OutOfCredit, False),
    ("invalid_api_key", errors.Unauthorized, False),
    ("model_not_found", errors.NotFound, False),
    ("invalid_prompt", errors.BadRequest, False),
    ("image_parse_error", errors.BadRequest, False),
    ("bio_policy", errors.BadRequest, False),
    ("context_length_exceeded", errors.BadRequest, False),
    (503, errors.ServerFailed, True),
    ("400", errors.BadRequest, False),
]


@pytest.mark.parametrize(("code", "kind", "transient"), ERRORS)
def test_an_error_in_the_middle_of_a_stream_is_what_its_code_stands_for(provider, scripted, code, kind, transient):
    error = {"code": code, "message": "Not now"}
    for event in (
        {"type": "error", "param": None, "sequence_number": 3, **error},
        {"type": "error", "error": {"type": "x", **error}},
        {"error": error},
        {"type": "response.failed", "response": response("failed", error=error)},
    ):
        scripted.on("POST", "/v1/responses", stream([*PLAIN[:6], event]))
        with pytest.raises(kind) as caught:
            answer(provider)
        assert type(caught.value) is kind
        assert (caught.value.message, caught.value.transient) == ("Not now.", transient)


def test_an_overloaded_api_is_asked_again_while_nothing_has_come(provider, scripted, monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.01)
    failed = response("failed", error={"code": "rate_limit_exceeded", "message": "Too many tokens"})
    replies = iter([stream(numbered({"type": "response.failed", "response": failed})), stream(PLAIN)])
    scripted.on("POST", "/v1/responses", lambda request: next(replies))
    events = run(all_of(retrying.generate(provider, ask())))
    assert next(event for event in events if isinstance(event, Retrying)).reason == "Too many tokens."
    assert events[-1] == Finished("stop", "completed")


def test_a_refusal_comes_with_what_to_do_about_it(provider, scripted):
    words = "Your organization must be verified to generate reasoning summaries. Please go to: https://platform.openai.com/…"
    error = {"message": words, "type": "invalid_request_error", "param": "reasoning.summary", "code": "unsupported_value"}
    scripted.on("POST", "/v1/responses", json_reply({"error": error}, status=400))
    with pytest.raises(errors.BadRequest, match="must be verified") as caught:
        answer(provider, ask(reasoning="low"))
    assert json.loads(caught.value.advice.split("write ")[1].split(" into")[0]) == {"reasoning": {"summary": None}}


def test_the_key_is_in_no_error_wherever_the_server_repeats_it(provider, scripted):
    error = {"code": "invalid_api_key", "message": f"Incorrect API key provided: {KEY}"}
    failed = {"type": "response.failed", "response": response("failed", error=error)}
    for reply in (
        json_reply({"error": error}, status=401),
        stream([{"type": "error", **error}]),
        stream([failed]),
        stream([KEY]),
        Reply(status=500, body=KEY.encode()),
    ):
        scripted.on("POST", "/v1/responses", reply)
        with pytest.raises(errors.ModelTabError) as caught:
            answer(provider)
        told = caught.value.record()
        assert KEY not in repr((told, caught.value.args))
        assert "[key]" in repr(told)


# ---- The type --------------------------------------------------------------------------------------------------------


def test_the_type_has_presets_whose_names_are_no_others():
    type_, other = connection_type(RealTransport()), chat.connection_type(RealTransport())
    assert (type_.name, type_.label, type_.key, type_.takes_models) == (
        "openai-responses",
        "OpenAI Responses",
        "optional",
        True,
    )
    assert {preset.name: preset.base_url for preset in type_.presets} == {
        "openai-responses": "https://api.openai.com/v1",
        "xai-responses": "https://api.x.ai/v1",
        "openrouter-responses": "https://openrouter.ai/api/v1",
        "lm-studio-responses": "http://127.0.0.1:1234/v1",
        "ollama-responses": "http://127.0.0.1:11434/v1",
        "llama-server-responses": "http://127.0.0.1:8080/v1",
    }
    assert not {preset.name for preset in type_.presets} & {preset.name for preset in other.presets}
    assert not {preset.label for preset in type_.presets} & {preset.label for preset in other.presets}
    assert type_.hides_refusal("https://api.openai.com/v1")
    assert not type_.hides_refusal("http://127.0.0.1:8080/v1")
    assert isinstance(type_.build(Connection("c", "openai-responses", "C", type_.default_url), lambda: ""), OpenAiResponses)

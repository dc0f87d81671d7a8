"""The Gemini provider: what it sends, held against Google's own types and client, and what it makes of streams."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from google import genai
from google.genai import types as google

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
from modeltab.providers.gemini import DEFAULT_URL, ContentReader, Gemini, connection_type
from modeltab.providers.gemini_thinking import thinking_config
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply
from tests.servers.transport import RealTransport, run
from tests.servers.vendor_types import damaged, gemini_problems, stream
from tests.unit.fakes import CannedTransport, canned

KEY = "AIzaSyA-0123456789abcdef"
MODEL = "gemini-2.5-flash"
PATH = f"/v1beta/models/{MODEL}:streamGenerateContent"
PIXEL = b"\x89PNG\r\n\x1a\n...."
IMAGE = ImageRef("d1", "image/png", "pixel.png", len(PIXEL))


def provider_of(url: str, key: str = KEY, model: str = "") -> Gemini:
    """The provider of a connection."""
    return Gemini(Connection("c", "gemini", "C", url, model), lambda: key, RealTransport())


def say(text: str, role: str = "user", **fields: Any) -> Message:
    """A message."""
    return Message("", "", None, role, text, 0.0, **fields)  # type: ignore[arg-type]


def ask(*messages: Message, model: str = MODEL, **parameters: Any) -> ChatRequest:
    """A request."""
    return ChatRequest(model, messages or (say("Hi"),), Parameters(**parameters), {"d1": PIXEL})


async def all_of(events: AsyncGenerator[Event, None]) -> list[Event]:
    """Every event."""
    async with aclosing(events) as found:
        return [event async for event in found]


def answer(provider: Gemini, request: ChatRequest | None = None) -> list[Event]:
    """The events of an answer."""
    return run(all_of(provider.generate(request or ask())))


# ---- Streams, as the reference shapes them ---------------------------------------------------------------------------


def frame(*parts: dict[str, Any], finish: str = "", usage: dict[str, int] | None = None, **fields: Any) -> dict[str, Any]:
    """One frame."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0} if parts else {"index": 0}
    if finish:
        candidate["finishReason"] = finish
    found = {"candidates": [{**candidate, **fields}], "modelVersion": MODEL, "responseId": "r1"}
    return {**found, "usageMetadata": usage} if usage else found


def figures(prompt: int = 8, answer: int | None = None, **others: int) -> dict[str, int]:
    """The figures of a frame."""
    found = {"promptTokenCount": prompt, **others, "totalTokenCount": prompt + (answer or 0)}
    return found if answer is None else {**found, "candidatesTokenCount": answer}


PLAIN = [
    frame({"text": "Good "}, usage=figures()),
    frame({"text": "day, Zoë 🌍!"}, usage=figures(answer=5), finish="STOP"),
]
CALL = {"name": "get_weather", "args": {"city": "Zürich"}, "id": "call-1"}
SIGNATURE = base64.b64encode(b"what it thought").decode()
FULL = [
    frame({"text": "Let me see.", "thought": True}, usage=figures(1100, cachedContentTokenCount=1000, thoughtsTokenCount=30)),
    frame({"text": "It is "}, usage=figures(1100, 2, cachedContentTokenCount=1000, thoughtsTokenCount=30)),
    frame({"text": "4"}),
    frame({"text": ".", "thoughtSignature": SIGNATURE}),
    frame(
        {"executableCode": {"language": "PYTHON", "code": "print(2 + 2)\n"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n"}},
    ),
    frame({"functionCall": CALL, "thoughtSignature": SIGNATURE}, {"functionCall": {"name": "get_time"}}),
    frame(finish="STOP", usage=figures(1100, 20, cachedContentTokenCount=1000, thoughtsTokenCount=30)),
]
KEPT = [
    {"text": "It is 4"},
    {"text": ".", "thoughtSignature": SIGNATURE},
    {"executableCode": {"language": "PYTHON", "code": "print(2 + 2)\n"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n"}},
    {"functionCall": CALL, "thoughtSignature": SIGNATURE},
    {"functionCall": {"name": "get_time"}},
]
CODE, OUTPUT = "\n\n```python\nprint(2 + 2)\n```\n\n", "\n\n```text\n4\n```\n\n"
FULL_EVENTS = [
    ReasoningDelta("Let me see."),
    Usage(1100, 30, reasoning_tokens=30, cached_tokens=1000),
    TextDelta("It is "),
    Usage(1100, 32, reasoning_tokens=30, cached_tokens=1000),
    TextDelta("4"),
    TextDelta("."),
    TextDelta(CODE),
    TextDelta(OUTPUT),
    ToolCallDelta(0, "call-1", "get_weather", '{"city": "Zürich"}'),
    ToolCallDelta(1, "", "get_time", "{}"),
    Usage(1100, 50, reasoning_tokens=30, cached_tokens=1000),
    Finished("tool_calls", "STOP", {"gemini": {"model": MODEL, "parts": KEPT}}),
]


@pytest.fixture
def provider(scripted: ScriptedServer) -> Gemini:
    """The provider of the scripted server, which answers with a plain stream."""
    scripted.on("POST", PATH, stream(PLAIN, end="\r\n"))
    return provider_of(scripted.url + "/v1beta")


def sent(scripted: ScriptedServer, path: str = PATH) -> RecordedRequest:
    """The latest request for an answer."""
    return scripted.wait_for_request("POST", path)


# ---- What is sent ----------------------------------------------------------------------------------------------------


def test_a_request_has_the_conversation_and_nothing_else(provider, scripted):
    assert answer(provider) == [
        TextDelta("Good "),
        Usage(8),
        TextDelta("day, Zoë 🌍!"),
        Usage(8, 5),
        Finished("stop", "STOP"),
    ]
    assert sent(scripted).json() == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_the_key_is_in_its_header_alone_and_no_other_header_is_sent_that_google_does_not_let_a_page_send(provider, scripted):
    answer(provider)
    request = sent(scripted)
    own = {name: value for name, value in request.headers.items() if name not in ("host", "content-length", "accept-encoding")}
    assert own == {"x-goog-api-key": KEY, "content-type": "application/json"}
    assert request.query == "alt=sse"
    assert KEY.encode() not in request.body


def test_a_list_is_asked_for_with_the_key_in_its_header_alone(provider, scripted):
    scripted.on("GET", "/v1beta/models", json_reply({"models": []}))
    run(provider.check())
    request = scripted.wait_for_request("GET", "/v1beta/models")
    assert {*request.headers} - {"host", "accept-encoding"} == {"x-goog-api-key"}
    assert request.query == "pageSize=1000"


def test_at_google_nothing_is_asked_without_a_key():
    transport: Any = CannedTransport(canned({"models": []}))
    provider = Gemini(Connection("c", "gemini", "C", DEFAULT_URL), lambda: "", transport)
    with pytest.raises(errors.KeyMissing, match="Gemini needs an API key"):
        run(provider.check())
    assert transport.requests == []


def test_another_server_is_asked_without_a_key_if_there_is_none(scripted):
    scripted.on("POST", f"/models/{MODEL}:streamGenerateContent", stream(PLAIN))
    assert answer(provider_of(scripted.url, key=""))[-1] == Finished("stop", "STOP")
    assert "x-goog-api-key" not in scripted.requests[-1].headers


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("tunedModels/my-own", "tunedModels/my-own"),
        ("a b/../c?d#e", "models/a%20b%2F..%2Fc%3Fd%23e"),
        ("models/../x", "models/..%2Fx"),
    ],
)
def test_a_models_name_stays_in_its_place_in_the_address(scripted, model, path):
    scripted.on("POST", f"/{path}:streamGenerateContent", stream(PLAIN))
    answer(provider_of(scripted.url), ask(model=model))
    assert scripted.requests[-1].query == "alt=sse"


#: What each parameter becomes in the request.
TAKEN: dict[str, Any] = {
    "system_prompt": ("Be brief.", {"systemInstruction": {"parts": [{"text": "Be brief."}]}}),
    "temperature": (0.5, {"generationConfig": {"temperature": 0.5}}),
    "max_tokens": (5, {"generationConfig": {"maxOutputTokens": 5}}),
    "top_p": (0.9, {"generationConfig": {"topP": 0.9}}),
    "top_k": (40, {"generationConfig": {"topK": 40}}),
    "seed": (0, {"generationConfig": {"seed": 0}}),
    "reasoning": ("low", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}}),
    "extra_json": ('{"labels": {"a": "b"}}', {"labels": {"a": "b"}}),
}


@pytest.mark.parametrize("name", sorted(Gemini.capabilities.parameters))
def test_each_parameter_that_it_says_it_takes_arrives(provider, scripted, name):
    value, fields = TAKEN[name]
    answer(provider, ask(**{name: value}))
    body = sent(scripted).json()
    assert {field: body.get(field) for field in fields} == fields
    if name != "extra_json":
        assert gemini_problems(body) == []


def test_what_it_does_not_take_never_arrives(provider, scripted):
    others: dict[str, Any] = {"template": "x", "n_gpu_layers": 1, "n_batch": 1, "n_ctx": 512}
    assert {*others, *TAKEN} == set(Parameters._fields)
    answer(provider, ask(**others))
    assert sent(scripted).json().keys() == {"contents"}


def test_extra_json_is_merged_into_the_rest(provider, scripted):
    extra = {
        "generationConfig": {"stopSequences": ["END"], "thinkingConfig": {"includeThoughts": False}, "topK": None},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    answer(provider, ask(temperature=0.5, top_k=3, reasoning="low", extra_json=json.dumps(extra)))
    body = sent(scripted).json()
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topK": None,
        "stopSequences": ["END"],
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": False},
    }
    assert body["safetySettings"] == extra["safetySettings"]
    assert gemini_problems(body) == []


@pytest.mark.parametrize(("extra", "words"), [("{", "not JSON"), ("[]", "not an object")])
def test_extra_json_that_is_no_object_is_told_before_anything_is_sent(provider, scripted, extra, words):
    with pytest.raises(errors.BadRequest, match=words):
        answer(provider, ask(extra_json=extra))
    assert scripted.requests == []


def test_an_image_goes_before_the_text_in_base64(provider, scripted):
    answer(provider, ask(say("What is it?", images=(IMAGE,)), say("A picture.", "assistant"), say("", images=(IMAGE,))))
    body = sent(scripted).json()
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgouLi4u"}}
    assert [turn["parts"] for turn in body["contents"]] == [[image, {"text": "What is it?"}], [{"text": "A picture."}], [image]]
    assert gemini_problems(body) == []


def test_the_two_take_turns_and_system_messages_go_into_the_system_instruction(provider, scripted):
    messages = (say("Obey.", "system"), say("Hello!", "assistant"), say("Hi"), say("Are you there?"))
    answer(provider, ask(*messages, system_prompt="Be brief."))
    body = sent(scripted).json()
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nObey."}]}
    assert body["contents"] == [
        {"role": "model", "parts": [{"text": "Hello!"}]},
        {"role": "user", "parts": [{"text": "Hi"}, {"text": "Are you there?"}]},
    ]
    assert gemini_problems(body) == []


def camel(value: Any) -> Any:
    """A value with every field's name as the reference writes it: Google's client mixes two ways, which both are taken."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if isinstance(value, dict):
        return {re.sub("_([a-z])", lambda found: found[1].upper(), name): camel(item) for name, item in value.items()}
    return value


def test_the_official_client_sends_the_same_body(provider, scripted):
    earlier = say("Yes.", "assistant", provider_data={"gemini": {"model": MODEL, "parts": KEPT[1:2]}})
    earlier = earlier._replace(text=".")
    every = {name: value for name, (value, _) in TAKEN.items() if name not in ("extra_json", "reasoning")}
    answer(provider, ask(say("Hi", images=(IMAGE,)), earlier, say("Go on."), **every, reasoning="low"))
    ours = sent(scripted).json()
    client = genai.Client(api_key=KEY, http_options=google.HttpOptions(base_url=scripted.url, api_version="v1beta"))
    signed = google.Part(text=".", thought_signature=b"what it thought")
    found = client.models.generate_content_stream(
        model=MODEL,
        contents=[
            google.UserContent(parts=[google.Part.from_bytes(data=PIXEL, mime_type="image/png"), google.Part(text="Hi")]),
            google.ModelContent(parts=[signed]),
            google.UserContent(parts=[google.Part(text="Go on.")]),
        ],
        config=google.GenerateContentConfig(
            system_instruction="Be brief.",
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            max_output_tokens=5,
            seed=0,
            thinking_config=google.ThinkingConfig(thinking_budget=1024, include_thoughts=True),
        ),
    )
    assert "".join(item.text or "" for item in found) == "Good day, Zoë 🌍!"
    theirs = camel(sent(scripted).json())
    assert theirs["systemInstruction"].pop("role") == "user"
    assert theirs == ours


# ---- How much thought ------------------------------------------------------------------------------------------------

ON, OFF = {"includeThoughts": True}, {"includeThoughts": False}


@pytest.mark.parametrize(
    ("model", "effort", "thinks", "expected"),
    [
        ("gemini-2.5-flash", None, None, {}),
        ("gemini-2.5-flash", "off", None, {"thinkingBudget": 0, **OFF}),
        ("gemini-2.5-flash", "low", None, {"thinkingBudget": 1024, **ON}),
        ("gemini-2.5-flash-lite", "medium", None, {"thinkingBudget": 8192, **ON}),
        ("gemini-2.5-pro", "high", True, {"thinkingBudget": 24576, **ON}),
        ("gemini-2.5-pro", "off", True, {"thinkingBudget": 128, **OFF}),
        ("gemini-3-pro-preview", "off", None, {"thinkingLevel": "low", **OFF}),
        ("gemini-3-pro-preview", "medium", None, {"thinkingLevel": "high", **ON}),
        ("gemini-3.1-pro-preview", "medium", None, {"thinkingLevel": "medium", **ON}),
        ("gemini-3-flash-preview", "off", None, {"thinkingLevel": "minimal", **OFF}),
        ("gemini-3.1-flash-lite", "off", None, {"thinkingLevel": "minimal", **OFF}),
        ("gemini-3.8-flash", "off", None, {"thinkingLevel": "low", **OFF}),
        ("models/gemini-3.8-flash", "high", None, {"thinkingLevel": "high", **ON}),
        ("gemini-flash-latest", "low", None, {"thinkingLevel": "low", **ON}),
        ("gemini-2.0-flash", "off", None, {}),
        ("gemini-2.0-flash", "low", None, {"thinkingBudget": 1024, **ON}),
        ("gemma-3-27b-it", "off", False, {}),
    ],
)
def test_an_effort_becomes_what_the_model_takes(model, effort, thinks, expected):
    assert thinking_config(model, effort, thinks) == expected
    assert gemini_problems({"contents": [], "generationConfig": {"thinkingConfig": expected}}) == []


def test_a_model_that_does_not_think_by_the_list_is_not_told_to_stop(provider, scripted):
    entry = {"name": "models/gemma-9", "supportedGenerationMethods": ["generateContent"], "thinking": False}
    scripted.on("GET", "/v1beta/models", json_reply({"models": [entry]}))
    scripted.on("POST", "/v1beta/models/gemma-9:streamGenerateContent", stream(PLAIN))
    run(provider.models())
    for name in ("gemma-9", "models/gemma-9"):
        answer(provider, ask(model=name, reasoning="off"))
        assert "generationConfig" not in scripted.requests[-1].json()


# ---- Models ----------------------------------------------------------------------------------------------------------

FLASH = {
    "name": "models/gemini-2.5-flash",
    "version": "001",
    "displayName": "Gemini 2.5 Flash",
    "inputTokenLimit": 1048576,
    "outputTokenLimit": 65536,
    "supportedGenerationMethods": ["generateContent", "countTokens"],
    "temperature": 1,
    "thinking": True,
}
EMBEDDING = {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]}
BARE = {"name": "models/Gemma-3", "supportedGenerationMethods": ["generateContent"]}


def test_the_list_of_models_is_read_page_by_page_and_has_those_that_answer(provider, scripted):
    def page(request: RecordedRequest) -> Reply:
        if request.query == "pageSize=1000":
            return json_reply({"models": [BARE, EMBEDDING], "nextPageToken": "a/b="})
        assert request.query == "pageSize=1000&pageToken=a%2Fb%3D"
        return json_reply({"models": [FLASH]})

    scripted.on("GET", "/v1beta/models", page)
    details = {"Name": "Gemini 2.5 Flash", "Context": "1048576 tokens", "Longest answer": "65536 tokens"}
    assert run(provider.models()) == (
        Model("c", "gemini-2.5-flash", state="Remote", details=details),
        Model("c", "Gemma-3", state="Remote"),
    )


def test_a_server_that_repeats_its_page_is_not_asked_for_ever(provider, scripted):
    scripted.on("GET", "/v1beta/models", json_reply({"models": [FLASH], "nextPageToken": "again"}))
    run(provider.models())
    assert len(scripted.requests) == 2


def test_named_models_alone_are_listed_and_nobody_is_asked(scripted):
    models = run(provider_of(scripted.url, model="a, b").models())
    assert models == (Model("c", "a", state="Remote"), Model("c", "b", state="Remote"))
    assert scripted.requests == []


def test_a_server_without_a_list_is_fine_where_a_model_is_named(scripted):
    assert run(provider_of(scripted.url, model="m").check()) == "Gemini answers; it does not list models"
    with pytest.raises(errors.NotFound):
        run(provider_of(scripted.url).check())


def test_a_check_says_who_answers(provider, scripted):
    scripted.on("GET", "/v1beta/models", json_reply({"models": [FLASH]}))
    assert run(provider.check()) == "Gemini answers"


@pytest.mark.parametrize("reply", [[], "text", {"models": "none"}, {"models": None}])
def test_a_list_of_another_shape_means_another_program(provider, scripted, reply):
    scripted.on("GET", "/v1beta/models", json_reply(reply))
    with pytest.raises(errors.BadReply, match="list of models"):
        run(provider.check())


# ---- Streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [0, 1, 7, 100_000])
@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
def test_a_full_stream_is_decoded_exactly_wherever_its_bytes_are_split(provider, scripted, piece, end_of_line):
    scripted.on("POST", PATH, stream(FULL, piece=piece, end=end_of_line))
    assert answer(provider) == FULL_EVENTS


def test_frames_that_come_as_one_array_are_the_same(provider, scripted):
    scripted.on("POST", PATH, json_reply(FULL))
    assert answer(provider) == FULL_EVENTS


def test_an_answer_in_one_piece_is_understood(provider, scripted):
    scripted.on("POST", PATH, json_reply(frame({"text": "Hi"}, finish="STOP", usage=figures(answer=1))))
    assert answer(provider) == [TextDelta("Hi"), Usage(8, 1), Finished("stop", "STOP")]


def test_the_official_client_makes_the_same_of_the_full_stream(scripted):
    scripted.on("POST", PATH, stream(FULL, end="\r\n"))
    client = genai.Client(api_key=KEY, http_options=google.HttpOptions(base_url=scripted.url, api_version="v1beta"))
    frames = list(client.models.generate_content_stream(model=MODEL, contents="Hi"))
    parts = [
        part
        for item in frames
        for candidate in item.candidates or ()
        for part in (candidate.content.parts if candidate.content else None) or ()
    ]
    assert "".join(part.text or "" for part in parts if part.thought) == "Let me see."
    assert "".join(part.text or "" for part in parts if not part.thought) == "It is 4."
    assert [part.thought_signature for part in parts if part.thought_signature] == [b"what it thought"] * 2
    usage = frames[-1].usage_metadata
    assert usage and (usage.candidates_token_count, usage.thoughts_token_count) == (20, 30)


def test_what_nobody_knows_is_passed_over(provider, scripted):
    frames = [
        {"responseId": "r"},
        frame({"videoMetadata": {}}, {"text": 5}, {"brandNew": {}}),
        {"candidates": [{"index": 1, "content": {"parts": [{"text": "another answer"}]}}, None]},
        frame({"text": "Hi"}),
        {"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}], "usageMetadata": {}},
    ]
    scripted.on("POST", PATH, stream(frames, done=True))
    assert answer(provider) == [TextDelta("Hi"), Finished("stop", "STOP")]


def test_a_picture_in_an_answer_is_named_since_it_cannot_be_shown(provider, scripted):
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": SIGNATURE}
    scripted.on("POST", PATH, stream([frame({"text": "Here:"}, picture, finish="STOP")]))
    assert answer(provider) == [
        TextDelta("Here:"),
        TextDelta("\n\n[image/png, which is not shown here]\n\n"),
        Finished("stop", "STOP"),
    ]


def test_code_with_fences_in_it_is_fenced_with_longer_ones(provider, scripted):
    parts = {"executableCode": {"code": "print('```')"}}, {"codeExecutionResult": {"outcome": "OUTCOME_FAILED"}}
    scripted.on("POST", PATH, stream([frame(*parts, finish="STOP")]))
    assert answer(provider)[:2] == [
        TextDelta("\n\n````\nprint('```')\n````\n\n"),
        TextDelta("\n\n```text\nOUTCOME_FAILED\n```\n\n"),
    ]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        *(
            (native, "content_filter")
            for native in (
                *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
                *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
            )
        ),
        ("MALFORMED_FUNCTION_CALL", "other"),
        ("OTHER", "other"),
        ("BRAND_NEW", "other"),
    ],
)
def test_a_reason_to_stop_keeps_the_apis_own_word(provider, scripted, native, reason):
    scripted.on("POST", PATH, stream([frame({"text": "Hi"}), frame(finish=native)]))
    assert answer(provider) == [TextDelta("Hi"), Finished(reason, native)]


def test_every_reason_that_googles_types_know_is_one_of_ours(provider, scripted):
    for native in google.FinishReason:
        scripted.on("POST", PATH, stream([frame(finish=native.value)]))
        (finished,) = answer(provider)
        assert isinstance(finished, Finished)
        assert finished.native_reason == native.value
        blocked = re.search("SAFETY|RECIT|PROHIB|BLOCK|SPII|LANGUAGE|ESCALATION|ARMOR", native.value)
        assert (finished.reason == "content_filter") == bool(blocked)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
def test_a_prompt_that_is_blocked_ends_as_filtered_with_the_reason(provider, scripted, reason):
    blocked = {"promptFeedback": {"blockReason": reason, "safetyRatings": []}, "usageMetadata": figures()}
    scripted.on("POST", PATH, stream([blocked]))
    assert answer(provider) == [Usage(8), Finished("content_filter", reason)]


def test_the_last_reason_counts_where_every_frame_has_one(provider, scripted):
    scripted.on("POST", PATH, stream([frame({"text": "A"}, finish="STOP"), frame({"text": "B"}, finish="MAX_TOKENS")]))
    assert answer(provider) == [TextDelta("A"), TextDelta("B"), Finished("length", "MAX_TOKENS")]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (figures(8, 5), Usage(8, 5)),
        (figures(8, thoughtsTokenCount=7), Usage(8, 7, reasoning_tokens=7)),
        (figures(8, 5, thoughtsTokenCount=7, toolUsePromptTokenCount=2), Usage(10, 12, reasoning_tokens=7)),
        (figures(8, 5, cachedContentTokenCount=0), Usage(8, 5)),
        (figures(8, 0), Usage(8, 0)),
    ],
)
def test_thoughts_count_as_part_of_the_answer(provider, scripted, usage, expected):
    scripted.on("POST", PATH, stream([frame({"text": "A"}, usage=figures(8, 1)), frame(finish="STOP", usage=usage)]))
    assert [event for event in answer(provider) if isinstance(event, Usage)][-1] == expected


def test_a_stream_without_a_reason_is_not_finished(provider, scripted):
    scripted.on("POST", PATH, stream(PLAIN[:-1]))
    assert answer(provider) == [TextDelta("Good "), Usage(8)]
    scripted.on("POST", PATH, stream(PLAIN, cut_after=300))
    with pytest.raises(errors.CutOff):
        answer(provider)


def test_an_answer_that_is_closed_early_closes_its_connection(provider, scripted):
    scripted.on("POST", PATH, stream([PLAIN[0]] * 1000, chunk_delay_s=0.01))

    async def close() -> None:
        async with aclosing(provider.generate(ask())) as events:
            assert await anext(events) == TextDelta("Good ")

    run(close())
    request = sent(scripted)
    assert request.finished.wait(10)
    assert request.client_left


def test_a_stream_of_any_shape_becomes_events_or_an_error_of_ours():
    for events in damaged(FULL, 3000):
        reader = ContentReader(MODEL)
        with suppress(errors.ModelTabError):
            for event in events:
                reader.read(event)
            reader.end()


def test_what_is_no_frame_means_another_program(provider, scripted):
    scripted.on("POST", PATH, stream([5]))
    with pytest.raises(errors.BadReply):
        answer(provider)


# ---- Signatures that go back -----------------------------------------------------------------------------------------


def signed(parts: list[dict[str, Any]], text: str, model: str = MODEL) -> Message:
    """An answer with its parts."""
    return say(text, "assistant", provider_data={"gemini": {"model": model, "parts": parts}})


def test_signed_parts_go_back_as_they_came_to_the_model_that_signed_them(provider, scripted):
    scripted.on("POST", PATH, stream(FULL))
    events = answer(provider)
    finished = events[-1]
    assert isinstance(finished, Finished)
    kept = json.loads(json.dumps(finished.provider_data))  # as it is kept on record
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    answer(provider, ask(say("2 + 2?"), say(text, "assistant", provider_data=kept), say("And 3 + 3?")))
    body = sent(scripted).json()
    # A call that nobody answered is left out: with it, the API refuses the next question.
    assert body["contents"][1] == {"role": "model", "parts": KEPT[:4]}
    assert gemini_problems(body) == []


def test_a_signature_in_a_part_without_text_goes_back_in_one(provider, scripted):
    empty = {"text": "", "thoughtSignature": SIGNATURE}
    thought = {"text": "Hm.", "thought": True, "thoughtSignature": SIGNATURE}
    scripted.on("POST", PATH, stream([frame(thought), frame({"text": "Hi"}), frame(empty, finish="STOP")]))
    *events, finished = answer(provider)
    assert events == [ReasoningDelta("Hm."), TextDelta("Hi")]
    kept: list[dict[str, Any]] = [thought, {"text": "Hi"}, empty]
    assert finished == Finished("stop", "STOP", {"gemini": {"model": MODEL, "parts": kept}})
    answer(provider, ask(say("Hi"), signed(kept, "Hi"), say("More")))
    body = sent(scripted).json()
    assert body["contents"][1]["parts"] == kept
    assert gemini_problems(body) == []


@pytest.mark.parametrize(
    "earlier",
    [
        signed([{"text": "Yes.", "thoughtSignature": SIGNATURE}], "Yes.", "another-model"),
        signed([{"text": "No.", "thoughtSignature": SIGNATURE}], "Yes."),
        say("Yes.", "assistant"),
        say("Yes.", "assistant", provider_data={"gemini": {"model": MODEL, "parts": "damaged"}}),
        say("Yes.", "assistant", provider_data={"gemini": "damaged"}),
        say("Yes.", "assistant", provider_data={"anthropic": {"model": MODEL}}),
    ],
)
def test_without_the_same_model_and_text_only_the_text_goes_back(provider, scripted, earlier):
    answer(provider, ask(say("Hi"), earlier, say("More")))
    assert sent(scripted).json()["contents"][1]["parts"] == [{"text": "Yes."}]


# ---- Errors ----------------------------------------------------------------------------------------------------------


def failure(status: int, words: str, name: str, *details: dict[str, Any]) -> dict[str, Any]:
    """An error as the API words it."""
    return {"error": {"code": status, "message": words, "status": name, "details": list(details)}}


@pytest.mark.parametrize(
    ("status", "name", "kind", "transient"),
    [
        (400, "INVALID_ARGUMENT", errors.BadRequest, False),
        (403, "PERMISSION_DENIED", errors.Unauthorized, False),
        (404, "NOT_FOUND", errors.NotFound, False),
        (429, "RESOURCE_EXHAUSTED", errors.RateLimited, True),
        (500, "INTERNAL", errors.ServerFailed, True),
        (503, "UNAVAILABLE", errors.ServerFailed, True),
    ],
)
def test_an_error_is_the_same_as_a_status_and_in_the_middle_of_a_stream(provider, scripted, status, name, kind, transient):
    event = failure(status, "Not now", name)
    for reply in (
        json_reply(event, status=status),
        json_reply([event], status=status),
        stream([PLAIN[0], event]),
        json_reply([PLAIN[0], event]),
    ):
        scripted.on("POST", PATH, reply)
        with pytest.raises(kind) as caught:
            answer(provider)
        assert type(caught.value) is kind
        assert (caught.value.message, caught.value.transient) == ("Not now.", transient)
        assert name in caught.value.detail


def test_the_time_to_wait_that_google_names_is_kept_wherever_it_stands(provider, scripted):
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
    event = failure(429, "Quota exceeded", "RESOURCE_EXHAUSTED", {"@type": "other"}, retry)
    for reply in (json_reply(event, status=429), stream([event])):
        scripted.on("POST", PATH, reply)
        with pytest.raises(errors.RateLimited) as caught:
            answer(provider)
        assert caught.value.retry_after == 17


def test_an_overloaded_api_is_asked_again_while_nothing_has_come(provider, scripted, monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.01)
    event = failure(503, "The model is overloaded. Please try again later.", "UNAVAILABLE")
    replies = iter([stream([event]), stream([frame(finish="Proxy error: 502")]), stream(PLAIN)])
    scripted.on("POST", PATH, lambda request: next(replies))
    events = run(all_of(retrying.generate(provider, ask())))
    assert [event.reason for event in events if isinstance(event, Retrying)] == [
        "The model is overloaded. Please try again later.",
        "Proxy error: 502.",
    ]
    assert events[-1] == Finished("stop", "STOP")


@pytest.mark.parametrize(
    "words", ["API key not valid. Please pass a valid API key.", "API key expired. Please renew the API key."]
)
def test_a_wrong_key_is_a_wrong_key_though_google_calls_it_a_bad_request(provider, scripted, words):
    event = failure(400, words, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"})
    scripted.on("POST", PATH, json_reply(event, status=400))
    scripted.on("GET", "/v1beta/models", json_reply(event, status=400))
    for work in (all_of(provider.generate(ask())), provider.check(), provider.models()):
        with pytest.raises(errors.Unauthorized) as caught:
            run(work)
        assert caught.value.message == words
        assert "Check the key" in caught.value.advice


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("User location is not supported for the API use.", "use another connection"),
        ("Thinking level is not supported for this model.", "set Reasoning"),
        ("Unable to submit request because thinking is not supported by this model.", "set Reasoning"),
        ("The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", "Shorten"),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", "no system prompt"),
    ],
)
def test_a_refusal_comes_with_what_to_do_about_it(provider, scripted, words, advice):
    scripted.on("POST", PATH, json_reply(failure(400, words, "INVALID_ARGUMENT"), status=400))
    with pytest.raises(errors.BadRequest) as caught:
        answer(provider)
    assert caught.value.message.rstrip(".") == words.rstrip(".")
    assert advice in caught.value.advice


def test_the_key_is_in_no_error_wherever_the_server_repeats_it(provider, scripted):
    event = failure(400, f"API key {KEY} not valid", "INVALID_ARGUMENT")
    proxy = frame(finish=f"Proxy error: {KEY}")
    replies = (
        json_reply(event, status=400),
        stream([event]),
        stream([proxy]),
        Reply(status=500, body=KEY.encode()),
        stream([KEY]),
    )
    for reply in replies:
        scripted.on("POST", PATH, reply)
        with pytest.raises(errors.ModelTabError) as caught:
            answer(provider)
        told = caught.value.record()
        assert KEY not in repr((told, caught.value.args))
        assert "[key]" in repr(told)


# ---- The type --------------------------------------------------------------------------------------------------------


def test_the_type_is_what_a_person_chooses():
    type_ = connection_type(RealTransport())
    assert (type_.name, type_.label, type_.default_url) == ("gemini", "Gemini", DEFAULT_URL)
    assert (type_.key, type_.takes_models, type_.takes_url) == ("required", True, True)
    (preset,) = type_.presets
    assert preset.base_url == "https://generativelanguage.googleapis.com/v1beta"
    assert isinstance(type_.build(Connection("c", "gemini", "C", DEFAULT_URL), lambda: ""), Gemini)

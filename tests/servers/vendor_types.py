"""The vendors' own types as judges of what we send, and streams as their servers send them.

    assert anthropic_problems(scripted.wait_for_request("POST", "/messages").json()) == []

The types are those of the vendors' Python packages. A field that they do not know is a problem, too: several APIs refuse
a request for one field too many.
"""

from __future__ import annotations

import copy
import functools
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from google.genai import types as google
from jsonschema import Draft202012Validator
from openai.types import completion_create_params as completion_params
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tests.servers.scripted import Reply

#: Since 1.0 Anthropic's package leaves them out of its types, as models from 4.7 on refuse them; the API still takes them
#: for those before, from `extra_body`.
ANTHROPIC_SAMPLING = {"temperature": float, "top_p": float, "top_k": int}
#: What stands beside `contents` in a request to Gemini: `GenerateContentConfig` has it all in one.
GEMINI_FIELDS = {"systemInstruction", "safetySettings", "tools", "toolConfig", "cachedContent"}


class _AnyForTheRest(GenerateJsonSchema):
    """What has no JSON Schema, such as an open file in an image's place, may be anything."""

    def handle_invalid_for_json_schema(self, schema: core_schema.CoreSchema, error_info: str) -> JsonSchemaValue:
        return {}


def _closed(schema: Any) -> Any:
    """A schema whose objects have only the fields that they name."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed["additionalProperties"] = False
    return closed


@functools.cache
def _judges(kind: Any) -> tuple[TypeAdapter[Any], Draft202012Validator]:
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema(schema_generator=_AnyForTheRest)
    return adapter, Draft202012Validator(_closed(schema))


def _problems(kind: Any, value: Any) -> list[str]:
    adapter, validator = _judges(kind)
    found = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        found.append(str(error))
    return found


def anthropic_problems(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the body of a streamed POST /messages."""
    found = [name for name, kind in ANTHROPIC_SAMPLING.items() if not isinstance(body.get(name, kind()), kind)]
    return found + _problems(
        MessageCreateParamsStreaming, {name: value for name, value in body.items() if name not in ANTHROPIC_SAMPLING}
    )


def responses_problems(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the body of a streamed POST /responses."""
    return _problems(ResponseCreateParamsStreaming, dict(body))


def chat_problems(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the body of a streamed POST /chat/completions at OpenAI."""
    return _problems(chat_params.CompletionCreateParamsStreaming, dict(body))


def completion_problems(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the body of a streamed POST /completions at OpenAI."""
    return _problems(completion_params.CompletionCreateParamsStreaming, dict(body))


def gemini_problems(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the body of a :streamGenerateContent. Google's types refuse unknown fields themselves."""
    found = [f"unknown: {name}" for name in body.keys() - GEMINI_FIELDS - {"contents", "generationConfig"}]
    try:
        for content in body["contents"]:
            google.Content.model_validate(content)
        rest = {name: value for name, value in body.items() if name in GEMINI_FIELDS}
        google.GenerateContentConfig.model_validate({**body.get("generationConfig", {}), **rest})
    except ValidationError as error:
        found.append(str(error))
    return found


def stream(
    events: Iterable[Any], named: bool = False, piece: int = 0, end: str = "\n", done: bool = False, **faults: Any
) -> Reply:
    """A reply with each event as a server-sent event.

    :param named: whether each has its `type` as the event's name, too.
    :param piece: how many bytes come at a time, 0 for an event at a time.
    :param end: what lines end with.
    :param done: whether "[DONE]" is the last.
    """
    texts = []
    for event in events:
        name = f"event: {event['type']}{end}" if named else ""
        texts.append(f"{name}data: {json.dumps(event, ensure_ascii=False)}{end}{end}")
    texts += [f"data: [DONE]{end}{end}"] if done else []
    chunks = [text.encode() for text in texts]
    if piece:
        whole = b"".join(chunks)
        chunks = [whole[start : start + piece] for start in range(0, len(whole), piece)]
    return Reply(content_type="text/event-stream; charset=utf-8", chunks=chunks, **faults)


_JUNK: tuple[Any, ...] = (None, 0, -1, 1.5, True, "", "é", [], [1], [None], [{}], {}, {"a": 1})


def damaged(value: Any, count: int) -> Iterator[Any]:
    """Copies of a value in each of which a few fields are gone, or are something else; the same ones each time."""
    chance = random.Random(0)
    for _ in range(count):
        found = copy.deepcopy(value)
        for _ in range(chance.randint(1, 3)):
            place, name = chance.choice(list(_places(found)))
            if isinstance(place, dict) and chance.random() < 0.2:
                del place[name]
            else:
                place[name] = copy.deepcopy(chance.choice(_JUNK))
        yield found


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    names = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from _places(value[name])

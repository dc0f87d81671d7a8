"""OpenAI's Responses, which OpenAI recommends over chat completions, and which more and more servers speak as well.

Source: OpenAI's API reference ("Responses", "Streaming events") and the types of its Python package 3.57, looked up in
November 2026; a real llama-server. Nothing is kept at the server (`store`): the whole conversation goes with each request.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadReply, ModelTabError
from modeltab.domain.models import Model
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    extra_fields,
)
from modeltab.providers.base import Capabilities, Json, KeySource, Provider, Transport
from modeltab.providers.chat_completions import SCHEMA_NAME, schema_of
from modeltab.providers.chat_completions import usage_of as timings_of
from modeltab.providers.connection_type import ConnectionType, Preset
from modeltab.providers.content import Turn, turns
from modeltab.providers.http import Endpoint, error_of, words_of
from modeltab.providers.openai_models import check_models, headers_of, listed
from modeltab.providers.openai_vendors import allow_recipes, vendor_of
from modeltab.snippets.call import Call

PATH = "/responses"
#: What the parameters are called.
NAMES = {"temperature": "temperature", "max_tokens": "max_output_tokens", "top_p": "top_p"}

#: The statuses that the codes of errors stand for, in the middle of a stream. What is not here is the server's failure.
STATUSES = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 402,
    "billing_hard_limit_reached": 402,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "data_residency_mismatch": 400,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
#: Parts of codes that tell that the same request fails the same way again.
_REFUSALS = ("invalid", "image", "policy", "unsupported")

#: What to do, by the beginning of the server's own words.
ADVICE = {
    "Your organization must be verified to generate reasoning summaries": (
        'Verify it at platform.openai.com, or write {"reasoning": {"summary": null}} into Extra JSON in Parameters.'
    ),
    "Unsupported parameter": "This model does not take it: empty it in Parameters.",
    "Unsupported value": "This model takes other values: change or empty it in Parameters.",
}

PRESETS = (
    Preset("openai-responses", "OpenAI Responses", "https://api.openai.com/v1", keys_at="platform.openai.com/api-keys"),
    Preset("xai-responses", "xAI Responses", "https://api.x.ai/v1", keys_at="console.x.ai"),
    Preset(
        "openrouter-responses", "OpenRouter Responses", "https://openrouter.ai/api/v1", keys_at="openrouter.ai/settings/keys"
    ),
    Preset(
        "lm-studio-responses",
        "LM Studio Responses",
        "http://127.0.0.1:1234/v1",
        local=True,
        about="Its server has to allow this page.",
    ),
    Preset("ollama-responses", "Ollama Responses", "http://127.0.0.1:11434/v1", local=True),
    Preset("llama-server-responses", "llama-server Responses", "http://127.0.0.1:8080/v1", local=True),
)


class OpenAiResponses(Provider):
    """An API that speaks Responses."""

    capabilities = Capabilities(
        streaming=True,
        parameters=frozenset({"system_prompt", "reasoning", "extra_json", *NAMES}),
        reasons={"completion": "The Responses API answers messages only."},
        images=True,
        schema=True,
    )

    def __init__(self, connection: Connection, key: KeySource, transport: Transport) -> None:
        self._connection = connection
        self._vendor = vendor_of(connection.base_url)
        needs_key = self._vendor.preset.label if self._vendor.requires_key else ""
        self._endpoint = Endpoint(
            transport, connection.base_url, key, headers_of(self._vendor), ADVICE, needs_key, self._vendor.key_variable
        )

    async def check(self) -> str:
        """Ask for the models: that needs the right address and, with most vendors, the right key."""
        return await check_models(self._endpoint, self._connection, self._vendor)

    async def models(self) -> tuple[Model, ...]:
        """GET /models, or the models that the person named."""
        return await listed(self._endpoint, self._connection)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /responses, streamed."""
        body = body_of(request)
        reader = ResponseReader(_count(body.get("max_output_tokens")))
        async with aclosing(self._endpoint.sse(PATH, body)) as chunks:
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
                if reader.finished:
                    break

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /responses."""
        body = body_of(request, stream)
        return self._endpoint.describe("POST", PATH, body, "responses", body.get("stream") is True)


def body_of(request: ChatRequest, stream: bool = True) -> dict[str, Json]:
    """The request's body.

    :raises BadRequest: when the extra JSON is not an object.
    """
    parameters = request.parameters
    items = [_item(turn, place) for place, turn in enumerate(turns(request, takes_images=True))]
    body: dict[str, Json] = {"model": request.model, "input": items, **({"stream": True} if stream else {}), "store": False}
    if parameters.system_prompt:
        body["instructions"] = parameters.system_prompt
    for name, field in NAMES.items():
        value = getattr(parameters, name)
        if value is not None:
            body[field] = value
    if parameters.reasoning == "off":
        body["reasoning"] = {"effort": "none"}
    elif parameters.reasoning:
        body["reasoning"] = {"effort": parameters.reasoning, "summary": "auto"}
    if request.schema is not None:
        body["text"] = {"format": {"type": "json_schema", "name": SCHEMA_NAME, **schema_of(request.schema)}}
    extra = extra_fields(parameters.extra_json)
    if isinstance(extra.get("reasoning"), dict):  # what the person adds to it leaves the rest as it is
        extra["reasoning"] = {**body.get("reasoning", {}), **extra["reasoning"]}
    return {**body, **extra}


def _item(turn: Turn, place: int) -> dict[str, Json]:
    """A turn as an item of the input."""
    if turn.role == "assistant":
        # Servers want an answer back with all that it came with; its id only has to look like one, as nothing is stored.
        said = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        return {"type": "message", "role": "assistant", "id": f"msg_{place}", "status": "completed", "content": [said]}
    content: list[Json] = [
        {"type": "input_image", "image_url": f"data:{media_type};base64,{data}", "detail": "auto"}
        for media_type, data in turn.images
    ]
    if turn.text:
        content.append({"type": "input_text", "text": turn.text})
    return {"type": "message", "role": turn.role, "content": content}


class ResponseReader:
    """One answer: its events → ours. Its end is response.completed or .incomplete; without one, it was cut off.

    :param limit: how long it may be; llama-server does not say when it ended an answer for that.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._parts: dict[type[Event], tuple[object, ...]] = {}
        self._calls: list[int | str] = []
        self._argued: set[int | str] = set()
        self._refused = False
        self.finished = False

    def read(self, chunk: Json) -> list[Event]:
        """The events in one. None ("[DONE]", of gateways) and what is not known are passed over.

        :raises ModelTabError: when it is an error.
        """
        if chunk is None:
            return []
        if not isinstance(chunk, dict):
            raise BadReply("The server's stream has something that is no part of an answer.", "Try again.", str(chunk)[:200])
        kind = str(chunk.get("type") or "")
        if kind == "error" or (not kind and chunk.get("error")):
            raise error_in_stream(chunk)
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            return self._end(_object(chunk.get("response")), _object(chunk.get("timings")))
        if not kind and chunk.get("object") == "response":  # a server that does not stream
            return self._end(chunk, _object(chunk.get("timings")))
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            self._refused = self._refused or kind == "response.refusal.delta"
            return self._more(TextDelta, chunk, chunk.get("content_index"))
        if kind == "response.reasoning_summary_text.delta":
            return self._more(ReasoningDelta, chunk, chunk.get("summary_index"))
        if kind == "response.reasoning_text.delta":
            return self._more(ReasoningDelta, chunk, chunk.get("content_index"))
        if kind == "response.function_call_arguments.delta":
            return self._arguments(_place_of(chunk, {}), chunk.get("delta"))
        item = _object(chunk.get("item"))
        if item.get("type") == "function_call" and kind in ("response.output_item.added", "response.output_item.done"):
            return self._call(_place_of(chunk, item), item)
        return []

    def _more(self, event: type[TextDelta] | type[ReasoningDelta], chunk: Mapping[str, Json], index: object) -> list[Event]:
        """More of a text. Between the parts of one, and between two messages, there is an empty line."""
        delta = chunk.get("delta")
        if not isinstance(delta, str) or not delta:
            return []
        part = (_place_of(chunk, {}), index)
        before = self._parts.get(event, part)
        self._parts[event] = part
        return [event(delta)] if before in (None, part) else [event("\n\n"), event(delta)]

    def _call(self, place: int | str, item: Mapping[str, Json]) -> list[Event]:
        """A call of a tool begins, or is whole: then it has its arguments, which some servers never send in pieces."""
        events: list[Event] = []
        if place not in self._calls:
            self._calls.append(place)
            id_ = str(item.get("call_id") or item.get("id") or "")
            events.append(ToolCallDelta(len(self._calls) - 1, id_, str(item.get("name") or "")))
        if place not in self._argued:
            events += self._arguments(place, item.get("arguments"))
        return events

    def _arguments(self, place: int | str, arguments: Json) -> list[Event]:
        if place not in self._calls or not isinstance(arguments, str) or not arguments:
            return []
        self._argued.add(place)
        return [ToolCallDelta(self._calls.index(place), arguments=arguments)]

    def _end(self, response: Mapping[str, Json], timings: Mapping[str, Json]) -> list[Event]:
        """The answer is at its end. What it did not say in pieces, it says now."""
        status = str(response.get("status") or "")
        if status == "failed" or response.get("error"):
            raise error_in_stream(response)
        events = self._whole(response)
        usage = usage_of(_object(response.get("usage")), timings)
        if usage:
            events.append(usage)
        self.finished = True
        if status == "incomplete":
            native = str(_object(response.get("incomplete_details")).get("reason") or status)
            reasons: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
            return [*events, Finished(reasons.get(native, "other"), native)]
        if self._refused:
            return [*events, Finished("content_filter", "refusal")]
        # llama.cpp, which timings are the mark of, calls an answer complete that it ended for its length.
        at_limit = self._limit and timings and (_count(timings.get("predicted_n")) or 0) >= self._limit
        reason: FinishReason = "tool_calls" if self._calls else "length" if at_limit else "stop"
        return [*events, Finished(reason if status in ("completed", "") else "other", status)]

    def _whole(self, response: Mapping[str, Json]) -> list[Event]:
        """What a response says, item by item, as far as it has not been said in pieces."""
        events: list[Event] = []
        said, called = set(self._parts), bool(self._calls)
        items = response.get("output")
        for place, item in enumerate(items if isinstance(items, list) else ()):
            item = _object(item)
            if item.get("type") == "function_call" and not called:
                events += self._call(place, item)
            for name in ("summary", "content"):
                parts = item.get(name)
                for index, part in enumerate(parts if isinstance(parts, list) else ()):
                    event = ReasoningDelta if item.get("type") == "reasoning" else TextDelta
                    if event not in said:
                        text = _object(part).get("text") or _object(part).get("refusal")
                        self._refused = self._refused or bool(_object(part).get("refusal"))
                        events += self._more(event, {"output_index": place, "delta": text}, (name, index))
        return events


def _place_of(chunk: Mapping[str, Json], item: Mapping[str, Json]) -> int | str:
    """What tells an item of the output from the others: its place, or its id where llama.cpp does not tell that."""
    place = chunk.get("output_index")
    return place if isinstance(place, int) else str(chunk.get("item_id") or item.get("id") or item.get("call_id"))


def usage_of(usage: Mapping[str, Json], timings: Mapping[str, Json]) -> Usage | None:
    """The figures of an answer, with llama.cpp's times where it tells them."""
    if not usage and not timings:
        return None
    times = {name: value for name, value in timings.items() if isinstance(value, int | float)}
    timed = timings_of({"timings": times}) or Usage()
    return timed._replace(
        prompt_tokens=_count(usage.get("input_tokens")) or timed.prompt_tokens,
        completion_tokens=_count(usage.get("output_tokens")) or timed.completion_tokens,
        reasoning_tokens=_count(_object(usage.get("output_tokens_details")).get("reasoning_tokens")) or None,
        cached_tokens=_count(_object(usage.get("input_tokens_details")).get("cached_tokens")) or None,
    )


def _object(value: Json) -> Mapping[str, Json]:
    """A value as an object, an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def _count(value: object) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def error_in_stream(chunk: Mapping[str, Json]) -> ModelTabError:
    """The error that an event is, or that a response failed with: the status was 200 by then, so its code tells its kind."""
    error = chunk.get("error")
    code = (error if isinstance(error, dict) else chunk).get("code")
    if isinstance(code, int) or (isinstance(code, str) and code.isdigit()):
        status = int(code)
    else:
        refused = any(part in str(code) for part in _REFUSALS)
        status = STATUSES.get(str(code), 400 if refused else 500)
    what = words_of(chunk) or "The server sent an error in the middle of its answer"
    return error_of(status if status >= 400 else 500, what, ADVICE, str(chunk)[:400])


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "openai-responses",
        "OpenAI Responses",
        takes_url=True,
        default_url=PRESETS[0].base_url,
        build=lambda connection, key: OpenAiResponses(connection, key, transport),
        about="OpenAI's newer API. It shows a summary of what a model thought.",
        key="optional",
        takes_models=True,
        presets=PRESETS,
        allow=allow_recipes,
        start="lms server start",
        hides_refusal=lambda base_url: vendor_of(base_url).hides_refusal,
    )

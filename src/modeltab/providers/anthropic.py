"""Anthropic's Messages API, at Anthropic and wherever else it is spoken: llama-server, LM Studio, gateways.

Source: Anthropic's API reference ("Messages", "Streaming messages", "Models", "Errors"), its pages on thinking and on
what is new in each model, and the types of its Python package 2.14, looked up in November 2026; a real llama-server.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from modeltab.domain.connections import Connection, host_of
from modeltab.domain.errors import BadReply, BadRequest, ModelTabError, NotFound
from modeltab.domain.messages import Message
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
from modeltab.providers.anthropic_thinking import at, thinking_of
from modeltab.providers.base import Capabilities, Json, KeySource, Provider, Transport
from modeltab.providers.connection_type import ConnectionType, Preset
from modeltab.providers.content import turns
from modeltab.providers.http import KEY_VARIABLE, Endpoint, error_of, words_of
from modeltab.providers.openai_models import entries_of
from modeltab.providers.openai_vendors import allow_recipes
from modeltab.snippets.call import Call

HOST = "api.anthropic.com"
DEFAULT_URL = f"https://{HOST}/v1"
PATH = "/messages"
#: The version that other servers know, and the last that takes `NAMES`; the second header is what lets a page ask at all.
PAGE_HEADER = "anthropic-dangerous-direct-browser-access"
HEADERS = {"anthropic-version": "2023-06-01", PAGE_HEADER: "true"}

#: The API wants to be told how long an answer may be. Where the person has not said it, this is enough for most.
MAX_TOKENS = 8192
#: How many tokens of thought an effort is worth, for models that want a number and for how much longer the answer may be.
BUDGETS = {"low": 2048, "medium": 8192, "high": 16384}
#: The least that the API takes as a budget.
LEAST_BUDGET = 1024

NAMES = ("temperature", "top_p", "top_k")

FINISH_REASONS: Mapping[str, FinishReason] = {
    **dict.fromkeys(("end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded"), "length"),
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
#: The statuses that the types of errors stand for, for those that come in the middle of a stream.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_SAMPLING = "Claude 4.7 and later choose their words themselves: empty Temperature, Top P and Top K in Parameters."
#: What to do, by the beginning of the server's own words.
ADVICE = {
    "Your credit balance is too low": "Add credit to the account at Anthropic, or use another connection.",
    "CORS requests are not allowed": "An administrator of the organization can allow them, or use a key of another one.",
    "`temperature` and `top_p`": "This model takes one of the two: empty Temperature or Top P in Parameters.",
    "`temperature` may only be set to 1": "A model that thinks takes no other: empty Temperature, or set Reasoning to off.",
    **dict.fromkeys(("`temperature`", "`top_p`", "`top_k`"), _SAMPLING),
    '"thinking.type.': "This model thinks in another way: set Reasoning to another value, or to its default.",
    "max_tokens:": "Lower Max tokens in Parameters.",
    "prompt is too long": "Shorten the conversation, or start a new one.",
    "messages: first message must": "This conversation begins with an answer, which this model does not take: start a new one.",
}


class Anthropic(Provider):
    """An API that speaks Anthropic's Messages."""

    capabilities = Capabilities(
        streaming=True,
        parameters=frozenset({"system_prompt", "max_tokens", "reasoning", "extra_json", *NAMES}),
        defaults={"max_tokens": MAX_TOKENS},
        reasons={"completion": "Anthropic's Messages API answers messages only."},
        images=True,
        schema=True,
    )

    def __init__(self, connection: Connection, key: KeySource, transport: Transport) -> None:
        self._connection = connection
        needs_key = "Anthropic" if host_of(connection.base_url) == HOST else ""
        self._label = needs_key or "The server"
        variable = "ANTHROPIC_API_KEY" if needs_key else KEY_VARIABLE
        self._endpoint = Endpoint(transport, connection.base_url, key, _headers, ADVICE, needs_key, variable)
        self._told: dict[str, Mapping[str, Json]] = {}

    async def check(self) -> str:
        """Ask for the models: that needs the right address and the right key."""
        try:
            await self._entries()
        except NotFound:
            if not self._connection.model_names:  # with one, a server that does nothing but answer is enough
                raise
            return f"{self._label} answers; it does not list models"
        return f"{self._label} answers"

    async def models(self) -> tuple[Model, ...]:
        """GET /models, or the models that the person named."""
        id_, names = self._connection.id, self._connection.model_names
        if names:
            return tuple(Model(id_, name, state="Remote") for name in names)
        found = (_model(id_, entry) for entry in await self._entries() if entry.get("lifecycle") != "retired")
        return tuple(sorted(found, key=lambda model: model.name.casefold()))

    async def _entries(self) -> list[Mapping[str, Json]]:
        """Every entry of the list, which comes in pages."""
        told: dict[str, Mapping[str, Json]] = {}
        after = ""
        while True:
            reply = await self._endpoint.call("GET", "/models?limit=1000" + after)
            page = {str(entry["id"]): entry for entry in entries_of(reply)}
            more = page.keys() - told.keys() and isinstance(reply, dict) and reply.get("has_more")
            told.update(page)
            if not more:
                break
            after = f"&after_id={quote(list(page)[-1], safe='')}"
        self._told = told
        return list(told.values())

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /messages, streamed.

        What the model thought before goes back with its answers, as it came. The newest models take it only from the
        account, and below the very system prompt and messages, that it came with, and refuse the request otherwise; then
        it is left out, which costs them nothing but a memory.
        """
        kept = any(_kept(message, request.model) for message in request.messages)
        for with_thoughts in (True, False) if kept else (False,):
            begun = False
            try:
                async with aclosing(self._answer(request, with_thoughts)) as events:
                    async for event in events:
                        begun = True
                        yield event
                return
            except BadRequest as error:
                if begun or not with_thoughts or "`thinking`" not in error.message:
                    raise

    async def _answer(self, request: ChatRequest, with_thoughts: bool) -> AsyncGenerator[Event, None]:
        reader = MessageReader(request.model)
        body = self._body(request, with_thoughts)
        async with aclosing(self._endpoint.sse(PATH, body)) as chunks:
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
                if reader.finished:
                    break

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /messages."""
        body = self._body(request, True, stream)
        call = self._endpoint.describe("POST", PATH, body, "anthropic", body.get("stream") is True)
        return call._replace(headers={name: value for name, value in call.headers.items() if name != PAGE_HEADER})

    def _body(self, request: ChatRequest, with_thoughts: bool, stream: bool = True) -> dict[str, Json]:
        """The request's body.

        :raises BadRequest: when the extra JSON is not an object.
        """
        parameters = request.parameters
        system = [parameters.system_prompt] if parameters.system_prompt else []
        messages = []
        for turn in turns(request, takes_images=True):
            if turn.role == "system":  # one that was imported: not every model takes it between the others
                system.append(turn.text)
                continue
            content = _kept(turn.message, request.model) if with_thoughts else []
            for media_type, data in turn.images:
                content.append({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
            if turn.text.strip():  # the API refuses a text of nothing but white space
                content.append({"type": "text", "text": turn.text})
            if content:
                messages.append({"role": turn.role, "content": content})
        body: dict[str, Json] = {"model": request.model, "messages": messages, **({"stream": True} if stream else {})}
        if system:
            body["system"] = "\n\n".join(system)
        for name in NAMES:
            value = getattr(parameters, name)
            if value is not None:
                body[name] = value
        body.update(self._length_and_thinking(request.model, parameters.max_tokens, parameters.reasoning))
        if request.schema is not None:
            kept_to = {"type": "json_schema", "schema": dict(request.schema)}
            body["output_config"] = {**body.get("output_config", {}), "format": kept_to}
        extra = extra_fields(parameters.extra_json)
        if isinstance(extra.get("output_config"), dict):  # an effort and a format of the person's own are one object
            extra["output_config"] = {**body.get("output_config", {}), **extra["output_config"]}
        return {**body, **extra}

    def _length_and_thinking(self, model: str, max_tokens: int | None, effort: str | None) -> dict[str, Json]:
        """How long the answer may be, and how much the model is to think, which counts towards its length."""
        told = self._told.get(model, {})
        limit = _count(told.get("max_tokens")) or None
        length = max_tokens if max_tokens is not None else min(MAX_TOKENS, limit or MAX_TOKENS)
        if not effort:
            return {"max_tokens": length}
        way = thinking_of(model, told)
        if effort == "off":
            # One that always thinks is asked to do it as little as it can.
            off = {"thinking": {"type": way.off}} if way.off else {"output_config": {"effort": "low"}}
            return {"max_tokens": length, **off}
        budget = BUDGETS.get(effort, 0)
        longer = min(length + budget, limit) if limit else length + budget
        if way.adaptive:
            length = length if max_tokens is not None else longer  # the person's own limit holds for all of it
            thinking = {"type": "adaptive", "display": "summarized"}
            return {"max_tokens": length, "thinking": thinking, "output_config": {"effort": effort}}
        budget = max(LEAST_BUDGET, min(budget, longer - min(length, LEAST_BUDGET)))  # some room is left for the answer
        return {"max_tokens": longer, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _headers(key: str) -> dict[str, str]:
    return {**HEADERS, "x-api-key": key} if key else dict(HEADERS)


def _kept(message: Message | None, model: str) -> list[Json]:
    """What the same model thought before this answer, as it came."""
    data = at(message.provider_data, "anthropic") if message and message.role == "assistant" else {}
    blocks = data.get("thinking") if data.get("model") == model else None
    return [dict(block) for block in blocks if isinstance(block, Mapping)] if isinstance(blocks, list | tuple) else []


_TOKENS = " tokens"
_DETAILS = (("display_name", "Name", ""), ("max_input_tokens", "Context", _TOKENS), ("max_tokens", "Longest answer", _TOKENS))


def _model(connection_id: str, entry: Mapping[str, Json]) -> Model:
    details = {label: f"{entry[field]}{unit}" for field, label, unit in _DETAILS if entry.get(field)}
    if entry.get("lifecycle") == "deprecated":
        details["Retires"] = str(entry.get("retires_at") or "soon")[:10]
    return Model(connection_id, str(entry["id"]), state="Remote", details=details)


class MessageReader:
    """One answer: its events → ours. Its end is message_stop; without it, the answer was cut off."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._usage: dict[str, int] = {}
        self._thoughts: dict[int, dict[str, str]] = {}
        self._calls: list[int] = []
        self._native = ""
        self.finished = False

    def read(self, chunk: Json) -> list[Event]:
        """The events in one. None ("[DONE]", of gateways), pings and what is not known are passed over.

        :raises ModelTabError: when it is an error.
        """
        if chunk is None:
            return []
        if not isinstance(chunk, dict):
            raise BadReply("The server's stream has something that is no part of an answer.", "Try again.", str(chunk)[:200])
        kind = chunk.get("type")
        if kind == "error" or chunk.get("error"):
            raise error_in_stream(chunk)
        if kind == "message_start":
            return self._figures(at(chunk, "message", "usage"))
        if kind == "content_block_start":
            return self._begin(_count(chunk.get("index")), at(chunk, "content_block"))
        if kind == "content_block_delta":
            return self._go_on(_count(chunk.get("index")), at(chunk, "delta"))
        if kind == "message_delta":
            self._native = str(at(chunk, "delta").get("stop_reason") or self._native)
            return self._figures(at(chunk, "usage"))
        if kind == "message_stop":
            return [self._end()]
        return self._whole(chunk) if kind == "message" else []

    def _begin(self, index: int, block: Mapping[str, Json]) -> list[Event]:
        """A block begins; usually it is empty, but it may have its beginning, or be whole."""
        kind = block.get("type")
        if kind == "redacted_thinking":
            self._thoughts[index] = {"type": "redacted_thinking", "data": str(block.get("data") or "")}
        elif kind == "thinking":
            self._thoughts[index] = {"type": "thinking", "thinking": "", "signature": str(block.get("signature") or "")}
            return self._go_on(index, {"type": "thinking_delta", "thinking": block.get("thinking")})
        elif kind == "text":
            return self._go_on(index, {"type": "text_delta", "text": block.get("text")})
        elif kind == "tool_use":
            self._calls.append(index)
            given = block.get("input")
            arguments = json.dumps(given, ensure_ascii=False) if given else ""
            return [ToolCallDelta(len(self._calls) - 1, str(block.get("id") or ""), str(block.get("name") or ""), arguments)]
        return []

    def _go_on(self, index: int, delta: Mapping[str, Json]) -> list[Event]:
        kind = delta.get("type")
        if kind == "text_delta" and delta.get("text"):
            return [TextDelta(str(delta["text"]))]
        if kind == "thinking_delta" and delta.get("thinking"):
            if index in self._thoughts:
                self._thoughts[index]["thinking"] += str(delta["thinking"])
            return [ReasoningDelta(str(delta["thinking"]))]
        if kind == "signature_delta" and index in self._thoughts:
            self._thoughts[index]["signature"] += str(delta.get("signature") or "")
        elif kind == "input_json_delta" and index in self._calls and delta.get("partial_json"):
            return [ToolCallDelta(self._calls.index(index), arguments=str(delta["partial_json"]))]
        return []

    def _figures(self, usage: Mapping[str, Json]) -> list[Event]:
        """The figures so far: each event repeats those that have grown, so the latest of each counts."""
        if not usage:
            return []
        figures = {**usage, "thinking_tokens": at(usage, "output_tokens_details").get("thinking_tokens")}
        self._usage.update({name: value for name, value in figures.items() if type(value) is int})
        cached = self._usage.get("cache_read_input_tokens", 0)
        prompt = self._usage.get("input_tokens")
        if prompt is not None:
            prompt += cached + self._usage.get("cache_creation_input_tokens", 0)
        thought = self._usage.get("thinking_tokens") or None
        return [Usage(prompt, self._usage.get("output_tokens"), reasoning_tokens=thought, cached_tokens=cached or None)]

    def _whole(self, message: Mapping[str, Json]) -> list[Event]:
        """A reply that is not streamed."""
        blocks = message.get("content")
        events: list[Event] = []
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            events += self._begin(index, block if isinstance(block, dict) else {})
        self._native = str(message.get("stop_reason") or "")
        return [*events, *self._figures(at(message, "usage")), self._end()]

    def _end(self) -> Finished:
        self.finished = True
        blocks = [block for _, block in sorted(self._thoughts.items()) if block.get("signature") or block.get("data")]
        data = {"anthropic": {"model": self._model, "thinking": blocks}} if blocks else {}
        return Finished(FINISH_REASONS.get(self._native, "other"), self._native, data)


def _count(value: object) -> Any:
    """A whole number, 0 where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def error_in_stream(chunk: Mapping[str, Json]) -> ModelTabError:
    """The error that an event is: the status was 200 by then, so its type tells what kind it is."""
    error = at(chunk, "error")
    status = STATUSES.get(str(error.get("type"))) or _count(error.get("code"))
    what = words_of(chunk) or "The server sent an error in the middle of its answer"
    return error_of(status if status >= 400 else 500, what, ADVICE, str(chunk)[:400])


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "anthropic",
        "Anthropic",
        takes_url=True,
        default_url=DEFAULT_URL,
        build=lambda connection, key: Anthropic(connection, key, transport),
        about="Claude, and servers that speak Anthropic's Messages API.",
        key="required",
        takes_models=True,
        presets=(Preset("anthropic", "Anthropic", DEFAULT_URL, keys_at="platform.claude.com/settings/keys"),),
        allow=allow_recipes,
    )

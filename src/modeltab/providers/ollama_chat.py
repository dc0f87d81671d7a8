"""Ollama's own chat: request → body, line → events.

Source: Ollama's docs/api.md and, where that is silent, server/routes.go and api/types.go of August 2026. Its own API is
asked rather than its OpenAI-compatible one because only here the size of the context can be set.
"""

import json
from collections.abc import Mapping
from typing import Any

from modeltab.domain.errors import BadReply, ModelTabError
from modeltab.domain.requests import (
    ChatRequest,
    CompletionRequest,
    Event,
    Finished,
    FinishReason,
    Parameters,
    ReasoningDelta,
    TextDelta,
    TokenProbabilities,
    ToolCallDelta,
    Usage,
    extra_fields,
)
from modeltab.providers.base import Json
from modeltab.providers.content import turns
from modeltab.providers.http import Advice, error_of, words_of
from modeltab.providers.think_tags import ThinkTags
from modeltab.providers.token_logprobs import tokens_of

#: What each parameter is called in `options`.
OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "max_tokens": "num_predict",
    "n_ctx": "num_ctx",
    "n_gpu_layers": "num_gpu",
    "n_batch": "num_batch",
}
PARAMETERS = frozenset({"system_prompt", "reasoning", "extra_json", *OPTIONS})

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}


def options_of(parameters: Parameters) -> dict[str, Json]:
    """What a person set, as Ollama's `options`; an `options` object in the extra JSON adds to them and comes last.

    :raises BadRequest: when the extra JSON is not an object.
    """
    values = {option: getattr(parameters, name) for name, option in OPTIONS.items()}
    options = {option: value for option, value in values.items() if value is not None}
    extra = extra_fields(parameters.extra_json).get("options")
    return {**options, **extra} if isinstance(extra, dict) else options


def body_of(request: ChatRequest, stream: bool = True) -> dict[str, Json]:
    """The request's body. Ollama streams unless it is told not to.

    The extra JSON goes to its top level (`format`, `keep_alive`, …) and comes last; its `options` are merged, so that
    {"options": {"min_p": 0.1}} adds one and keeps the others.

    :raises BadRequest: when the extra JSON is not an object.
    """
    parameters = request.parameters
    messages: list[Json] = []
    if parameters.system_prompt:
        messages.append({"role": "system", "content": parameters.system_prompt})
    for turn in turns(request, takes_images=True):
        message: dict[str, Json] = {"role": turn.role, "content": turn.text}
        if turn.images:
            message["images"] = [data for _, data in turn.images]
        messages.append(message)
    body: dict[str, Json] = {"model": request.model, "messages": messages, "stream": stream}
    if parameters.reasoning:
        body["think"] = False if parameters.reasoning == "off" else parameters.reasoning
    if request.schema is not None:
        body["format"] = dict(request.schema)
    body.update(_probabilities(request.n_alternatives))
    options = options_of(parameters)
    return {**body, **extra_fields(parameters.extra_json), **({"options": options} if options else {})}


def _probabilities(n_alternatives: int) -> dict[str, Json]:
    """What asks for the likeliest tokens; versions before 0.12.11 pass it over."""
    return {"logprobs": True, "top_logprobs": n_alternatives} if n_alternatives else {}


def completion_body_of(request: CompletionRequest) -> dict[str, Json]:
    """The body of a request for more of a text, which goes to the model as it is (`raw`). For the extra JSON, see `body_of`.

    :raises BadRequest: when the extra JSON is not an object.
    """
    body = {"model": request.model, "prompt": request.prompt, "raw": True, "stream": True}
    options = options_of(request.parameters)
    extra = extra_fields(request.parameters.extra_json)
    return {**body, **_probabilities(request.n_alternatives), **extra, **({"options": options} if options else {})}


def error_in_line(line: Mapping[str, Json], advice: Advice) -> ModelTabError:
    """The error that a line of a stream is: the status was 200 by then. The same request fails the same way again."""
    error = error_of(500, words_of(line) or "Ollama broke off", advice, json.dumps(line)[:400])
    error.transient = False
    return error


def _checked(line: Json, advice: Advice) -> Mapping[str, Json]:
    """A line of a stream. :raises ModelTabError: when it is none, or an error."""
    if not isinstance(line, dict):
        raise BadReply("Ollama's stream has something that is no part of an answer.", "Try again.", str(line)[:200])
    if line.get("error"):
        raise error_in_line(line, advice)
    return line


class CompletionReader:
    """One completion: its lines → events. What looks like reasoning stays text."""

    def __init__(self, advice: Advice) -> None:
        self._advice = advice
        self.finished = False

    def read(self, line: Json) -> list[Event]:
        """The events in one line.

        :raises ModelTabError: when the line is an error.
        """
        line = _checked(line, self._advice)
        tokens = tokens_of(line.get("logprobs"))
        events: list[Event] = [TokenProbabilities(tokens)] if tokens else []
        if line.get("response"):
            events.append(TextDelta(str(line["response"])))
        if line.get("done"):
            self.finished = True
            native = str(line.get("done_reason") or "stop")
            events += [*usage_of(line), Finished(FINISH_REASONS.get(native, "other"), native)]
        return events


class ChatReader:
    """One answer: its lines → events. Its end is the line that says `done`; without it, the answer was cut off."""

    def __init__(self, advice: Advice) -> None:
        self._advice = advice
        self._tags = ThinkTags()
        self._calls = 0
        self.finished = False

    def read(self, line: Json) -> list[Event]:
        """The events in one line.

        :raises ModelTabError: when the line is an error.
        """
        line = _checked(line, self._advice)
        message = line.get("message")
        message = message if isinstance(message, dict) else {}
        tokens = tokens_of(line.get("logprobs"))
        events: list[Event] = [TokenProbabilities(tokens)] if tokens else []
        if message.get("thinking"):
            events.append(ReasoningDelta(str(message["thinking"])))
        if message.get("content"):
            events += self._tags.feed(str(message["content"]))
        events += [self._call(call) for call in message.get("tool_calls") or () if isinstance(call, dict)]
        if line.get("done"):
            events += [*self.end(), *usage_of(line), self._finished(line)]
        return events

    def end(self) -> list[Event]:
        """What was held back of an answer that says no more."""
        return self._tags.end()

    def _call(self, call: Mapping[str, Any]) -> ToolCallDelta:
        """A tool's call. It comes whole, its arguments as an object; versions differ in how they count, so we count."""
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
        self._calls += 1
        return ToolCallDelta(self._calls - 1, str(call.get("id") or ""), str(function.get("name") or ""), text)

    def _finished(self, line: Mapping[str, Any]) -> Finished:
        self.finished = True
        native = str(line.get("done_reason") or "stop")  # versions before 0.1.38 gave none
        reason = FINISH_REASONS.get(native, "other")
        return Finished("tool_calls" if self._calls and reason == "stop" else reason, native)


def usage_of(line: Mapping[str, Any]) -> list[Event]:
    """The figures of the last line; its times are nanoseconds. Cloud models tell some of them, or none."""
    tokens, duration = _figure(line.get("eval_count")), _figure(line.get("eval_duration"))
    total = _figure(line.get("total_duration"))
    usage = Usage(
        _figure(line.get("prompt_eval_count")),
        tokens,
        total / 1e9 if total else None,
        tokens / duration * 1e9 if tokens and duration else None,
    )
    return [usage] if usage != Usage() else []


def _figure(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

"""OpenAI's chat completions, which most APIs and engines speak: request → body, chunk → events.

Source: OpenAI's API reference, "Chat Completions". What others make of it is taken too, as far as it has been seen:
fields that are missing, null or empty, reasoning under six names, usage in three places, chunks without choices, a whole
message in place of a delta, a reply that is not streamed, an error in the middle of a stream.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from modeltab.domain.errors import BadReply, ModelTabError, ServerFailed
from modeltab.domain.json_schema import is_strict
from modeltab.domain.models import model_key
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    FinishReason,
    Progress,
    ReasoningDelta,
    TokenProbabilities,
    ToolCallDelta,
    Usage,
    extra_fields,
)
from modeltab.providers.base import Json
from modeltab.providers.content import turns
from modeltab.providers.http import error_of, words_of
from modeltab.providers.think_tags import ThinkTags
from modeltab.providers.token_logprobs import tokens_of
from modeltab.snippets.call import Call

#: The APIs' words for how an answer ended → ours. Compared in lower case.
FINISH_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "length"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("content_filter", "refusal", "safety"), "content_filter"),
}
#: What a schema is called in a request; APIs want a name, and show it to the model.
SCHEMA_NAME = "answer"
_FAILED = frozenset({"error", "network_error"})
#: Where the app's own endpoint is, from the app's address on.
PATH_IN_PAGE = "v1/chat/completions"


def messages_of(request: ChatRequest, takes_images: bool) -> list[Json]:
    """The conversation as `messages`, with the system prompt before it."""
    messages: list[Json] = []
    if request.parameters.system_prompt:
        messages.append({"role": "system", "content": request.parameters.system_prompt})
    for turn in turns(request, takes_images):
        content: Json = turn.text
        if turn.images:
            urls = [f"data:{media_type};base64,{data}" for media_type, data in turn.images]
            content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            content += [{"type": "text", "text": turn.text}] if turn.text else []
        messages.append({"role": turn.role, "content": content})
    return messages


def body_of(request: ChatRequest, names: Mapping[str, str], takes_images: bool = False, **fields: Json) -> dict[str, Json]:
    """The request's body.

    :param names: what each parameter that the API takes is called there, by the names of `Parameters`.
    :param fields: what else goes into it; the person's own extra JSON comes last.
    :raises BadRequest: when the extra JSON is not an object.
    """
    parameters = request.parameters
    body: dict[str, Json] = {**fields, "messages": messages_of(request, takes_images)}
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, **schema_of(request.schema)}}
    if request.n_alternatives:
        body.update(logprobs=True, top_logprobs=request.n_alternatives)
    for name, field in names.items():
        value = getattr(parameters, name)
        if value is not None:
            body[field] = value
    return {**body, **extra_fields(parameters.extra_json)}


def call_in_page(connection_id: str, request: ChatRequest, names: Mapping[str, str], stream: bool) -> Call:
    """A question to the endpoint that the app itself has for pages beside it; its URL is relative to the app's."""
    fields: dict[str, Json] = {"model": model_key(connection_id, request.model), **({"stream": True} if stream else {})}
    body = body_of(request, names, **fields)
    headers = {"Content-Type": "application/json"}
    return Call("POST", PATH_IN_PAGE, headers, body=body, api="chat", streams=body.get("stream") is True, in_page=True)


def schema_of(schema: Mapping[str, Any]) -> dict[str, Json]:
    """A schema with whether it is one that "strict" takes, which holds every answer to it; others are kept to mostly."""
    return {"schema": dict(schema), **({"strict": True} if is_strict(schema) else {})}


class Reader(Protocol):
    """Reads one streamed answer."""

    def read(self, chunk: Json) -> list[Event]:
        """The events in one chunk. :raises ModelTabError: when the chunk is an error."""
        ...

    def end(self, end_mark: bool) -> list[Event]:
        """The stream is at its end, with its end mark or without."""
        ...


async def answered(chunks: AsyncGenerator[Json, None], reader: Reader) -> AsyncGenerator[Event, None]:
    """The events of a streamed answer; None among its chunks is the end mark."""
    end_mark = False
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk is None:
                end_mark = True
                break
            for event in reader.read(chunk):
                yield event
    for event in reader.end(end_mark):
        yield event


def progress_of(chunk: Mapping[str, Any]) -> list[Event]:
    """How far llama-server is with the prompt, in the chunks that tell it; or the tab's engine with loading the model anew."""
    if "loading" in chunk:
        return [Progress("Loading the model in another way, for this request", chunk["loading"])]
    progress = chunk.get("prompt_progress")
    if isinstance(progress, dict) and progress.get("total"):
        return [Progress("Reading the prompt", progress.get("processed", 0) / progress["total"])]
    return []


class ChatCompletionReader:
    """One answer: its chunks → events, and whether it came to its end."""

    def __init__(self) -> None:
        self._tags = ThinkTags()
        self._said = False
        self._finish: tuple[FinishReason, str] | None = None
        self._calls: list[str] = []

    def read(self, chunk: Json) -> list[Event]:
        """The events in one chunk.

        :raises ModelTabError: when the chunk is an error.
        """
        if not isinstance(chunk, dict):
            raise BadReply("The server's stream has something that is no chunk of an answer.", "Try again.", str(chunk)[:200])
        if chunk.get("error"):
            raise error_in_stream(chunk)
        events = progress_of(chunk)
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict) and not choice.get("index"):  # only the first answer was asked for
                events += self._choice(choice)
        usage = usage_of(chunk)
        if usage:
            events.append(usage)
        return events

    def end(self, end_mark: bool) -> list[Event]:
        """The stream is at its end, with its end mark or without. Without a reason either, the answer was cut off."""
        events = self._tags.end()
        if self._finish:
            events.append(Finished(*self._finish))
        elif end_mark:
            events.append(Finished("stop"))
        return events

    def _choice(self, choice: Mapping[str, Any]) -> list[Event]:
        # A reply in one piece has a message; some streams repeat the whole as one at their end.
        delta = choice.get("delta") or (None if self._said else choice.get("message")) or {}
        events: list[Event] = []
        tokens = tokens_of(choice.get("logprobs"))
        if tokens:
            events.append(TokenProbabilities(tokens))
        reasoning, text = _parts_of(delta)
        if reasoning:
            events.append(ReasoningDelta(reasoning))
        if text:
            events += self._tags.feed(text)
        for place, call in enumerate(delta.get("tool_calls") or ()):
            if isinstance(call, dict):
                events.append(self._call(call, place))
        self._said = self._said or bool(events)
        native = choice.get("finish_reason")
        if isinstance(native, str) and native:
            if native.lower() in _FAILED:
                raise ServerFailed("The provider broke the answer off.", "Try again.", str(choice)[:400])
            self._finish = (FINISH_REASONS.get(native.lower(), "other"), native)
        return events

    def _call(self, call: Mapping[str, Any], place: int) -> ToolCallDelta:
        """A piece of a tool's call. One without an index is known by its id, or by its place."""
        function = call.get("function") or {}
        id_ = call.get("id") or ""
        index = call.get("index")
        if not isinstance(index, int):
            if id_ and id_ not in self._calls:
                self._calls.append(id_)
            index = self._calls.index(id_) if id_ else max(len(self._calls) - 1, place)
        arguments = function.get("arguments")
        return ToolCallDelta(index, id_, function.get("name") or "", arguments if isinstance(arguments, str) else "")


def _parts_of(delta: Mapping[str, Any]) -> tuple[str, str]:
    """The reasoning and the text of a delta."""
    reasoning = next((delta[name] for name in ("reasoning_content", "reasoning") if _is_text(delta.get(name))), "")
    if not reasoning:
        details = delta.get("reasoning_details")
        items = [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
        reasoning = "".join(str(item.get("text") or item.get("summary") or "") for item in items)
    content = delta.get("content")
    if isinstance(content, list):
        texts = [part for part in content if isinstance(part, dict)]
        reasoning += "".join(_thinking(part) for part in texts if part.get("type") == "thinking")
        content = "".join(str(part.get("text") or "") for part in texts if part.get("type") != "thinking")
    refusal = delta.get("refusal")
    return reasoning, (content if isinstance(content, str) else "") + (refusal if isinstance(refusal, str) else "")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _thinking(part: Mapping[str, Any]) -> str:
    inner = part.get("thinking")
    if isinstance(inner, str):
        return inner
    return "".join(str(item.get("text") or "") for item in inner or () if isinstance(item, dict))


def usage_of(chunk: Mapping[str, Any]) -> Usage | None:
    """The figures in a chunk: OpenAI's usage, Groq's beside it, llama.cpp's timings."""
    groq = chunk.get("x_groq")
    usage = chunk.get("usage") or (groq.get("usage") if isinstance(groq, dict) else None)
    usage = usage if isinstance(usage, dict) else {}
    timings = chunk.get("timings")
    timings = timings if isinstance(timings, dict) else {}
    if not usage and not timings:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    prompt_tokens, completion_tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    seconds = speed = None
    if timings:
        prompt_tokens = prompt_tokens or _total(timings, "cache_n", "prompt_n")
        completion_tokens = completion_tokens or _count(timings.get("predicted_n"))
        milliseconds = _total(timings, "prompt_ms", "predicted_ms")
        seconds = None if milliseconds is None else milliseconds / 1000
        speed = _count(timings.get("predicted_per_second"))
    elif _count(usage.get("completion_time")):  # Groq's: seconds
        speed = (completion_tokens or 0) / usage["completion_time"]
    return Usage(
        prompt_tokens,
        completion_tokens,
        seconds,
        speed,
        reasoning_tokens=_count(completion.get("reasoning_tokens")) or None,
        cached_tokens=_count(prompt.get("cached_tokens")) or _count(usage.get("prompt_cache_hit_tokens")) or None,
    )


def _count(value: object) -> Any:
    """A figure, None where it is none: APIs put objects and nulls in its place."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _total(figures: Mapping[str, Any], *names: str) -> Any:
    """The sum of those figures that are there, None where none is."""
    found = [figure for figure in map(_count, map(figures.get, names)) if figure is not None]
    return sum(found) if found else None


def error_in_stream(chunk: Mapping[str, Any]) -> ModelTabError:
    """The error that a chunk of a stream is: the status was 200 by then, so its code tells what kind it is."""
    error = chunk["error"]
    code = error.get("code") if isinstance(error, dict) else None
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 500
    what = words_of(chunk) or "The server sent an error in the middle of its answer"
    return error_of(status if status >= 400 else 500, what, {}, str(chunk)[:400])

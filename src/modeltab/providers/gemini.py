"""Google's Gemini API, its own format: the OpenAI-compatible one lets no page of another origin in.

Source: Google's API reference ("Models", "Generating content", "Thinking", "Thought signatures") and the types of its
Python package google-genai 3.6, looked up in November 2026. A page may send two headers, Content-Type and x-goog-api-key;
any other is refused before the request leaves.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import quote

from modeltab.domain.connections import Connection, host_of
from modeltab.domain.errors import BadReply, BadRequest, ModelTabError, NotFound, Unauthorized
from modeltab.domain.models import Model
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenProbabilities,
    ToolCallDelta,
    Usage,
    extra_fields,
)
from modeltab.providers.base import Capabilities, HttpResponse, Json, KeySource, Provider, Transport
from modeltab.providers.connection_type import ConnectionType, Preset
from modeltab.providers.content import Turn, turns
from modeltab.providers.gemini_thinking import thinking_config
from modeltab.providers.http import ADVICE_KEY, KEY_VARIABLE, Endpoint, error_of, retry_delay_of, words_of
from modeltab.providers.token_logprobs import gemini_tokens
from modeltab.snippets.call import Call

HOST = "generativelanguage.googleapis.com"
DEFAULT_URL = f"https://{HOST}/v1beta"

#: What the parameters are called in `generationConfig`.
NAMES = {"temperature": "temperature", "top_p": "topP", "top_k": "topK", "max_tokens": "maxOutputTokens", "seed": "seed"}
_FILTERS = ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR")
_IMAGE_FILTERS = ("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION")
FINISH_REASONS: Mapping[str, FinishReason] = {
    **{"STOP": "stop", "MAX_TOKENS": "length"},
    **dict.fromkeys(_FILTERS + _IMAGE_FILTERS, "content_filter"),
}

_OTHER_LEVEL = "This model thinks in another way, or not at all: set Reasoning in Parameters to its default."
#: What to do, by the beginning of the server's own words.
ADVICE = {
    "User location is not supported": "Google does not offer this API where you are: use another connection.",
    "Thinking ": _OTHER_LEVEL,
    "Unable to submit request because thinking": _OTHER_LEVEL,
    "Budget ": _OTHER_LEVEL,
    "The input token count": "Shorten the conversation, or start a new one.",
    "Developer instruction is not enabled": "This model takes no system prompt: empty it in Parameters.",
}


class GeminiEndpoint(Endpoint):
    """Google answers a wrong key with 400, where others say 401."""

    @asynccontextmanager
    async def open(self, method: str, path: str, value: Json = None) -> AsyncIterator[HttpResponse]:
        """See `Endpoint`."""
        try:
            async with super().open(method, path, value) as response:
                yield response
        except BadRequest as error:
            if not error.message.lower().startswith("api key"):
                raise
            raise Unauthorized(error.message, ADVICE_KEY, error.detail) from None


class Gemini(Provider):
    """The Gemini API."""

    capabilities = Capabilities(
        streaming=True,
        parameters=frozenset({"system_prompt", "reasoning", "extra_json", *NAMES}),
        reasons={"completion": "Gemini answers messages only."},
        images=True,
        schema=True,
        alternatives=20,
    )

    def __init__(self, connection: Connection, key: KeySource, transport: Transport) -> None:
        self._connection = connection
        needs_key = "Gemini" if host_of(connection.base_url) == HOST else ""
        variable = "GEMINI_API_KEY" if needs_key else KEY_VARIABLE
        self._endpoint = GeminiEndpoint(transport, connection.base_url, key, _headers, ADVICE, needs_key, variable)
        self._thinks: dict[str, bool] = {}

    async def check(self) -> str:
        """Ask for the models: that needs the right address and the right key."""
        try:
            await self._entries()
        except NotFound:
            if not self._connection.model_names:  # with one, a server that does nothing but answer is enough
                raise
            return "Gemini answers; it does not list models"
        return "Gemini answers"

    async def models(self) -> tuple[Model, ...]:
        """GET /models, those that answer; or the models that the person named."""
        id_, names = self._connection.id, self._connection.model_names
        if names:
            return tuple(Model(id_, name, state="Remote") for name in names)
        found = (_model(id_, entry) for entry in await self._entries() if _answers(entry))
        return tuple(sorted(found, key=lambda model: model.name.casefold()))

    async def _entries(self) -> list[Mapping[str, Json]]:
        """Every entry of the list, which comes in pages."""
        entries: list[Mapping[str, Json]] = []
        token, seen = "", {""}
        while True:
            more = f"&pageToken={quote(token, safe='')}" if token else ""
            reply = await self._endpoint.call("GET", "/models?pageSize=1000" + more)
            page = reply.get("models", []) if isinstance(reply, dict) else None
            if not isinstance(page, list):
                what = "The server answered without a list of models: this may be another API."
                raise BadReply(what, "Check the base URL: it usually ends in /v1beta.", str(reply)[:400])
            entries += [entry for entry in page if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
            token = str(reply.get("nextPageToken") or "")
            if token in seen:
                break
            seen.add(token)
        self._thinks = {_short(entry): entry["thinking"] is True for entry in entries if "thinking" in entry}
        return entries

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /models/{model}:streamGenerateContent, as server-sent events."""
        body = self._body(request)
        reader = ContentReader(request.model)
        async with aclosing(self._endpoint.sse(_asked(request.model, stream=True), body)) as chunks:
            async for chunk in chunks:
                # What lies before the API may leave "alt=sse" out: then all frames come at once, as one array.
                for frame in chunk if isinstance(chunk, list) else [chunk]:
                    for event in reader.read(frame):
                        yield event
        for event in reader.end():
            yield event

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /models/{model}:streamGenerateContent, or :generateContent."""
        return self._endpoint.describe("POST", _asked(request.model, stream), self._body(request), "gemini", stream)

    def _body(self, request: ChatRequest) -> dict[str, Json]:
        """The request's body. The person's own extra JSON comes last and is merged into it, objects into objects.

        :raises BadRequest: when the extra JSON is not an object.
        """
        parameters = request.parameters
        system = [parameters.system_prompt] if parameters.system_prompt else []
        contents: list[dict[str, Json]] = []
        for turn in turns(request, takes_images=True):
            if turn.role == "system":  # one that was imported: the API knows only the two that talk
                system.append(turn.text)
                continue
            role = "model" if turn.role == "assistant" else "user"
            if contents and contents[-1]["role"] == role:  # the two take turns
                contents[-1]["parts"] += _parts(turn, request.model)
            else:
                contents.append({"role": role, "parts": _parts(turn, request.model)})
        body: dict[str, Json] = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
        values: dict[str, Json] = {field: getattr(parameters, name) for name, field in NAMES.items()}
        thinks = self._thinks.get(request.model.removeprefix("models/"))
        values["thinkingConfig"] = thinking_config(request.model, parameters.reasoning, thinks) or None
        if request.schema is not None:
            values.update(responseMimeType="application/json", responseJsonSchema=dict(request.schema))
        if request.n_alternatives:
            values.update(responseLogprobs=True, logprobs=request.n_alternatives)
        config = {field: value for field, value in values.items() if value is not None}
        if config:
            body["generationConfig"] = config
        return _merged(body, extra_fields(parameters.extra_json))


def _headers(key: str) -> dict[str, str]:
    return {"x-goog-api-key": key} if key else {}


def _asked(model: str, stream: bool) -> str:
    """Where a model is asked."""
    return f"/{_path_of(model)}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")


def _path_of(model: str) -> str:
    """A model's place: its name, which may have its collection before it."""
    collection, slash, name = model.partition("/")
    if slash and collection in ("models", "tunedModels"):
        return f"{collection}/{quote(name, safe='')}"
    return f"models/{quote(model, safe='')}"


def _short(entry: Mapping[str, Json]) -> str:
    return str(entry["name"]).removeprefix("models/")


def _answers(entry: Mapping[str, Json]) -> bool:
    """Whether a model answers in words, as far as the list tells: embeddings, speech and pictures are left out."""
    methods = entry.get("supportedGenerationMethods")
    return isinstance(methods, list) and "generateContent" in methods


def _model(connection_id: str, entry: Mapping[str, Json]) -> Model:
    details = {"Name": str(entry["displayName"])} if entry.get("displayName") else {}
    for field, label in (("inputTokenLimit", "Context"), ("outputTokenLimit", "Longest answer")):
        if entry.get(field):
            details[label] = f"{entry[field]} tokens"
    return Model(connection_id, _short(entry), state="Remote", details=details)


def _merged(body: Mapping[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """One object with another's fields, objects into objects."""
    result = dict(body)
    for name, value in extra.items():
        old = result.get(name)
        result[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _parts(turn: Turn, model: str) -> list[Json]:
    """A turn as parts: the model's own as they came where they are signed, if they still say the same."""
    if turn.role == "assistant" and turn.message:
        data = turn.message.provider_data.get("gemini")
        parts = data.get("parts") if isinstance(data, Mapping) and data.get("model") == model else None
        kept = [dict(part) for part in parts if isinstance(part, Mapping)] if isinstance(parts, list | tuple) else []
        # A call of a tool has to be answered at once, and nothing answers it here.
        kept = [part for part in kept if "functionCall" not in part]
        if kept and "".join(text_of(part) for part in kept if not part.get("thought")) == turn.text:
            return kept
    images: list[Json] = [{"inlineData": {"mimeType": kind, "data": data}} for kind, data in turn.images]
    return images + ([{"text": turn.text}] if turn.text else [])


def text_of(part: Mapping[str, Json]) -> str:
    """A part of an answer as text: what was said, code that ran and what came of it; empty for what is not known."""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    code, result, data = (part.get(name) for name in ("executableCode", "codeExecutionResult", "inlineData"))
    if isinstance(code, dict):
        return _fenced(str(code.get("language") or "").lower(), code.get("code"))
    if isinstance(result, dict):
        return _fenced("text", result.get("output") or result.get("outcome"))
    if isinstance(data, dict):
        return f"\n\n[{data.get('mimeType', 'A file')}, which is not shown here]\n\n"
    return ""


def _fenced(language: str, content: object) -> str:
    text = str(content or "").rstrip("\n")
    fence = "`" * (1 + max(2, *map(len, re.findall("`+", text)), 0))  # longer than any that is in it
    return f"\n\n{fence}{language}\n{text}\n{fence}\n\n"


class ContentReader:
    """One answer: its frames → events. It has no end mark: it is whole when a reason for its end has come."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._parts: list[dict[str, Json]] = []
        self._calls = 0
        self._native = ""
        self._blocked = ""
        self._usage: Usage | None = None

    def read(self, frame: Json) -> list[Event]:
        """The events in one frame.

        :raises ModelTabError: when it is an error.
        """
        if frame is None:
            return []
        if not isinstance(frame, dict):
            raise BadReply("The server's stream has something that is no part of an answer.", "Try again.", str(frame)[:200])
        if frame.get("error"):
            raise error_in_stream(frame)
        events: list[Event] = []
        candidates = frame.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict) and not candidate.get("index"):  # only the first answer was asked for
                events += self._candidate(candidate)
        feedback = frame.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason"):
            self._blocked = str(feedback["blockReason"])
        usage = usage_of(frame.get("usageMetadata"))
        if usage and usage != self._usage:
            self._usage = usage
            events.append(usage)
        return events

    def _candidate(self, candidate: Mapping[str, Json]) -> list[Event]:
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        tokens = gemini_tokens(candidate.get("logprobsResult"))
        events: list[Event] = [TokenProbabilities(tokens)] if tokens else []
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                events += self._part(part)
        native = str(candidate.get("finishReason") or "")
        if native.startswith("Proxy error"):
            raise error_of(502, native, ADVICE, str(candidate)[:400])
        self._native = native or self._native
        return events

    def _part(self, part: dict[str, Json]) -> list[Event]:
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._parts.append(part)
            self._calls += 1
            arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
            return [ToolCallDelta(self._calls - 1, str(call.get("id") or ""), str(call.get("name") or ""), arguments)]
        text = text_of(part)
        if not part.get("thought"):
            self._keep(part, text)
            return [TextDelta(text)] if text else []
        if part.get("thoughtSignature"):
            self._parts.append(part)
        return [ReasoningDelta(text)] if text else []

    def _keep(self, part: dict[str, Json], text: str) -> None:
        """Keep a part as it came, so that a signature goes back with what it signs. Unsigned texts run together."""
        if "inlineData" in part:  # a picture is not kept, so its signature signs nothing
            part = {"text": text}
        last = self._parts[-1] if self._parts else {}
        if last.keys() == part.keys() == {"text"}:
            self._parts[-1] = {"text": last["text"] + text}
        elif text or part.get("thoughtSignature"):
            self._parts.append(part)

    def end(self) -> list[Event]:
        """The stream is at its end. Without a reason, the answer was cut off."""
        native = self._native or self._blocked
        if not native:
            return []
        reason = FINISH_REASONS.get(native, "other") if self._native else "content_filter"
        if self._calls and reason == "stop":
            reason = "tool_calls"
        signed = any(part.get("thoughtSignature") for part in self._parts)
        data = {"gemini": {"model": self._model, "parts": self._parts}} if signed else {}
        return [Finished(reason, native, data)]


def usage_of(usage: Json) -> Usage | None:
    """The figures of a frame: they repeat, and the last ones count. Thoughts are told beside the answer, not in it."""
    if not isinstance(usage, dict):
        return None
    thoughts = _count(usage.get("thoughtsTokenCount"))
    answer = _count(usage.get("candidatesTokenCount"))
    prompt, tools = _count(usage.get("promptTokenCount")), _count(usage.get("toolUsePromptTokenCount"))
    found = Usage(
        None if prompt is None else prompt + (tools or 0),
        None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        reasoning_tokens=thoughts or None,
        cached_tokens=_count(usage.get("cachedContentTokenCount")) or None,
    )
    return found if found != Usage() else None


def _count(value: object) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def error_in_stream(frame: Mapping[str, Json]) -> ModelTabError:
    """The error that a frame is: the status was 200 by then, so its code tells what kind it is."""
    error = frame["error"]
    status = _count(error.get("code")) if isinstance(error, dict) else None
    what = words_of(frame) or "The server sent an error in the middle of its answer"
    failure = error_of(status if status and status >= 400 else 500, what, ADVICE, str(frame)[:400])
    failure.retry_after = retry_delay_of(frame)
    return failure


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "gemini",
        "Gemini",
        takes_url=True,
        default_url=DEFAULT_URL,
        build=lambda connection, key: Gemini(connection, key, transport),
        about="Google's models.",
        key="required",
        takes_models=True,
        presets=(Preset("gemini", "Gemini", DEFAULT_URL, keys_at="aistudio.google.com/apikey"),),
    )

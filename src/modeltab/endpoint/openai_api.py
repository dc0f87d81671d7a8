"""OpenAI's API over all models: `v1/models`, `v1/chat/completions`, `v1/completions`, `v1/embeddings`.

Source: OpenAI's API reference, and what npm's `openai` sends.
"""

import base64
import struct
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from modeltab.domain.figures import estimate_tokens
from modeltab.domain.models import Model
from modeltab.domain.requests import CompletionRequest
from modeltab.domain.tokens import Token
from modeltab.endpoint.chat_answer import Answer, logprobs_json, stream, usage_json, whole
from modeltab.endpoint.chat_request import IGNORED, chat_call, parameters_of, refuse_rest, stream_of, without
from modeltab.endpoint.errors import CallError
from modeltab.endpoint.fields import Fields, unsupported
from modeltab.endpoint.values import Exchange, Host
from modeltab.providers.base import Json

#: What OpenAI's older completions give where nothing is said of the length.
_COMPLETION_TOKENS = 16


async def models(exchange: Exchange, host: Host) -> None:
    """GET v1/models."""
    found = await host.models()
    exchange.answer({"object": "list", "data": [_model(name, model) for name, model in found.items()]})


async def model(exchange: Exchange, host: Host) -> None:
    """GET v1/models/{model}, whose name may have slashes, escaped or not."""
    exchange.model = unquote(exchange.request.path.removeprefix("v1/models/"))
    found = await host.find(exchange.model)
    exchange.answer(_model(exchange.model, found))


def _model(name: str, found: Model) -> Json:
    try:
        created = int(datetime.fromisoformat(found.modified).timestamp())
    except ValueError:
        created = 0
    return {"id": name, "object": "model", "created": created, "owned_by": found.connection_id}


async def chat(exchange: Exchange, host: Host) -> None:
    """POST v1/chat/completions."""
    fields = Fields(exchange.request)
    exchange.model = fields.need("model", str)
    found = await host.find(exchange.model)
    call = chat_call(fields, found.name, exchange.model, host.capabilities(found))
    asked = [*(message.text for message in call.request.messages), call.request.parameters.extra_json or ""]
    answer = Answer(sum(map(estimate_tokens, asked)))
    events = host.generate(found, call.request)
    about = _about("chatcmpl-", exchange, host)
    if call.stream:
        no_usage = {"usage": None} if call.include_usage else {}

        def chunk(delta: Json, tokens: tuple[Token, ...], finish: str | None) -> Json:
            logprobs = logprobs_json(tokens) if tokens else None
            choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            return {**about, "object": "chat.completion.chunk", "choices": [choice], **no_usage}

        last = {**about, "object": "chat.completion.chunk", "choices": []} if call.include_usage else None
        await stream(exchange, events, answer, chunk, last)
        return
    await whole(exchange, events, answer)
    logprobs = logprobs_json(answer.tokens) if call.wants_logprobs else None
    choice = {"index": 0, "message": answer.message(), "logprobs": logprobs, "finish_reason": answer.finish}
    exchange.answer({**about, "object": "chat.completion", "choices": [choice], "usage": usage_json(exchange.usage)})


async def completions(exchange: Exchange, host: Host) -> None:
    """POST v1/completions: text goes on, without a chat template."""
    fields = Fields(exchange.request)
    exchange.model = fields.need("model", str)
    found = await host.find(exchange.model)
    takes = host.completion(found)
    if takes is None:
        why = host.capabilities(found).reasons.get("completion", "")
        text = f"{exchange.model} cannot complete text without a chat template. {why}".strip()
        raise CallError(400, text, "unsupported_endpoint", "model")
    prompt = fields.left.pop("prompt", None)
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise CallError(400, "“prompt” has to be one text.", "invalid_type", "prompt")
    streams, include_usage = stream_of(fields)
    if fields.take("n", int, 1) != 1 or fields.take("best_of", int, 1) != 1:
        raise unsupported("n", exchange.model, "Ask several times for several answers.")
    if fields.take("echo", bool, False):
        raise unsupported("echo", exchange.model)
    count = fields.take("logprobs", int, 0)
    if not 0 <= count <= takes.alternatives:
        raise unsupported("logprobs", exchange.model, f"It can be up to {takes.alternatives}.")
    parameters = parameters_of(fields, takes)
    if parameters.max_tokens is None and "max_tokens" in takes.parameters:
        parameters = parameters._replace(max_tokens=_COMPLETION_TOKENS)
    refuse_rest(fields, exchange.model, takes)
    events = host.complete(found, CompletionRequest(found.name, prompt, parameters, count))
    answer = Answer(estimate_tokens(prompt))
    about = _about("cmpl-", exchange, host)
    if streams:

        def chunk(delta: Json, tokens: tuple[Token, ...], finish: str | None) -> Json:
            return {**about, "choices": [_choice(delta.get("content", ""), tokens, finish)]}

        await stream(exchange, events, answer, chunk, {**about, "choices": []} if include_usage else None)
        return
    await whole(exchange, events, answer)
    choice = _choice(answer.text, tuple(answer.tokens), answer.finish)
    exchange.answer({**about, "choices": [choice], "usage": usage_json(exchange.usage)})


def _choice(text: str, tokens: tuple[Token, ...], finish: str | None) -> Json:
    """A choice of a text completion, its probabilities in parallel lists."""
    logprobs = None
    if tokens:
        logprobs = {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [{other.text: other.logprob for other in token.alternatives} for token in tokens],
        }
    return {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}


async def embeddings(exchange: Exchange, host: Host) -> None:
    """POST v1/embeddings."""
    fields = Fields(exchange.request)
    exchange.model = fields.need("model", str)
    given = fields.left.pop("input", None)
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise CallError(400, "“input” has to be a text, or a list of texts.", "invalid_type", "input")
    encoding = fields.take("encoding_format", str, "float")
    if encoding not in ("float", "base64"):
        raise CallError(400, "“encoding_format” is float or base64.", "invalid_value", "encoding_format")
    for name in without(fields, IGNORED):
        raise unsupported(name, exchange.model)
    found = await host.embed(await host.find(exchange.model), tuple(texts))
    tokens = sum(map(estimate_tokens, texts)) if found.tokens is None else found.tokens
    exchange.usage = exchange.usage._replace(prompt_tokens=tokens)
    data = [
        {"object": "embedding", "index": place, "embedding": _encoded(vector) if encoding == "base64" else list(vector)}
        for place, vector in enumerate(found.vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    exchange.answer({"object": "list", "data": data, "model": exchange.model, "usage": usage})


def _encoded(vector: tuple[float, ...]) -> str:
    """Floats of 32 bits, little-endian, in base64: what npm's `openai` asks for unless it is told otherwise."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _about(prefix: str, exchange: Exchange, host: Host) -> dict[str, Any]:
    about = {"id": prefix + host.new_id(), "created": int(host.clock()), "model": exchange.model}
    return about if prefix == "chatcmpl-" else {**about, "object": "text_completion"}

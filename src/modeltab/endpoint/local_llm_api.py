"""The Local LLM API over the models of this tab: docs/local-llm-api.openapi.yaml, all eight endpoints.

The tab is the server: its storage is the models folder, its engine the cache. `n_gpu_layers` and `n_batch` are checked and
then left to the engine, which uses the GPU where there is one.
"""

import math
from urllib.parse import unquote

from modeltab.domain.errors import ModelTabError
from modeltab.domain.figures import estimate_tokens
from modeltab.domain.messages import Message
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Parameters
from modeltab.endpoint.chat_answer import Answer, whole
from modeltab.endpoint.errors import CallError, status_of, words_of
from modeltab.endpoint.fields import Fields
from modeltab.endpoint.multipart import file_part
from modeltab.endpoint.names import with_suffix
from modeltab.endpoint.values import Exchange, Host, Request
from modeltab.files.words import size
from modeltab.providers.base import Json

_SUFFIX, _MAGIC = ".gguf", b"GGUF"
_DEFAULT_TEMPERATURE = 0.6
#: The API has no word for the length, and small models do not always find an end: an answer has so many tokens at most.
_LONGEST = 1024


async def health(exchange: Exchange, host: Host) -> None:
    """GET /health."""
    exchange.answer({"status": "healthy", "service": "Local LLM API", "version": "1.0.0"})


async def models(exchange: Exchange, host: Host) -> None:
    """GET /models."""
    try:
        found = await host.stored()
    except ModelTabError as error:
        raise CallError(500, f"Failed to list models: {error.message}") from None
    exchange.answer(_list(found))


async def sync(exchange: Exchange, host: Host) -> None:
    """POST /models/sync: the storage is read with every list, so there is nothing else to do."""
    exchange.answer({"message": "Models list synchronized successfully", "data": _list(await host.stored())})


async def upload(exchange: Exchange, host: Host) -> None:
    """POST /models: the file goes the way of every transfer into the tab."""
    request = exchange.request
    part = await file_part(request.form, request.headers.get("content-type", ""), "file") if request.form else None
    if part is None or request.form is None:
        raise CallError(400, "No file part in the request")
    name = _file_name(part.name)
    if not name:
        raise CallError(400, "No file selected")
    magic = await request.form.read(part.start, min(part.start + len(_MAGIC), part.end))
    if not name.lower().endswith(_SUFFIX) or name.lower() == _SUFFIX or magic != _MAGIC:
        raise CallError(400, "Invalid file type. Only gguf files are allowed")
    exchange.model = name
    try:
        await host.add(host.cut(request.form, part.start, part.end, name), name)
    except ModelTabError as error:
        if status_of(error) == 409:
            raise CallError(409, "File already exists") from None
        raise CallError(500, words_of(error)) from None
    stored = with_suffix(name, await host.stored())
    if stored is None:
        raise CallError(500, f"{name} was stored, and is gone again.")
    exchange.answer({"message": "File uploaded successfully", "filename": name, "model_info": _model(stored)})


async def delete(exchange: Exchange, host: Host) -> None:
    """DELETE /models/{model_name}."""
    exchange.model = unquote(exchange.request.path.removeprefix("api/v1/models/"))
    found = await _find(exchange.model, host)
    await host.remove(found)
    left = len(await host.stored())
    exchange.answer({"message": "Model deleted successfully", "filename": found.name, "remaining_models": left})


async def generate(exchange: Exchange, host: Host) -> None:
    """POST /generate: with a template, the text that it makes is completed as it is; without, the model's own applies."""
    if not exchange.request.content.strip() or exchange.request.content.strip() == b"null":
        raise CallError(400, "Request body is required")
    fields = Fields(exchange.request)
    question, exchange.model = fields.take("question", str, ""), fields.take("model_name", str, "")
    if not question.strip():
        raise CallError(400, "Question is required")
    if not exchange.model.strip():
        raise CallError(400, "Model name is required")
    template = fields.take("template", str, "")
    fields.take("n_gpu_layers", int)
    fields.take("n_batch", int)
    temperature = fields.take("temperature", float, _DEFAULT_TEMPERATURE)
    if not temperature >= 0 or not math.isfinite(temperature):
        raise CallError(400, "temperature must be 0 or more")
    found = await _find(exchange.model, host)
    parameters = Parameters(temperature=temperature, max_tokens=host.max_tokens() or _LONGEST)
    started = host.clock()
    answer = Answer(estimate_tokens(question))
    if template:
        asked = CompletionRequest(found.name, template.replace("{question}", question), parameters)
        events = host.complete(found, asked)
    else:
        message = Message("question", "", None, "user", question, started)
        events = host.generate(found, ChatRequest(found.name, (message,), parameters))
    await whole(exchange, events, answer)
    reply = {
        "success": True,
        "response": answer.text,
        "model_used": found.name,
        "processing_time": round(host.clock() - started, 3),
        "token_count": exchange.usage.completion_tokens,
    }
    exchange.answer(reply)


async def cache_status(exchange: Exchange, host: Host) -> None:
    """GET /cache/status."""
    names = sorted(await host.loaded())
    exchange.answer({"cached_models": names, "count": len(names)})


async def cache_clear(exchange: Exchange, host: Host) -> None:
    """POST /cache/clear."""
    await host.free()
    exchange.answer({"message": "Cache cleared successfully"})


def error_value(request: Request, error: BaseException) -> Json:
    """A failure in the API's shape; that of a generation has one of its own."""
    if request.path == "api/v1/generate" and status_of(error) >= 500:
        return {"success": False, "error": f"Failed to generate response: {words_of(error)}"}
    return {"error": words_of(error)}


async def _find(name: str, host: Host) -> Model:
    found = with_suffix(name, await host.stored())
    if found is None:
        raise CallError(404, "Model not found")
    return found


def _list(found: tuple[Model, ...]) -> Json:
    return {"models": [_model(model) for model in found], "count": len(found)}


def _model(model: Model) -> Json:
    return {"name": model.name, "path": f"./models/{model.name}", "size": size(model.size or 0), "modified": model.modified}


def _file_name(name: str) -> str:
    """The last part of a client's file name, without control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable()).strip()

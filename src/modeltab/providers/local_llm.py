"""The Local LLM API: docs/local-llm-api.openapi.yaml. All eight endpoints.

It answers in one piece and keeps no conversation: the earlier messages are rendered into the question, one request goes
out, and the whole text comes back as one event. It cannot be told to stop; ending the request only stops the waiting.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import quote

from modeltab.domain.connections import Connection
from modeltab.domain.diagnosis import Recipe
from modeltab.domain.errors import BadReply, ServerFailed
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event, Finished, Parameters, TextDelta, Usage
from modeltab.files.fit import EngineKind
from modeltab.providers.base import (
    ApiOperations,
    Capabilities,
    Json,
    ModelFile,
    ModelHost,
    ModelMemory,
    ModelUploads,
    OnFraction,
    OnStep,
    PromptPreview,
    Provider,
    RenderedPrompt,
    TextCompletion,
    Transport,
)
from modeltab.providers.connection_type import ConnectionType, Fingerprint, Preset
from modeltab.providers.content import turns
from modeltab.providers.http import Endpoint, decode_json, error_from, read
from modeltab.snippets.call import Call, Upload

DEFAULT_URL = "http://127.0.0.1:5000/api/v1"

#: Method and path of each endpoint; `_delete` has the one whose path names a model.
HEALTH = ("GET", "/health")
MODELS = ("GET", "/models")
UPLOAD = ("POST", "/models")
SYNC = ("POST", "/models/sync")
GENERATE = ("POST", "/generate")
CACHE = ("GET", "/cache/status")
CLEAR = ("POST", "/cache/clear")
#: What the part of the form with the file is called.
FILE_FIELD = "file"

#: What to do about each error that the API documents, by the beginning of its own words.
ADVICE = {
    "No file part in the request": "Choose the file again; if it stays, the server expects another form field.",
    "No file selected": "Choose a file, then add it again.",
    "Invalid file type": "Add a file whose name ends in .gguf; a GGUF file under another name can be renamed.",
    "File already exists": "Delete the model of that name on the server first, or rename the file.",
    "Model not found": "It may have been deleted on the server: press Sync on the Models page to read its list again.",
    "Request body is required": "Send the message again.",
    "Question is required": "Type a message, then send it again.",
    "Model name is required": "Choose a model, then send it again.",
    "Failed to list models": "Check that the server may read its models folder.",
    "Failed to generate response": "The server's log says more. Try another model, fewer GPU layers or a smaller batch.",
    "": "The server's own log says more.",
}


class LocalLlm(Provider):
    """A Local LLM API at `base_url`."""

    capabilities = Capabilities(
        streaming=False,
        parameters=frozenset({"system_prompt", "template", "temperature", "n_gpu_layers", "n_batch"}),
        defaults={"temperature": 0.6, "n_gpu_layers": 40, "n_batch": 512},
        reasons={"schema": "The Local LLM API has no field for a schema."},
    )
    completion = Capabilities(
        streaming=False,
        parameters=frozenset({"temperature", "n_gpu_layers", "n_batch"}),
        reasons={
            "max_tokens": "The Local LLM API has no field for it: the server decides.",
            "seed": "The Local LLM API has no field for it.",
            "alternatives": "The Local LLM API tells no probabilities.",
        },
    )
    max_file_bytes: int | None = 10 * 1024**3
    takes_shards = False
    fetches = False
    engine: EngineKind = "llama.cpp"
    syncs = True
    loads = False
    loads_first = False
    unloads_one = False
    frees = True

    def __init__(self, connection: Connection, transport: Transport) -> None:
        self._connection_id = connection.id
        self._transport = transport
        self._endpoint = Endpoint(transport, connection.base_url, advice=ADVICE)
        self.host: ModelHost | None = self
        self.uploads: ModelUploads | None = self
        self.memory: ModelMemory | None = self
        self.preview: PromptPreview | None = self
        self.operations: ApiOperations | None = self
        self.completes: TextCompletion | None = self

    async def check(self) -> str:
        """GET /health: the service's name and version, when it says that it is healthy."""
        reply = await self._endpoint.call(*HEALTH)
        status = _text(reply, "status")
        if status != "healthy":
            raise BadReply(f"The server says that it is “{status}”.", ADVICE[""], str(reply))
        return f"{_text(reply, 'service')} {_text(reply, 'version')}"

    async def models(self) -> tuple[Model, ...]:
        """GET /models."""
        return self._models(await self._endpoint.call(*MODELS))

    async def sync(self) -> tuple[Model, ...]:
        """POST /models/sync."""
        reply = await self._endpoint.call(*SYNC)
        return self._models(reply.get("data") if isinstance(reply, dict) else None)

    def stored_name(self, name: str) -> str:
        """A model is called like its file."""
        return name

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """POST /models: the file as the multipart part "file"."""
        url = self._endpoint.base_url + UPLOAD[1]
        response = await self._transport.upload(url, FILE_FIELD, file, name, lambda sent: on_step("", sent))
        body = await read(response)
        if response.status == 413:
            advice = {"": "The server's limit is MAX_CONTENT_LENGTH: raise it and start the server again."}
            raise error_from(413, body, url, advice)
        if response.status >= 400:
            raise error_from(response.status, body, url, ADVICE)
        _text(decode_json(body, url), "filename")

    async def remove(self, name: str) -> None:
        """DELETE /models/{model_name}, with or without .gguf."""
        await self._endpoint.call(*_delete(name))

    async def loaded(self) -> tuple[str, ...]:
        """GET /cache/status."""
        reply = await self._endpoint.call(*CACHE)
        names = reply.get("cached_models") if isinstance(reply, dict) else None
        if not isinstance(names, list):
            raise _unlike("the cache's state", reply)
        return tuple(_with_suffix(str(name)) for name in names)

    async def load(self, name: str, parameters: Parameters, on_fraction: OnFraction) -> None:
        """Nothing to do: the server loads a model at its first prompt."""

    async def unload(self, name: str) -> None:
        """The API unloads all models or none."""
        await self.free()

    async def free(self) -> None:
        """POST /cache/clear."""
        await self._endpoint.call(*CLEAR)

    async def render(self, request: ChatRequest) -> RenderedPrompt:
        """The question, in the template where there is one. The API has no endpoint for it: it is put together here."""
        question, template = render_question(request), request.parameters.template
        return RenderedPrompt(template.replace("{question}", question) if template else question)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /generate."""
        async with aclosing(self._answer(_body(request))) as events:
            async for event in events:
                yield event

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """POST /generate with a template that is nothing but the question: then the text goes to the model as it is."""
        bare = request.parameters._replace(template="{question}")
        async with aclosing(self._answer(_sent(request.prompt, request.model, bare))) as events:
            async for event in events:
                yield event

    async def _answer(self, body: Json) -> AsyncGenerator[Event, None]:
        try:
            reply = await self._endpoint.call(*GENERATE, body)
        except ServerFailed as error:
            error.transient = False  # by the API's description a 500 is a generation that failed, not a busy server
            raise
        if not isinstance(reply, dict) or reply.get("success") is not True or not isinstance(reply.get("response"), str):
            raise _unlike("an answer", reply)
        yield TextDelta(reply["response"])
        yield _usage(reply)
        yield Finished("stop")

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /generate, which never streams."""
        return self._endpoint.describe(*GENERATE, _body(request), "local-llm")

    def examples(self, model: str) -> tuple[tuple[str, Call], ...]:
        """The other seven endpoints."""
        describe = self._endpoint.describe
        upload = describe(*UPLOAD)._replace(upload=Upload(FILE_FIELD, model))
        return (
            ("Health", describe(*HEALTH)),
            ("List models", describe(*MODELS)),
            ("Upload a model", upload),
            ("Delete a model", describe(*_delete(model))),
            ("Read the models folder again", describe(*SYNC)),
            ("Loaded models", describe(*CACHE)),
            ("Free memory", describe(*CLEAR)),
        )

    def _models(self, reply: Json) -> tuple[Model, ...]:
        entries = reply.get("models") if isinstance(reply, dict) else None
        if not isinstance(entries, list):
            raise _unlike("a list of models", reply)
        return tuple(self._model(entry) for entry in entries)

    def _model(self, entry: Json) -> Model:
        name = _text(entry, "name")
        path = str(entry.get("path", ""))
        return Model(
            self._connection_id,
            name,
            size_text=str(entry.get("size", "")),
            modified=str(entry.get("modified", "")),
            details={"Path": path} if path else {},
        )


def _delete(name: str) -> tuple[str, str]:
    return "DELETE", "/models/" + quote(name, safe="")


def _body(request: ChatRequest) -> dict[str, Json]:
    return _sent(render_question(request), request.model, request.parameters)


def _sent(question: str, model: str, parameters: Parameters) -> dict[str, Json]:
    sent: dict[str, Json] = {"question": question, "model_name": model}
    for name in ("template", "n_gpu_layers", "n_batch", "temperature"):
        value = getattr(parameters, name)
        if value is not None:
            sent[name] = value
    return sent


def render_question(request: ChatRequest) -> str:
    """A conversation as one question. A first message without a system prompt is the question as it is."""
    spoken = [turn for turn in turns(request, takes_images=False) if turn.role != "system"]
    question = spoken[-1].text if spoken else ""
    parts = [request.parameters.system_prompt] if request.parameters.system_prompt else []
    if len(spoken) < 2:
        return "\n\n".join([*parts, question])
    names = {"user": "User", "assistant": "Assistant"}
    transcript = "\n\n".join(f"{names[turn.role]}: {turn.text}" for turn in spoken)
    return "\n\n".join([*parts, "Continue this conversation.", transcript, "Assistant:"])


def _usage(reply: Json) -> Usage:
    seconds, tokens = reply.get("processing_time"), reply.get("token_count")
    seconds = float(seconds) if isinstance(seconds, int | float) else None
    tokens = tokens if isinstance(tokens, int) else None
    speed = tokens / seconds if tokens and seconds else None
    return Usage(completion_tokens=tokens, seconds=seconds, tokens_per_second=speed)


def _with_suffix(name: str) -> str:
    return name if re.search(r"\.gguf$", name, re.IGNORECASE) else name + ".gguf"


def _text(reply: Json, name: str) -> str:
    value = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(value, str):
        raise _unlike(f"“{name}”", reply)
    return value


def _unlike(what: str, reply: Json) -> BadReply:
    return BadReply(
        f"The server answered without {what}: this may not be a Local LLM API.",
        "Check the base URL: it ends in /api/v1 unless the server is set up otherwise.",
        str(reply)[:400],
    )


def _recognise(reply: Json) -> str:
    service = reply.get("service") if isinstance(reply, dict) else None
    return f"{service} {reply.get('version', '')}".strip() if isinstance(service, str) and "status" in reply else ""


def _allow(base_url: str) -> tuple[Recipe, ...]:
    return (
        Recipe(
            "Flask: pip install flask-cors, and in the program",
            'from flask_cors import CORS\nCORS(app, origins=["{origin}"])',
        ),
        Recipe("Any other server has to send this header", "Access-Control-Allow-Origin: {origin}"),
    )


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "local-llm",
        "Local LLM API",
        takes_url=True,
        default_url=DEFAULT_URL,
        build=lambda connection, key: LocalLlm(connection, transport),
        initial=True,
        about="A model server on this machine or in your network.",
        presets=(Preset("local-llm", "Local LLM API", DEFAULT_URL, local=True),),
        fingerprints=(Fingerprint("/api/v1/health", _recognise, "/api/v1", (5000,)),),
        allow=_allow,
        start="python app.py",
    )

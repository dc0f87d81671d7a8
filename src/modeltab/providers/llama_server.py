"""llama-server, llama.cpp's own: one model that it was started with, or a router over many.

Source: llama.cpp's tools/server/README.md of August 2026, and a real server (xllamacpp 2026.10). Which of the two it is
only the server can tell, so `host`, `memory` and `downloads` are None until `check` or `models` has found a router.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import quote

from modeltab.domain.connections import Connection
from modeltab.domain.diagnosis import Recipe
from modeltab.domain.errors import BadReply, ModelTabError, NotFound, ServerFailed
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event
from modeltab.providers import embeddings, text_completions
from modeltab.providers.base import (
    Capabilities,
    Embedded,
    Embedder,
    Json,
    KeySource,
    ModelDetails,
    ModelDownloads,
    ModelHost,
    ModelMemory,
    PromptPreview,
    Provider,
    RenderedPrompt,
    TextCompletion,
    Transport,
)
from modeltab.providers.chat_completions import ChatCompletionReader, answered, body_of
from modeltab.providers.connection_type import ConnectionType, Fingerprint, Preset
from modeltab.providers.http import Endpoint
from modeltab.providers.llama_models import entries_of, file_name, is_router, routed, single, tokens
from modeltab.providers.llama_router import LOAD_FAILED, Router
from modeltab.snippets.call import Call

DEFAULT_URL = "http://127.0.0.1:8080"
CHAT = "/v1/chat/completions"

#: It tells of as many tokens as it is asked for; a page shows no more than these.
MOST_ALTERNATIVES = 50
#: What the parameters are called.
NAMES = {name: name for name in ("temperature", "max_tokens", "top_p", "top_k", "seed")}
_AT_START = "llama-server is started with it: {option}."
CAPABILITIES = Capabilities(
    streaming=True,
    parameters=frozenset({"system_prompt", "reasoning", "extra_json", *NAMES}),
    reasons={
        "n_ctx": _AT_START.format(option="--ctx-size"),
        "n_gpu_layers": _AT_START.format(option="--n-gpu-layers"),
        "n_batch": _AT_START.format(option="--batch-size"),
        "template": _AT_START.format(option="--chat-template"),
    },
    continues=True,  # it goes on after a last message that is the model's own (--no-prefill-assistant turns that off)
    images=True,
    schema=True,
    alternatives=MOST_ALTERNATIVES,
    passes_through=True,
)
COMPLETION = Capabilities(streaming=True, parameters=frozenset({"extra_json", *NAMES}), alternatives=MOST_ALTERNATIVES)

#: What to do, by the beginning of the server's own words.
ADVICE = {
    "Loading model": "Wait until the model is loaded, then try again.",
    "Invalid API Key": "The server was started with --api-key: edit the connection and give it that key.",
    "image input is not supported": "Choose a model that sees, or start llama-server with the model's --mmproj file.",
    "request (": "Shorten the conversation, or start llama-server with a larger --ctx-size.",
    "Assistant response prefill is incompatible": "Set Reasoning to off, then continue.",
    "model is not loaded": "Load the model first, on the Models page.",
    "model '": "Press Sync on the Models page, or choose another model.",
    "model validation failed": "Check the name: user/repo:Q4_K_M, as on Hugging Face.",
}


class LlamaServer(Provider):
    """A llama-server at `base_url`."""

    def __init__(self, connection: Connection, key: KeySource, transport: Transport) -> None:
        self._connection_id = connection.id
        base_url = re.sub(r"/v1/*$", "", connection.base_url)  # what other programs ask for as the address
        self._endpoint = Endpoint(transport, base_url, key, _key_header, ADVICE, key_variable="LLAMA_API_KEY")
        self._ids: dict[str, str] = {}
        self._autoloads = True
        self.capabilities = CAPABILITIES
        self._router: Router | None = None
        self.host: ModelHost | None = None
        self.memory: ModelMemory | None = None
        self.downloads: ModelDownloads | None = None
        self.model_details: ModelDetails | None = self
        self.preview: PromptPreview | None = self
        self.completion = COMPLETION
        self.completes: TextCompletion | None = self
        self.embedder: Embedder | None = self

    async def check(self) -> str:
        """GET /health, which needs no key and tells of a model that still loads; GET /props, which needs the key."""
        try:
            await self._endpoint.call("GET", "/health")
        except ServerFailed as error:
            raise _loading(error) from None
        try:
            props = _props(await self._endpoint.call("GET", "/props"))
        except NotFound:  # a proxy that lets only answers through
            await self.models()
            return "llama-server answers"
        if _is_router(props):
            self._autoloads = props.get("models_autoload") is not False
            self._set_router(True)
        else:
            self._set_router(False)
            self.capabilities = _capabilities(props)
        return _words(props)

    async def models(self) -> tuple[Model, ...]:
        """GET /v1/models."""
        entries = entries_of(await self._endpoint.call("GET", "/v1/models"))
        self._set_router(is_router(entries))
        if self._router:
            return tuple(routed(self._connection_id, entry) for entry in entries)
        self._ids = {file_name(str(entry["id"])): str(entry["id"]) for entry in entries}
        return tuple(single(self._connection_id, entry) for entry in entries)

    async def details(self, name: str) -> Mapping[str, str]:
        """GET /props and GET /slots, of a router's model only when it is loaded: asking would load it."""
        props = _props(await self._endpoint.call("GET", "/props" + self._query(name)))
        settings = props.get("default_generation_settings")
        modalities = props.get("modalities")
        takes = [kind for kind, has in modalities.items() if has] if isinstance(modalities, dict) else []
        details = {
            "Context": tokens(settings.get("n_ctx")) if isinstance(settings, dict) else "",
            "Slots": await self._slots(name, props),
            "Takes": ", ".join(["text", *takes]),
            "Path": props.get("model_path"),
            "Build": props.get("build_info"),
            "Template": props.get("chat_template"),
        }
        return {label: str(value) for label, value in details.items() if value}

    async def render(self, request: ChatRequest) -> RenderedPrompt:
        """POST /apply-template: what the template makes of the messages; POST /tokenize: how many tokens that is."""
        query = self._query(request.model)
        model = self._id(request.model)
        body = body_of(request, {}, self.capabilities.images, model=model, **_reasoning(request))
        reply = await self._endpoint.call("POST", "/apply-template" + (query and "?autoload=false"), body)
        prompt = reply.get("prompt") if isinstance(reply, dict) else None
        if not isinstance(prompt, str):
            raise BadReply("The server answered without a prompt.", "Update llama.cpp.", str(reply)[:400])
        asked = {"model": model, "content": prompt, "add_special": True, "parse_special": True}
        counted = await self._endpoint.call("POST", "/tokenize" + (query and "?autoload=false"), asked)
        found = counted.get("tokens") if isinstance(counted, dict) else None
        if not isinstance(found, list):
            raise BadReply("The server answered without tokens.", "Update llama.cpp.", str(counted)[:400])
        return RenderedPrompt(prompt, len(found), await self._n_ctx(query))

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /v1/chat/completions, streamed; while it reads the prompt, it tells how far it is."""
        chunks = self._endpoint.sse(CHAT, self._body(request))
        try:
            async with aclosing(answered(chunks, ChatCompletionReader())) as events:
                async for event in events:
                    yield event
        except ServerFailed as error:
            if "server_error" in error.detail:  # its own failure, which the same request meets again
                error.transient = False
            if error.message.endswith("failed to load."):
                error.advice = LOAD_FAILED
            raise

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /v1/chat/completions."""
        body = self._body(request, stream)
        return self._endpoint.describe("POST", CHAT, body, "chat", body.get("stream") is True)

    def _body(self, request: ChatRequest, stream: bool = True) -> dict[str, Json]:
        streamed = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True} if stream else {}
        fields = {"model": self._id(request.model), **streamed, **_reasoning(request)}
        return body_of(request, NAMES, self.capabilities.images, **fields)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """POST /v1/completions, streamed: the text goes to the model as it is, special tokens in it included."""
        fields = {"model": self._id(request.model), "stream": True, "return_progress": True}
        body = text_completions.body_of(request, NAMES, stream_options={"include_usage": True}, **fields)
        chunks = self._endpoint.sse("/v1/completions", body)
        async with aclosing(answered(chunks, text_completions.CompletionReader())) as events:
            async for event in events:
                yield event

    async def embed(self, model: str, texts: tuple[str, ...]) -> Embedded:
        """POST /v1/embeddings."""
        return await embeddings.embed(self._endpoint, "/v1/embeddings", self._id(model), texts)

    async def _n_ctx(self, query: str) -> int | None:
        """The size of the context, None where the server does not tell."""
        with suppress(ModelTabError):
            settings = _props(await self._endpoint.call("GET", "/props" + query)).get("default_generation_settings")
            if isinstance(settings, dict) and isinstance(settings.get("n_ctx"), int):
                return settings["n_ctx"] or None
        return None

    async def _slots(self, name: str, props: Mapping[str, Any]) -> str:
        """How many slots are busy; how many there are where more is not told, or where asking would wake the model."""
        total = props.get("total_slots")
        if not props.get("is_sleeping"):
            with suppress(ModelTabError):  # --no-slots
                slots = await self._endpoint.call("GET", "/slots" + self._query(name))
                if isinstance(slots, list):
                    busy = sum(1 for slot in slots if isinstance(slot, dict) and slot.get("is_processing"))
                    return f"{busy} of {len(slots)} busy"
        return str(total or "")

    def _query(self, name: str) -> str:
        """What names a model in an address, for a router; it must not load a model for a look at it."""
        return f"?model={quote(name, safe='')}&autoload=false" if self._router else ""

    def _id(self, name: str) -> str:
        return name if self._router else self._ids.get(name, name)

    def _set_router(self, found: bool) -> None:
        if not found:
            self._router = None
        elif self._router is None:
            self._router = Router(self._endpoint, self._connection_id, self._autoloads)
            self.capabilities = CAPABILITIES
        if self._router:
            self._router.loads_first = not self._autoloads
        self.host = self.memory = self.downloads = self._router


def _key_header(key: str) -> dict[str, str]:
    """The key where a page may send it: the server's CORS reply allows "*", which never means Authorization."""
    return {"X-Api-Key": key} if key else {}


def _reasoning(request: ChatRequest) -> dict[str, Json]:
    """How much to think. An answer that is continued has its thinking behind it, and a template that begins with
    thinking again would refuse it.
    """
    effort = request.parameters.reasoning
    if effort == "off" or (request.messages and request.messages[-1].role == "assistant"):
        return {"chat_template_kwargs": {"enable_thinking": False}}
    return {"reasoning_effort": effort} if effort else {}


def _props(reply: Json) -> Mapping[str, Any]:
    if not isinstance(reply, dict) or not isinstance(reply.get("default_generation_settings"), dict):
        raise BadReply(
            "The server answered without its properties: this may not be llama-server.",
            "Check the base URL: it is usually http://127.0.0.1:8080, with nothing after the port.",
            str(reply)[:400],
        )
    return reply


def _is_router(props: Mapping[str, Any]) -> bool:
    return props.get("role") == "router"


def _words(props: Mapping[str, Any]) -> str:
    """Who answers: "llama-server b6543". A build that nobody numbered calls itself b0."""
    build = str(props.get("build_info") or "").partition("-")[0]
    name = "llama-server" if build in ("", "b0") else f"llama-server {build}"
    return f"{name}, router" if _is_router(props) else name


def _capabilities(props: Mapping[str, Any]) -> Capabilities:
    """What the server was started with: its defaults, and whether its model sees."""
    params = props["default_generation_settings"].get("params")
    params = params if isinstance(params, dict) else {}
    # Single precision: 0.8 comes as 0.800000011920929.
    told = {name: params.get(name) for name in ("temperature", "top_p", "top_k")}
    defaults = {name: round(value, 6) for name, value in told.items() if isinstance(value, int | float)}
    modalities = props.get("modalities")
    sees = modalities.get("vision") is not False if isinstance(modalities, dict) else True
    return CAPABILITIES._replace(defaults=defaults, images=sees)


def _loading(error: ServerFailed) -> ServerFailed:
    if not error.message.startswith("Loading model"):
        return error
    told = ServerFailed("llama-server is still loading its model.", ADVICE["Loading model"], error.detail)
    told.transient, told.retry_after = True, error.retry_after
    return told


def _recognise(reply: Json) -> str:
    """Its properties are its own; a router says in them that it is one."""
    try:
        props = _props(reply)
    except BadReply:
        return ""
    return _words(props) if _is_router(props) or "total_slots" in props else ""


def _allow(base_url: str) -> tuple[Recipe, ...]:
    """How llama-server is told to answer this page. By default it answers every page, but with --tools or --agent only
    those of its own machine.
    """
    return (
        Recipe("Start it with this option (one origin only)", 'llama-server -m model.gguf --cors-origins "{origin}"'),
        Recipe("Any system but Windows: set this before it is started", 'export LLAMA_ARG_CORS_ORIGINS="{origin}"'),
        Recipe(
            "Docker",
            'docker run -e LLAMA_ARG_CORS_ORIGINS="{origin}" -p 8080:8080 -v ./models:/models '
            "ghcr.io/ggml-org/llama.cpp:server -m /models/model.gguf --host 0.0.0.0 --port 8080",
        ),
    )


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "llama-server",
        "llama-server",
        takes_url=True,
        default_url=DEFAULT_URL,
        build=lambda connection, key: LlamaServer(connection, key, transport),
        about="llama.cpp's own server: one model, or a router over many.",
        key="optional",
        presets=(Preset("llama-server", "llama-server", DEFAULT_URL, local=True),),
        fingerprints=(Fingerprint("/props", _recognise, "", (8080, 9931)),),
        allow=_allow,
        start="llama-server -m model.gguf",
    )

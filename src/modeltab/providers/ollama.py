"""Ollama: its own API, for chat as for keeping models.

Source: Ollama's docs/api.md, docs/faq.mdx and source of August 2026. No header is sent but Authorization and
Content-Type: Ollama names the headers that a page may send, and a request with any other fails before it is made.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from modeltab.domain.connections import Connection, host_of
from modeltab.domain.diagnosis import Recipe
from modeltab.domain.errors import BadReply, BadRequest, CutOff, NotFound, ServerFailed
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event, Parameters
from modeltab.files.values import Header
from modeltab.providers.base import (
    Capabilities,
    DownloadProgress,
    Json,
    KeySource,
    ModelCopies,
    ModelDetails,
    ModelDownloads,
    ModelHeaders,
    ModelHost,
    ModelMemory,
    ModelUploads,
    OnFraction,
    Provider,
    TextCompletion,
    Transport,
)
from modeltab.providers.connection_type import ConnectionType, Fingerprint, Preset
from modeltab.providers.http import Endpoint, bearer
from modeltab.providers.ollama_chat import (
    PARAMETERS,
    ChatReader,
    CompletionReader,
    body_of,
    completion_body_of,
    error_in_line,
    options_of,
)
from modeltab.providers.ollama_models import Layers, details_of, entries_of, header_of, listed, name_of
from modeltab.providers.ollama_uploads import Digests, Uploads
from modeltab.snippets.call import Call

DEFAULT_URL = "http://127.0.0.1:11434"
CHAT = "/api/chat"
#: The hosted Ollama, whose models are all somewhere else.
_HOSTED = "ollama.com"
#: A model that was told to leave memory is looked after this often, and this often at most: a busy one stays until it is done.
UNLOAD_POLL_S = 0.1
UNLOAD_POLLS = 30

#: What to do, by the beginning of Ollama's own words.
ADVICE = {
    "model is required": "Choose a model, then send it again.",
    "model requires more system memory": "Unload other models, set a smaller context, or choose a smaller model.",
    "model '": "Download it on the Models page, or check its name.",
    'model "': "Download it on the Models page, or check its name.",
    "unauthorized": "Sign in where Ollama runs: ollama signin. A hosted Ollama wants an API key instead.",
    "pull model manifest": "Check the name: like llama3.2:1b, or hf.co/user/repo:Q4_K_M for a model on Hugging Face.",
    "server busy": "Wait a little, then try again: Ollama's queue is full.",
}
#: Of so many tokens Ollama tells at most.
MOST_ALTERNATIVES = 20
_NO_THINKING = "Set Reasoning back to the model's own in Parameters, or choose a model that thinks."


class Ollama(Provider):
    """An Ollama at `base_url`."""

    capabilities = Capabilities(streaming=True, parameters=PARAMETERS, images=True, schema=True, alternatives=MOST_ALTERNATIVES)
    completion = Capabilities(
        streaming=True, parameters=PARAMETERS - {"system_prompt", "reasoning"}, alternatives=MOST_ALTERNATIVES
    )
    syncs = True
    loads = True
    loads_first = False
    unloads_one = True
    frees = True
    names_hint = "llama3.2:1b or hf.co/user/repo:Q4_K_M"
    hub_prefix = "hf.co/"
    has_library = True

    def __init__(self, connection: Connection, key: KeySource, transport: Transport, digests: Digests | None = None) -> None:
        self._connection = connection
        base_url = re.sub(r"/(api|v1)/*$", "", connection.base_url)  # what other programs ask for as Ollama's address
        self._endpoint = Endpoint(transport, base_url, key, bearer, ADVICE, key_variable="OLLAMA_API_KEY")
        self._is_hosted = host_of(base_url).removeprefix("www.") == _HOSTED
        digests = {} if digests is None else digests
        self.uploads: ModelUploads | None = None if self._is_hosted else Uploads(self._endpoint, key, ADVICE, digests)
        self.host: ModelHost | None = self
        self.memory: ModelMemory | None = self
        self.copies: ModelCopies | None = self
        self.downloads: ModelDownloads | None = self
        self.model_details: ModelDetails | None = self
        self.headers: ModelHeaders | None = self
        self.completes: TextCompletion | None = self

    async def check(self) -> str:
        """GET /api/version."""
        reply = await self._endpoint.call("GET", "/api/version")
        version = reply.get("version") if isinstance(reply, dict) else None
        if not isinstance(version, str):
            raise BadReply(
                "The server answered without a version: this may not be Ollama.",
                "Check the base URL: it is usually http://127.0.0.1:11434, with nothing after the port.",
                str(reply)[:400],
            )
        return f"Ollama {version}"

    async def models(self) -> tuple[Model, ...]:
        """GET /api/tags: what is on disk; GET /api/ps: what of it is in memory."""
        tags = entries_of(await self._endpoint.call("GET", "/api/tags"))
        return listed(self._connection, tags, await self._running(), self._is_hosted)

    async def sync(self) -> tuple[Model, ...]:
        """The list again: Ollama always reads its own folder."""
        return await self.models()

    async def remove(self, name: str) -> None:
        """DELETE /api/delete."""
        await self._endpoint.call("DELETE", "/api/delete", {"model": name})

    async def copy(self, name: str, new_name: str) -> None:
        """POST /api/copy. The files are shared, so that a copy needs no room."""
        await self._endpoint.call("POST", "/api/copy", {"source": name, "destination": new_name})

    async def details(self, name: str) -> Mapping[str, str]:
        """POST /api/show."""
        return details_of(await self._endpoint.call("POST", "/api/show", {"model": name}))

    async def header(self, name: str) -> Header:
        """POST /api/show, with all that it can tell."""
        return header_of(await self._endpoint.call("POST", "/api/show", {"model": name, "verbose": True}))

    async def loaded(self) -> tuple[str, ...]:
        """GET /api/ps."""
        return tuple(name_of(entry) for entry in await self._running())

    async def load(self, name: str, parameters: Parameters, on_fraction: OnFraction) -> None:
        """POST /api/generate without a prompt, with the options of the next question: with others it would load again."""
        options = options_of(parameters)
        body = {"model": name, "stream": False, **({"options": options} if options else {})}
        await self._endpoint.call("POST", "/api/generate", body)

    async def unload(self, name: str) -> None:
        """POST /api/generate without a prompt and without time to stay. The answer comes before the memory is free."""
        await self._endpoint.call("POST", "/api/generate", {"model": name, "keep_alive": 0, "stream": False})
        for _ in range(UNLOAD_POLLS):
            if not {name, f"{name}:latest"} & set(await self.loaded()):
                return
            await asyncio.sleep(UNLOAD_POLL_S)

    async def free(self) -> None:
        """Unload all that `GET /api/ps` tells of."""
        for name in await self.loaded():
            await self.unload(name)

    async def download(self, name: str) -> AsyncGenerator[DownloadProgress, None]:
        """POST /api/pull. A model comes in layers, whose sizes are told as each begins; ending the request stops it,
        and the same download later goes on where it was.
        """
        layers = Layers()
        async with aclosing(self._endpoint.ndjson("/api/pull", {"model": name, "stream": True})) as lines:
            async for line in lines:
                if not isinstance(line, dict) or line.get("error"):
                    raise error_in_line(line if isinstance(line, dict) else {}, ADVICE)
                yield layers.read(line)
                if line.get("status") == "success":
                    return
        raise CutOff("The download ended before its end mark.", "Start it again: it goes on where it was.", name)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """POST /api/chat, streamed.

        Versions before 0.17.7 took levels of thinking for gpt-oss only, and only "on" for other models: what they
        refuse, they are asked for once more as "on".
        """
        body = body_of(request)
        try:
            async with aclosing(self._chat(body)) as events:
                async for event in events:
                    yield event
            return
        except BadRequest as error:
            if not isinstance(body.get("think"), str) or not error.message.startswith("think value"):
                raise
        async with aclosing(self._chat({**body, "think": True})) as events:
            async for event in events:
                yield event

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """POST /api/chat."""
        body = body_of(request, stream)
        return self._endpoint.describe("POST", CHAT, body, "ollama", body.get("stream") is True)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """POST /api/generate without a template, streamed."""
        reader = CompletionReader(ADVICE)
        async with aclosing(self._answer("/api/generate", completion_body_of(request), reader)) as events:
            async for event in events:
                yield event

    async def _chat(self, body: Json) -> AsyncGenerator[Event, None]:
        reader = ChatReader(ADVICE)
        async with aclosing(self._answer(CHAT, body, reader)) as events:
            async for event in events:
                yield event
        if not reader.finished:
            for event in reader.end():
                yield event

    async def _answer(self, path: str, body: Json, reader: ChatReader | CompletionReader) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(self._endpoint.ndjson(path, body)) as lines:
                async for line in lines:
                    for event in reader.read(line):
                        yield event
                    if reader.finished:
                        return
        except BadRequest as error:
            if "does not support thinking" in error.message:
                error.advice = _NO_THINKING
            raise
        except ServerFailed as error:
            if error.detail.startswith("500 "):  # Ollama's own: a model that does not fit does not fit later either
                error.transient = False
            raise

    async def _running(self) -> list[Mapping[str, Json]]:
        try:
            return entries_of(await self._endpoint.call("GET", "/api/ps"))
        except NotFound:  # a proxy, or the hosted Ollama, which has no memory of its own to show
            return []


def _recognise(reply: Json) -> str:
    """Other programs have such a path, too, and say more there."""
    if not isinstance(reply, dict) or set(reply) != {"version"} or not isinstance(reply["version"], str):
        return ""
    return f"Ollama {reply['version']}"


def _allow(base_url: str) -> tuple[Recipe, ...]:
    """How Ollama is told to answer this page. Pages of this machine it answers as it is."""
    drop_in = "/etc/systemd/system/ollama.service.d"
    return (
        Recipe("macOS: run this, then quit Ollama and open it again", 'launchctl setenv OLLAMA_ORIGINS "{origin}"'),
        Recipe(
            "Linux, where Ollama is a systemd service (the same as systemctl edit ollama.service)",
            f"sudo mkdir -p {drop_in}\n"
            "printf '[Service]\\nEnvironment=\"OLLAMA_ORIGINS={origin}\"\\n'"
            f" | sudo tee {drop_in}/origins.conf\n"
            "sudo systemctl daemon-reload\n"
            "sudo systemctl restart ollama",
        ),
        Recipe(
            "Windows: run this, quit Ollama by its icon in the taskbar, then start it from the Start menu",
            'setx OLLAMA_ORIGINS "{origin}"',
        ),
        Recipe("Started by hand, on any system but Windows", 'OLLAMA_ORIGINS="{origin}" ollama serve'),
        Recipe(
            "Docker",
            'docker run -d -e OLLAMA_ORIGINS="{origin}" -v ollama:/root/.ollama -p 11434:11434 --name ollama ollama/ollama',
        ),
    )


def connection_type(transport: Transport) -> ConnectionType:
    """The type for the registry."""
    digests: Digests = {}
    return ConnectionType(
        "ollama",
        "Ollama",
        takes_url=True,
        default_url=DEFAULT_URL,
        build=lambda connection, key: Ollama(connection, key, transport, digests),
        about="Runs and keeps models on this machine or in your network.",
        key="optional",
        takes_models=True,
        presets=(Preset("ollama", "Ollama", DEFAULT_URL, local=True, about="It has to allow this page."),),
        fingerprints=(Fingerprint("/api/version", _recognise, "", (11434,)),),
        allow=_allow,
        start="ollama serve",
    )

"""Models in this tab: GGUF files in the browser's own storage, run by an engine in a worker.

What stores the files and what runs them are protocols here; `browser.opfs` and `browser.engine` keep them.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol

from modeltab.domain.errors import EngineFailed
from modeltab.domain.models import Model
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Parameters,
)
from modeltab.providers.base import (
    Capabilities,
    ConnectionType,
    Json,
    ModelFile,
    ModelHost,
    ModelMemory,
    ModelUploads,
    OnBytes,
    OnFraction,
    OnStep,
    Provider,
)
from modeltab.providers.chat_completions import ChatCompletionReader, body_of

#: Tokens of context when a person sets none: enough for a long conversation, small enough for a phone's memory.
DEFAULT_CONTEXT = 4096


class StoredFile(NamedTuple):
    """A model file in the browser's storage. `size` in bytes, `modified` ISO 8601."""

    name: str
    size: int
    modified: str


class ModelStore(Protocol):
    """Where the tab keeps model files."""

    async def list(self) -> tuple[StoredFile, ...]:
        """The complete files. One that is still being written is not among them."""
        ...

    async def add(self, file: ModelFile, name: str, on_bytes: OnBytes) -> None:
        """Copy a file in. Cancelling the task leaves nothing behind."""
        ...

    async def remove(self, name: str) -> None:
        """Delete a file."""
        ...

    async def open(self, name: str) -> Any:
        """A file for the engine."""
        ...


class EngineInfo(NamedTuple):
    """What runs: shown in the model's details.

    :param asked_ctx: the context that was asked for; `n_ctx` is what the engine made of it.
    """

    name: str
    n_ctx: int
    n_ctx_train: int
    n_threads: int
    gpu: bool
    asked_ctx: int = 0


class Engine(Protocol):
    """What runs a model: one at a time."""

    info: EngineInfo | None

    async def load(self, file: Any, name: str, n_ctx: int, on_fraction: OnFraction) -> None:
        """Load a model, unloading the one before."""
        ...

    async def unload(self) -> None:
        """Free the memory."""
        ...

    def chat(self, body: Json) -> AsyncGenerator[Json, None]:
        """An OpenAI chat completion's chunks. Closing the iterator stops the generation."""
        ...


#: What the engine calls the parameters that it takes.
NAMES = {name: name for name in ("temperature", "max_tokens", "top_p", "top_k", "seed")}


class InTab(Provider):
    """The models of this tab."""

    capabilities = Capabilities(
        streaming=True,
        parameters=frozenset({"system_prompt", "n_ctx", "extra_json", *NAMES}),
        continues=True,
        defaults={"temperature": 0.8, "top_p": 0.95, "top_k": 40, "n_ctx": DEFAULT_CONTEXT},
    )
    max_file_bytes: int | None = None
    takes_shards = False
    fetches = True
    syncs = False
    loads = True
    loads_first = True
    unloads_one = True
    frees = True

    def __init__(self, connection_id: str, store: ModelStore, engine: Engine) -> None:
        self._connection_id = connection_id
        self._store = store
        self._engine = engine
        self._one_load = asyncio.Lock()
        self._loading = ""
        self.host: ModelHost | None = self
        self.uploads: ModelUploads | None = self
        self.memory: ModelMemory | None = self

    async def check(self) -> str:
        """Always there: it is this page."""
        count = len(await self._store.list())
        return f"{count} {'model' if count == 1 else 'models'} in this browser's storage"

    async def models(self) -> tuple[Model, ...]:
        """The files in storage; the loaded one says how it runs."""
        return tuple(self._model(file) for file in await self._store.list())

    async def sync(self) -> tuple[Model, ...]:
        """The list, read again."""
        return await self.models()

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Copy a file into storage."""
        await self._store.add(file, name, lambda done: on_step("", done))

    async def remove(self, name: str) -> None:
        """Delete a file, unloading it first."""
        await self.unload(name)
        await self._store.remove(name)

    async def loaded(self) -> tuple[str, ...]:
        """The one that is loaded, if any."""
        info = self._engine.info
        return (info.name,) if info else ()

    async def load(self, name: str, parameters: Parameters, on_fraction: OnFraction) -> None:
        """Load a model unless it is loaded with that context already."""
        n_ctx = parameters.n_ctx or DEFAULT_CONTEXT
        async with self._one_load:
            if not _fits(self._engine.info, name, n_ctx):
                self._loading = name
                try:
                    await self._engine.load(await self._store.open(name), name, n_ctx, on_fraction)
                finally:
                    self._loading = ""

    async def unload(self, name: str) -> None:
        """Unload the model if it is the one that is loaded, or is being loaded."""
        info = self._engine.info
        if self._loading == name or (info and info.name == name):
            await self._engine.unload()

    async def free(self) -> None:
        """Unload whatever is loaded."""
        await self._engine.unload()

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Stream an answer. The model is loaded already: `load` comes first, with its own progress."""
        reader = ChatCompletionReader()
        async with aclosing(self._engine.chat(body_of(request, NAMES, return_progress=True))) as chunks:
            async for chunk in chunks:
                if chunk.get("error"):
                    raise EngineFailed(
                        "The engine stopped.",
                        "Try again; a shorter conversation or a larger context may help.",
                        str(chunk["error"]),
                    )
                for event in reader.read(chunk):
                    yield event
        for event in reader.end(end_mark=False):
            yield event

    def _model(self, file: StoredFile) -> Model:
        info = self._engine.info
        if not info or info.name != file.name:
            return Model(self._connection_id, file.name, file.size, modified=file.modified)
        details = {
            "Context": f"{info.n_ctx} of {info.n_ctx_train} tokens",
            "Threads": str(info.n_threads),
            "GPU": "WebGPU" if info.gpu else "none",
        }
        return Model(self._connection_id, file.name, file.size, modified=file.modified, state="Loaded", details=details)


def _fits(info: EngineInfo | None, name: str, n_ctx: int) -> bool:
    """Whether what is loaded is the model, with that context or the largest that it was trained for."""
    if info is None or info.name != name:
        return False
    return n_ctx in (info.n_ctx, info.asked_ctx) or n_ctx > info.n_ctx_train == info.n_ctx


def connection_type(store: ModelStore, engine: Engine) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "in-tab",
        "In this tab",
        takes_url=False,
        permanent=True,
        build=lambda connection, key: InTab(connection.id, store, engine),
        about="Models that run in this browser tab. Nothing leaves this machine.",
    )

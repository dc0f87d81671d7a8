"""Models in this tab: GGUF files in the browser's own storage, run by an engine in a worker.

What stores the files and what runs them are protocols here; `browser.opfs` and `browser.engine` keep them.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple, Protocol

from modeltab.domain.errors import BadReply, EngineFailed, NotAModel, NotFound
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event, Parameters
from modeltab.files.facts import chat_template_of, shard_name, special_token
from modeltab.files.fit import EngineKind
from modeltab.files.gguf import read_header
from modeltab.files.values import Header
from modeltab.files.words import listing
from modeltab.providers import text_completions
from modeltab.providers.base import (
    Capabilities,
    ModelFile,
    ModelFiles,
    ModelHeaders,
    ModelHost,
    ModelMemory,
    ModelSpeed,
    ModelUploads,
    OnFraction,
    OnStep,
    PartialFiles,
    PromptPreview,
    Provider,
    RenderedPrompt,
    TemplateRenderer,
    TextCompletion,
    Trash,
    Unfinished,
)
from modeltab.providers.chat_completions import ChatCompletionReader, answered, body_of, call_in_page, messages_of
from modeltab.providers.connection_type import ConnectionType
from modeltab.providers.tab_engines import Engine, EngineInfo
from modeltab.snippets.call import Call

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

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Copy a file in, from where a part of it ends that is there. Cancelling the task keeps what has arrived."""
        ...

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """The parts that nobody is writing."""
        ...

    async def discard(self, name: str) -> None:
        """Delete a part."""
        ...

    async def remove(self, name: str) -> None:
        """Delete a file; it is kept aside until `empty`."""
        ...

    async def restore(self, name: str) -> None:
        """Have a deleted file again."""
        ...

    async def empty(self) -> None:
        """Give the deleted files up."""
        ...

    async def open(self, name: str) -> ModelFile:
        """A file, to be read."""
        ...


#: The engine tells of as many tokens as it is asked for; a page shows no more than these.
MOST_ALTERNATIVES = 50
#: What the engine calls the parameters that it takes.
NAMES = {name: name for name in ("temperature", "max_tokens", "top_p", "top_k", "seed")}


class InTab(Provider):
    """The models of this tab."""

    capabilities = Capabilities(
        streaming=True,
        parameters=frozenset({"system_prompt", "n_ctx", "extra_json", *NAMES}),
        continues=True,
        defaults={"temperature": 0.8, "top_p": 0.95, "top_k": 40, "n_ctx": DEFAULT_CONTEXT},
        schema=True,
        alternatives=MOST_ALTERNATIVES,
        passes_through=True,
    )
    completion = Capabilities(
        streaming=True,
        parameters=frozenset({"n_ctx", "extra_json", *NAMES}),
        defaults={"temperature": 0.8, "top_p": 0.95, "top_k": 40, "n_ctx": DEFAULT_CONTEXT},
        alternatives=MOST_ALTERNATIVES,
    )
    max_file_bytes: int | None = None
    takes_shards = True
    fetches = True
    engine: EngineKind = "tab"
    syncs = False
    loads = True
    loads_first = True
    unloads_one = True
    frees = True

    def __init__(self, connection_id: str, store: ModelStore, engine: Engine, templates: TemplateRenderer) -> None:
        self._connection_id = connection_id
        self._store = store
        self._engine = engine
        self._templates = templates
        self._one_load = asyncio.Lock()
        self._loading = ""
        self._deleted: dict[str, list[str]] = {}
        self.host: ModelHost | None = self
        self.uploads: ModelUploads | None = self
        self.partials: PartialFiles | None = store
        self.trash: Trash | None = self
        self.headers: ModelHeaders | None = self
        self.files: ModelFiles | None = self
        self.memory: ModelMemory | None = self
        self.preview: PromptPreview | None = self
        self.completes: TextCompletion | None = self
        self.speed: ModelSpeed | None = self

    async def check(self) -> str:
        """Always there: it is this page."""
        count = len(await self._models())
        return f"{count} {'model' if count == 1 else 'models'} in this browser's storage"

    async def models(self) -> tuple[Model, ...]:
        """The files in storage; the loaded one says how it runs."""
        return tuple(self._model(name, parts) for name, parts in (await self._models()).items())

    async def sync(self) -> tuple[Model, ...]:
        """The list, read again."""
        return await self.models()

    def stored_name(self, name: str) -> str:
        """A model is called like its file, or like the first of its parts."""
        return name

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Copy a file into storage, from where a part of it ends that is there."""
        await self._store.add(file, name, on_step)

    async def remove(self, name: str) -> None:
        """Delete a model, unloading it first; it can be restored until `empty`."""
        await self.unload(name)
        parts = await self._parts(name)
        self._deleted[name] = []  # one of the same name that was deleted before is gone with this
        for part in parts:
            await self._store.remove(part.name)
            self._deleted[name].append(part.name)

    async def restore(self, name: str) -> None:
        """Have a deleted model again."""
        for part in self._deleted.pop(name, []):
            await self._store.restore(part)

    async def empty(self) -> None:
        """Give the deleted models up."""
        self._deleted.clear()
        await self._store.empty()

    async def open_files(self, name: str) -> tuple[ModelFile, ...]:
        """The files of a model in their order."""
        return tuple([await self._store.open(part.name) for part in await self._parts(name)])

    async def header(self, name: str) -> Header:
        """The header of a model's file; of several, with the tensors of all."""
        headers = [await read_header(file.read, file.size) for file in await self.open_files(name)]
        return headers[0]._replace(tensors=tuple(tensor for header in headers for tensor in header.tensors))

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
                    await self._engine.load(await self._whole(name), name, n_ctx, on_fraction)
                finally:
                    self._loading = ""

    async def unload(self, name: str) -> None:
        """Unload the model if it is the one that is loaded, or is being loaded."""
        info = self._engine.info
        if self._loading == name or (info and info.name == name):
            await self._engine.unload()

    async def measure(self, name: str, on_fraction: OnFraction) -> None:
        """Find anew how many threads are best for a model that is loaded, and how quick it then is."""
        async with self._one_load:
            info = self._engine.info
            if info is None or info.name != name:
                raise EngineFailed(f"{name} is not loaded.", "Load it, then measure.")
            self._loading = name
            try:
                await self._engine.measure(on_fraction)
            finally:
                self._loading = ""

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

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """The same question to the app's own endpoint: the engine has none."""
        return call_in_page(self._connection_id, request, NAMES, stream)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Go on with a text as it is. The model is loaded already, as for `generate`."""
        body = text_completions.body_of(request, NAMES, return_progress=True)
        async with aclosing(answered(self._engine.complete(body), text_completions.CompletionReader())) as events:
            async for event in events:
                yield event

    async def render(self, request: ChatRequest) -> RenderedPrompt:
        """What the template in the model's file makes of the messages. Nothing is loaded for it, so nothing is counted."""
        header = await self.header(request.model)
        template = chat_template_of(header)
        if not template:
            raise BadReply(f"{request.model} has no chat template in its file.", "Write the prompt as the model wants it.")
        context = {
            "messages": messages_of(request, takes_images=False),
            "add_generation_prompt": True,
            "bos_token": special_token(header, "bos"),
            "eos_token": special_token(header, "eos"),
        }
        info = self._engine.info
        n_ctx = info.n_ctx if info and info.name == request.model else None
        return RenderedPrompt(await self._templates.render(template, context), None, n_ctx)

    async def _models(self) -> dict[str, list[StoredFile]]:
        """The stored files by the model that they are of, parts in their order. It is named by its first part."""
        models: dict[str, list[StoredFile]] = {}
        for file in await self._store.list():
            shard = shard_name(file.name)
            models.setdefault(first_part(file.name) if shard else file.name, []).append(file)
        return models

    async def _parts(self, name: str) -> list[StoredFile]:
        parts = (await self._models()).get(name)
        if not parts:
            raise NotFound(f"{name} is no longer in this browser's storage.", "Add it again.")
        return parts

    async def _whole(self, name: str) -> tuple[ModelFile, ...]:
        missing = _missing(await self._parts(name))
        if missing:
            raise NotAModel(f"{name} is not complete: {missing}.", "Add what is missing; it is one model in several files.")
        return await self.open_files(name)

    def _model(self, name: str, parts: list[StoredFile]) -> Model:
        info = self._engine.info
        missing = _missing(parts)
        shards = {"Parts": f"{len(parts)}; {missing}" if missing else str(len(parts))} if shard_name(name) else {}
        model = Model(
            self._connection_id,
            name,
            sum(part.size for part in parts),
            modified=max(part.modified for part in parts),
            details=shards,
        )
        if not info or info.name != name:
            gone, why = self._engine.gone
            return model._replace(details={**shards, "Unloaded": why}) if gone == name else model
        return model._replace(state="Loaded", details={**shards, **_running(info)})


def _running(info: EngineInfo) -> dict[str, str]:
    """How a model runs, for its details."""
    cores = f" of {info.n_cores} cores" if info.n_cores else ""
    short = info.n_ctx < min(info.asked_ctx, info.n_ctx_train)
    details = {
        "Context": f"{info.n_ctx} of {info.n_ctx_train} tokens" + ("; more does not fit into memory" if short else ""),
        "Threads": str(info.n_threads) + cores,
        "GPU": "WebGPU" if info.gpu else "none",
    }
    if info.build:
        details["Engine"] = f"{info.build}, because {info.why}" if info.why else info.build
    if info.speed and info.speed.generation:
        details["Speed"] = f"{info.speed.prompt:.0f} tokens/s read, {info.speed.generation:.1f} written, as measured here"
    return details


def first_part(name: str) -> str:
    """The name of a model's first part, of any of its parts'."""
    shard = shard_name(name)
    assert shard is not None
    model, _, count = shard
    return f"{model}-00001-of-{count:05d}.gguf"


def _missing(parts: Sequence[StoredFile]) -> str:
    """Which parts of a model are not there, in words; empty when all are."""
    shards = [shard for part in parts if (shard := shard_name(part.name))]
    if not shards:
        return ""
    there = {number for _, number, _ in shards}
    missing = [number for number in range(1, shards[0][2] + 1) if number not in there]
    if not missing:
        return ""
    return f"part {missing[0]} is missing" if len(missing) == 1 else f"parts {listing(missing)} are missing"


def _fits(info: EngineInfo | None, name: str, n_ctx: int) -> bool:
    """Whether what is loaded is the model, with that context or the largest that it was trained for."""
    if info is None or info.name != name:
        return False
    return n_ctx in (info.n_ctx, info.asked_ctx) or n_ctx > info.n_ctx_train == info.n_ctx


def connection_type(store: ModelStore, engine: Engine, templates: TemplateRenderer) -> ConnectionType:
    """The type for the registry."""
    return ConnectionType(
        "in-tab",
        "In this tab",
        takes_url=False,
        permanent=True,
        build=lambda connection, key: InTab(connection.id, store, engine, templates),
        about="Models that run in this browser tab. Nothing leaves this machine.",
    )

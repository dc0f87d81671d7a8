"""The engine in the tab: llama.cpp as WebAssembly, through wllama, in a worker of its own."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy, to_js

from modeltab.browser.files import BrowserFile
from modeltab.browser.interop import absolute, error_text, from_object, module, to_object
from modeltab.domain.errors import EngineFailed, ModelTabError
from modeltab.providers.base import Json, ModelFile, OnFraction
from modeltab.providers.in_tab import EngineInfo
from modeltab.state.machine import Device

WLLAMA = "./static/vendor/wllama/index.js"
WASM = "./static/vendor/wllama/wllama.wasm"
COMPAT = {"worker": "./static/vendor/wllama/compat/wllama.js", "wasm": "./static/vendor/wllama/compat/wllama.wasm"}
#: Seconds until Python looks for the first token, and for more. The engine computes on the cores that Python and the
#: drawing run on, and its threads wait for each other, so whatever else runs holds all of them up: looking and drawing
#: twelve times a second cost a tenth of the speed on two cores.
FIRST_LOOK = 0.1
LATER_LOOKS = 0.5
#: Decoding is bound by memory, not arithmetic: beyond a handful of threads each one only waits for the others.
MAX_THREADS = 8
#: The smallest module with a 64-bit memory: a header, and a memory section with one memory of one page.
_MEMORY64_MODULE = b"\0asm\1\0\0\0" + bytes((5, 3, 1, 4, 1))


class WllamaEngine:
    """One model at a time."""

    def __init__(self) -> None:
        self.info: EngineInfo | None = None
        self._wllama: Any = None
        self._loading: asyncio.Future[Any] | None = None
        self._work: asyncio.Future[str | None] | None = None

    async def load(self, files: Sequence[ModelFile], name: str, n_ctx: int, on_fraction: OnFraction) -> None:
        """Load a model. Cancelling the task, or unloading meanwhile, ends the worker. One call at a time."""
        await self.unload()
        library = await module(WLLAMA)
        wllama = library.Wllama.new(
            to_object({"default": absolute(WASM)}),
            _config(library.LoggerWithoutDebug),
        )
        # For browsers without memory64 and JSPI. Named here because the library's own default fetches it from a CDN.
        wllama.setCompat(to_object({name: absolute(path) for name, path in COMPAT.items()}))
        threads = thread_count()
        gpu = await has_gpu()
        settings = {"n_ctx": n_ctx, "n_threads": threads, "n_parallel": 1, **({} if gpu else {"n_gpu_layers": 0})}
        handles = [file.handle for file in files if isinstance(file, BrowserFile)]
        counted = _count_reads(handles, on_fraction)
        self._wllama = wllama
        # A task of its own: a worker that is ended never settles its promise, so `unload` cancels the waiting for it.
        self._loading = asyncio.ensure_future(wllama.loadModel(_list(*handles), to_object(settings)))
        try:
            await self._loading
            context = from_object(wllama.getLoadedContextInfo())
            if not context["success"]:  # the library takes a model that llama.cpp has refused for loaded
                raise _load_error(name, "llama.cpp refused the file")
        except (Exception, asyncio.CancelledError) as error:
            if self._wllama is wllama:
                await self.unload()
                if isinstance(error, JsException):
                    raise _load_error(name, error_text(error)) from None
                raise
            raise EngineFailed(f"{name} was unloaded before it was ready.", "Load it again.") from None
        finally:
            for handle, proxy in zip(handles, counted, strict=True):
                del handle.slice
                proxy.destroy()
        n_threads = threads if wllama.isMultithread() else 1
        self.info = EngineInfo(name, context["n_ctx"], context["n_ctx_train"], n_threads, gpu, n_ctx)

    async def unload(self) -> None:
        """End the worker, which frees all of its memory."""
        wllama, self._wllama, self.info, self._work = self._wllama, None, None, None
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None
        if wllama is not None:
            await wllama.exit()

    def chat(self, body: Json) -> AsyncGenerator[Json, None]:
        """The chunks of a streamed chat completion."""
        return self._answer("createChatCompletion", body)

    def complete(self, body: Json) -> AsyncGenerator[Json, None]:
        """The chunks of a streamed completion."""
        return self._answer("createCompletion", body)

    async def _answer(self, method: str, body: Json) -> AsyncGenerator[Json, None]:
        if self._wllama is None:
            raise EngineFailed("No model is loaded in this tab.", "Send the message again.")
        controller = js.AbortController.new()
        chunks = js.Array.new()
        options = to_object({**body, "stream": True})
        options.onData = chunks.push.bind(chunks)
        options.abortSignal = controller.signal
        self._work = work = asyncio.ensure_future(self._run(self._work, method, options))
        pause = FIRST_LOOK
        try:
            while not work.done() or chunks.length:
                await asyncio.wait([work], timeout=pause)
                for chunk in from_object(chunks.splice(0)):
                    if any(choice.get("text") or choice.get("delta", {}).get("content") for choice in chunk.get("choices", ())):
                        pause = LATER_LOOKS
                    yield chunk
            error = work.result()
            if error is not None:
                raise _generation_error(error)
        finally:
            # The engine looks at the signal between tokens. Nobody waits for that here; the next request does.
            controller.abort()

    async def _run(self, before: "asyncio.Future[str | None] | None", method: str, options: Any) -> str | None:
        """One completion, after the one before it has let go of the engine; the error's text if it fails."""
        if before is not None:
            await before
        try:
            await getattr(self._wllama, method)(options)
        except JsException as error:
            return error_text(error)
        return None


def thread_count() -> int:
    """Threads for the engine: every core, where the page is isolated; else one, for there is no shared memory."""
    return min(js.navigator.hardwareConcurrency or 1, MAX_THREADS) if js.crossOriginIsolated else 1


async def has_gpu() -> bool:
    """Whether WebGPU has a real adapter. One made in software is slower than the engine's own threads."""
    gpu = getattr(js.navigator, "gpu", None)
    if not gpu:
        return False
    try:
        adapter = await gpu.requestAdapter()
    except JsException:
        return False
    return bool(adapter) and not getattr(adapter.info, "isFallbackAdapter", False)


async def device() -> Device:
    """What this device has for the engine."""
    memory = getattr(js.navigator, "deviceMemory", None)
    return Device(thread_count(), await has_gpu(), int(memory * 2**30) if memory else None, has_memory64())


def has_memory64() -> bool:
    """Whether WebAssembly has 64-bit memories here: then the engine's main build runs, else the one for other browsers."""
    return bool(js.WebAssembly.validate(to_js(_MEMORY64_MODULE)))


def _config(quiet: Any) -> Any:
    """wllama's settings. Its errors reach the person as ours, so in the console they are only warnings."""
    config = to_object({"suppressNativeLog": True})
    config.logger = js.Object.assign(js.Object.new(), quiet)
    config.logger.error = js.console.warn
    return config


def _list(*items: Any) -> Any:
    array = js.Array.new()
    for item in items:
        array.push(item)
    return array


def _count_reads(handles: Sequence[Any], on_fraction: OnFraction) -> list[Any]:
    """Tell how much of the files the engine has read: it tells no progress, but it reads through `slice`.

    Each file gets a `slice` of its own for as long as the model loads; the returned proxies are to be destroyed.
    """
    total = sum(handle.size for handle in handles) or 1
    before = 0
    proxies = []
    for handle in handles:
        handle.slice = _counted(handle, before, total, on_fraction)
        proxies.append(handle.slice)
        before += handle.size
    return proxies


def _counted(handle: Any, before: int, total: int, on_fraction: OnFraction) -> Any:
    whole = js.Blob.new(_list(handle))
    size = handle.size

    def read(start: float = 0, end: float | None = None, *_: Any) -> Any:
        on_fraction(min(1.0, (before + (size if end is None else end)) / total))
        return whole.slice(start, size if end is None else end)

    return create_proxy(read)


def _load_error(name: str, detail: str) -> ModelTabError:
    if "memory" in detail.lower() or "alloc" in detail.lower():
        return EngineFailed(
            f"{name} does not fit into the memory that a tab has.",
            "Use a smaller model or quantization, or a smaller context size in Parameters.",
            detail,
        )
    return EngineFailed(
        f"{name} could not be loaded.", "The file may be damaged, or of a kind that this engine does not know.", detail
    )


def _generation_error(detail: str) -> EngineFailed:
    if "context" in detail.lower():
        return EngineFailed(
            "The conversation no longer fits into the model's context.",
            "Start a new chat, or set a larger context size in Parameters.",
            detail,
        )
    return EngineFailed(
        "The model stopped with an error.", "Try again; if it stays, unload the model and load it again.", detail
    )

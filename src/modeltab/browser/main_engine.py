"""The build for everything: wllama 3, which is llama.cpp's server in a worker of its own, with WebGPU where there is a GPU."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy

from modeltab.browser.engine import (
    generation_error,
    handles_of,
    listed,
    load_error,
    unloaded_early,
)
from modeltab.browser.interop import absolute, error_text, from_object, module, to_object
from modeltab.domain.errors import EngineFailed
from modeltab.providers.base import Json, ModelFile, OnFraction
from modeltab.providers.tab_engines import Context, Setup
from modeltab.providers.tab_threads import Speed

WLLAMA = "./static/vendor/wllama/index.js"
WASM = "./static/vendor/wllama/wllama.wasm"
COMPAT = {"worker": "./static/vendor/wllama/compat/wllama.js", "wasm": "./static/vendor/wllama/compat/wllama.wasm"}
#: Seconds until Python looks for the first token, and for more. The engine computes on the cores that Python and the
#: drawing run on, and its threads wait for each other, so whatever else runs holds all of them up: looking and drawing
#: twelve times a second cost a tenth of the speed on two cores.
_FIRST_LOOK = 0.1
_LATER_LOOKS = 0.5
#: What is read and written to see how quick it is.
_SAMPLE = {"prompt": "The quick brown fox jumps over the lazy dog. " * 3, "max_tokens": 8, "temperature": 0}


class _Pending:
    """What waits for a worker. A worker that is ended never settles its promises, so `drop` cancels the waiting."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[Any]] = set()

    async def wait(self, work: Awaitable[Any]) -> Any:
        """The result. :raises asyncio.CancelledError: when it is dropped."""
        future = asyncio.ensure_future(work)
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    def drop(self) -> None:
        """Wait for nothing any more."""
        for future in tuple(self._waiting):
            future.cancel()


class MainEngine:
    """One model at a time."""

    name = "wllama 3.8.1"

    def __init__(self) -> None:
        self._wllama: Any = None
        self._pending = _Pending()
        self._work: asyncio.Future[str | None] | None = None

    async def load(self, files: Sequence[ModelFile], name: str, setup: Setup, on_fraction: OnFraction) -> Context:
        """Load a model. Cancelling the task, or unloading meanwhile, ends the worker. One call at a time."""
        await self.unload()
        library = await module(WLLAMA)
        self._wllama = wllama = library.Wllama.new(
            to_object({"default": absolute(WASM)}),
            _config(library.LoggerWithoutDebug),
        )
        # For browsers without memory64 and JSPI. Named here because the library's own default fetches it from a CDN.
        wllama.setCompat(to_object({name: absolute(path) for name, path in COMPAT.items()}))
        settings = {"n_ctx": setup.n_ctx, "n_threads": setup.n_threads, "n_parallel": 1}
        settings.update({} if setup.gpu else {"n_gpu_layers": 0})
        handles = handles_of(files)
        counted = _count_reads(handles, on_fraction)
        try:
            await self._pending.wait(wllama.loadModel(listed(*handles), to_object(settings)))
            context = from_object(wllama.getLoadedContextInfo())
            if not context["success"]:  # the library takes a model that llama.cpp has refused for loaded
                raise load_error(name, "llama.cpp refused the file")
        except (Exception, asyncio.CancelledError) as error:
            if self._wllama is wllama:
                await self.unload()
                if isinstance(error, JsException):
                    raise load_error(name, error_text(error)) from None
                raise
            raise unloaded_early(name) from None
        finally:
            for handle, proxy in zip(handles, counted, strict=True):
                del handle.slice
                proxy.destroy()
        return Context(context["n_ctx"], context["n_ctx_train"], setup.n_threads if wllama.isMultithread() else 1)

    async def unload(self) -> None:
        """End the worker, which frees all of its memory."""
        wllama, self._wllama, self._work = self._wllama, None, None
        self._pending.drop()
        if wllama is not None:
            await wllama.exit()

    async def measure(self, limit: float) -> Speed | None:
        """How quick it is: the figures of a short completion, the second one, for the first one compiles."""
        wllama = self._wllama
        speed = Speed(0.0, 0.0)
        try:
            async with asyncio.timeout(limit):
                for _ in range(2):
                    speed = await self._sample()
        except TimeoutError:
            return None
        except JsException:  # what the model wrote could not be taken in: it is quick enough, and that is all that is known
            return Speed(0.0, 0.0)
        except asyncio.CancelledError:
            if self._wllama is not wllama:
                raise unloaded_early("The model") from None
            raise
        return speed

    async def _sample(self) -> Speed:
        chunks = js.Array.new()
        options = to_object({**_SAMPLE, "stream": True, "cache_prompt": False})
        options.onData = chunks.push.bind(chunks)
        await self._pending.wait(self._wllama.createCompletion(options))
        told = [chunk["timings"] for chunk in from_object(chunks) if chunk.get("timings")]
        timings: dict[str, float] = told[-1] if told else {}
        prompt, generation = timings.get("prompt_per_second"), timings.get("predicted_per_second")
        return Speed(prompt or 0.0, generation or 0.0)

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
        pause = _FIRST_LOOK
        try:
            while not work.done() or chunks.length:
                await asyncio.wait([work], timeout=pause)
                for chunk in from_object(chunks.splice(0)):
                    if any(choice.get("text") or choice.get("delta", {}).get("content") for choice in chunk.get("choices", ())):
                        pause = _LATER_LOOKS
                    yield chunk
            if work.cancelled():
                raise EngineFailed("The model was unloaded while it was answering.", "Send the message again.")
            error = work.result()
            if error is not None:
                raise generation_error(error)
        finally:
            # The engine looks at the signal between tokens. Nobody waits for that here; the next request does.
            controller.abort()

    async def _run(self, before: "asyncio.Future[str | None] | None", method: str, options: Any) -> str | None:
        """One completion, after the one before it has let go of the engine; the error's text if it fails."""
        if before is not None:
            await before
        try:
            await self._pending.wait(getattr(self._wllama, method)(options))
        except JsException as error:
            return error_text(error)
        return None


def _config(quiet: Any) -> Any:
    """wllama's settings. Its errors reach the person as ours, so in the console they are only warnings."""
    settings = to_object({"suppressNativeLog": True})
    settings.logger = js.Object.assign(js.Object.new(), quiet)
    settings.logger.error = js.console.warn
    return settings


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
    whole = js.Blob.new(listed(handle))
    size = handle.size

    def read(start: float = 0, end: float | None = None, *_: Any) -> Any:
        on_fraction(min(1.0, (before + (size if end is None else end)) / total))
        return whole.slice(start, size if end is None else end)

    return create_proxy(read)

"""The builds that write quickest on a CPU: two versions of wllama 2, in static/js/quick_engine.js, which does as asked."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import js
from pyodide.ffi import create_proxy

from modeltab.browser.engine import generation_error, handles_of, listed, load_error, unloaded_early
from modeltab.browser.interop import absolute, from_object, to_object
from modeltab.domain.errors import EngineFailed
from modeltab.providers.base import ModelFile, OnFraction
from modeltab.providers.quick_requests import next_slice, shared
from modeltab.providers.tab_engines import Context, Limits, Reading, Setup, Written
from modeltab.providers.tab_threads import Speed

WORKER = "./static/js/quick_engine.js"
_KINDS = ("single-thread", "multi-thread")
#: The seed that this build takes for none: it makes one of the time, for each answer.
_NO_SEED = -1
#: Tokens of a prompt that are read first, to see how quick that is.
_FIRST_SLICE = 32
#: To see how quick it is, it writes so many tokens at once: for longer than these seconds, since the browser is still
#: compiling, and then until it gets no quicker by more than this.
_SAMPLE, _WARM_UP, _SETTLED = 8, 1.0, 1.1


class _Failed(Exception):
    """What the library says of a call that failed."""


class _Worker:
    """The worker that the library runs in."""

    def __init__(self, on_bytes: Callable[[int], object]) -> None:
        self._on_bytes = on_bytes
        self._calls: dict[int, asyncio.Queue[Any]] = {}
        self._last = 0
        self._worker = js.Worker.new(absolute(WORKER), to_object({"type": "module"}))
        self._proxies = [create_proxy(self._receive), create_proxy(self._fail)]
        self._worker.onmessage, self._worker.onerror = self._proxies

    async def call(self, method: str, *given: Any) -> Any:
        """What a call to the library comes to. :raises _Failed: when it fails, or the worker is ended meanwhile."""
        value = None
        async for message in self.messages(method, *given):
            value = message.get("value")
        return value

    async def messages(self, method: str, *given: Any) -> AsyncGenerator[Any, None]:
        """What a call tells, its value last. :raises _Failed: as above."""
        self._last += 1
        id_ = self._last
        queue = self._calls[id_] = asyncio.Queue()
        message = to_object({"id": id_, "method": method})
        message.given = listed(*(to_object(one) if isinstance(one, dict | list) else one for one in given))
        self._worker.postMessage(message)
        try:
            while True:
                told = await queue.get()
                if "error" in told:
                    raise _Failed(told["error"])
                yield told
                if "value" in told:
                    return
        finally:
            self._calls.pop(id_, None)

    def stop(self) -> None:
        """End what it writes, after the token that it is at."""
        self._worker.postMessage(to_object({"stop": True}))

    def end(self) -> None:
        """End it, and the threads that it has; whoever waits for it waits in vain, and is told so."""
        self._worker.terminate()
        self._worker.onmessage = self._worker.onerror = None
        for proxy in self._proxies:
            proxy.destroy()
        self._tell_all("it was unloaded")

    def _receive(self, event: Any) -> None:
        message = from_object(event.data)
        if "bytes" in message:
            self._on_bytes(message["bytes"])
        elif message["id"] in self._calls:
            self._calls[message["id"]].put_nowait(message)

    def _fail(self, event: Any) -> None:
        self._tell_all(str(getattr(event, "message", "") or "the worker did not start"))

    def _tell_all(self, error: str) -> None:
        for queue in self._calls.values():
            queue.put_nowait({"error": error})


class QuickEngine:
    """One version, with one model at a time."""

    def __init__(self, version: str, limits: Limits) -> None:
        self.name = f"wllama {version}"
        self.limits = limits
        major, minor, _ = version.split(".")
        self._folder = f"./static/vendor/wllama-{major}-{minor}/"
        self.special_tokens = "", ""
        self._worker: _Worker | None = None
        self._n_ctx = 0
        self._bos: int | None = None
        self._writing = asyncio.Lock()

    async def load(self, files: Sequence[ModelFile], name: str, setup: Setup, on_fraction: OnFraction) -> Context:
        """Load a model. Cancelling the task, or unloading meanwhile, ends the worker. One call at a time."""
        await self.unload()
        size = sum(file.size for file in files) or 1
        self._worker = worker = _Worker(lambda done: on_fraction(min(1.0, done / size)))
        self._writing = asyncio.Lock()
        seed = _NO_SEED if setup.seed is None else setup.seed & 0x7FFFFFFF
        settings = {"n_ctx": setup.n_ctx, "n_threads": setup.n_threads, "seed": seed}
        paths = {f"{kind}/wllama.wasm": absolute(f"{self._folder}{kind}/wllama.wasm") for kind in _KINDS}
        try:
            await worker.call("create", absolute(self._folder + "index.js"), paths)
            await worker.call("loadModel", listed(*handles_of(files)), settings)
            context = await worker.call("getLoadedContextInfo")
            is_multithread = await worker.call("isMultithread")
            texts = [await _text_of(worker, context[token]) for token in ("token_bos", "token_eos")]
        except _Failed as error:
            if self._worker is not worker:
                raise unloaded_early(name) from None
            await self.unload()
            raise load_error(name, str(error)) from None
        except (Exception, asyncio.CancelledError):
            if self._worker is worker:
                await self.unload()
            raise
        self.special_tokens = texts[0], texts[1]
        self._n_ctx = context["n_ctx"]
        self._bos = context["token_bos"] if context["add_bos_token"] else None
        return Context(self._n_ctx, context["n_ctx_train"], setup.n_threads if is_multithread else 1)

    async def unload(self) -> None:
        """End the worker, which frees all of its memory."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    async def measure(self, limit: float) -> Speed | None:
        """How quick it is, once the browser has compiled what it runs most."""
        worker = self._running()
        try:
            async with asyncio.timeout(limit):
                return await self._sample(worker, limit)
        except TimeoutError:
            return None
        except _Failed as error:
            if self._worker is not worker:
                raise unloaded_early("The model") from None
            raise generation_error(str(error)) from None

    async def _sample(self, worker: _Worker, limit: float) -> Speed:
        begun, n_tokens, generation = time.monotonic(), 1, 0.0
        while True:
            rate = await _rate(worker, "tg", n_tokens)
            seconds = time.monotonic() - begun
            settled = n_tokens >= _SAMPLE and seconds > _WARM_UP and rate < generation * _SETTLED
            generation = max(generation, rate)
            if settled or seconds > limit / 2:
                break
            n_tokens = min(2 * n_tokens, _SAMPLE)
        prompt = await _rate(worker, "pp", next_slice(int(generation), 1.0))
        await worker.call("kvClear")
        return Speed(prompt, generation)

    async def write(
        self, prompt: str, sampling: dict[str, Any], max_tokens: int | None
    ) -> AsyncGenerator[Reading | Written, None]:
        """Go on with a text. What of it the last answer's context begins with is not read again."""
        worker = self._running()
        async with self._writing:  # the answer before may have still to let go of the engine
            try:
                tokens = await self._tokens(worker, prompt)
                async for reading in _read(worker, tokens, sampling):
                    yield reading
                room = self._n_ctx - len(tokens)
                async for written in _generate(worker, room if max_tokens is None else min(max_tokens, room)):
                    yield written
            except _Failed as error:
                if self._worker is not worker:
                    raise EngineFailed("The model was unloaded while it was answering.", "Send the message again.") from None
                raise generation_error(str(error)) from None

    def _running(self) -> _Worker:
        if self._worker is None:
            raise EngineFailed("No model is loaded in this tab.", "Send the message again.")
        return self._worker

    async def _tokens(self, worker: _Worker, prompt: str) -> list[int]:
        tokens: list[int] = await worker.call("tokenize", prompt, True)
        if self._bos is not None and tokens[:1] != [self._bos]:
            tokens.insert(0, self._bos)
        if len(tokens) >= self._n_ctx:
            raise _Failed(f"the prompt has {len(tokens)} tokens, the context {self._n_ctx}")
        if not tokens:
            raise _Failed("the prompt is empty")
        return tokens


async def _read(worker: _Worker, tokens: list[int], sampling: dict[str, Any]) -> AsyncGenerator[Reading, None]:
    before = await worker.call("cachedTokens")
    done = cached = shared(before, tokens)
    if cached < len(before):
        try:
            await worker.call(*(("kvRemove", cached, -1) if cached else ("kvClear",)))
        except _Failed:  # a state cannot be taken back by a few tokens
            await worker.call("kvClear")
            done = cached = 0
    # The sampler is to know what came before, for its penalties; and it begins anew with the seed.
    await worker.call("samplingInit", sampling, tokens)
    n_next, begun = _FIRST_SLICE, time.monotonic()
    yield Reading(len(tokens), cached, cached, 0.0)
    while done < len(tokens):
        at = time.monotonic()
        piece = tokens[done : done + n_next]
        done += len(piece)
        await worker.call("decode", piece, {"skipLogits": done < len(tokens)})
        n_next = next_slice(len(piece), time.monotonic() - at)
        yield Reading(len(tokens), cached, done, (time.monotonic() - begun) * 1000)


async def _generate(worker: _Worker, limit: int) -> AsyncGenerator[Written, None]:
    if limit <= 0:
        yield Written("", 0, 0.0, "length")
        return
    begun = time.monotonic()
    told = worker.messages("write", limit)
    ended = False
    try:
        async for message in told:
            value = message.get("value")
            milliseconds = (time.monotonic() - begun) * 1000
            if value is not None:
                ended = True
                yield Written("", value["tokens"], milliseconds, value["end"])
            else:
                yield Written(message["text"], message["tokens"], milliseconds)
    finally:
        if not ended:
            worker.stop()
            await told.aclose()


async def _rate(worker: _Worker, kind: str, n_tokens: int) -> float:
    measured = await worker.call("_testBenchmark", kind, n_tokens)
    return n_tokens * 1000 / max(float(measured["t_ms"]), 1.0)


async def _text_of(worker: _Worker, token: int) -> str:
    """The text of a token that a vocabulary may lack."""
    return str(await worker.call("detokenize", [token], True)) if token >= 0 else ""

"""The engine of the tab: one model at a time, by whichever build of llama.cpp is quickest for it on this machine."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple, Protocol

from modeltab.domain.errors import BadReply, EngineFailed, ModelTabError
from modeltab.files.facts import chat_template_of
from modeltab.files.fit import Place, context_that_fits
from modeltab.files.gguf import read_header
from modeltab.files.values import Header
from modeltab.providers import quick_requests
from modeltab.providers.base import Json, ModelFile, OnFraction, TemplateRenderer
from modeltab.providers.tab_choice import why_not_chat, why_not_model, why_not_request
from modeltab.providers.tab_engines import Build, Context, EngineDied, EngineInfo, Machine, MainBuild, QuickBuild, Setup
from modeltab.providers.tab_threads import (
    BIG_BYTES,
    MOST_THREADS,
    Calibration,
    Speed,
    elsewhere,
    is_hopeless,
    key_of,
    patience,
    search,
)

#: How much of the progress is the file's on its way into memory; the rest is llama.cpp's work with it, which tells none.
_READ = 0.9
#: Seconds between two looks at how far a model is that a request has loaded anew.
_LOOK = 0.3


class Calibrations(Protocol):
    """What was measured on this machine, kept."""

    def read(self) -> Mapping[str, Calibration]:
        """All that is kept, the newest last."""
        ...

    def keep(self, key: str, calibration: Calibration) -> None:
        """Keep one more."""
        ...


class _Job(NamedTuple):
    """What is to run: by a quick build, or by the main one for the reason that is given."""

    quick: QuickBuild
    files: Sequence[ModelFile]
    name: str
    header: Header | None
    asked_ctx: int
    n_ctx: int
    machine: Machine
    why: str
    seed: int | None = None

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


class TabEngine:
    """Chooses between the builds, and how many threads they have.

    :param look: tells what there is to run on.
    :ivar on_news: called with words for a person when it has changed by itself what runs, or how.
    """

    def __init__(
        self,
        main: MainBuild,
        quick: Sequence[QuickBuild],
        templates: TemplateRenderer,
        look: Callable[[], Awaitable[Machine]],
        calibrations: Calibrations,
    ) -> None:
        self.info: EngineInfo | None = None
        self.gone = "", ""
        self.on_news: Callable[[str], object] = lambda words: None
        self._main = main
        self._quick = quick
        self._templates = templates
        self._look = look
        self._calibrations = calibrations
        self._job: _Job | None = None
        self._epoch = 0

    async def load(self, files: Sequence[ModelFile], name: str, n_ctx: int, on_fraction: OnFraction) -> None:
        """Load a model. Cancelling the task, or unloading meanwhile, ends the worker. One call at a time."""
        await self.unload()
        self.gone = "", ""
        epoch = self._epoch
        machine = await self._look()
        header = await _header_of(files)
        fitting = n_ctx
        if header is not None:
            place = Place("tab", n_threads=min(machine.cores, MOST_THREADS), gpu=machine.gpu, heap_limit=machine.heap_limit)
            fitting = context_that_fits(header, n_ctx, place._replace(device_bytes=machine.memory))
        sizes = tuple(file.size for file in files)
        why = ""
        for build in self._quick:
            why = why_not_model(header, sizes, fitting, machine, build.limits)
            if why:
                continue
            try:
                await self._start(_Job(build, files, name, header, n_ctx, fitting, machine, ""), on_fraction)
                return
            except ModelTabError as error:
                if epoch != self._epoch:
                    raise
                # The main build says better what is wrong with a file, if it is the file that is wrong.
                why = f"the quicker engine could not load it: {error.message}"
        await self._start(_Job(self._quick[0], files, name, header, n_ctx, fitting, machine, why), on_fraction)

    async def unload(self) -> None:
        """Free the memory."""
        self._epoch += 1
        self.info, self._job = None, None
        for build in (*self._quick, self._main):
            await build.unload()

    async def give_up(self, why: str) -> None:
        """Unload what is loaded, if anything is, and say why."""
        if self.info is not None:
            self.gone = self.info.name, why
            await self.unload()
            self.on_news(f"{self.gone[0]} was unloaded: {why}")

    async def measure(self, on_fraction: OnFraction) -> None:
        """Find anew how many threads are best for what is loaded, and how quick it then is."""
        if self._job is None:
            raise EngineFailed("No model is loaded in this tab.", "Load it, then measure.")
        await self._start(self._job, on_fraction, anew=True)

    async def chat(self, body: Json) -> AsyncGenerator[Json, None]:
        """The chunks of a streamed chat completion."""
        prompt = await self._prompt(body)
        answer = self._by_main(body, chat=True) if prompt is None else self._write(prompt, body, chat=True)
        async with aclosing(self._watched(answer)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, body: Json) -> AsyncGenerator[Json, None]:
        """The chunks of a streamed completion."""
        job = self._loaded()
        if not job.why:
            self._job = job = job._replace(why=why_not_request(body))
        answer = self._by_main(body, chat=False) if job.why else self._write(body["prompt"], body, chat=False)
        async with aclosing(self._watched(answer)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _watched(self, answer: AsyncGenerator[Json, None]) -> AsyncGenerator[Json, None]:
        """An answer; what ran the model is unloaded when it breaks."""
        try:
            async with aclosing(answer) as chunks:
                async for chunk in chunks:
                    yield chunk
        except EngineDied:
            await self.give_up("it broke while it answered, mostly a sign that memory is short")
            raise

    def _loaded(self) -> _Job:
        if self._job is None or self.info is None:
            raise EngineFailed("No model is loaded in this tab.", "Send the message again.")
        return self._job

    async def _prompt(self, body: Json) -> str | None:
        """The text that the quick build goes on with, None where the main one has to answer."""
        job = self._loaded()
        if job.why or job.header is None:
            return None
        why = why_not_chat(job.header) or why_not_request(body)
        if not why:
            context, begun = quick_requests.template_context(body, *job.quick.special_tokens)
            try:
                return await self._templates.render(chat_template_of(job.header), context) + begun
            except BadReply:
                why = "its chat template needs what only the main engine knows"
        self._job = job._replace(why=why)
        return None

    async def _write(self, prompt: str, body: Json, chat: bool) -> AsyncGenerator[Json, None]:
        plan = quick_requests.plan_of(body)
        if plan.seed != self._loaded().seed:  # this build takes a seed only with a model
            async with aclosing(self._again(self._loaded()._replace(seed=plan.seed))) as progress:
                async for chunk in progress:
                    yield chunk
        inside = chat and quick_requests.begins_inside(prompt)
        steps = self._loaded().quick.write(prompt, plan.sampling, plan.max_tokens)
        async with aclosing(quick_requests.chunks(steps, plan.stops, chat, inside)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _by_main(self, body: Json, chat: bool) -> AsyncGenerator[Json, None]:
        if self.info and self.info.build != self._main.name:
            async with aclosing(self._again(self._loaded())) as progress:
                async for chunk in progress:
                    yield chunk
            self.on_news(f"{self._loaded().name} now runs in {self._main.name}: {self._loaded().why}")
        async with aclosing(self._main.chat(body) if chat else self._main.complete(body)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _again(self, job: _Job) -> AsyncGenerator[Json, None]:
        """Load the model anew in the middle of a request; chunks tell how far that is."""
        done = 0.0

        def progress(fraction: float) -> None:
            nonlocal done
            done = fraction

        task = asyncio.ensure_future(self._start(job, progress))
        try:
            while not task.done():
                yield {"choices": [], "loading": done}
                await asyncio.wait([task], timeout=_LOOK)
            task.result()
        finally:
            if not task.done():
                task.cancel()

    async def _start(self, job: _Job, on_fraction: OnFraction, anew: bool = False) -> None:
        """Run a model, with the threads that were measured for it, or else that are measured now."""
        build: Build = self._main if job.why else job.quick
        for other in (*self._quick, self._main):
            if other is not build:
                await other.unload()
        self.info, self._job = None, None
        cores = job.machine.cores
        kept = self._calibrations.read()
        key = key_of(build.name, cores, job.name, job.size)
        known = None if anew else kept.get(key)
        context = Context(0, 0, 0)
        done = 0.0

        def progress(fraction: float) -> None:
            nonlocal done
            done = max(done, fraction * _READ)  # the second load of a calibration is nothing to see
            on_fraction(done)

        async def load(n_threads: int) -> None:
            nonlocal context
            context = await build.load(job.files, job.name, Setup(job.n_ctx, n_threads, job.machine.gpu, job.seed), progress)

        async def measure() -> Speed | None:
            speed = await build.measure(patience(job.size))
            return None if speed and is_hopeless(speed, job.size) else speed

        if known:
            await load(known.n_threads)
        else:
            one_only = job.machine.gpu or (job.size > BIG_BYTES and not anew)
            known = await search(cores, elsewhere(kept, build.name, cores), one_only, load, measure)
            self._calibrations.keep(key, known)
        on_fraction(1.0)
        self._job = job
        self.info = self._info(job, build, context, known.speed)

    def _info(self, job: _Job, build: Build, context: Context, speed: Speed | None) -> EngineInfo:
        return EngineInfo(
            job.name,
            context.n_ctx,
            context.n_ctx_train,
            context.n_threads,
            job.machine.gpu,
            job.asked_ctx,
            job.machine.cores,
            build.name,
            job.why,
            speed,
        )


async def _header_of(files: Sequence[ModelFile]) -> Header | None:
    """The header of a model's files, None where one cannot be read: the main build says what is wrong with it."""
    try:
        headers = [await read_header(file.read, file.size) for file in files]
    except ModelTabError:
        return None
    return headers[0]._replace(tensors=tuple(tensor for header in headers for tensor in header.tensors))

"""The tab's engine with builds that only tell what they are asked: which one it takes, when it changes, what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import gguf
import pytest

from modeltab.domain.errors import EngineFailed
from modeltab.providers.tab_choice import WLLAMA_2_3, WLLAMA_2_4
from modeltab.providers.tab_engine import TabEngine
from modeltab.providers.tab_engines import Context, EngineDied, Machine, Reading, Setup, Written
from modeltab.providers.tab_threads import Calibration, Speed
from tests.servers.transport import run
from tests.unit.fakes import JinjaTemplates, MemoryFile, stop, words
from tests.unit.gguf_files import tiny_llama

TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "
HI = [{"role": "user", "content": "Hi"}]


class Build:
    """A build that loads everything, unless it is told not to."""

    special_tokens = "<s>", "</s>"

    def __init__(self, name: str) -> None:
        self.name = name
        self.limits = WLLAMA_2_4
        self.log: list[str] = []
        self.setups: list[Setup] = []
        self.fails: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.speed: Speed | None = Speed(50.0, 2000.0)
        self.prompts: list[Any] = []
        self.dies = False

    async def load(self, files: Any, name: str, setup: Setup, on_fraction: Any) -> Context:
        self.log.append("load")
        self.setups.append(setup)
        on_fraction(1.0)
        if self.gate:
            await self.gate.wait()
        if self.fails:
            raise self.fails
        return Context(setup.n_ctx, 2048, setup.n_threads)

    async def unload(self) -> None:
        self.log.append("unload")

    async def measure(self, limit: float) -> Speed | None:
        self.log.append("measure")
        return self.speed

    async def chat(self, body: Any) -> AsyncGenerator[Any, None]:
        self.prompts.append(body)
        for chunk in (*words("By", " main"), stop()):
            yield chunk

    complete = chat

    async def write(self, prompt: str, sampling: Any, max_tokens: int | None) -> AsyncGenerator[Reading | Written, None]:
        self.prompts.append((prompt, sampling, max_tokens))
        yield Reading(3, 0, 3, 1.0)
        if self.dies:
            raise EngineDied("It broke.")
        yield Written("By quick", 2, 1.0, "stop")


class Kept:
    """Measurements in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, Calibration] = {}

    def read(self) -> Mapping[str, Calibration]:
        return self.entries

    def keep(self, key: str, calibration: Calibration) -> None:
        self.entries[key] = calibration


class Bench:
    """An engine with two builds, and a model for it."""

    def __init__(self, folder: Path) -> None:
        self.main, self.quick, self.kept = Build("main 1"), Build("quick 1"), Kept()
        self.machine = Machine(2)
        self.engine = TabEngine(self.main, (self.quick,), JinjaTemplates(), self.look, self.kept)
        path = tiny_llama(folder / "a.gguf", configure=lambda writer: writer.add_chat_template(TEMPLATE))
        self.file = MemoryFile("a.gguf", path.read_bytes())
        self.told: list[float] = []
        self.news: list[str] = []
        self.engine.on_news = self.news.append

    async def look(self) -> Machine:
        return self.machine

    async def load(self, n_ctx: int = 1024) -> None:
        await self.engine.load([self.file], "a.gguf", n_ctx, self.told.append)

    async def ask(self, **body: Any) -> list[Any]:
        answer = self.engine.complete(body) if "prompt" in body else self.engine.chat({"messages": HI, **body})
        return [chunk async for chunk in answer]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def said(chunks: list[Any]) -> str:
    """The text of an answer."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice.get("delta", {}).get("content", "") + choice.get("text", "") for choice in choices)


def test_a_model_is_measured_once_and_the_figures_are_kept(bench: Bench):
    run(bench.load())
    info = bench.engine.info
    assert info is not None
    assert (info.build, info.why, info.n_threads, info.n_cores, info.speed) == ("quick 1", "", 2, 2, Speed(50.0, 2000.0))
    assert list(bench.kept.entries) == [f"quick 1, 2 cores, a.gguf, {bench.file.size} bytes"]
    assert bench.told == sorted(bench.told)
    assert bench.told[-1] == 1.0
    run(bench.load())
    assert bench.quick.log.count("measure") == 1
    run(bench.engine.measure(bench.told.append))
    assert bench.quick.log.count("measure") == 2


def test_a_chat_is_rendered_with_the_models_own_template_and_tokens(bench: Bench):
    async def ask() -> list[Any]:
        await bench.load()
        return await bench.ask(max_tokens=5, temperature=0)

    assert said(run(ask())) == "By quick"
    assert bench.quick.prompts == [("<s>[user] Hi\n[assistant] ", {"temp": 0.0}, 5)]
    assert bench.main.setups == []


def test_a_request_that_the_quick_build_cannot_do_loads_the_main_one_until_the_model_is_unloaded(bench: Bench):
    async def ask() -> None:
        await bench.load()
        first = await bench.ask(tools=[{"type": "function"}])
        assert said(first) == "By main"
        assert any("loading" in chunk for chunk in first)
        assert bench.engine.info is not None
        assert (bench.engine.info.build, bench.engine.info.why) == ("main 1", "the request has tools")
        assert said(await bench.ask()) == "By main"
        assert bench.main.log.count("load") == 1
        await bench.load()
        assert said(await bench.ask()) == "By quick"

    run(ask())
    assert bench.news == ["a.gguf now runs in main 1: the request has tools"]
    assert bench.main.prompts[0] == {"messages": HI, "tools": [{"type": "function"}]}


def test_completions_go_on_with_a_text_as_it_is(bench: Bench):
    async def ask() -> tuple[list[Any], list[Any]]:
        await bench.load()
        return await bench.ask(prompt="The", stop="END"), await bench.ask(prompt="The", logprobs=3)

    plain, told = run(ask())
    assert (said(plain), said(told)) == ("By quick", "By main")
    assert bench.quick.prompts == [("The", {}, None)]


def test_a_seed_is_given_with_the_model(bench: Bench):
    async def ask() -> None:
        await bench.load()
        for seed in (7, 7, None):
            await bench.ask(**({"seed": seed} if seed else {}))

    run(ask())
    assert [setup.seed for setup in bench.quick.setups] == [None, 7, None]
    assert bench.quick.log.count("measure") == 1


def test_a_file_that_the_quick_build_refuses_is_for_the_main_one(bench: Bench):
    bench.quick.fails = EngineFailed("It is too new.")
    run(bench.load())
    assert bench.engine.info is not None
    assert bench.engine.info.build == "main 1"
    assert "It is too new." in bench.engine.info.why


def test_the_first_of_the_quick_builds_that_knows_a_model_runs_it_and_the_next_one_when_that_fails(
    bench: Bench, tmp_path: Path
):
    first = Build("quickest 1")
    first.limits = WLLAMA_2_3
    bench.engine = TabEngine(bench.main, (first, bench.quick), JinjaTemplates(), bench.look, bench.kept)
    run(bench.load())
    assert bench.engine.info is not None
    assert bench.engine.info.build == "quickest 1"
    first.fails = EngineFailed("It is too new.")
    run(bench.load())
    assert (bench.engine.info.build, bench.engine.info.why) == ("quick 1", "")
    assert first.log[-1] == "unload"


def test_a_file_that_is_none_gets_the_main_builds_error(bench: Bench):
    bench.file = MemoryFile("a.gguf", b"GGUF")
    bench.main.fails = EngineFailed("It is damaged.")
    with pytest.raises(EngineFailed, match=r"It is damaged\."):
        run(bench.load())
    assert bench.quick.setups == []
    assert bench.engine.info is None


def test_a_model_that_is_unloaded_while_it_loads_is_not_tried_by_the_other_build(bench: Bench):
    async def both() -> None:
        bench.quick.gate = asyncio.Event()
        bench.quick.fails = EngineFailed("It was unloaded.")
        loading = asyncio.ensure_future(bench.load())
        while not bench.quick.setups:
            await asyncio.sleep(0)
        await bench.engine.unload()
        bench.quick.gate.set()
        with pytest.raises(EngineFailed, match=r"It was unloaded\."):
            await loading

    run(both())
    assert bench.main.setups == []


def test_with_a_gpu_the_main_build_runs_and_threads_are_not_compared(bench: Bench):
    bench.machine = Machine(8, gpu=True)
    run(bench.load())
    assert bench.engine.info is not None
    assert (bench.engine.info.build, bench.engine.info.gpu) == ("main 1", True)
    assert [setup.n_threads for setup in bench.main.setups] == [8]


def test_a_context_that_does_not_fit_is_made_smaller_and_one_that_was_not_trained_for_too(bench: Bench):
    run(bench.load(4096))
    assert bench.quick.setups[-1].n_ctx == 2048
    bench.machine = Machine(2, heap_limit=43_800_000)
    run(bench.load(2048))
    info = bench.engine.info
    assert info is not None
    assert 512 <= info.n_ctx < 2048
    assert info.n_ctx % 256 == 0
    assert info.asked_ctx == 2048


def test_without_a_model_there_is_nothing_to_ask_or_measure(bench: Bench):
    for work in (bench.ask(), bench.ask(prompt="x"), bench.engine.measure(bench.told.append)):
        with pytest.raises(EngineFailed, match="No model is loaded"):
            run(work)


def test_a_template_that_cannot_be_rendered_is_for_the_main_build(bench: Bench, tmp_path: Path):
    def configure(writer: gguf.GGUFWriter) -> None:
        writer.add_chat_template("{{ nothing.at.all }}")

    bench.file = MemoryFile("a.gguf", tiny_llama(tmp_path / "b.gguf", configure=configure).read_bytes())

    async def ask() -> list[Any]:
        await bench.load()
        return await bench.ask()

    assert said(run(ask())) == "By main"
    assert bench.engine.info is not None
    assert "template" in bench.engine.info.why


def test_a_build_that_breaks_is_unloaded_and_the_next_answer_loads_the_model_anew(bench: Bench):
    async def ask() -> None:
        await bench.load()
        bench.quick.dies = True
        with pytest.raises(EngineDied):
            await bench.ask()
        assert (bench.engine.info, bench.quick.log[-1], bench.engine.gone[0]) == (None, "unload", "a.gguf")
        bench.quick.dies = False
        await bench.load()
        assert (said(await bench.ask()), bench.engine.gone) == ("By quick", ("", ""))

    run(ask())
    assert bench.news == ["a.gguf was unloaded: it broke while it answered, mostly a sign that memory is short"]


def test_memory_is_given_up_with_a_word_and_only_when_there_is_some(bench: Bench):
    run(bench.engine.give_up("nobody looks"))
    assert (bench.news, bench.engine.gone) == ([], ("", ""))
    run(bench.load())
    run(bench.engine.give_up("nobody looks"))
    assert (bench.news, bench.engine.gone) == (["a.gguf was unloaded: nobody looks"], ("a.gguf", "nobody looks"))

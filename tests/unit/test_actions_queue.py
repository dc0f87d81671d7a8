"""The queue of transfers when not all goes well: paused, broken off, found after a reload, tried again, put in order."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions.transfers import find_unfinished
from modeltab.domain.connections import Connection
from modeltab.domain.errors import Unreachable
from modeltab.providers.base import ModelFile, OnStep, Unfinished
from tests.servers.model_files import small_gguf
from tests.servers.ollama import OllamaModel, ollama_server
from tests.unit.fakes import FakeModels, MemoryFile
from tests.unit.rig import TAB, Rig

URL = "https://files.example/a.gguf"


class PartedModels(FakeModels):
    """Takes a file in steps of 100 bytes, going on where its part ends; `steps` has where each one ended.

    At `holds_at` bytes it waits until `hold` is set; at `breaks_at` the network breaks, once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.holds_at = 0
        self.hold = asyncio.Event()
        self.breaks_at = 0

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Takes it."""
        self.log.append(f"add {name}")
        part = self.parts.get(name)
        done = part.received if part and part.stamp == file.stamp else 0
        while done < file.size:
            await asyncio.sleep(0)
            done = min(done + 100, file.size)
            self.steps.append(done)
            self.parts[name] = Unfinished(name, file.size, done, self.sources, file.stamp)
            on_step("", done)
            if done == self.breaks_at:
                self.breaks_at = 0
                raise Unreachable("The network is gone.", "Press Retry.")
            if done == self.holds_at:
                await self.hold.wait()
        del self.parts[name]
        self.files[name] = file.size


def gguf(name: str, size: int = 1000) -> MemoryFile:
    """A small model."""
    return MemoryFile(name, small_gguf(size))


def parted() -> tuple[Rig, PartedModels]:
    """An app whose tab keeps parts, and those."""
    files = PartedModels()
    return Rig(files=files), files


async def begin(rig: Rig, *files: MemoryFile) -> None:
    """Presses Add; the work goes on."""
    await rig.do("models.add")
    rig.press("models.add.save", files=files, values={"destination": TAB})


async def hold(rig: Rig, *names: str) -> None:
    """Begins to add files whose first halves arrive and no more."""
    rig.files.gate = asyncio.Event()
    await begin(rig, *map(gguf, names))
    await rig.until(lambda: len(rig.state.transfers) == len(names) and rig.transfer(names[0]).sent == 500)


def phases(rig: Rig) -> dict[str, str]:
    """How each transfer is, in their order."""
    return {transfer.name: transfer.phase for transfer in rig.state.transfers}


# ---- Pause and resume ------------------------------------------------------------------------------------------------


async def test_a_transfer_to_the_tab_goes_on_where_it_was_paused():
    rig, files = parted()
    await rig.start()
    files.holds_at = 300
    await begin(rig, gguf("a.gguf"))
    await rig.until(lambda: files.steps[-1:] == [300])
    await rig.do("transfer.pause", rig.transfer("a.gguf").id)
    paused = rig.transfer("a.gguf")
    assert (paused.phase, paused.sent, paused.rate, rig.state.status) == ("paused", 300, None, "a.gguf is paused")
    assert (list(files.parts), rig.app.transfers, rig.app.pausing) == (["a.gguf"], {}, set())
    files.steps.clear()
    await rig.do("transfer.resume", paused.id)
    assert files.steps == [400, 500, 600, 700, 800, 900, 1000]
    assert (rig.transfer("a.gguf").phase, rig.models(TAB), rig.app.jobs) == ("done", ["a.gguf"], {})


async def test_a_transfer_that_is_paused_and_then_cancelled_before_it_stops_is_cancelled():
    rig = Rig()
    await rig.start()
    await hold(rig, "a.gguf")
    rig.press("transfer.pause", rig.transfer("a.gguf").id)
    rig.press("transfer.cancel", rig.transfer("a.gguf").id)
    await rig.until(lambda: phases(rig) != {"a.gguf": "sending"})
    assert rig.files.gate is not None
    rig.files.gate.set()
    await rig.idle()
    assert (phases(rig), rig.files.parts) == ({"a.gguf": "cancelled"}, {})


async def test_what_has_ended_can_be_neither_paused_nor_resumed():
    rig = Rig()
    await rig.start()
    await begin(rig, gguf("a.gguf"))
    await rig.idle()
    for action in ("transfer.pause", "transfer.resume"):
        await rig.do(action, rig.transfer("a.gguf").id)
    assert (phases(rig), rig.files.log.count("add a.gguf")) == ({"a.gguf": "done"}, 1)


@pytest.mark.parametrize("action", ["pause", "resume", "file", "cancel", "dismiss", "up"])
async def test_a_press_at_a_transfer_that_is_gone_does_nothing(action):
    rig = Rig()
    await rig.start()
    await rig.do(f"transfer.{action}", "gone", files=(gguf("a.gguf"),))
    assert (rig.state.transfers, rig.alerts) == ((), [])


async def test_a_resumed_transfer_waits_for_its_turn():
    rig = Rig()
    await rig.start()
    await hold(rig, "a.gguf", "b.gguf", "c.gguf")
    rig.press("transfer.pause", rig.transfer("a.gguf").id)
    await rig.until(lambda: phases(rig) == {"a.gguf": "paused", "b.gguf": "sending", "c.gguf": "sending"})
    rig.press("transfer.resume", rig.transfer("a.gguf").id)
    await asyncio.sleep(0.01)
    assert rig.transfer("a.gguf").phase == "queued"
    assert rig.files.gate is not None
    rig.files.gate.set()
    await rig.idle()
    assert set(phases(rig).values()) == {"done"}


async def test_a_download_of_ollama_is_paused_and_goes_on():
    with ollama_server(registry={"llama3.2:1b": OllamaModel(size=4000)}, pull_delay_s=0.05) as server:
        rig = Rig()
        rig.connect(Connection("o", "ollama", "My Ollama", server.url))
        await rig.start()
        await rig.do("models.add")
        rig.press("models.add.save", values={"destination": "o", "source": "llama3.2:1b"})
        await rig.until(lambda: bool(rig.state.transfers) and rig.transfer("llama3.2:1b").sent >= 1000)
        await rig.do("transfer.pause", rig.transfer("llama3.2:1b").id)
        paused = rig.transfer("llama3.2:1b")
        assert (paused.phase, rig.models("o")) == ("paused", [])
        await rig.do("transfer.resume", paused.id)
        assert (rig.transfer("llama3.2:1b").phase, rig.models("o")) == ("done", ["llama3.2:1b"])


# ---- After a failure -------------------------------------------------------------------------------------------------


async def test_what_broke_off_goes_on_where_it_was_when_it_is_tried_again():
    rig, files = parted()
    await rig.start()
    files.breaks_at = 400
    await begin(rig, gguf("a.gguf"))
    await rig.idle()
    failed = rig.transfer("a.gguf")
    assert (failed.phase, failed.sent, failed.error and failed.error.message) == ("failed", 400, "The network is gone.")
    assert rig.state.status == "a.gguf could not be added"
    files.steps.clear()
    await rig.do("transfer.resume", failed.id)
    again = rig.transfer("a.gguf")
    assert (files.steps[0], again.phase, again.error) == (500, "done", None)


async def test_what_failed_and_is_dismissed_gives_its_room_back_and_does_not_go_again():
    rig, files = parted()
    await rig.start()
    files.breaks_at = 400
    await begin(rig, gguf("a.gguf"))
    await rig.idle()
    id_ = rig.transfer("a.gguf").id
    await rig.do("transfer.dismiss", id_)
    assert (rig.state.transfers, rig.app.jobs, files.parts, files.log) == ((), {}, {}, ["add a.gguf", "discard a.gguf"])
    await rig.do("transfer.resume", id_)
    assert rig.state.transfers == ()


async def test_what_is_done_and_dismissed_discards_nothing():
    rig = Rig()
    await rig.start()
    await begin(rig, gguf("a.gguf"))
    await rig.idle()
    await rig.do("transfer.dismiss", rig.transfer("a.gguf").id)
    assert (rig.state.transfers, rig.files.log, rig.models(TAB)) == ((), ["add a.gguf", "added a.gguf"], ["a.gguf"])


async def test_a_file_that_is_added_again_takes_the_place_of_what_failed_and_goes_on_from_its_part():
    rig, files = parted()
    await rig.start()
    files.breaks_at = 400
    await begin(rig, gguf("a.gguf"))
    await rig.idle()
    files.steps.clear()
    await begin(rig, gguf("a.gguf"))
    await rig.idle()
    assert ([transfer.phase for transfer in rig.state.transfers], files.steps[0]) == (["done"], 500)


# ---- After a reload --------------------------------------------------------------------------------------------------


async def test_a_transfer_with_an_address_is_found_and_goes_on_from_there():
    rig, files = parted()
    files.sources = (URL,)
    rig.web[URL] = gguf("a.gguf")
    rig.web[URL].stamp = '"etag"'
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300, (URL,), '"etag"', "0" * 64)
    await rig.start()
    await find_unfinished(rig.app)
    found = rig.transfer("a.gguf")
    assert (found.phase, found.size, found.sent, found.resumes, found.needs_file) == ("paused", 1000, 300, True, False)
    await asyncio.sleep(0.01)
    assert files.steps == []
    await rig.do("transfer.resume", found.id)
    assert (files.steps[0], phases(rig)) == (400, {"a.gguf": "done"})


async def test_the_file_on_the_web_is_asked_for_as_it_was(monkeypatch):
    rig, files = parted()
    asked: list[object] = []

    def remote_file(*what: object) -> MemoryFile:
        asked.append(what)
        return gguf("a.gguf")

    monkeypatch.setattr(rig.app, "remote_file", remote_file)
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300, (URL, "https://mirror.example/a"), '"etag"', "0" * 64)
    await find_unfinished(rig.app)
    assert asked == [("a.gguf", 1000, (URL, "https://mirror.example/a"), "0" * 64, '"etag"')]


async def test_a_transfer_without_an_address_goes_on_once_its_file_is_chosen_again():
    rig, files = parted()
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    await rig.start()
    await find_unfinished(rig.app)
    found = rig.transfer("a.gguf")
    assert (found.phase, found.needs_file, rig.app.jobs) == ("paused", True, {})
    await rig.do("transfer.file", found.id, files=(gguf("renamed.gguf"),))
    assert (rig.transfer("a.gguf").needs_file, files.steps[0], phases(rig)) == (False, 400, {"a.gguf": "done"})


async def test_a_file_of_another_size_is_refused_and_the_part_stays():
    rig, files = parted()
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    await rig.start()
    await find_unfinished(rig.app)
    found = rig.transfer("a.gguf")
    await rig.do("transfer.file", found.id, files=(gguf("other.gguf", 999),))
    (alert,) = rig.state.alerts
    assert alert.error.message == "other.gguf is not the file that was being added: it has another size."
    assert "Choose a.gguf again" in alert.error.advice
    assert (rig.transfer("a.gguf"), list(files.parts), files.steps) == (found, ["a.gguf"], [])


async def test_no_file_in_the_chooser_changes_nothing():
    rig, files = parted()
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    await rig.start()
    await find_unfinished(rig.app)
    await rig.do("transfer.file", rig.transfer("a.gguf").id)
    assert (rig.transfer("a.gguf").needs_file, rig.alerts) == (True, [])


async def test_what_is_there_already_is_not_found_twice():
    rig, files = parted()
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    files.parts["b.gguf"] = Unfinished("b.gguf", 1000, 300, (URL,))
    await rig.start()
    await find_unfinished(rig.app)
    await find_unfinished(rig.app)
    assert list(phases(rig)) == ["a.gguf", "b.gguf"] and len(rig.state.transfers) == 2


async def test_what_a_reload_broke_off_can_be_given_up():
    rig, files = parted()
    files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    await rig.start()
    await find_unfinished(rig.app)
    await rig.do("transfer.cancel", rig.transfer("a.gguf").id)
    assert (phases(rig), files.parts, rig.state.status) == ({"a.gguf": "cancelled"}, {}, "a.gguf is cancelled")


# ---- The order -------------------------------------------------------------------------------------------------------


async def test_what_is_moved_up_goes_first():
    rig = Rig()
    await rig.start()
    await hold(rig, "a.gguf", "b.gguf", "c.gguf", "d.gguf", "e.gguf")
    for _ in range(2):
        rig.press("transfer.up", rig.transfer("e.gguf").id)
    assert list(phases(rig)) == ["a.gguf", "b.gguf", "e.gguf", "c.gguf", "d.gguf"]
    assert rig.files.gate is not None
    rig.files.gate.set()
    await rig.idle()
    assert [line for line in rig.files.log if line.startswith("add ")] == [f"add {name}.gguf" for name in "abecd"]


async def test_what_is_paused_between_those_that_wait_is_passed_over():
    rig = Rig()
    await rig.start()
    await hold(rig, "a.gguf", "b.gguf", "c.gguf", "d.gguf", "e.gguf")
    rig.press("transfer.pause", rig.transfer("d.gguf").id)
    rig.press("transfer.up", rig.transfer("e.gguf").id)
    assert list(phases(rig)) == ["a.gguf", "b.gguf", "e.gguf", "d.gguf", "c.gguf"]
    rig.press("transfer.up", rig.transfer("d.gguf").id)
    assert list(phases(rig)) == ["a.gguf", "b.gguf", "e.gguf", "d.gguf", "c.gguf"]
    assert rig.files.gate is not None
    rig.files.gate.set()
    await rig.idle()
    assert phases(rig)["d.gguf"] == "paused"

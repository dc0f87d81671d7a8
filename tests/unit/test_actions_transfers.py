"""Model files on their way: queued, sent, cancelled, refused, renamed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from modeltab.actions.transfers import find_unfinished
from modeltab.domain.catalogue import STARTER
from modeltab.files.values import Inspection
from modeltab.providers.base import Unfinished
from modeltab.state.machine import Storage
from modeltab.state.store import State
from tests.servers.model_files import small_gguf
from tests.servers.scripted import Reply, json_reply
from tests.servers.transport import PathFile
from tests.unit.fakes import MemoryFile
from tests.unit.rig import SERVER, TAB, Rig


def gguf(name: str, size: int = 1000) -> MemoryFile:
    """A small model."""
    return MemoryFile(name, small_gguf(size))


def on_disk(folder: Path, name: str, content: bytes = small_gguf()) -> PathFile:
    """A file that RealTransport can send."""
    path = folder / name
    path.write_bytes(content)
    return PathFile(path)


async def add(rig: Rig, *files: MemoryFile | PathFile, to: str = TAB) -> None:
    """Chooses files in the dialog and presses Add, and waits until all is done."""
    await rig.do("models.add")
    await rig.do("models.add.save", files=files, values={"destination": to})


# ---- The dialog ------------------------------------------------------------------------------------------------------


async def test_the_dialog_offers_the_first_place_that_answers():
    rig = Rig(url="http://127.0.0.1:1/api/v1")
    await rig.start()
    await rig.do("models.add")
    assert rig.state.dialog is not None
    assert rig.state.dialog.values == {"destination": TAB}


async def test_files_that_are_dropped_are_in_the_dialog_and_are_added_with_it():
    rig = Rig()
    await rig.start()
    await rig.do("models.add", files=(gguf("a.gguf", 1500), gguf("b.gguf", 2500)))
    assert rig.state.dialog is not None
    assert [(c.name, c.size) for c in rig.state.candidates] == [("a.gguf", 1500), ("b.gguf", 2500)]
    await rig.do("models.add.save", values={"destination": TAB})
    assert rig.models(TAB) == ["a.gguf", "b.gguf"]
    assert rig.state.storage == Storage(1_500_000, 3_000_000_000, False), "the gauge was not measured again"


async def test_files_that_are_chosen_are_named_in_the_dialog():
    rig = Rig()
    await rig.start()
    await rig.do("models.add")
    await rig.do("models.add.files", files=(gguf("a.gguf"),), values={"destination": TAB})
    (candidate,) = rig.state.candidates
    assert isinstance(candidate.item, Inspection) and candidate.item.format == "GGUF 3"


async def test_another_destination_is_kept_while_the_dialog_is_open():
    rig = Rig(url="http://127.0.0.1:1/api/v1")
    await rig.start()
    await rig.do("models.add")
    await rig.do("models.add.destination", values={"destination": SERVER})
    assert rig.state.dialog is not None and rig.state.dialog.values["destination"] == SERVER


async def test_add_without_a_file_says_so_and_stays_open():
    rig = Rig()
    await rig.start()
    await rig.do("models.add")
    await rig.do("models.add.save", values={"destination": TAB})
    assert rig.state.dialog is not None and rig.state.dialog.error is not None
    assert rig.state.dialog.error.message == "No file is chosen."
    assert rig.state.transfers == ()


async def test_files_of_a_dialog_that_was_closed_are_forgotten():
    rig = Rig()
    await rig.start()
    await rig.do("models.add", files=(gguf("a.gguf"),))
    await rig.do("dialog.close")
    await rig.do("models.add")
    await rig.do("models.add.save", values={"destination": TAB})
    assert rig.state.transfers == ()


# ---- To the tab ------------------------------------------------------------------------------------------------------


async def test_a_file_is_added_listed_and_chosen_when_no_model_was():
    rig = Rig()
    await rig.start()
    await add(rig, gguf("a.gguf"))
    assert (rig.state.dialog, rig.models(TAB)) == (None, ["a.gguf"])
    transfer = rig.transfer("a.gguf")
    assert (transfer.phase, transfer.sent, transfer.fraction, transfer.connection_id) == ("done", 1000, 1.0, TAB)
    assert rig.state.settings.model == f"{TAB}/a.gguf"
    assert rig.app.transfers == {}


async def test_a_model_that_is_chosen_stays_chosen_when_another_one_is_added():
    rig = Rig("mine.gguf")
    await rig.start(f"{TAB}/mine.gguf")
    await add(rig, gguf("a.gguf"))
    assert rig.state.settings.model == f"{TAB}/mine.gguf"


async def test_two_files_go_at_a_time_and_the_others_wait():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"), gguf("b.gguf"), gguf("c.gguf")), values={"destination": TAB})
    await rig.until(lambda: len(rig.state.transfers) == 3 and rig.transfer("b.gguf").sent == 500)
    assert [transfer.phase for transfer in rig.state.transfers] == ["sending", "sending", "queued"]
    assert rig.files.log == ["add a.gguf", "add b.gguf"]
    rig.files.gate.set()
    await rig.idle()
    assert rig.models(TAB) == ["a.gguf", "b.gguf", "c.gguf"]
    assert {transfer.phase for transfer in rig.state.transfers} == {"done"}


async def test_a_transfer_that_is_cancelled_leaves_nothing_and_lets_the_next_one_go():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    files = (gguf("a.gguf"), gguf("b.gguf"), gguf("c.gguf"))
    rig.press("models.add.save", files=files, values={"destination": TAB})
    await rig.until(lambda: len(rig.state.transfers) == 3 and rig.transfer("b.gguf").sent == 500)
    rig.press("transfer.cancel", rig.transfer("a.gguf").id)
    await rig.until(lambda: rig.transfer("a.gguf").phase == "cancelled" and rig.transfer("c.gguf").sent == 500)
    rig.files.gate.set()
    await rig.idle()
    assert (rig.transfer("c.gguf").phase, rig.models(TAB), rig.alerts) == ("done", ["b.gguf", "c.gguf"], [])


async def test_a_transfer_that_waits_can_be_cancelled():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    files = (gguf("a.gguf"), gguf("b.gguf"), gguf("c.gguf"))
    rig.press("models.add.save", files=files, values={"destination": TAB})
    await rig.until(lambda: len(rig.state.transfers) == 3)
    rig.press("transfer.cancel", rig.transfer("c.gguf").id)
    await rig.until(lambda: rig.transfer("c.gguf").phase == "cancelled")
    rig.files.gate.set()
    await rig.idle()
    assert rig.models(TAB) == ["a.gguf", "b.gguf"]


async def test_a_transfer_that_is_cancelled_in_the_moment_it_begins_is_cancelled():
    rig = Rig()
    await rig.start()
    await rig.do("models.add")

    def cancel(state: State) -> None:
        for transfer in state.transfers:
            if transfer.phase == "queued":
                rig.press("transfer.cancel", transfer.id)

    rig.app.store.subscribe(cancel)
    await rig.do("models.add.save", files=(gguf("a.gguf"),), values={"destination": TAB})
    assert rig.transfer("a.gguf").phase == "cancelled"
    assert rig.app.transfers == {}


async def test_a_transfer_that_has_ended_can_be_dismissed():
    rig = Rig()
    await rig.start()
    await add(rig, gguf("a.gguf"))
    await rig.do("transfer.dismiss", rig.transfer("a.gguf").id)
    assert rig.state.transfers == ()


async def test_cancelling_a_transfer_that_has_ended_does_nothing():
    rig = Rig()
    await rig.start()
    await add(rig, gguf("a.gguf"))
    await rig.do("transfer.cancel", rig.transfer("a.gguf").id)
    assert (rig.transfer("a.gguf").phase, rig.alerts) == ("done", [])


async def test_a_name_that_is_taken_is_refused_before_anything_is_sent():
    rig = Rig("a.gguf")
    await rig.start()
    await add(rig, gguf("a.gguf"), gguf("b.gguf"))
    assert rig.models(TAB) == ["a.gguf", "b.gguf"]
    assert rig.state.dialog is not None and rig.state.dialog.error is not None
    assert rig.state.dialog.error.message == "a.gguf is not added. A model of this name is there already."


async def test_a_name_that_another_tab_has_taken_meanwhile_fails_that_transfer_alone():
    rig = Rig()
    await rig.start()
    rig.files.files["a.gguf"] = 1000
    await add(rig, gguf("a.gguf"), gguf("b.gguf"))
    failed = rig.transfer("a.gguf")
    assert (failed.phase, rig.transfer("b.gguf").phase, rig.alerts) == ("failed", "done", [])
    assert failed.error is not None and "already" in failed.error.message and failed.error.advice
    assert rig.models(TAB) == ["a.gguf", "b.gguf"]


async def test_a_defect_fails_the_transfer_and_is_an_alert(monkeypatch, capsys):
    rig = Rig()
    await rig.start()

    async def defect(*arguments: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(rig.files, "add", defect)
    await add(rig, gguf("a.gguf"))
    assert rig.transfer("a.gguf").phase == "failed"
    assert rig.alerts == ["ModelTab met an error that it did not expect."]
    assert "a defect" in capsys.readouterr().err


async def test_the_speed_and_the_time_left_are_told_while_a_file_goes():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    seen: list[float | None] = []
    rig.app.store.subscribe(lambda state: seen.append(state.transfers[0].rate if state.transfers else None))
    rig.app.store.subscribe(lambda state: setattr(rig.clock, "now", rig.clock.now + 1))
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"),), values={"destination": TAB})
    await rig.until(lambda: bool(rig.state.transfers) and rig.transfer("a.gguf").sent == 500)
    rig.files.gate.set()
    await rig.idle()
    assert any(rate for rate in seen)
    assert rig.transfer("a.gguf").rate is None


# ---- What is a model -------------------------------------------------------------------------------------------------


async def test_a_bin_file_that_is_gguf_is_added_under_its_new_name_and_chosen():
    rig = Rig()
    await rig.start()
    await add(rig, gguf("old.bin"))
    assert (rig.models(TAB), rig.state.settings.model) == (["old.gguf"], f"{TAB}/old.gguf")
    assert rig.transfer("old.gguf").phase == "done"


async def test_a_file_that_is_no_model_is_refused_before_a_byte_is_sent():
    rig = Rig()
    await rig.start()
    await add(rig, MemoryFile("photo.bin", b"\x89PNG\r\n\x1a\n" + bytes(100)), gguf("a.gguf"))
    assert (rig.files.log, rig.models(TAB)) == (["add a.gguf", "added a.gguf"], ["a.gguf"])
    assert rig.state.dialog is not None and rig.state.dialog.error is not None
    assert rig.state.dialog.error.message.startswith("photo.bin is not added.")
    assert [candidate.name for candidate in rig.state.candidates] == ["photo.bin"]


# ---- To a server -----------------------------------------------------------------------------------------------------


async def test_a_file_goes_to_the_server_and_is_listed_there(echo, tmp_path):
    rig = Rig(url=echo.url)
    await rig.start()
    await add(rig, on_disk(tmp_path, "a.bin"), to=SERVER)
    assert rig.models(SERVER) == ["a.gguf"]
    assert (echo.folder / "a.gguf").read_bytes() == (tmp_path / "a.bin").read_bytes()
    assert rig.transfer("a.gguf").phase == "done"


async def test_a_name_that_the_server_has_fails_with_its_words(echo, tmp_path):
    rig = Rig(url=echo.url)
    await rig.start()
    (echo.folder / "a.gguf").write_bytes(small_gguf())
    await add(rig, on_disk(tmp_path, "a.gguf"), to=SERVER)
    failed = rig.transfer("a.gguf")
    assert failed.error is not None and failed.error.message == "File already exists."


async def test_after_a_failure_the_list_is_read_again(scripted, tmp_path):
    scripted.on("GET", "/health", json_reply({"status": "healthy", "service": "S", "version": "1"}))
    scripted.on("GET", "/models", json_reply({"models": [], "count": 0}))
    scripted.on("GET", "/cache/status", json_reply({"cached_models": [], "count": 0}))
    rig = Rig(url=scripted.url)
    await rig.start()
    scripted.on("POST", "/models", Reply(drop_upload_after=1000))
    scripted.on("GET", "/models", json_reply({"models": [{"name": "there.gguf"}], "count": 1}))
    await add(rig, on_disk(tmp_path, "a.gguf", small_gguf(4_000_000)), to=SERVER)
    failed = rig.transfer("a.gguf")
    assert failed.phase == "failed"
    assert failed.error is not None and "No answer" in failed.error.message
    assert rig.models(SERVER) == ["there.gguf"]
    assert rig.alerts == []


async def test_a_transfer_to_a_server_that_is_cancelled_leaves_nothing_there(echo, tmp_path):
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.add")
    file = on_disk(tmp_path, "a.gguf", small_gguf(50_000_000))
    rig.press("models.add.save", files=(file,), values={"destination": SERVER})
    await rig.until(lambda: bool(rig.state.transfers) and rig.transfer("a.gguf").sent > 0)
    await rig.do("transfer.cancel", rig.transfer("a.gguf").id)
    assert rig.transfer("a.gguf").phase == "cancelled"
    await rig.until(lambda: not any(echo.folder.iterdir()))
    await rig.do("models.sync")
    assert rig.models(SERVER) == []


async def test_a_transfer_to_a_connection_that_was_removed_meanwhile_fails_in_words():
    rig = Rig(url="http://127.0.0.1:1/api/v1")
    await rig.start()
    await rig.do("models.add")
    seen = asyncio.Event()
    rig.app.store.subscribe(lambda state: seen.set() if state.transfers else None)
    rig.press("models.add.save", files=(gguf("a.gguf"),), values={"destination": SERVER})
    await seen.wait()
    rig.press("connection.remove", SERVER)
    await rig.idle()
    failed = rig.transfer("a.gguf")
    assert (failed.phase, rig.alerts) == ("failed", [])
    assert failed.error is not None and "no longer exists" in failed.error.message


# ---- The starter model -----------------------------------------------------------------------------------------------


async def test_the_starter_model_comes_into_the_tab_and_is_chosen():
    rig = Rig()
    await rig.start()
    await rig.do("starter.add")
    assert (rig.models(TAB), rig.state.settings.model) == ([STARTER.name], f"{TAB}/{STARTER.name}")


async def test_pressed_again_while_it_comes_the_starter_model_comes_once():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    rig.press("starter.add")
    await rig.until(lambda: bool(rig.files.log))
    rig.press("starter.add")
    rig.files.gate.set()
    await rig.idle()
    assert len(rig.state.transfers) == 1


async def test_a_starter_model_that_is_there_is_only_chosen():
    rig = Rig(STARTER.name, "mine.gguf")
    await rig.start(f"{TAB}/mine.gguf")
    await rig.do("starter.add")
    assert (rig.state.transfers, rig.state.settings.model) == ((), f"{TAB}/{STARTER.name}")


async def test_a_starter_model_that_failed_can_be_fetched_again():
    rig = Rig()
    await rig.start()
    rig.starter = MemoryFile(STARTER.name, b"<html>404</html>")
    await rig.do("starter.add")
    assert rig.state.transfers[0].phase == "failed"
    rig.starter = MemoryFile(STARTER.name, b"GGUF")
    await rig.do("starter.add")
    assert rig.models(TAB) == [STARTER.name]


# ---- Pause, resume, retry, reorder -----------------------------------------------------------------------------------


async def paused(rig: Rig, *names: str) -> None:
    """Begins to add files, pauses the first one, and lets the others end."""
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.save", files=tuple(map(gguf, names)), values={"destination": TAB})
    await rig.until(lambda: bool(rig.state.transfers) and rig.transfer(names[0]).sent == 500)
    rig.press("transfer.pause", rig.transfer(names[0]).id)
    await rig.until(lambda: rig.transfer(names[0]).phase == "paused")
    rig.files.gate.set()
    await rig.idle()


async def test_a_paused_transfer_keeps_what_has_arrived_and_goes_on_when_it_is_resumed():
    rig = Rig()
    await rig.start()
    await paused(rig, "a.gguf")
    assert (rig.transfer("a.gguf").sent, list(rig.files.parts), rig.models(TAB)) == (500, ["a.gguf"], [])
    await rig.do("transfer.resume", rig.transfer("a.gguf").id)
    assert (rig.transfer("a.gguf").phase, rig.models(TAB), rig.files.parts) == ("done", ["a.gguf"], {})


async def test_a_paused_transfer_holds_up_no_other_one():
    rig = Rig()
    await rig.start()
    await paused(rig, "a.gguf", "b.gguf", "c.gguf")
    assert rig.models(TAB) == ["b.gguf", "c.gguf"]


async def test_a_paused_transfer_that_is_cancelled_gives_its_room_back():
    rig = Rig()
    await rig.start()
    await paused(rig, "a.gguf")
    await rig.do("transfer.cancel", rig.transfer("a.gguf").id)
    assert (rig.transfer("a.gguf").phase, rig.files.parts) == ("cancelled", {})


async def test_a_cancelled_transfer_gives_its_room_back():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    rig.press("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"),), values={"destination": TAB})
    await rig.until(lambda: bool(rig.state.transfers) and rig.transfer("a.gguf").sent == 500)
    rig.press("transfer.cancel", rig.transfer("a.gguf").id)
    await rig.until(lambda: rig.files.log[-1] == "discard a.gguf")
    assert rig.files.parts == {}
    rig.files.gate.set()  # or the list of models would wait for it, too


async def test_a_transfer_that_waits_can_be_paused_and_takes_its_turn_when_it_is_resumed():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    rig.press("models.add")
    files = (gguf("a.gguf"), gguf("b.gguf"), gguf("c.gguf"))
    rig.press("models.add.save", files=files, values={"destination": TAB})
    await rig.until(lambda: len(rig.state.transfers) == 3)
    rig.press("transfer.pause", rig.transfer("c.gguf").id)
    rig.files.gate.set()
    await rig.idle()
    assert (rig.transfer("c.gguf").phase, rig.models(TAB)) == ("paused", ["a.gguf", "b.gguf"])
    await rig.do("transfer.resume", rig.transfer("c.gguf").id)
    assert rig.models(TAB) == ["a.gguf", "b.gguf", "c.gguf"]


async def test_of_the_transfers_that_wait_one_can_be_moved_up():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    rig.press("models.add")
    files = tuple(gguf(f"{name}.gguf") for name in "abcd")
    rig.press("models.add.save", files=files, values={"destination": TAB})
    await rig.until(lambda: len(rig.state.transfers) == 4)
    rig.press("transfer.up", rig.transfer("d.gguf").id)
    assert [transfer.name for transfer in rig.state.transfers] == ["a.gguf", "b.gguf", "d.gguf", "c.gguf"]
    rig.press("transfer.up", rig.transfer("d.gguf").id)  # it is the first of those that wait
    assert [transfer.name for transfer in rig.state.transfers] == ["a.gguf", "b.gguf", "d.gguf", "c.gguf"]
    rig.files.gate.set()
    await rig.idle()


async def test_what_failed_can_be_tried_again():
    rig = Rig()
    await rig.start()
    rig.files.files["a.gguf"] = 1000
    await add(rig, gguf("a.gguf"))
    assert rig.transfer("a.gguf").phase == "failed"
    rig.files.files.clear()
    await rig.do("transfer.resume", rig.transfer("a.gguf").id)
    assert (rig.transfer("a.gguf").phase, rig.models(TAB)) == ("done", ["a.gguf"])


async def test_a_transfer_that_a_reload_broke_off_is_there_again_and_goes_on_from_the_web():
    rig = Rig()
    url = "https://files.example/a.gguf"
    rig.files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300, (url,), '"etag"')
    rig.web[url] = gguf("a.gguf")
    await rig.start()
    await find_unfinished(rig.app)
    transfer = rig.transfer("a.gguf")
    assert (transfer.phase, transfer.sent, transfer.needs_file) == ("paused", 300, False)
    await rig.do("transfer.resume", transfer.id)
    assert rig.models(TAB) == ["a.gguf"]


async def test_a_transfer_from_this_machine_that_a_reload_broke_off_wants_its_file_again():
    rig = Rig()
    rig.files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    await rig.start()
    await find_unfinished(rig.app)
    transfer = rig.transfer("a.gguf")
    assert transfer.needs_file
    await rig.do("transfer.resume", transfer.id)
    assert rig.transfer("a.gguf").phase == "paused"
    await rig.do("transfer.file", transfer.id, files=(gguf("other.gguf", 2000),))
    assert rig.alerts == ["other.gguf is not the file that was being added: it has another size."]
    await rig.do("transfer.file", transfer.id, files=(gguf("a.gguf"),))
    assert rig.models(TAB) == ["a.gguf"]


async def test_a_file_that_is_added_again_goes_on_in_place_of_its_broken_transfer():
    rig = Rig()
    rig.files.parts["a.gguf"] = Unfinished("a.gguf", 1000, 300)
    await rig.start()
    await find_unfinished(rig.app)
    await add(rig, gguf("a.gguf"))
    assert (rig.transfer("a.gguf").phase, rig.models(TAB)) == ("done", ["a.gguf"])

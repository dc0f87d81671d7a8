"""Model files on their way: queued, sent, cancelled, refused, renamed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from modeltab.actions.onboarding import model_file_name
from modeltab.domain.catalogue import STARTER
from modeltab.domain.errors import NotAModel
from tests.servers.scripted import Reply, json_reply
from tests.servers.transport import PathFile
from tests.unit.fakes import MemoryFile
from tests.unit.rig import SERVER, TAB, Rig


def gguf(name: str, size: int = 1000) -> MemoryFile:
    """A file that begins as a model does."""
    return MemoryFile(name, b"GGUF" + bytes(size - 4))


def on_disk(folder: Path, name: str, content: bytes = b"GGUF" + bytes(996)) -> PathFile:
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
    assert rig.state.dialog.note == "a.gguf (1.5 kB), b.gguf (2.5 kB)"
    await rig.do("models.add.save", values={"destination": TAB})
    assert rig.models(TAB) == ["a.gguf", "b.gguf"]


async def test_files_that_are_chosen_are_named_in_the_dialog():
    rig = Rig()
    await rig.start()
    await rig.do("models.add")
    await rig.do("models.add.files", files=(gguf("a.gguf"),), values={"destination": TAB})
    assert rig.state.dialog is not None and rig.state.dialog.note == "a.gguf (1.0 kB)"


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


async def test_files_to_the_same_place_go_one_at_a_time_and_the_others_wait():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"), gguf("b.gguf"), gguf("c.gguf")), values={"destination": TAB})
    await rig.until(lambda: rig.transfer("a.gguf").sent == 500)
    assert [transfer.phase for transfer in rig.state.transfers] == ["sending", "queued", "queued"]
    assert rig.files.log == ["add a.gguf"]
    rig.files.gate.set()
    await rig.idle()
    order = [f"{step} {name}.gguf" for name in "abc" for step in ("add", "added")]
    assert rig.files.log == order
    assert {transfer.phase for transfer in rig.state.transfers} == {"done"}


async def test_files_to_different_places_go_at_the_same_time(echo, tmp_path):
    rig = Rig(url=echo.url)
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"),), values={"destination": TAB})
    await rig.until(lambda: rig.transfer("a.gguf").phase == "sending")
    rig.press("models.add")
    rig.press("models.add.save", files=(on_disk(tmp_path, "b.gguf"),), values={"destination": SERVER})
    await rig.until(lambda: rig.transfer("b.gguf").phase == "done")
    assert rig.transfer("a.gguf").phase == "sending"
    rig.files.gate.set()
    await rig.idle()


async def test_a_transfer_that_is_cancelled_leaves_nothing_and_lets_the_next_one_go():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"), gguf("b.gguf")), values={"destination": TAB})
    await rig.until(lambda: rig.transfer("a.gguf").sent == 500)
    rig.press("transfer.cancel", rig.transfer("a.gguf").id)
    await rig.until(lambda: rig.transfer("a.gguf").phase == "cancelled")
    rig.files.gate.set()
    await rig.idle()
    assert rig.files.log == ["add a.gguf", "cancelled a.gguf", "add b.gguf", "added b.gguf"]
    assert (rig.transfer("b.gguf").phase, rig.models(TAB), rig.alerts) == ("done", ["b.gguf"], [])


async def test_a_transfer_that_waits_can_be_cancelled():
    rig = Rig()
    await rig.start()
    rig.files.gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"), gguf("b.gguf")), values={"destination": TAB})
    await rig.until(lambda: rig.transfer("a.gguf").sent == 500)
    rig.press("transfer.cancel", rig.transfer("b.gguf").id)
    await rig.until(lambda: rig.transfer("b.gguf").phase == "cancelled")
    rig.files.gate.set()
    await rig.idle()
    assert rig.models(TAB) == ["a.gguf"]


async def test_a_transfer_that_is_cancelled_in_the_moment_it_begins_is_cancelled():
    rig = Rig()
    await rig.start()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"),), values={"destination": TAB})
    rig.press("transfer.cancel", rig.transfer("a.gguf").id)
    await rig.idle()
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


async def test_a_name_that_is_taken_fails_that_transfer_alone():
    rig = Rig("a.gguf")
    await rig.start()
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
    await rig.until(lambda: rig.transfer("a.gguf").sent == 500)
    rig.files.gate.set()
    await rig.idle()
    assert any(rate for rate in seen)
    assert rig.transfer("a.gguf").rate is None


# ---- What is a model -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a.gguf", "a.gguf"),
        ("A.GGUF", "A.GGUF"),
        ("gpt4all.bin", "gpt4all.gguf"),
        ("Model.Q4.BIN", "Model.Q4.gguf"),
        ("model", "model.gguf"),
        ("model.q4_0", "model.q4_0.gguf"),
        (".bin", ".gguf"),
    ],
)
async def test_a_file_that_begins_as_gguf_is_stored_under_a_name_that_ends_so(name, stored):
    assert await model_file_name(gguf(name)) == stored


@pytest.mark.parametrize("content", [b"GGU", b"ggml" + bytes(100), b"lmgg" + bytes(100), b"PK\3\4", b"<html>", b"\0GGUF"])
async def test_a_file_that_does_not_begin_as_gguf_is_refused_whatever_its_name(content):
    with pytest.raises(NotAModel, match="is not a GGUF file") as caught:
        await model_file_name(MemoryFile("a.gguf", content))
    assert caught.value.advice


async def test_an_empty_file_is_refused_as_empty():
    with pytest.raises(NotAModel, match=r"a\.gguf is empty"):
        await model_file_name(MemoryFile("a.gguf", b""))


async def test_a_bin_file_that_is_gguf_is_added_under_its_new_name_and_chosen():
    rig = Rig()
    await rig.start()
    await add(rig, gguf("old.bin"))
    assert (rig.models(TAB), rig.state.settings.model) == (["old.gguf"], f"{TAB}/old.gguf")
    assert rig.transfer("old.gguf").phase == "done"


async def test_a_file_that_is_no_model_is_refused_before_a_byte_is_sent():
    rig = Rig()
    await rig.start()
    await add(rig, MemoryFile("photo.bin", b"\x89PNG"))
    failed = rig.transfer("photo.bin")
    assert (failed.phase, failed.sent, rig.files.log) == ("failed", 0, [])
    assert failed.error is not None and "photo.bin is not a GGUF file." in failed.error.message


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
    file = on_disk(tmp_path, "a.gguf")
    await add(rig, file, to=SERVER)
    await rig.do("transfer.dismiss", rig.transfer("a.gguf").id)
    await add(rig, file, to=SERVER)
    failed = rig.transfer("a.gguf")
    assert failed.error is not None and failed.error.message == "File already exists."
    assert rig.models(SERVER) == ["a.gguf"]


async def test_after_a_failure_the_list_is_read_again(scripted, tmp_path):
    scripted.on("GET", "/health", json_reply({"status": "healthy", "service": "S", "version": "1"}))
    scripted.on("GET", "/models", json_reply({"models": [], "count": 0}))
    scripted.on("GET", "/cache/status", json_reply({"cached_models": [], "count": 0}))
    rig = Rig(url=scripted.url)
    await rig.start()
    scripted.on("POST", "/models", Reply(drop_upload_after=1000))
    scripted.on("GET", "/models", json_reply({"models": [{"name": "there.gguf"}], "count": 1}))
    await add(rig, on_disk(tmp_path, "a.gguf", b"GGUF" + bytes(4_000_000)), to=SERVER)
    failed = rig.transfer("a.gguf")
    assert failed.phase == "failed"
    assert failed.error is not None and "No answer" in failed.error.message
    assert rig.models(SERVER) == ["there.gguf"]
    assert rig.alerts == []


async def test_a_transfer_to_a_server_that_is_cancelled_leaves_nothing_there(echo, tmp_path):
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.add")
    file = on_disk(tmp_path, "a.gguf", b"GGUF" + bytes(50_000_000))
    rig.press("models.add.save", files=(file,), values={"destination": SERVER})
    await rig.until(lambda: rig.transfer("a.gguf").sent > 0)
    await rig.do("transfer.cancel", rig.transfer("a.gguf").id)
    assert rig.transfer("a.gguf").phase == "cancelled"
    await rig.until(lambda: not any(echo.folder.iterdir()))
    await rig.do("models.sync")
    assert rig.models(SERVER) == []


async def test_a_transfer_to_a_connection_that_was_removed_meanwhile_fails_in_words():
    rig = Rig(url="http://127.0.0.1:1/api/v1")
    await rig.start()
    await rig.do("models.add")
    rig.press("models.add.save", files=(gguf("a.gguf"),), values={"destination": SERVER})
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

"""The dialog "Add model": what was chosen or named, looked at before anything goes; repositories, addresses, the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, Unreachable
from modeltab.files.shards import ShardSet
from modeltab.files.values import Inspection
from modeltab.providers.base import HttpRequest, ModelFile, OnBytes
from modeltab.sources.address import HUGGING_FACE, resolve_url
from modeltab.state.machine import Storage
from tests.servers.hugging_face import HubRepository, HubServer, hub
from tests.servers.model_files import small_gguf
from tests.servers.ollama import OllamaModel, OllamaServer, ollama_server
from tests.servers.transport import PathFile, RealResponse, RealTransport
from tests.unit.fakes import MemoryFile
from tests.unit.gguf_files import tiny_llama
from tests.unit.legacy_files import legacy_llama
from tests.unit.rig import SERVER, TAB, Rig

REPO = "user/Tiny-GGUF"
SMALL, LARGE = small_gguf(2000), small_gguf(3000)
REPOSITORIES = {
    REPO: HubRepository({"README.md": b"#", "Tiny-Q4_K_M.gguf": SMALL, "Tiny-Q8_0.gguf": LARGE}, downloads=1234),
    "user/One": HubRepository({"one-Q4_0.gguf": SMALL}, licence=""),
    "user/Gated": HubRepository({"g-Q4_0.gguf": SMALL}, gated="manual", licence="llama3.2"),
    "user/Weights": HubRepository({"model.safetensors": b"x"}),
}


def gguf(name: str, size: int = 1000, architecture: str = "llama") -> MemoryFile:
    """A small model."""
    return MemoryFile(name, small_gguf(size, architecture))


class GatedFile(MemoryFile):
    """A file whose first read waits until the gate is open."""

    def __init__(self, name: str, content: bytes, gate: asyncio.Event) -> None:
        super().__init__(name, content)
        self.gate = gate

    async def read(self, start: int, end: int) -> bytes:
        """The bytes, once they may be read."""
        await self.gate.wait()
        return await super().read(start, end)


class UnreadableFile(MemoryFile):
    """A file that was taken away after it was chosen."""

    async def read(self, start: int, end: int) -> bytes:
        """Not to be had."""
        raise BadRequest(f"{self.name} can no longer be read.", "Choose it again.")


class HubTransport(RealTransport):
    """Asks the scripted Hub where the app asks huggingface.co, and nobody when `offline`. `gate` holds what it was told."""

    def __init__(self, server: HubServer) -> None:
        self.server = server
        self.offline = False
        self.gate: asyncio.Event | None = None
        self.asked: list[str] = []

    async def send(self, request: HttpRequest) -> RealResponse:
        """The Hub's answer."""
        self.asked.append(request.url)
        if self.offline:
            raise Unreachable("No answer.", "", request.url)
        response = await super().send(request._replace(url=request.url.replace(HUGGING_FACE, self.server.base_url)))
        if self.gate:
            await self.gate.wait()
        return response

    async def upload(
        self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes, headers: Mapping[str, str] = {}
    ) -> RealResponse:
        """Not part of what is tested with it."""
        raise NotImplementedError


class Desk(Rig):
    """An app whose web has the scripted Hub, and that tells of the dialog."""

    def __init__(self, server: HubServer, *models: str, url: str = "") -> None:
        self.hub = HubTransport(server)
        super().__init__(*models, url=url, transport=self.hub)
        for repo, repository in server.repositories.items():
            for path, content in repository.files.items():
                self.web[resolve_url(repo, path)] = MemoryFile(path, content)

    async def look(self, source: str, to: str = TAB) -> None:
        """Types an address and presses "Look up"."""
        if self.state.dialog is None:
            await self.do("models.add")
        await self.do("models.add.look", values={"destination": to, "source": source})


def error(rig: Rig) -> str:
    """The error in the dialog with its advice, empty without one."""
    record = rig.state.dialog.error if rig.state.dialog else None
    return f"{record.message} {record.advice}" if record else ""


def waiting(rig: Rig) -> list[str]:
    """The names of the candidates."""
    return [candidate.name for candidate in rig.state.candidates]


@pytest.fixture
def server():
    """A Hub."""
    with hub(REPOSITORIES) as running:
        yield running


@pytest.fixture
def desk(server):
    """An app with that Hub."""
    return Desk(server)


@pytest.fixture
def ollama():
    """An Ollama that can pull a model."""
    with ollama_server(registry={"llama3.2:1b": OllamaModel(size=4000)}) as running:
        yield running


def with_ollama(rig: Rig, server: OllamaServer) -> None:
    """Connects it."""
    rig.connect(Connection("o", "ollama", "My Ollama", server.url))


def shards(folder: Path) -> list[PathFile]:
    """A model in parts."""
    tiny_llama(folder / "tiny.gguf", split_max_tensors=8)
    return [PathFile(path) for path in sorted(folder.glob("tiny-*.gguf"))]


async def choose(rig: Rig, *files: MemoryFile | PathFile, to: str = TAB) -> None:
    """Opens the dialog and chooses files in it."""
    await rig.do("models.add")
    await rig.do("models.add.files", files=files, values={"destination": to})


async def press_add(rig: Rig, to: str = TAB, source: str = "") -> None:
    """Presses Add and waits for all that follows."""
    await rig.do("models.add.save", values={"destination": to, "source": source})


# ---- Files of this machine -------------------------------------------------------------------------------------------


async def test_of_a_folder_only_what_may_be_a_model_is_looked_at():
    rig = Rig()
    await rig.start()
    blob = MemoryFile("sha256-" + "0" * 64, small_gguf())
    files = (MemoryFile("README.md", "#"), gguf("a.GGUF"), MemoryFile("notes.txt", "x"), gguf("old.bin"), blob)
    await choose(rig, *files)
    assert waiting(rig) == ["a.GGUF", "old.bin", blob.name]


async def test_a_folder_in_which_no_name_is_a_models_is_told_file_by_file():
    rig = Rig()
    await rig.start()
    await choose(rig, MemoryFile("a.md", "#"), MemoryFile("b.txt", "words"))
    assert waiting(rig) == ["a.md", "b.txt"]
    assert all(candidate.reason for candidate in rig.state.candidates)


async def test_files_that_are_chosen_take_the_place_of_those_before_but_not_of_what_was_looked_up(desk):
    await desk.start()
    await desk.look("user/One")
    for name in ("a.gguf", "b.gguf"):
        await desk.do("models.add.files", files=(gguf(name),), values={"destination": TAB, "source": "user/One"})
    assert waiting(desk) == ["one-Q4_0.gguf", "b.gguf"]


async def test_files_that_are_dropped_on_the_open_dialog_join_those_in_it():
    rig = Rig()
    await rig.start()
    await choose(rig, gguf("a.gguf"))
    await rig.do("models.add", files=(gguf("b.gguf"),))
    assert waiting(rig) == ["a.gguf", "b.gguf"]


async def test_what_can_be_added_goes_and_what_cannot_stays_with_its_reason():
    rig = Rig("there.gguf")
    await rig.start()
    photo = MemoryFile("photo.bin", b"\x89PNG\r\n\x1a\n" + bytes(100))
    await choose(rig, gguf("a.gguf"), photo, gguf("b.gguf"), gguf("there.gguf"))
    await press_add(rig)
    assert rig.models(TAB) == ["there.gguf", "a.gguf", "b.gguf"]
    assert waiting(rig) == ["photo.bin", "there.gguf"]
    assert error(rig).startswith("photo.bin is not added. ")
    assert "One more is not added either." in error(rig)
    assert rig.state.dialog is not None and not rig.state.dialog.busy


async def test_what_stayed_can_be_removed_and_the_dialog_used_again():
    rig = Rig("there.gguf")
    await rig.start()
    await choose(rig, gguf("there.gguf"), gguf("a.gguf"))
    (first, second) = rig.state.candidates
    await rig.do("models.add.remove", first.id)
    assert (waiting(rig), list(rig.app.candidates)) == (["a.gguf"], [second.id])
    await press_add(rig)
    assert (rig.models(TAB), rig.state.dialog) == (["there.gguf", "a.gguf"], None)


async def test_a_file_that_can_no_longer_be_read_says_so():
    rig = Rig()
    await rig.start()
    await choose(rig, UnreadableFile("gone.gguf", b""))
    await press_add(rig)
    assert error(rig) == "gone.gguf is not added. gone.gguf can no longer be read. Choose it again."
    assert rig.alerts == []


async def test_add_waits_for_what_is_still_being_looked_at():
    rig = Rig()
    await rig.start()
    gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.files", files=(GatedFile("a.gguf", small_gguf(), gate),), values={"destination": TAB})
    rig.press("models.add.save", values={"destination": TAB})
    await rig.until(lambda: rig.state.dialog is not None and rig.state.dialog.busy)
    assert (rig.state.transfers, rig.state.candidates[0].item) == ((), None)
    gate.set()
    await rig.idle()
    assert (rig.models(TAB), rig.state.dialog) == (["a.gguf"], None)


@pytest.mark.parametrize("pressed", [False, True])
async def test_a_dialog_that_is_closed_while_files_are_looked_at_adds_nothing(pressed):
    rig = Rig()
    await rig.start()
    gate = asyncio.Event()
    await rig.do("models.add")
    rig.press("models.add.files", files=(GatedFile("a.gguf", small_gguf(), gate),), values={"destination": TAB})
    await rig.until(lambda: bool(rig.app.looking))
    if pressed:
        rig.press("models.add.save", values={"destination": TAB})
    await rig.until(lambda: bool(rig.state.dialog and rig.state.dialog.busy) == pressed)
    rig.press("dialog.close")
    gate.set()
    await rig.idle()
    assert (rig.state.transfers, rig.state.candidates, rig.state.dialog, rig.alerts) == ((), (), None, [])


async def test_what_is_removed_while_it_is_looked_at_does_not_come_back():
    rig = Rig()
    await rig.start()
    gate = asyncio.Event()
    await rig.do("models.add")
    files = (gguf("a.gguf"), GatedFile("b.gguf", small_gguf(), gate))
    rig.press("models.add.files", files=files, values={"destination": TAB})
    await rig.until(lambda: bool(rig.state.candidates) and rig.state.candidates[0].item is not None)
    rig.press("models.add.remove", rig.state.candidates[1].id)
    gate.set()
    await rig.idle()
    assert (waiting(rig), rig.alerts) == (["a.gguf"], [])


async def test_a_file_larger_than_the_storage_that_is_left_is_refused():
    rig = Rig()
    await rig.start()
    rig.app.update(storage=Storage(used=900, quota=1000))
    await choose(rig, gguf("a.gguf"))
    await press_add(rig)
    assert error(rig).startswith("a.gguf is not added. There is room for 100 bytes more; the file takes 1.0 kB.")


async def test_an_architecture_that_the_tab_does_not_know_goes_only_to_a_server(echo, tmp_path):
    rig = Rig(url=echo.url)
    await rig.start()
    path = tmp_path / "a.gguf"
    path.write_bytes(small_gguf(architecture="novel"))
    await choose(rig, PathFile(path))
    await press_add(rig)
    assert "does not know the architecture “novel”" in error(rig)
    await press_add(rig, to=SERVER)
    assert (rig.models(TAB), rig.models(SERVER)) == ([], ["a.gguf"])


async def test_a_legacy_file_becomes_gguf_on_the_way():
    rig = Rig()
    await rig.start()
    await choose(rig, MemoryFile("old.bin", legacy_llama()))
    (candidate,) = rig.state.candidates
    assert isinstance(candidate.item, Inspection) and candidate.item.format == "GGJT 3"
    await press_add(rig)
    stored = rig.files.contents["old.gguf"]
    assert (await stored.read(0, 4), rig.files.files["old.gguf"]) == (b"GGUF", stored.size)
    assert stored.size != candidate.size


async def test_a_model_that_cannot_be_put_together_is_refused_and_the_next_one_goes(monkeypatch):
    rig = Rig()
    await rig.start()

    def refuse(*arguments: object) -> MemoryFile:
        raise BadRequest("It would have to be put together.", "Download it first.")

    monkeypatch.setattr(rig.app, "compose", refuse)
    await choose(rig, MemoryFile("old.bin", legacy_llama()), gguf("a.gguf"))
    await press_add(rig)
    assert error(rig) == "old.bin is not added. It would have to be put together. Download it first."
    assert (waiting(rig), rig.models(TAB)) == (["old.bin"], ["a.gguf"])


# ---- Models in several files -----------------------------------------------------------------------------------------


async def test_parts_are_one_candidate_and_go_to_the_tab_as_they_are(tmp_path):
    rig = Rig()
    await rig.start()
    files = shards(tmp_path)
    await choose(rig, *reversed(files))
    (candidate,) = rig.state.candidates
    assert isinstance(candidate.item, ShardSet)
    assert (candidate.name, candidate.size) == ("tiny.gguf", sum(file.size for file in files))
    await press_add(rig)
    assert list(rig.files.files) == [file.name for file in files]
    assert rig.models(TAB) == [files[0].name]


async def test_a_model_in_parts_that_is_in_the_tab_already_is_refused(tmp_path):
    rig = Rig()
    await rig.start()
    files = shards(tmp_path)
    await choose(rig, *files)
    await press_add(rig)
    await choose(rig, *files)
    await press_add(rig)
    assert error(rig).startswith("tiny.gguf is not added. A model of this name is there already.")
    assert len(rig.state.transfers) == len(files)


async def test_a_missing_part_is_named_and_joins_when_it_is_dropped_later(tmp_path):
    rig = Rig()
    await rig.start()
    first, second, *others = shards(tmp_path)
    await choose(rig, first, *others)
    await press_add(rig)
    assert f"Part 2 of {2 + len(others)} is missing." in error(rig)
    assert rig.state.transfers == ()
    await rig.do("models.add", files=(second,))
    (candidate,) = rig.state.candidates
    assert candidate.reason is None
    assert [file.name for file in rig.app.candidates[candidate.id]] == [first.name, second.name, *(f.name for f in others)]
    await press_add(rig)
    assert (len(rig.files.files), rig.state.dialog) == (2 + len(others), None)


async def test_parts_go_to_a_server_that_takes_one_file_as_one(echo, tmp_path, monkeypatch):
    rig = Rig(url=echo.url)
    await rig.start()
    files = shards(tmp_path)
    composed = tmp_path / "one.gguf"

    def compose(parts, sources, name):
        pieces = [p if isinstance(p, bytes) else sources[p.file].path.read_bytes()[p.start : p.end] for p in parts]
        composed.write_bytes(b"".join(pieces))
        return PathFile(composed, name)

    monkeypatch.setattr(rig.app, "compose", compose)
    await choose(rig, *files, to=SERVER)
    await press_add(rig, to=SERVER)
    assert rig.models(SERVER) == ["tiny.gguf"]
    assert (echo.folder / "tiny.gguf").read_bytes() == composed.read_bytes()


# ---- Repositories ----------------------------------------------------------------------------------------------------


async def test_a_repository_with_several_models_shows_them_and_nothing_is_chosen(desk):
    await desk.start()
    await desk.look(REPO)
    choices = desk.state.choices
    assert choices is not None
    assert (choices.title, choices.busy) == (REPO, False)
    assert choices.notes == "licence: apache-2.0 · 1,234 downloads in the last month"
    assert [choice.name for choice in choices.models] == ["Tiny-Q4_K_M.gguf", "Tiny-Q8_0.gguf"]
    assert (waiting(desk), error(desk)) == ([], "")


async def test_while_a_repository_is_asked_the_dialog_is_busy(desk):
    await desk.start()
    await desk.do("models.add")
    desk.hub.gate = asyncio.Event()
    desk.press("models.add.look", values={"destination": TAB, "source": REPO})
    await desk.until(lambda: desk.state.choices is not None)
    assert desk.state.dialog is not None and desk.state.dialog.busy
    assert desk.state.choices is not None and desk.state.choices.busy
    desk.hub.gate.set()
    await desk.idle()
    assert desk.state.dialog is not None and not desk.state.dialog.busy


async def test_what_is_chosen_waits_as_it_is_and_choosing_again_takes_its_place(desk):
    await desk.start()
    await desk.look(REPO)
    await desk.do("models.add.choose", "Tiny-Q8_0.gguf")
    assert [(c.name, c.size, c.source) for c in desk.state.candidates] == [("Tiny-Q8_0.gguf", len(LARGE), REPO)]
    await desk.do("models.add.choose", "Tiny-Q4_K_M.gguf")
    assert waiting(desk) == ["Tiny-Q4_K_M.gguf"]
    asked = len(desk.hub.asked)
    await press_add(desk, source=REPO)
    assert (desk.models(TAB), len(desk.hub.asked)) == (["Tiny-Q4_K_M.gguf"], asked)
    assert await desk.files.contents["Tiny-Q4_K_M.gguf"].read(0, 5000) == SMALL


async def test_what_is_not_offered_cannot_be_chosen(desk):
    await desk.start()
    await desk.look(REPO)
    await desk.do("models.add.choose", "Other.gguf")
    assert waiting(desk) == []


async def test_the_only_model_of_a_repository_is_chosen_and_added_without_a_look_up(desk):
    await desk.start()
    await desk.do("models.add")
    await press_add(desk, source=" user/One ")
    assert (desk.models(TAB), desk.state.dialog) == (["one-Q4_0.gguf"], None)


async def test_of_a_repository_with_several_models_add_asks_for_a_choice(desk):
    await desk.start()
    await desk.do("models.add")
    await press_add(desk, source=REPO)
    assert error(desk).startswith("There are several models in this repository.")
    assert desk.state.choices is not None and len(desk.state.choices.models) == 2
    assert desk.state.transfers == ()


@pytest.mark.parametrize(
    "source", [f"{REPO}:Q8_0", f"{HUGGING_FACE}/{REPO}/blob/main/Tiny-Q8_0.gguf", f"{REPO}:tiny-q8_0.gguf"]
)
async def test_what_the_address_names_is_chosen(desk, source):
    await desk.start()
    await desk.look(source)
    assert waiting(desk) == ["Tiny-Q8_0.gguf"]


async def test_a_quantization_that_is_not_there_leaves_the_choice(desk):
    await desk.start()
    await desk.look(f"{REPO}:Q2_K")
    assert error(desk).startswith(f"{REPO} has no “Q2_K”.")
    assert desk.state.choices is not None and len(desk.state.choices.models) == 2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("user/Nothing", "Hugging Face has no repository user/Nothing"),
        ("user/Weights", "user/Weights has no GGUF files: its weights are safetensors."),
        ("two words", "does not say where a model is"),
        ("", "Nothing is typed."),
    ],
)
async def test_a_look_up_in_vain_says_why_in_the_dialog(desk, source, words):
    await desk.start()
    await desk.look(source)
    assert words in error(desk)
    assert (desk.state.choices, desk.alerts) == (None, [])
    assert desk.state.dialog is not None and not desk.state.dialog.busy


async def test_a_gated_repository_says_so_before_anything_is_fetched(desk):
    await desk.start()
    await desk.look("user/Gated")
    assert desk.state.choices is not None
    assert "licence: llama3.2 · its files are given only to people who have accepted its terms" in desk.state.choices.notes


async def test_offline_is_told_as_that(desk):
    await desk.start()
    desk.hub.offline = True
    await desk.look(REPO)
    assert error(desk).startswith("No answer from Hugging Face.")


async def test_a_look_up_that_ends_after_the_dialog_was_closed_is_not_in_the_next_one(desk):
    await desk.start()
    await desk.do("models.add")
    desk.hub.gate = asyncio.Event()
    desk.press("models.add.look", values={"destination": TAB, "source": "user/One"})
    await desk.until(lambda: desk.state.choices is not None)
    desk.press("dialog.close")
    assert desk.state.choices is None
    desk.press("models.add")
    desk.hub.gate.set()
    await desk.idle()
    assert (desk.state.choices, waiting(desk), error(desk), desk.alerts) == (None, [], "", [])


async def test_a_model_in_parts_waits_as_one(server, tmp_path):
    parts = {f"F16/{file.name}": file.path.read_bytes() for file in shards(tmp_path)}
    server.repositories["user/Parts"] = HubRepository(parts)
    desk = Desk(server)
    await desk.start()
    await desk.look("user/Parts")
    (candidate,) = desk.state.candidates
    assert (candidate.name, candidate.size, candidate.reason) == ("tiny.gguf", sum(map(len, parts.values())), None)


# ---- Addresses -------------------------------------------------------------------------------------------------------

URL = "https://files.example/models/a.gguf"


async def test_a_file_at_an_address_is_looked_at_and_added(desk):
    desk.web[URL] = gguf("a.gguf")
    await desk.start()
    await desk.look(URL)
    assert (waiting(desk), desk.state.choices, desk.hub.asked) == (["a.gguf"], None, [])
    await press_add(desk, source=URL)
    assert desk.models(TAB) == ["a.gguf"]


async def test_an_address_without_a_file_says_so(desk):
    await desk.start()
    await desk.look(URL)
    assert error(desk) == f"There is no file at {URL}. Check the address."


async def test_what_lies_at_an_address_and_is_no_model_is_refused(desk):
    desk.web[URL] = MemoryFile("a.gguf", "<!doctype html><title>Sign in</title>")
    await desk.start()
    await desk.do("models.add")
    await press_add(desk, source=URL)
    assert error(desk).startswith("a.gguf is not added. ")
    assert (waiting(desk), desk.models(TAB)) == (["a.gguf"], [])


async def test_a_server_that_takes_only_files_of_this_machine_says_how_it_gets_others(server, echo):
    desk = Desk(server, url=echo.url)
    await desk.start()
    desk.web[URL] = gguf("a.gguf")
    await desk.look(URL, to=SERVER)
    assert error(desk).startswith("Workshop takes files of this machine only. Add it to this tab first")
    await desk.look(URL)
    await press_add(desk, to=SERVER, source=URL)
    assert "a.gguf is not added. It takes files of this machine only" in error(desk)
    assert (waiting(desk), desk.state.transfers) == (["a.gguf"], ())


# ---- Ollama's names --------------------------------------------------------------------------------------------------


async def test_an_ollama_name_is_refused_for_the_tab_with_advice(desk):
    await desk.start()
    await desk.look("llama3.2:1b")
    assert error(desk).startswith("llama3.2:1b is a name of the Ollama library, which only an Ollama can bring.")
    assert "Choose a connection to Ollama" in error(desk)
    await press_add(desk, source="llama3.2:1b")
    assert (desk.state.transfers, desk.hub.asked) == ((), [])


async def test_an_ollama_name_is_downloaded_by_ollama(ollama):
    rig = Rig()
    with_ollama(rig, ollama)
    await rig.start()
    await rig.do("models.add")
    await press_add(rig, to="o", source="ollama run llama3.2:1b")
    assert (rig.transfer("llama3.2:1b").phase, rig.models("o"), rig.state.dialog) == ("done", ["llama3.2:1b"], None)
    assert rig.state.settings.model == "o/llama3.2:1b"


async def test_a_file_that_was_chosen_beside_a_name_of_the_library_goes_along(ollama):
    rig = Rig()
    with_ollama(rig, ollama)
    await rig.start()
    await rig.do("models.add", files=(gguf("a.gguf"),))
    await press_add(rig, to="o", source="llama3.2:1b")
    assert [transfer.name for transfer in rig.state.transfers] == ["llama3.2:1b", "a.gguf"]
    assert rig.state.dialog is None


async def test_a_file_that_cannot_go_along_stays_in_the_dialog_and_the_name_is_not_asked_for_twice(ollama):
    rig = Rig()
    with_ollama(rig, ollama)
    await rig.start()
    await rig.do("models.add", files=(MemoryFile("a.txt", "Words"),))
    await press_add(rig, to="o", source="llama3.2:1b")
    assert rig.state.dialog is not None
    assert error(rig).startswith("a.txt is not added.")
    assert rig.state.dialog.values["source"] == ""
    assert [transfer.name for transfer in rig.state.transfers] == ["llama3.2:1b"]


async def test_a_repository_is_downloaded_by_ollama_under_its_name_there(ollama):
    ollama.registry[f"hf.co/{REPO}:Q8_0"] = OllamaModel(size=4000)
    rig = Rig()
    with_ollama(rig, ollama)
    await rig.start()
    await rig.do("models.add")
    await press_add(rig, to="o", source=f"{HUGGING_FACE}/{REPO}:Q8_0")
    assert [transfer.name for transfer in rig.state.transfers] == [f"hf.co/{REPO}:Q8_0"]


async def test_a_name_of_a_registry_of_ones_own_goes_to_ollama_as_it_is(ollama):
    rig = Rig()
    with_ollama(rig, ollama)
    await rig.start()
    await rig.do("models.add")
    await press_add(rig, to="o", source="registry.example/team/models/tiny:1b x")
    assert [t.name for t in rig.state.transfers] == ["registry.example/team/models/tiny:1b x"]


async def test_a_file_at_an_address_does_not_go_to_ollama(ollama):
    rig = Rig()
    with_ollama(rig, ollama)
    rig.web[URL] = gguf("a.gguf")
    await rig.start()
    await rig.do("models.add")
    await press_add(rig, to="o", source=URL)
    assert "It takes files of this machine only" in error(rig)
    assert rig.state.transfers == ()


# ---- The catalogue ---------------------------------------------------------------------------------------------------

ENTRY = CatalogueEntry(
    name="Tiny-Q8_0.gguf",
    title="Tiny",
    size=len(LARGE),
    licence="MIT",
    sources=(resolve_url(REPO, "Tiny-Q8_0.gguf"),),
    sha256="0" * 64,
    repo=REPO,
)
UNSEEN = ENTRY._replace(size=0, sha256="", size_about=2900)


async def test_the_catalogue_is_read_once_when_the_dialog_opens(desk):
    desk.catalogue = (ENTRY,)
    await desk.start()
    assert desk.state.catalogue == ()
    await desk.do("models.add")
    desk.catalogue = ()
    await desk.do("dialog.close")
    await desk.do("models.add")
    assert desk.state.catalogue == (ENTRY,)


async def test_a_model_of_the_catalogue_comes_into_the_tab_without_asking_the_hub(desk):
    desk.catalogue = (ENTRY,)
    await desk.start()
    await desk.do("models.add")
    await desk.do("catalogue.add", ENTRY.name)
    assert (desk.models(TAB), desk.hub.asked, desk.state.settings.model) == ([ENTRY.name], [], f"{TAB}/{ENTRY.name}")


async def test_a_model_of_the_catalogue_that_is_there_is_chosen(server):
    desk = Desk(server, ENTRY.name, "mine.gguf")
    desk.catalogue = (ENTRY,)
    await desk.start(f"{TAB}/mine.gguf")
    await desk.do("models.add")
    await desk.do("catalogue.add", ENTRY.name)
    assert (desk.state.transfers, desk.state.settings.model) == ((), f"{TAB}/{ENTRY.name}")
    assert desk.state.status == "Tiny is chosen"


@pytest.mark.parametrize("entry", [ENTRY, UNSEEN])
async def test_a_model_of_the_catalogue_that_is_under_way_does_not_come_twice(desk, entry):
    desk.catalogue = (entry,)
    await desk.start()
    await desk.do("models.add")
    desk.files.gate = asyncio.Event()
    desk.press("catalogue.add", entry.name)
    desk.press("catalogue.add", entry.name)
    await desk.until(lambda: bool(desk.files.log) and len(desk.app._tasks) == 1)  # only the transfer goes on
    desk.press("catalogue.add", entry.name)
    desk.files.gate.set()
    await desk.idle()
    assert ([t.phase for t in desk.state.transfers], desk.files.log.count(f"add {entry.name}")) == (["done"], 1)
    assert len(desk.hub.asked) == (0 if entry.size else 2)


async def test_what_the_catalogue_does_not_know_of_a_file_the_hub_tells(desk):
    desk.catalogue = (UNSEEN,)
    await desk.start()
    await desk.do("models.add")
    await desk.do("catalogue.add", UNSEEN.name)
    assert (len(desk.hub.asked), desk.transfer(UNSEEN.name).size, desk.models(TAB)) == (1, len(LARGE), [UNSEEN.name])


@pytest.mark.parametrize("offline", [False, True])
async def test_a_model_of_the_catalogue_that_cannot_be_had_is_told(desk, offline):
    desk.catalogue = (UNSEEN._replace(name="Gone.gguf"),)
    await desk.start()
    await desk.do("models.add")
    desk.hub.offline = offline
    await desk.do("catalogue.add", "Gone.gguf")
    assert desk.alerts == ["No answer from Hugging Face." if offline else f"{REPO} no longer has Gone.gguf."]
    assert desk.state.transfers == ()


async def test_what_is_not_in_the_catalogue_is_no_error(desk):
    await desk.start()
    await desk.do("catalogue.add", "Other.gguf")
    assert (desk.alerts, desk.state.transfers) == ([], ())


# ---- Copies to another runtime ---------------------------------------------------------------------------------------


async def kept(rig: Rig, path: Path, content: bytes) -> None:
    """A model in the tab whose file is on disk, so that it can be sent."""
    path.write_bytes(content)
    rig.files.files[path.name] = len(content)
    rig.files.contents[path.name] = PathFile(path)
    await rig.start()


async def test_a_model_of_the_tab_is_copied_to_a_server(echo, tmp_path):
    rig = Rig(url=echo.url)
    await kept(rig, tmp_path / "a.gguf", small_gguf())
    await rig.do("model.copy.ask", f"{TAB}/a.gguf")
    await rig.do("model.copy", values={"to": SERVER})
    assert (rig.models(SERVER), rig.state.dialog, rig.state.candidates) == (["a.gguf"], None, ())
    assert (echo.folder / "a.gguf").read_bytes() == small_gguf()
    assert rig.models(TAB) == ["a.gguf"]


async def test_a_place_that_is_chosen_for_a_copy_is_kept_while_the_dialog_is_open():
    rig = Rig("a.gguf", url="http://127.0.0.1:1/api/v1")
    await rig.start()
    await rig.do("model.copy.ask", f"{TAB}/a.gguf")
    await rig.do("model.copy.to", values={"to": SERVER})
    assert rig.state.dialog is not None
    assert dict(rig.state.dialog.values) == {"name": "a.gguf-copy", "to": SERVER}


async def test_a_copy_that_the_server_has_already_is_refused_in_the_dialog(echo, tmp_path):
    (echo.folder / "a.gguf").write_bytes(small_gguf())
    rig = Rig(url=echo.url)
    await kept(rig, tmp_path / "a.gguf", small_gguf())
    await rig.do("models.sync")
    await rig.do("model.copy.ask", f"{TAB}/a.gguf")
    await rig.do("model.copy", values={"to": SERVER})
    assert error(rig).startswith("A model of this name is there already.")
    assert rig.state.transfers == ()


async def test_a_file_in_the_tab_that_is_no_model_is_not_copied(echo, tmp_path):
    rig = Rig(url=echo.url)
    await kept(rig, tmp_path / "a.gguf", bytes(1000))
    await rig.do("model.copy.ask", f"{TAB}/a.gguf")
    await rig.do("model.copy", values={"to": SERVER})
    assert error(rig)
    assert (rig.state.transfers, rig.alerts) == ((), [])


async def test_a_copy_from_a_connection_that_gives_no_files_back_is_refused(echo):
    rig = Rig(url=echo.url)
    (echo.folder / "a.gguf").write_bytes(small_gguf())
    await rig.start()
    await rig.do("model.copy.ask", f"{SERVER}/a.gguf")
    await rig.do("model.copy", values={"to": TAB})
    assert error(rig).startswith("This connection does not give its files back.")


async def test_a_copy_whose_dialog_is_closed_while_the_file_is_looked_at_is_not_made(echo):
    rig = Rig("a.gguf", url=echo.url)
    gate = asyncio.Event()
    rig.files.contents["a.gguf"] = GatedFile("a.gguf", small_gguf(), gate)
    await rig.start()
    await rig.do("model.copy.ask", f"{TAB}/a.gguf")
    rig.press("model.copy", values={"to": SERVER})
    await rig.until(lambda: bool(rig.app.looking))
    rig.press("dialog.close")
    gate.set()
    await rig.idle()
    assert (rig.state.transfers, rig.alerts, rig.state.dialog) == ((), [], None)

"""What a server does with models beyond loading them: copies, downloads, details, the prompt as it reads it; and images."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping

import pytest

from modeltab.actions.attachments import MAX_ATTACHMENT_BYTES
from modeltab.domain.connections import Connection
from modeltab.domain.errors import Conflict, ModelTabError, NotFound, Unreachable
from modeltab.domain.images import MAX_IMAGE_BYTES, media_type_of
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, Event, Finished, TextDelta
from modeltab.providers.base import (
    Capabilities,
    DownloadProgress,
    ModelCopies,
    ModelDetails,
    ModelDownloads,
    PromptPreview,
    Provider,
    RenderedPrompt,
)
from modeltab.providers.connection_type import ConnectionType
from modeltab.snippets.call import Call
from tests.servers.model_files import small_gguf
from tests.unit.fakes import MemoryFile
from tests.unit.rig import TAB, Rig

#: One step of a download: how far it is, an error to raise, or an event to wait for.
Step = DownloadProgress | Exception | asyncio.Event


class Workshop(Provider):
    """A server that copies, downloads, describes and renders. `log` has what it was asked."""

    names_hint = "a name and its tag"
    hub_prefix = ""
    has_library = True

    def __init__(self, connection: Connection) -> None:
        self.capabilities = Capabilities(streaming=True, parameters=frozenset({"system_prompt"}), images=True)
        self.copies: ModelCopies | None = self
        self.downloads: ModelDownloads | None = self
        self.model_details: ModelDetails | None = self
        self.preview: PromptPreview | None = self
        self.connection = connection
        self.names = ["m1", "m2"]
        self.log: list[str] = []
        self.refuses: ModelTabError | None = None
        self.steps: tuple[Step, ...] = (DownloadProgress("success"),)
        self.lists_as = ""
        self.gate: asyncio.Event | None = None
        self.rendered: list[ChatRequest] = []

    async def check(self) -> str:
        """Well."""
        return "Workshop 1"

    async def models(self) -> tuple[Model, ...]:
        """Its models."""
        return tuple(Model(self.connection.id, name) for name in self.names)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Says how many images it sees."""
        yield TextDelta(f"{len(request.images)} images")
        yield Finished("stop")

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """Nothing that code could send."""
        raise NotImplementedError

    async def copy(self, name: str, new_name: str) -> None:
        """A copy."""
        self.log.append(f"copy {name} {new_name}")
        await self._pass()
        self.names.append(new_name)

    async def download(self, name: str) -> AsyncGenerator[DownloadProgress, None]:
        """The steps; the log tells when it is closed before its end."""
        self.log.append(f"download {name}")
        try:
            for step in self.steps:
                await asyncio.sleep(0)
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.log.append("stopped")
            raise
        self.names.append(self.lists_as or name)

    async def details(self, name: str) -> Mapping[str, str]:
        """What it knows."""
        self.log.append(f"details {name}")
        await self._pass()
        return {"Licence": "MIT"}

    async def render(self, request: ChatRequest) -> RenderedPrompt:
        """The request as a text."""
        self.rendered.append(request)
        await self._pass()
        return RenderedPrompt("|".join(message.text for message in request.messages), 12, 4096)

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.gate:
            await self.gate.wait()
        if self.refuses:
            raise self.refuses


class Bench(Rig):
    """An app with the workshop beside the tab."""

    def __init__(self) -> None:
        super().__init__("t.gguf")
        types = self.app.registry._types
        types["workshop"] = ConnectionType("workshop", "Workshop", takes_url=True, build=lambda item, key: Workshop(item))
        self.app.update(types=self.app.registry.types)
        self.connect(Connection("w", "workshop", "Bench", "http://127.0.0.1:1"))

    @property
    def workshop(self) -> Workshop:
        """Its provider."""
        provider = self.app.provider("w")
        assert isinstance(provider, Workshop)
        return provider

    @property
    def error(self) -> str:
        """The error in the dialog, empty without one."""
        return self.state.dialog.error.message if self.state.dialog and self.state.dialog.error else ""


@pytest.fixture
def rig() -> Bench:
    """An app with the workshop."""
    return Bench()


# ---- Copies ----------------------------------------------------------------------------------------------------------


async def test_a_model_is_kept_under_a_second_name(rig):
    await rig.start()
    await rig.do("model.copy.ask", "w/m1")
    assert rig.state.dialog is not None
    assert (rig.state.dialog.name, dict(rig.state.dialog.values)) == ("copy-model", {"name": "m1-copy"})
    await rig.do("model.copy", values={"name": "  mine "})
    assert rig.workshop.log == ["copy m1 mine"]
    assert rig.models("w") == ["m1", "m2", "mine"]
    assert rig.state.status == "m1 is there as mine, too"
    assert not rig.state.dialog


async def test_a_copy_needs_a_name(rig):
    await rig.start()
    await rig.do("model.copy.ask", "w/m1")
    await rig.do("model.copy", values={"name": "  "})
    assert (rig.error, rig.workshop.log) == ("The copy needs a name.", [])


async def test_a_copy_that_the_server_refuses_keeps_the_dialog_with_what_was_typed(rig):
    await rig.start()
    rig.workshop.refuses = Conflict("mine is there already.", "Type another name.")
    await rig.do("model.copy.ask", "w/m1")
    await rig.do("model.copy", values={"name": "mine"})
    assert rig.error == "mine is there already."
    assert rig.state.dialog is not None and rig.state.dialog.values["name"] == "mine"


async def test_a_copy_whose_dialog_is_closed_is_not_made(rig):
    await rig.start()
    await rig.do("model.copy", values={"name": "mine"})
    assert rig.workshop.log == []


# ---- Downloads -------------------------------------------------------------------------------------------------------


async def download(rig: Bench, name: str = "new:1b") -> None:
    """Names a model in "Add model" and presses Add; its work goes on."""
    rig.press("models.add")
    rig.press("models.add.save", values={"destination": "w", "source": f" {name} "})
    await rig.until(lambda: any(transfer.name == name for transfer in rig.state.transfers))


async def test_a_download_tells_its_steps_and_how_far_it_is_and_its_model_is_listed_and_chosen(rig):
    await rig.start()
    gate = asyncio.Event()
    rig.workshop.steps = (DownloadProgress("pulling manifest"), DownloadProgress("pulling", 250, 1000), gate)
    await download(rig)
    await rig.until(lambda: rig.transfer("new:1b").sent == 250)
    transfer = rig.transfer("new:1b")
    assert (transfer.phase, transfer.step, transfer.fraction, transfer.is_download) == ("sending", "pulling", 0.25, True)
    assert not rig.state.dialog
    gate.set()
    await rig.idle()
    assert (rig.transfer("new:1b").phase, rig.transfer("new:1b").fraction) == ("done", 1.0)
    assert rig.models("w") == ["m1", "m2", "new:1b"]
    assert (rig.state.settings.model, rig.state.status) == ("w/new:1b", "new:1b is added")


async def test_a_model_that_the_server_lists_under_its_whole_name_is_chosen_by_that(rig):
    await rig.start()
    rig.workshop.lists_as = "new:latest"
    await download(rig, "new")
    await rig.idle()
    assert rig.state.settings.model == "w/new:latest"


async def test_a_download_leaves_the_model_that_is_chosen(rig):
    await rig.start("w/m2")
    await download(rig)
    await rig.idle()
    assert rig.state.settings.model == "w/m2"


async def test_a_download_that_is_cancelled_stops_the_server_and_lists_nothing_new(rig):
    await rig.start()
    rig.workshop.steps = (DownloadProgress("pulling", 250, 1000), asyncio.Event())
    await download(rig)
    await rig.until(lambda: rig.transfer("new:1b").sent == 250)
    await rig.do("transfer.cancel", rig.transfer("new:1b").id)
    assert (rig.transfer("new:1b").phase, rig.workshop.log) == ("cancelled", ["download new:1b", "stopped"])
    assert (rig.models("w"), rig.state.settings.model) == (["m1", "m2"], "")


async def test_a_download_that_fails_says_why_and_the_next_one_goes(rig):
    await rig.start()
    rig.workshop.steps = (DownloadProgress("pulling", 250, 1000), NotFound("There is no such model.", "Check the name."))
    await download(rig)
    await rig.idle()
    failed = rig.transfer("new:1b")
    assert failed.error is not None
    assert (failed.phase, failed.error.message, rig.alerts) == ("failed", "There is no such model.", [])
    rig.workshop.steps = ()
    await download(rig, "other")
    await rig.idle()
    assert rig.transfer("other").phase == "done"


async def test_two_downloads_go_at_once_and_the_next_waits_for_one_of_them(rig):
    await rig.start()
    gate = asyncio.Event()
    rig.workshop.steps = (gate,)
    for name in ("one", "two", "three"):
        await download(rig, name)
    await rig.until(lambda: rig.transfer("two").phase == "sending")
    assert [transfer.phase for transfer in rig.state.transfers] == ["sending", "sending", "queued"]
    gate.set()
    await rig.idle()
    assert rig.workshop.log == ["download one", "download two", "download three"]


async def test_a_server_that_takes_no_files_says_how_its_models_are_named(rig):
    await rig.start()
    await rig.do("models.add")
    await rig.do("models.add.save", values={"destination": "w", "source": ""}, files=(MemoryFile("a.gguf", small_gguf()),))
    assert rig.error == "Bench takes no files."
    assert rig.state.dialog is not None and rig.state.dialog.error is not None
    assert "a name and its tag" in rig.state.dialog.error.advice
    assert rig.state.transfers == ()


# ---- Details ---------------------------------------------------------------------------------------------------------


async def test_the_details_are_open_at_once_and_what_the_server_knows_beyond_the_list_follows(rig):
    await rig.start()
    rig.workshop.gate = asyncio.Event()
    rig.press("model.details", "w/m1")
    await rig.until(lambda: rig.workshop.log == ["details m1"])
    assert rig.state.dialog is not None and rig.state.dialog.subject == "w/m1"
    assert dict(rig.state.models["w"][0].details) == {}
    rig.workshop.gate.set()
    await rig.idle()
    assert [dict(model.details) for model in rig.state.models["w"]] == [{"Licence": "MIT"}, {}]


async def test_details_that_do_not_come_are_told_and_those_of_the_list_stay(rig):
    await rig.start()
    rig.workshop.refuses = Unreachable("No answer.")
    await rig.do("model.details", "w/m1")
    assert rig.alerts == ["No answer."]
    assert rig.state.dialog is not None and rig.state.dialog.name == "details"


async def test_details_of_a_connection_that_was_removed_meanwhile_are_no_error(rig):
    await rig.start()
    workshop = rig.workshop
    workshop.gate = asyncio.Event()
    rig.press("model.details", "w/m1")
    await rig.until(lambda: workshop.log == ["details m1"])
    rig.press("connection.remove", "w")
    workshop.gate.set()
    await rig.idle()
    assert (rig.alerts, rig.models("w")) == ([], [])


# ---- The prompt as it is read ----------------------------------------------------------------------------------------


async def test_the_preview_shows_the_conversation_with_what_stands_in_the_box_and_sends_nothing(rig):
    await rig.start("w/m1")
    await rig.say("One")
    rig.type("  Two ")
    await rig.do("preview.open")
    dialog = rig.state.dialog
    assert dialog is not None
    assert (dialog.values["text"], dialog.note, dialog.busy) == ("One|0 images|Two", "12 of 4096 tokens", False)
    assert (rig.texts, rig.page.fields["message"]) == (["One", "0 images"], "  Two ")


async def test_the_preview_has_the_files_that_would_go_along(rig):
    await rig.start("w/m1")
    await rig.do("attach.files", files=(MemoryFile("a.txt", "Words\n"), MemoryFile("cat.png", PNG)))
    rig.type("Look")
    await rig.do("preview.open")
    (request,) = rig.workshop.rendered
    assert request.messages[-1].text == "a.txt:\n```\nWords\n```\n\nLook"
    assert [image.name for image in request.messages[-1].images] == ["cat.png"]
    assert list(request.images.values()) == [PNG]
    assert len(rig.state.attachments) == 2


async def test_a_preview_that_fails_says_so_in_its_dialog(rig):
    await rig.start("w/m1")
    rig.workshop.refuses = Unreachable("No answer.")
    await rig.do("preview.open")
    assert rig.error == "No answer."
    assert rig.state.dialog is not None and not rig.state.dialog.busy


async def test_a_preview_that_was_closed_meanwhile_stays_closed(rig):
    await rig.start("w/m1")
    rig.workshop.gate = asyncio.Event()
    rig.press("preview.open")
    await rig.until(lambda: bool(rig.workshop.rendered))
    rig.press("dialog.close")
    rig.workshop.gate.set()
    await rig.idle()
    assert not rig.state.dialog


@pytest.mark.parametrize("model", ["hosted/m", ""])
async def test_a_model_that_does_not_show_its_prompt_is_told(rig, model):
    rig.connect(Connection("hosted", "openai", "Hosted", "http://127.0.0.1:9/v1"))
    await rig.start(model)
    await rig.do("preview.open")
    assert rig.alerts == ["This model does not show its prompt."]
    assert rig.state.dialog is None


# ---- Images ----------------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
KINDS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"pixels",
    "image/gif": b"GIF89a" + b"pixels",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
}


@pytest.mark.parametrize(("kind", "content"), KINDS.items())
async def test_an_image_is_recognised_by_its_bytes_goes_along_and_is_kept_once(rig, kind, content):
    await rig.start("w/m1")
    await rig.do("attach.files", files=(MemoryFile("picture.txt", content), MemoryFile("again.bin", content)))
    digest = hashlib.sha256(content).hexdigest()
    images = [attachment.image for attachment in rig.state.attachments]
    assert [(i.digest, i.media_type, i.size) for i in images if i] == [(digest, kind, len(content))] * 2
    assert rig.images.content == {digest: content}
    answer = await rig.say("What is it?")
    assert answer.text == "1 images"
    assert [image.name for image in rig.shown[0].images] == ["picture.txt", "again.bin"]
    assert rig.state.attachments == ()


@pytest.mark.parametrize("head", [b"", b"GIF88a", b"RIFF\x10\x00\x00\x00WAVE", b"\x89PNG", b"%PDF-1.7", b"BM\x00", b"<svg>"])
def test_what_is_no_image_that_models_take_is_none(head):
    assert media_type_of(head) == ""


async def test_an_image_alone_is_a_message_and_names_the_conversation(rig):
    await rig.start("w/m1")
    await rig.do("attach.files", files=(MemoryFile("cat.png", PNG),))
    await rig.say("")
    assert (rig.texts, rig.state.conversations[0].title) == (["", "1 images"], "cat.png")


class Huge(MemoryFile):
    """A file that says that it is too large, and must not be read."""

    def __init__(self, name: str, content: bytes, size: int) -> None:
        super().__init__(name, content)
        self.size = size

    async def content(self) -> bytes:
        """Not to be read."""
        raise AssertionError("read")

    async def text(self) -> str:
        """Not to be read."""
        raise AssertionError("read")


async def test_files_that_cannot_go_along_are_named_and_the_others_go(rig):
    await rig.start("w/m1")
    files = (
        Huge("huge.png", PNG, MAX_IMAGE_BYTES + 1),
        Huge("huge.txt", b"words", MAX_ATTACHMENT_BYTES + 1),
        MemoryFile("a.exe", b"MZ\x00\x01"),
        MemoryFile("cat.png", PNG),
    )
    await rig.do("attach.files", files=files)
    assert rig.alerts == [
        "huge.png is too large to go with a message.",
        "huge.txt is too large to go with a message.",
        "a.exe is neither text nor an image.",
    ]
    assert [attachment.name for attachment in rig.state.attachments] == ["cat.png"]


async def test_a_model_that_takes_no_images_says_so_when_one_is_attached(rig):
    await rig.start(f"{TAB}/t.gguf")
    await rig.do("attach.files", files=(MemoryFile("cat.png", PNG),))
    assert rig.alerts == ["t.gguf takes no images."]
    assert (rig.state.attachments, rig.images.content) == ((), {})


async def test_an_image_that_is_gone_from_storage_is_named_at_the_answer(rig):
    await rig.start("w/m1")
    await rig.do("attach.files", files=(MemoryFile("cat.png", PNG),))
    rig.images.content.clear()
    assert (await rig.say("What is it?")).text == "0 images"


async def test_an_edited_message_keeps_its_images(rig):
    await rig.start("w/m1")
    await rig.do("attach.files", files=(MemoryFile("cat.png", PNG),))
    await rig.say("What?")
    await rig.do("message.edit.save", rig.shown[0].id, values={"text": "What is it?"})
    assert [image.name for image in rig.shown[0].images] == ["cat.png"]
    assert rig.texts == ["What is it?", "1 images"]


async def test_erasing_everything_erases_images(rig):
    await rig.start("w/m1")
    await rig.do("attach.files", files=(MemoryFile("cat.png", PNG),))
    await rig.do("data.erase")
    assert rig.images.content == {}

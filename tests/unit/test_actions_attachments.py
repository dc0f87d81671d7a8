"""PDF files beside the message box, and where files go that are dropped."""

from __future__ import annotations

import pytest

from modeltab.actions.attachments import MAX_PDF_BYTES
from modeltab.views.chat import attachments
from tests.unit.fakes import MemoryFile
from tests.unit.markup import parse
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/small.gguf"


@pytest.fixture
def rig() -> Rig:
    """An app with one model in the tab."""
    return Rig("small.gguf")


async def test_the_text_of_a_pdf_goes_with_the_message_and_its_size_is_told_before(rig):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("paper.pdf", "%PDF-1.7\nFirst page.\fSecond page, " + "x" * 400),))
    assert "paper.pdf2 pages, about 107 tokens" in parse(attachments(rig.state)).text
    assert rig.state.status == "paper.pdf: 2 pages, about 107 tokens"
    await rig.say("Sum it up")
    assert rig.texts[0].startswith("paper.pdf:\n```\nFirst page.\n\nSecond page, xxx")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "scan.pdf has 1 page and no text: it is probably a scan."),
        (" \f\n", "scan.pdf has 2 pages and no text: it is probably a scan."),
        ("damaged", "scan.pdf could not be read as a PDF."),
    ],
)
async def test_a_pdf_without_text_or_that_is_damaged_says_so(rig, text, told):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("scan.pdf", f"%PDF-1.7\n{text}"),))
    assert (rig.alerts, rig.state.attachments) == ([told], ())


async def test_a_pdf_that_is_too_large_is_refused(rig):
    await rig.start(MODEL)
    file = MemoryFile("big.pdf", "%PDF-1.7\ntext")
    file.size = MAX_PDF_BYTES + 1
    await rig.do("attach.files", files=(file,))
    assert rig.alerts == ["big.pdf is too large to be read here."]


async def test_what_is_dropped_in_the_chat_goes_with_the_message_but_model_files_are_added(rig):
    await rig.start(MODEL)
    await rig.do("files.drop", files=(MemoryFile("notes.txt", "n"), MemoryFile("new.gguf", b"GGUF")))
    assert [a.name for a in rig.state.attachments] == ["notes.txt"]
    assert rig.state.dialog is not None and rig.state.dialog.name == "add-model"
    assert [candidate.name for candidate in rig.state.candidates] == ["new.gguf"]


async def test_on_the_models_page_all_that_is_dropped_is_to_be_added(rig):
    await rig.start(MODEL)
    await rig.visit("#/models")
    await rig.do("files.drop", files=(MemoryFile("model", b"GGUF"),))
    assert [candidate.name for candidate in rig.state.candidates] == ["model"]


async def test_a_text_with_a_fence_of_its_own_stays_one_block(rig):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("a.md", "```\ncode\n```"),))
    await rig.say("Look")
    assert rig.texts[0] == "a.md:\n````\n```\ncode\n```\n````\n\nLook"


async def test_the_models_that_come_while_a_command_is_typed_are_offered(rig):
    rig.watch()
    rig.type("/model ")
    assert rig.state.menu.items == ()
    await rig.start()
    assert [item.label for item in rig.state.menu.items] == ["small.gguf"]

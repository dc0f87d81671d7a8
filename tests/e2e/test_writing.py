"""Writing a message in Chromium: drafts, the queue, commands, prompts, the files that go with it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenApp
from tests.servers.model_files import sparse_gguf
from tests.servers.processes import local_llm_api


def test_a_draft_its_file_and_the_queue_outlive_the_page(repository: str, open_app: OpenApp, models: Path):
    sparse_gguf(models / "slow.gguf", 1000)
    with local_llm_api(models, "--engine", "echo", "--delay", "4") as server:
        app = open_app(repository, api=server.url)
        app.choose_model("slow.gguf")
        box = app.page.get_by_role("textbox", name="Message")
        low = box.bounding_box()
        box.fill("\n".join("line" for _ in range(8)))
        high = box.bounding_box()
        assert low and high and high["height"] > 2 * low["height"]
        note = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"the notes"}
        app.page.get_by_label("Files to attach").set_input_files(note)  # type: ignore[arg-type]
        expect(app.page.get_by_text("notes.txt")).to_be_visible()
        box.press_sequentially(" end")
        app.page.wait_for_timeout(500)
        app.reload()
        expect(box).to_have_value(re.compile(r"line end$"))
        expect(app.page.get_by_text("notes.txt")).to_be_visible()

        box.fill("")
        app.page.get_by_role("button", name="Remove notes.txt").click()
        app.send("One")
        box.fill("Two")
        app.page.keyboard.press("Enter")
        box.fill("Three")
        app.page.keyboard.press("Enter")
        queue = app.page.get_by_role("list", name="Queued messages")
        expect(queue.get_by_role("listitem")).to_have_count(2)
        queue.get_by_role("button", name="Edit queued message: Three").click()
        app.page.get_by_role("textbox", name="Queued message").fill("Three, better")
        app.page.get_by_role("button", name="Save").click()
        expect(app.page.locator("article[data-role=user]")).to_have_count(2)  # the first of the queue has gone
        app.page.get_by_role("button", name="Stop").click()
        expect(app.page.get_by_role("region", name="Queue")).to_contain_text("The answer was stopped. 1 message waits here")
        app.reload()
        expect(queue.get_by_role("listitem")).to_contain_text("Three, better")
        expect(app.page.get_by_role("button", name="Send", exact=True)).to_be_enabled()  # its model is known again
        app.page.get_by_role("button", name="Send now: Three, better").click()
        expect(app.page.locator("article[data-role=user]").last).to_contain_text("Three, better")
        expect(queue).to_have_count(0)


@pytest.fixture
def echo(models: Path) -> Iterator[str]:
    """A Local LLM API with one model, which answers with the question."""
    sparse_gguf(models / "echo.gguf", 1000)
    with local_llm_api(models, "--engine", "echo") as server:
        yield server.url


def test_commands_and_prompts_by_keyboard(repository: str, open_app: OpenApp, echo: str):
    app = open_app(repository, api=echo)
    box = app.page.get_by_role("textbox", name="Message")
    box.press_sequentially("/mod")
    options = app.page.get_by_role("listbox", name="Commands").get_by_role("option")
    expect(options).to_have_count(1)
    expect(box).to_have_attribute("aria-activedescendant", "menu-0")
    app.page.keyboard.press("Tab")
    expect(options.first).to_contain_text("echo.gguf")
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("combobox", name="Model")).to_have_value("echo.gguf")
    expect(box).to_have_value("")

    app.page.get_by_role("button", name="Prompts").click()
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add prompt").click()
    dialog.get_by_label("Name").fill("Letter")
    dialog.get_by_label("Text").fill("Write to {{who}} in {{language:English}}.")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("list", name="Prompts")).to_contain_text("Letter")
    app.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)  # as long as it is there, nothing else takes the focus
    box.fill("/prompt letter")
    app.page.keyboard.press("Enter")
    dialog.get_by_label("who").fill("Ada")
    dialog.get_by_role("button", name="Use").click()
    expect(box).to_have_value("Write to Ada in English.")
    expect(box).to_be_focused()

    box.fill("/frob")
    app.page.keyboard.press("Enter")
    expect(app.page.locator(".menu-told")).to_contain_text("“/frob” is not a command")
    expect(app.page.locator("article")).to_have_count(0)
    box.fill("/temperature 0.5")
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("status", name="Status")).to_have_text("Temperature of this conversation: 0.5")
    app.page.get_by_role("button", name="Parameters").click()
    expect(dialog.get_by_label("Temperature")).to_have_value("0.5")
    dialog.get_by_role("button", name="Every conversation (the defaults)").click()
    expect(dialog.get_by_label("Temperature")).to_have_value("0")


def pdf(*texts: str) -> bytes:
    """A PDF with one page a text."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(texts)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(texts):
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else ""
        about = "/Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< {about} /Contents {5 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, places = "%PDF-1.7\n", []
    for n, item in enumerate(objects):
        places.append(len(body))
        body += f"{n + 1} 0 obj\n{item}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    return f"{body}{end}startxref\n{len(body)}\n%%EOF\n".encode()


def test_the_text_of_a_pdf_is_taken_in_a_worker_and_a_scan_is_told(repository: str, open_app: OpenApp, echo: str):
    app = open_app(repository, api=echo)
    app.choose_model("echo.gguf")
    files = app.page.get_by_label("Files to attach")
    with app.page.expect_worker(lambda worker: "pdf.worker" in worker.url):
        paper = {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": pdf("Whales sing.", "They also dive.")}
        files.set_input_files(paper)  # type: ignore[arg-type]
    expect(app.page.locator(".attachment")).to_contain_text(re.compile(r"paper\.pdf.*2 pages, about \d+ tokens"))
    scan = {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": pdf("")}
    files.set_input_files(scan)  # type: ignore[arg-type]
    alert = app.page.get_by_role("alert")
    expect(alert).to_contain_text("scan.pdf has 1 page and no text")
    alert.get_by_role("button", name="Close this message").click()
    broken = {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"}
    files.set_input_files(broken)  # type: ignore[arg-type]
    expect(alert).to_contain_text("broken.pdf could not be read as a PDF")
    app.send("What do they do?")
    expect(app.page.locator("article[data-role=user]")).to_contain_text("Whales sing.")
    expect(app.page.locator("article[data-role=user]")).to_contain_text("They also dive.")


def test_files_are_pasted_and_dropped_into_the_message(repository: str, open_app: OpenApp):
    app = open_app(repository)
    app.page.get_by_role("textbox", name="Message").focus()
    app.page.evaluate(
        """() => {
          const transfer = () => { const t = new DataTransfer(); t.items.add(new File(["x = 1"], "code.py")); return t; };
          const box = document.getElementById("message");
          box.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer(), bubbles: true, cancelable: true}));
          box.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer(), bubbles: true, cancelable: true}));
        }"""
    )
    expect(app.page.locator(".attachment")).to_have_count(2)

"""Files on their way into the tab, and all that may go wrong on it: nothing is lost, and nothing wrong is listed."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.conftest import App, OpenApp, until
from tests.e2e.memory import kill_renderer
from tests.servers.files import FileServer, gguf_content
from tests.servers.model_files import sparse_gguf

NAME = "model.gguf"
SIZE = 12_000_000
#: What Chromium may throw away of what it has received, when a connection breaks.
LOST = 2_500_000
CONTENT = gguf_content(SIZE)
OTHER = gguf_content(SIZE, seed=1)
BROKEN = ("ERR_CONTENT_LENGTH_MISMATCH", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION")


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A server of one file."""
    with FileServer(CONTENT) as running:
        yield running


def fetch(app: App, url: str) -> Locator:
    """Adds a file of the web to the tab; its transfer's card."""
    app.page.get_by_role("button", name="Add model", exact=True).first.click()
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="URL or repository").fill(url)
    dialog.get_by_role("button", name="Add", exact=True).click()
    return app.transfer(NAME)


def digest_of(app: App, name: str = NAME) -> str:
    """The SHA-256 of a model in the tab, as the browser's own hash tells it."""
    found = app.page.evaluate(
        """async name => {
          const root = await navigator.storage.getDirectory();
          const models = await root.getDirectoryHandle("models");
          const file = await (await models.getFileHandle(name)).getFile();
          const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
          return Array.from(hash, byte => byte.toString(16).padStart(2, "0")).join("");
        }""",
        name,
    )
    return str(found)


def parts_of(app: App) -> list[str]:
    """What is left of unfinished transfers in the tab's storage."""
    names: list[str] = app.page.evaluate(
        """async () => {
          const root = await navigator.storage.getDirectory();
          const names = [];
          for await (const name of (await root.getDirectoryHandle("partial", {create: true})).keys()) names.push(name);
          return names.sort();
        }"""
    )
    return names


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def about(starts: list[int], cuts: list[int]) -> bool:
    """Whether a transfer went on at each break, or little before it."""
    return len(starts) == len(cuts) and all(0 <= cut - start < LOST for start, cut in zip(starts, cuts, strict=True))


def is_there(app: App, content: bytes) -> None:
    """The model is listed, whole, and nothing else is left."""
    expect(app.row(NAME)).to_be_visible()
    assert digest_of(app) == sha256(content)
    assert parts_of(app) == []


@pytest.mark.expected_errors(*BROKEN)
def test_a_connection_that_breaks_again_and_again_is_taken_up_where_it_was(
    repository: str, open_app: OpenApp, server: FileServer
):
    cuts = [SIZE // 100, SIZE // 2, SIZE * 99 // 100]
    server.cuts = list(cuts)
    app = open_app(repository, route="#/models")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text("connection lost, trying again")
    expect(app.row(NAME)).to_have_count(0)
    expect(card).to_have_attribute("data-phase", "done")
    assert about(server.starts, [0, *cuts])
    is_there(app, CONTENT)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ends a process by its number")
def test_a_tab_that_is_killed_goes_on_where_it_was_when_it_is_open_again(
    repository: str, open_app: OpenApp, server: FileServer, browser: Browser
):
    server.chunk_delay_s = 0.06
    app = open_app(repository, route="#/models")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text(re.compile(r"[6-9]\d% · "))
    kill_renderer(browser)
    server.chunk_delay_s = 0

    again = open_app(repository, route="#/models")
    card = again.transfer(NAME)
    expect(card).to_contain_text("Paused")
    expect(again.row(NAME)).to_have_count(0)
    card.get_by_role("button", name=f"Resume {NAME}").click()
    expect(card).to_have_attribute("data-phase", "done")
    first, second = server.starts
    assert first == 0
    assert second > SIZE // 4
    is_there(again, CONTENT)


@pytest.mark.expected_errors(*BROKEN)
@pytest.mark.parametrize("exposed", ["ETag, Content-Range", ""])
def test_a_source_that_has_changed_since_is_fetched_from_its_beginning(
    repository: str, open_app: OpenApp, server: FileServer, exposed: str
):
    server.exposed = exposed
    # Where its size cannot be read from a range, the file is asked for once more, for its length alone.
    server.cuts = [SIZE // 2] if exposed else [SIZE, SIZE // 2]
    app = open_app(repository, route="#/models")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text("connection lost, trying again")
    server.content, server.etag, server.modified = OTHER, '"2"', "Thu, 05 Nov 2026 10:00:00 GMT"
    expect(card).to_have_attribute("data-phase", "done")
    assert about(server.starts[-3:], [0, SIZE // 2, 0])
    is_there(app, OTHER)


@pytest.mark.expected_errors(*BROKEN)
def test_a_server_that_knows_no_ranges_sends_all_again(repository: str, open_app: OpenApp, server: FileServer):
    server.ranges = False
    server.cuts = [SIZE // 2]
    app = open_app(repository, route="#/models")
    expect(fetch(app, server.file_url)).to_have_attribute("data-phase", "done")
    is_there(app, CONTENT)


def test_two_tabs_never_write_one_file(repository: str, open_app: OpenApp, server: FileServer):
    server.chunk_delay_s = 0.05
    first = open_app(repository, route="#/models")
    second = open_app(repository, route="#/models")
    card = fetch(first, server.file_url)
    expect(card).to_contain_text(re.compile(r"[1-9]\d?% · "))
    other = fetch(second, server.file_url)
    expect(other).to_contain_text(f"{NAME} is in use by another tab.")
    server.chunk_delay_s = 0
    expect(card).to_have_attribute("data-phase", "done")
    is_there(first, CONTENT)
    other.get_by_role("button", name=f"Dismiss {NAME}").click()
    second.reload()
    is_there(second, CONTENT)


def test_cancel_deletes_what_has_arrived(repository: str, open_app: OpenApp, server: FileServer):
    server.chunk_delay_s = 0.05
    app = open_app(repository, route="#/models")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text(re.compile(r"[1-9]\d?% · "))
    card.get_by_role("button", name=f"Cancel {NAME}").click()
    expect(card).to_contain_text("nothing was kept")
    until(
        app.page,
        """async () => {
          const root = await navigator.storage.getDirectory();
          for await (const name of (await root.getDirectoryHandle("partial")).keys()) return false;
          return true;
        }""",
    )
    expect(app.row(NAME)).to_have_count(0)


def test_leaving_the_page_while_a_file_is_on_its_way_asks_first(repository: str, open_app: OpenApp, server: FileServer):
    server.chunk_delay_s = 0.05
    app = open_app(repository, route="#/models")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text(re.compile(r"[1-9]\d?% · "))
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    app.page.on("dialog", stay)
    app.page.close(run_before_unload=True)
    expect(card).to_have_attribute("data-phase", "done", timeout=60_000)
    assert asked == ["beforeunload"]


def test_two_files_go_at_once_and_the_last_that_waits_can_go_first(
    repository: str, open_app: OpenApp, server: FileServer, tmp_path: Path
):
    server.chunk_delay_s = 0.05
    app = open_app(repository, route="#/models")
    for name in ("m1.gguf", "m2.gguf"):
        fetch(app, f"{server.url}/{name}")
        expect(app.transfer(name)).to_have_attribute("data-phase", "sending")
    app.add_files(*(sparse_gguf(tmp_path / f"m{n}.gguf", 5_000_000) for n in (3, 4)), to="In this tab")
    expect(app.transfer("m3.gguf")).to_contain_text("Waiting to go to In this tab")
    app.page.get_by_role("button", name="Move m4.gguf up").click()
    expect(app.page.locator(".transfer").nth(2)).to_contain_text("m4.gguf")
    server.chunk_delay_s = 0
    for n in (1, 2, 3, 4):
        expect(app.transfer(f"m{n}.gguf")).to_have_attribute("data-phase", "done", timeout=60_000)
    assert parts_of(app) == []


def test_json_of_a_part_that_a_crash_has_torn_is_no_reason_to_start_wrong(
    repository: str, open_app: OpenApp, server: FileServer
):
    server.chunk_delay_s = 0.05
    app = open_app(repository, route="#/models")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text(re.compile(r"[2-9]\d% · "))
    card.get_by_role("button", name=f"Pause {NAME}").click()
    expect(card).to_contain_text("Paused")
    server.chunk_delay_s = 0
    tear(app)
    card.get_by_role("button", name=f"Resume {NAME}").click()
    expect(card).to_have_attribute("data-phase", "done")
    assert server.starts == [0, 0]
    is_there(app, CONTENT)


def tear(app: App) -> None:
    """Leaves half of the record of what has arrived."""
    app.page.evaluate(
        """async ([name, text]) => {
          const root = await navigator.storage.getDirectory();
          const record = await (await root.getDirectoryHandle("partial")).getFileHandle(name + ".json");
          const writable = await record.createWritable();
          await writable.write(text);
          await writable.close();
        }""",
        [NAME, json.dumps({"size": SIZE, "received": 5})[:9]],
    )

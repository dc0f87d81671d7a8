"""A model that does not fit into the browser's storage, in a profile on a disk: quotas are not kept without one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Route, expect

from tests.e2e.conftest import App, OpenApp
from tests.e2e.test_transfers_in_tab import CONTENT, NAME, SIZE, fetch, is_there, parts_of, server
from tests.servers.files import FileServer
from tests.servers.model_files import sparse_gguf

__all__ = ["server"]


@pytest.fixture
def context(request, browser_type: BrowserType, browser_type_launch_args, tmp_path: Path) -> Iterator[BrowserContext]:
    """A profile on the disk, or on a small one where a test asks for that."""
    folder = request.getfixturevalue("small_disk") if "small_disk" in request.fixturenames else tmp_path
    profile = browser_type.launch_persistent_context(folder / "profile", **browser_type_launch_args)
    profile.add_init_script("delete globalThis.caches")  # the app's own files take no room
    yield profile
    profile.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 250 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=250m", "none", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("to mount a disk takes root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_file_that_would_not_fit_is_refused_before_anything_is_written(
    repository: str, open_app: OpenApp, server: FileServer, context: BrowserContext, tmp_path: Path
):
    app = open_app(repository, route="#/models")
    limit(context, app, SIZE // 2)
    app.add_files(sparse_gguf(tmp_path / "big.gguf", SIZE), to="In this tab")
    expect(app.transfer("big.gguf")).to_contain_text("The browser has no room for big.gguf. Nothing was written.")
    card = fetch(app, server.file_url)
    expect(card).to_contain_text(f"The browser has no room for {NAME}. Nothing was written.")
    assert parts_of(app) == []
    limit(context, app, None)
    card.get_by_role("button", name=f"Retry {NAME}").click()
    is_there(app, CONTENT)


def test_a_disk_that_gets_full_on_the_way_keeps_what_has_arrived(
    repository: str, open_app: OpenApp, server: FileServer, small_disk: Path
):
    app = open_app(repository, route="#/models")
    server.chunk_delay_s = 0.05
    card = fetch(app, server.file_url)
    expect(card).to_contain_text(re.compile(r"[2-9]\d% · "))
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        except OSError:
            pass
    expect(card).to_contain_text("The browser's storage is full. What has arrived is kept.")
    expect(app.row(NAME)).to_have_count(0)
    filler.unlink()
    server.chunk_delay_s = 0
    card.get_by_role("button", name=f"Retry {NAME}").click()
    expect(card).to_have_attribute("data-phase", "done")
    assert server.starts[-1] > SIZE // 6
    is_there(app, CONTENT)


def test_a_file_of_this_machine_is_paused_and_goes_on_after_a_reload_when_it_is_chosen_again(
    repository: str, open_app: OpenApp, tmp_path: Path
):
    big = sparse_gguf(tmp_path / "big.gguf", 1_500_000_000)
    other = sparse_gguf(tmp_path / "other.gguf", 1_400_000_000)
    app = open_app(repository, route="#/models")
    app.add_files(big, to="In this tab")
    card = app.transfer("big.gguf")
    expect(card).to_contain_text(re.compile(r"[1-9]\d?% · "))
    card.get_by_role("button", name="Pause big.gguf").click()
    expect(card).to_contain_text("Paused")
    app.reload()
    expect(card).to_contain_text("Paused")
    expect(app.row("big.gguf")).to_have_count(0)
    card.get_by_label("Choose big.gguf again").set_input_files(other)
    expect(app.page.get_by_role("alert")).to_contain_text("other.gguf is not the file that was being added")
    card.get_by_label("Choose big.gguf again").set_input_files(big)
    expect(card).to_have_attribute("data-phase", "done", timeout=60_000)
    expect(app.row("big.gguf")).to_contain_text("1.5 GB")
    assert parts_of(app) == []


def test_a_browser_that_drops_bytes_without_a_word_is_found_out(
    repository: str, open_app: OpenApp, context: BrowserContext, tmp_path: Path
):
    patch = """
        const real = FileSystemSyncAccessHandle.prototype.write;
        FileSystemSyncAccessHandle.prototype.write = function (bytes, place) {
          return place.at < 5e6 ? real.call(this, bytes, place) : bytes.byteLength;
        };
        FileSystemSyncAccessHandle.prototype.truncate = function () {};
    """

    def patched(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=patch + response.text())

    context.route("**/model_writer.js", patched)
    app = open_app(repository, route="#/models")
    app.add_files(sparse_gguf(tmp_path / "big.gguf", SIZE), to="In this tab")
    expect(app.transfer("big.gguf")).to_contain_text("The browser did not keep all of big.gguf, so it was deleted.")
    expect(app.row("big.gguf")).to_have_count(0)
    assert parts_of(app) == []


@pytest.mark.expected_errors("ERR_FAILED")
def test_a_writer_that_cannot_be_had_is_told(repository: str, open_app: OpenApp, server: FileServer, context: BrowserContext):
    context.route("**/model_writer.js", lambda route: route.abort())
    app = open_app(repository, route="#/models")
    expect(fetch(app, server.file_url)).to_contain_text("The file writer could not start.")


def limit(context: BrowserContext, app: App, size: int | None) -> None:
    """Gives the app's origin so many bytes of storage; None takes the limit away."""
    session = context.new_cdp_session(app.page)
    origin = app.page.evaluate("() => location.origin")
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin, **({} if size is None else {"quotaSize": size})})

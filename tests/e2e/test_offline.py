"""The built app without a network, and with a newer version on its server: no page ever has files of two."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import ROOT, App, OpenApp, until, wait_until_kept
from tests.servers.scripted import ScriptedServer, json_reply
from tools.offline import add_offline_copy
from tools.serve import SiteServer, make_server

DIST = ROOT / "dist"
#: The numbers of files in the copies that there are.
COPIES = """async () => {
  const names = (await caches.keys()).filter((name) => name.startsWith("modeltab-copy "));
  return Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).length));
}"""
UPDATE = "async () => (await navigator.serviceWorker.getRegistration()).update()"
IS_WAITING = "async () => Boolean((await navigator.serviceWorker.getRegistration()).waiting)"
IS_SETTLED = """async () => {
  const { installing, waiting } = await navigator.serviceWorker.getRegistration();
  return !installing && !waiting;
}"""


@pytest.fixture
def server() -> Iterator[SiteServer]:
    """A host of the built app that sends no isolation headers; its `root` may be changed."""
    with make_server(DIST, 0, "/modeltab/", isolate=False) as running:
        Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def newer(folder: Path) -> Path:
    """Another version in that folder: it says so, has prices of its own, and no code editor any more."""
    shutil.copytree(DIST, folder, ignore=shutil.ignore_patterns("models", "codemirror", "*.br", "*.html.gz", "*.js*.gz"))
    page, worker = folder / "index.html", folder / "sw.js"
    (prices,) = folder.glob("static/*/prices.json")
    prices.write_bytes(prices.read_bytes() + b"\n")
    html = re.sub(r'data-offline="[^"]*" ', "", page.read_text(encoding="utf-8"))
    page.write_text(re.sub(r'data-version="[^"]*"', 'data-version="next"', html), encoding="utf-8")
    script = re.sub(r'(?<=const VERSION = ")\w+', "", worker.read_text(encoding="utf-8"))
    worker.write_text(re.sub(r"(?<=const FILES = \[).*?(?=\n\];)", "", script, flags=re.DOTALL).replace("[\n]", "[]"))
    add_offline_copy(folder)
    return folder


@pytest.fixture
def app(server: SiteServer, open_app: OpenApp) -> App:
    """The app on its Settings page, with the copy kept."""
    app = open_app(server.url, route="#/settings")
    app.page.wait_for_function("() => crossOriginIsolated")  # it is loaded a second time for that
    app.wait()
    keep(app)
    return app


def keep(app: App) -> None:
    """Keep the copy now, rather than when the app has nothing to do."""
    app.page.get_by_role("button", name="Save it now").click()
    expect(app.page.get_by_role("region", name="Offline")).to_contain_text("is kept.", timeout=60_000)


def version(page: Page) -> str | None:
    """The version of a page."""
    return page.locator("html").get_attribute("data-version")


def shows_editor(app: App) -> None:
    """The Playground loads its editor, which the newer version has not."""
    app.visit("Playground")
    expect(app.page.get_by_role("textbox", name="Code")).to_be_visible()


@pytest.mark.model
@pytest.mark.expected_errors("ERR_INTERNET_DISCONNECTED", "ERR_FAILED")
def test_after_one_visit_the_app_starts_and_a_model_answers_without_a_network(app: App, context: BrowserContext):
    app.visit("Chat")
    app.add_starter()
    wait_until_kept(app.page)
    context.set_offline(True)
    app.reload()
    assert app.page.locator("html").get_attribute("data-start") == "kept snapshot"
    assert app.page.evaluate("() => crossOriginIsolated")
    answer = app.send("What is the capital of France?")
    expect(answer).to_have_attribute("data-status", "done", timeout=60_000)
    expect(answer.locator("[data-part=text]")).to_contain_text("Paris")
    shows_editor(app)
    app.page.evaluate("async () => (await navigator.storage.getDirectory()).removeEntry('snapshot', { recursive: true })")
    app.reload()
    assert app.page.locator("html").get_attribute("data-start") == "modules"
    expect(app.page.get_by_role("textbox", name="Code")).to_be_visible()


def test_a_new_version_is_announced_and_taken_while_other_tabs_stay_as_they_are(
    server: SiteServer, app: App, open_app: OpenApp, tmp_path: Path
):
    others = [open_app(server.url), open_app(server.url)]
    server.root = newer(tmp_path / "newer")
    app.page.evaluate(UPDATE)
    for tab in (app, *others):
        expect(tab.page.get_by_role("status", name="Version")).to_contain_text("A new version is ready.", timeout=60_000)
    shows_editor(others[0])  # which is not on the server any more

    app.page.get_by_role("button", name="Reload").click()
    expect(app.page.locator("html")).to_have_attribute("data-version", "next")
    app.wait()
    expect(app.page.locator("#update")).to_be_empty()
    assert [version(tab.page) for tab in others] == ["0.1.0", "0.1.0"]
    shows_editor(others[1])  # the worker is the new one now, the page is not

    tidy = "() => navigator.serviceWorker.controller.postMessage({ modeltab: 'keep' })"
    app.page.evaluate(tidy)
    until(app.page, IS_SETTLED)
    assert len(app.page.evaluate(COPIES)) == 2
    others[0].page.close()
    others[1].visit("Settings")
    others[1].reload()
    assert version(others[1].page) == "next"
    until(app.page, f"async () => {{ ({tidy})(); return (await ({COPIES})()).length === 1; }}")


def test_without_one_of_its_files_a_new_version_is_not_installed_and_with_it_a_reload_takes_it(
    server: SiteServer, app: App, tmp_path: Path
):
    server.root = newer(tmp_path / "newer")
    (file,) = server.root.glob("static/*/prices.json")
    content = file.read_bytes()
    file.unlink()
    app.page.evaluate(UPDATE)
    until(app.page, IS_SETTLED)
    app.reload()
    assert version(app.page) == "0.1.0"
    expect(app.page.locator("#update")).to_be_empty()
    shows_editor(app)

    file.write_bytes(b"{}")  # of yet another version
    app.page.evaluate(UPDATE)
    until(app.page, IS_SETTLED)
    file.write_bytes(content)
    app.page.evaluate(UPDATE)
    until(app.page, IS_WAITING)
    app.page.reload()
    expect(app.page.locator("html")).to_have_attribute("data-version", "next")
    app.wait()


@pytest.mark.expected_errors("console:")  # the import that fails, and its traceback
def test_a_lost_file_comes_from_the_server_again_or_the_next_load_is_another_version(
    server: SiteServer, app: App, tmp_path: Path
):
    lose = """async () => {
      for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const { url } of await cache.keys()) if (url.includes("/codemirror/")) await cache.delete(url);
      }
    }"""
    (whole,) = app.page.evaluate(COPIES)
    app.page.evaluate(lose)
    shows_editor(app)
    assert app.page.evaluate(COPIES) == [whole]

    app.reload()
    app.page.evaluate(lose)
    app.page.context.new_cdp_session(app.page).send("Network.clearBrowserCache")  # it is not in the browser's own cache either
    app.visit("Settings")
    server.root = newer(tmp_path / "newer")
    app.page.goto(server.url + "#/settings")
    app.reload()
    app.visit("Playground")
    # In one of two words: the browser may have found the newer version by itself by now.
    expect(app.page.get_by_role("status", name="Version")).to_contain_text(re.compile("new version|newer version"))
    app.page.get_by_role("button", name="Reload").click()
    expect(app.page.locator("html")).to_have_attribute("data-version", "next", timeout=60_000)


def test_it_can_be_switched_off_and_removed_and_touches_no_other_origin(server: SiteServer, app: App):
    page = app.page
    with ScriptedServer({("GET", "/static/app.zip"): json_reply({})}) as other:
        for url, is_kept in ((other.url + "/static/app.zip", False), (server.url + "index.html", True)):
            with page.expect_response(url) as received:
                page.evaluate("(url) => fetch(url).then((response) => response.text())", url)
            assert received.value.from_service_worker is is_kept

    switch = page.get_by_role("switch", name="Work offline")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    until(page, f"async () => !(await ({COPIES})()).length")
    app.reload()
    assert page.evaluate("() => crossOriginIsolated")  # the worker is there still, for that
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(page.get_by_role("region", name="Offline")).to_contain_text("is kept.", timeout=60_000)

    page.get_by_role("button", name="Remove offline copy").click()
    expect(page.get_by_role("region", name="Offline")).to_contain_text("There is no copy.")
    assert page.evaluate(COPIES) == []
    assert page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0
    app.reload()
    expect(switch).to_have_attribute("aria-checked", "false")


def test_what_makes_it_installable_is_in_order(server: SiteServer, context: BrowserContext):
    page = context.new_page()
    page.goto(server.url)
    page.wait_for_function("() => crossOriginIsolated")  # it is loaded a second time for that
    App(page, server.url).wait()
    manifest = context.new_cdp_session(page).send("Page.getAppManifest")
    assert manifest["errors"] == []
    for icon in json.loads(manifest["data"])["icons"]:
        size = page.evaluate(
            """async (src) => {
              const image = new Image();
              image.src = src;
              await image.decode();
              return `${image.naturalWidth}x${image.naturalHeight}`;
            }""",
            icon["src"],
        )
        assert icon["sizes"] in (size, "any")

"""Export, import and share in Chromium: real files, a real link, and what a stranger has written into one."""

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import App, OpenApp
from tests.e2e.test_safety import TRICKS, api, assert_harmless
from tests.unit.exchange_files import PNG, PNG_URL, chatgpt, chatgpt_node, nextchat, nextchat_session

KEY = "sk-end-to-end-0123456789"


def choose(page: Page, file: Path) -> None:
    """Choose a file behind "Import data"."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import data").click()
    chooser.value.set_files(file)


def read_in(app: App, file: Path) -> None:
    """Import a file from the Settings page, after the look at what is in it."""
    choose(app.page, file)
    app.page.get_by_role("dialog").get_by_role("button", name="Import", exact=True).click()
    expect(app.page.get_by_role("status", name="Status")).to_contain_text("imported")


def saved(page: Page, name: str, folder: Path) -> Path:
    """What the dialog "Export" saves behind that button."""
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name=name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def open_conversation(page: Page, title: str) -> None:
    """Show a conversation of the list."""
    page.get_by_role("list", name="Conversations").get_by_role("link", name=title).click()


def test_another_apps_export_comes_in_with_images_leaves_as_files_and_comes_back_elsewhere(
    repository: str, open_app: OpenApp, tmp_path: Path
):
    pointer = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"}
    nodes = [
        chatgpt_node("u", None, "user", pointer, "See"),
        chatgpt_node("a", "u", "assistant", "\n\n".join(["A **point**.", *TRICKS])),
        chatgpt_node("b", "u", "assistant", "Another answer"),
    ]
    theirs = tmp_path / "theirs.zip"
    with zipfile.ZipFile(theirs, "w") as archive:
        archive.writestr("conversations.json", json.dumps([chatgpt(*nodes, current="a", title="Points </script>")]))
        archive.writestr("file-1-x.png", PNG)
    app = open_app(repository, route="#/settings")
    app.page.evaluate(f"localStorage.setItem('modeltab.keys', JSON.stringify({{version: 1, keys: {{}}, x: '{KEY}'}}))")
    choose(app.page, theirs)
    dialog = app.page.get_by_role("dialog")
    expect(dialog).to_contain_text("theirs.zip, from ChatGPT")
    expect(dialog).to_contain_text("Images1")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(app.page.get_by_role("status", name="Status")).to_have_text("1 conversation is imported")
    open_conversation(app.page, "Points")
    articles = app.page.locator("#conversation article")
    expect(articles).to_have_count(2)
    expect(articles.nth(1).locator("strong")).to_have_text("point")
    expect(articles.nth(0).locator("img")).to_have_js_property("naturalWidth", 1)
    expect(articles.nth(1)).to_contain_text("1 of 2")

    page_file = saved(app.page, "Save as HTML", tmp_path)
    assert page_file.name == "Points script.html"
    reader = app.page.context.new_page()
    asked: list[str] = []
    reader.on("request", lambda request: asked.append(request.url))
    reader.goto(page_file.as_uri())
    expect(reader.locator("img")).to_have_js_property("naturalWidth", 1)
    expect(reader.locator("article.assistant")).to_contain_text(TRICKS[0])
    assert reader.evaluate("() => window.pwned") is None
    assert reader.locator("script, iframe, form, svg").count() == 0
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    reader.close()
    assert PNG_URL in saved(app.page, "Save as Markdown", tmp_path).read_text()
    assert "Another answer" in saved(app.page, "Save as JSON", tmp_path).read_text()

    app.visit("Settings")
    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="Export data").click()
    mine = tmp_path / "mine.zip"
    download.value.save_as(mine)
    with zipfile.ZipFile(mine) as archive:
        assert archive.testzip() is None
        assert not any(KEY.encode() in archive.read(name) for name in archive.namelist())
    app.page.get_by_role("button", name="Erase everything").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Erase", exact=True).click()
    app.page.wait_for_event("load")
    app.wait()
    app.visit("Settings")
    for _ in range(2):
        read_in(app, mine)
    expect(app.page.get_by_role("status", name="Status")).to_have_text("0 conversations are imported")
    expect(app.page.get_by_role("list", name="Conversations").get_by_role("listitem")).to_have_count(1)
    open_conversation(app.page, "Points")
    expect(articles.nth(0).locator("img")).to_have_js_property("naturalWidth", 1)
    expect(articles.nth(1)).to_contain_text("1 of 2")


@pytest.mark.expected_errors("ERR_CONNECTION_REFUSED")
def test_a_link_is_read_by_somebody_else_as_text_and_kept_only_on_request(
    repository: str, open_app: OpenApp, context: BrowserContext
):
    context.grant_permissions(["clipboard-read", "clipboard-write", "local-network-access"])
    text = "\n\n".join(["Is **this** ![x](http://127.0.0.1:1/beacon.png) safe?", *TRICKS])
    with api(answer=text) as server:
        app = open_app(repository, api=server.url)
        app.choose_model("a.gguf")
        expect(app.send(text)).to_have_attribute("data-status", "done")
    app.page.get_by_role("button", name="Export", exact=True).click()
    app.page.get_by_role("dialog").get_by_role("button", name="Copy link").click()
    expect(app.page.get_by_role("status", name="Status")).to_have_text("The link is copied")
    address = app.page.evaluate("navigator.clipboard.readText()")
    assert address.startswith(f"{repository}#/shared/") and len(address) < 30_000

    other = open_app(repository)
    asked: list[str] = []
    other.page.on("request", lambda request: asked.append(request.url))
    other.page.evaluate("address => { location.href = address }", address)
    shared = other.page.get_by_role("log", name="Shared conversation")
    expect(shared.locator("article")).to_have_count(2)
    expect(shared.locator("article").nth(1).locator("strong").first).to_have_text("this")
    assert_harmless(other.page)
    other.reload()
    expect(shared.locator("article")).to_have_count(2)
    assert not [url for url in asked if "beacon" in url]
    other.page.get_by_role("button", name="Keep a copy").click()
    expect(other.page.locator("#conversation article")).to_have_count(2)
    assert "/shared/" not in other.page.url

    other.page.goto(address[:-20])
    expect(other.page.get_by_text("This link cannot be opened")).to_be_visible()


def test_a_backup_goes_into_a_folder_and_comes_back_from_it(repository: str, open_app: OpenApp, tmp_path: Path):
    theirs = tmp_path / "backup.json"
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
    theirs.write_text(json.dumps(nextchat(nextchat_session({"id": "1", "role": "user", "content": parts}))))
    app = open_app(repository, route="#/settings")
    read_in(app, theirs)
    # No test can answer the question of the system; a folder of the page's own storage is of the same kind.
    app.page.evaluate(
        """() => { window.showDirectoryPicker = async () =>
             (await navigator.storage.getDirectory()).getDirectoryHandle("backup", {create: true}) }"""
    )
    app.page.get_by_role("button", name="Back up to a folder").click()
    expect(app.page.get_by_role("status", name="Status")).to_have_text("Backed up to the folder backup")
    files = app.page.evaluate(
        """async () => {
             const found = {};
             const walk = async (folder, path) => {
               for await (const [name, handle] of folder.entries()) {
                 if (handle.kind === "directory") await walk(handle, path + name + "/");
                 else found[path + name] = Array.from(new Uint8Array(await (await handle.getFile()).arrayBuffer()));
               }
             };
             await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle("backup"), "");
             return found;
           }"""
    )
    folder = tmp_path / "folder"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(content))
    names = ["comparisons.jsonl", "config.json", "conversations.jsonl", "images"]
    assert sorted(name.partition("/")[0] for name in files) == names
    app.page.get_by_role("button", name="Erase everything").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Erase", exact=True).click()
    app.page.wait_for_event("load")
    app.wait()
    app.visit("Settings")
    with app.page.expect_file_chooser() as chooser:
        app.page.get_by_role("button", name="Import a folder").click()
    chooser.value.set_files(folder)
    dialog = app.page.get_by_role("dialog")
    expect(dialog).to_contain_text("4 files, from ModelTab")
    dialog.get_by_role("button", name="Import", exact=True).click()
    open_conversation(app.page, "Lichens")
    expect(app.page.locator("#conversation article img")).to_have_js_property("naturalWidth", 1)


def test_a_browser_without_folders_says_so(repository: str, open_app: OpenApp, context: BrowserContext):
    context.add_init_script("delete window.showDirectoryPicker; delete Window.prototype.showDirectoryPicker")
    app = open_app(repository, route="#/settings")
    expect(app.page.get_by_role("button", name="Back up to a folder")).to_be_disabled()
    expect(app.page.get_by_text("This browser lets no page write into a folder")).to_be_visible()

"""What is kept: conversations, settings, exports; and what is erased is gone."""

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.conftest import OpenApp
from tests.servers.model_files import sparse_gguf


def talk(app, models: Path) -> None:
    """A conversation of two turns with the echo server."""
    app.page.get_by_role("button", name="Sync").click()
    app.row("echo.gguf").get_by_role("button", name="Use echo.gguf").click()
    expect(app.send("First question")).to_have_attribute("data-status", "done")
    expect(app.send("Second question")).to_have_attribute("data-status", "done")
    expect(app.page.get_by_role("button", name="Stop")).to_have_count(0)  # it is on record, too


def test_edit_and_regenerate_make_versions_and_delete_tells(repository: str, open_app: OpenApp, echo_api: str, models: Path):
    sparse_gguf(models / "echo.gguf", 1000)
    app = open_app(repository, api=echo_api, route="#/models")
    talk(app, models)
    user = app.page.locator("article[data-role=user]")
    user.first.get_by_role("button", name="Edit").click()
    editor = app.page.get_by_role("textbox", name="Edited message")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("First question")
    editor.fill("Another question")
    app.page.get_by_role("button", name="Save and send").click()
    expect(user).to_have_count(1)  # first of all: a locator that finds two at the time is no wait but an error
    expect(app.page.locator("article[data-role=assistant]")).to_contain_text("You said: Another question")
    user.get_by_role("button", name="Previous version").click()
    expect(user.first).to_contain_text("First question")
    expect(user).to_have_count(2)
    app.page.locator("article[data-role=assistant]").last.get_by_role("button", name="Regenerate").click()
    expect(app.page.locator("article[data-role=assistant]").last).to_contain_text("2 of 2")

    app.page.locator("article").last.get_by_role("button", name="Branch").click()
    expect(app.page.get_by_role("list", name="Conversations").get_by_role("listitem")).to_have_count(2)
    expect(app.page.locator("article")).to_have_count(4)
    user.last.get_by_role("button", name="Delete").click()
    expect(app.page.locator("#removed")).to_contain_text("the 1 that follow")
    expect(app.page.locator("article")).to_have_count(2)
    app.reload()
    expect(app.page.locator("article")).to_have_count(2)


def test_conversations_are_listed_searched_and_deleted(repository: str, open_app: OpenApp, echo_api: str, models: Path):
    sparse_gguf(models / "echo.gguf", 1000)
    app = open_app(repository, api=echo_api, route="#/models")
    talk(app, models)
    app.page.get_by_role("button", name="New chat").click()
    expect(app.page.locator("article")).to_have_count(0)
    app.send("Unrelated matter")
    items = app.page.get_by_role("list", name="Conversations").get_by_role("listitem")
    expect(items).to_have_count(2)
    expect(items.first).to_contain_text("Unrelated matter")
    app.page.get_by_role("searchbox", name="Search conversations").fill("FIRST")
    expect(items).to_have_count(1)
    items.get_by_role("link").click()
    expect(app.page.locator("article")).to_have_count(4)
    app.page.get_by_role("button", name="Delete First question").click()
    expect(app.page.locator("article")).to_have_count(0)
    app.reload()
    expect(items).to_have_count(1)


def test_a_text_file_goes_along_with_a_message(repository: str, open_app: OpenApp, echo_api: str, models: Path, tmp_path: Path):
    sparse_gguf(models / "echo.gguf", 1000)
    notes = tmp_path / "notes.txt"
    notes.write_text("milk\neggs\n")
    app = open_app(repository, api=echo_api, route="#/models")
    app.page.get_by_role("button", name="Sync").click()
    app.row("echo.gguf").get_by_role("button", name="Use echo.gguf").click()
    with app.page.expect_file_chooser() as chooser:
        app.page.get_by_role("button", name="Attach").click()
    chooser.value.set_files(notes)
    expect(app.page.locator(".attachment")).to_contain_text("notes.txt")
    expect(app.send("What is on the list?")).to_contain_text("eggs")
    expect(app.page.locator(".attachment")).to_have_count(0)
    with app.page.expect_file_chooser() as chooser:
        app.page.get_by_role("button", name="Attach").click()
    chooser.value.set_files(notes)
    expect(app.page.locator(".attachment")).to_contain_text("notes.txt")


def test_a_message_without_a_model_is_kept(repository: str, open_app: OpenApp):
    app = open_app(repository)
    box = app.page.get_by_role("textbox", name="Message")
    box.fill("Do not lose me")
    box.press("Enter")
    expect(app.page.get_by_role("alert")).to_contain_text("No model is chosen.")
    expect(box).to_have_value("Do not lose me")
    box.press("Shift+Enter")
    expect(box).to_have_value("Do not lose me\n")


def test_the_theme_is_kept_and_applied_before_python(repository: str, open_app: OpenApp):
    app = open_app(repository, route="#/settings")
    app.page.get_by_role("combobox", name="Theme").select_option("dark")
    expect(app.page.locator("html")).to_have_attribute("data-theme", "dark")
    app.page.reload(wait_until="commit")
    expect(app.page.locator("html")).to_have_attribute("data-theme", "dark")
    app.wait()
    app.page.get_by_role("combobox", name="Theme").select_option("auto")
    expect(app.page.locator("html")).not_to_have_attribute("data-theme", re.compile("."))


def test_offline_only_refuses_other_machines(repository: str, open_app: OpenApp, context: BrowserContext):
    health = {"status": "healthy", "service": "Far away", "version": "1"}
    asked: list[str] = []

    def far(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json=health if "health" in route.request.url else {"models": [], "count": 0, "cached_models": []})

    context.route("http://far.example/**", far)
    app = open_app(repository, api="http://far.example/api/v1", route="#/connections")
    expect(app.health()).to_have_attribute("data-health", "healthy")
    app.visit("Settings")
    app.page.get_by_role("switch", name="Offline only").click()
    expect(app.page.get_by_role("switch", name="Offline only")).to_have_attribute("aria-checked", "true")
    asked.clear()
    app.visit("Connections")
    app.health().get_by_role("button", name="Test Local LLM API").click()
    expect(app.health()).to_contain_text("“Offline only” is on")
    assert asked == []


def test_an_export_is_read_back_and_erasing_leaves_nothing(repository: str, open_app: OpenApp, echo_api, models, tmp_path):
    sparse_gguf(models / "echo.gguf", 1000)
    app = open_app(repository, api=echo_api, route="#/models")
    talk(app, models)
    app.visit("Settings")
    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="Export data").click()
    exported = tmp_path / "export.zip"
    download.value.save_as(exported)

    app.visit("Models")
    app.add_files(sparse_gguf(tmp_path / "kept.gguf", 5000), to="In this tab")
    expect(app.row("kept.gguf")).to_be_visible()
    app.visit("Settings")
    app.page.get_by_role("combobox", name="Theme").select_option("dark")
    app.page.get_by_role("button", name="Erase everything").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Erase", exact=True).click()
    app.page.wait_for_event("load")
    app.wait()
    expect(app.page.get_by_text("Your conversations appear here.")).to_be_visible()
    app.visit("Models")
    expect(app.row("echo.gguf")).to_be_visible()
    expect(app.row("kept.gguf")).to_have_count(0)
    app.visit("Settings")
    expect(app.page.get_by_role("combobox", name="Theme")).to_have_value("auto")
    with app.page.expect_file_chooser() as chooser:
        app.page.get_by_role("button", name="Import data").click()
    chooser.value.set_files(exported)
    app.page.get_by_role("dialog").get_by_role("button", name="Import", exact=True).click()
    expect(app.page.get_by_role("status", name="Status")).to_have_text("1 conversation is imported")
    app.page.get_by_role("list", name="Conversations").get_by_role("link").click()
    expect(app.page.locator("article")).to_have_count(4)

    broken = tmp_path / "broken.json"
    broken.write_text('{"format": "other"}')
    app.visit("Settings")
    with app.page.expect_file_chooser() as chooser:
        app.page.get_by_role("button", name="Import data").click()
    chooser.value.set_files(broken)
    expect(app.page.get_by_role("alert")).to_contain_text("broken.json cannot be imported")

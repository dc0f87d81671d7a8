"""The list of conversations in Chromium: search in messages, pin, folders, a long list, undo; a long conversation."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.corpus import FILL, corpus, options
from tests.e2e.conftest import App, OpenApp
from tests.servers.model_files import sparse_gguf


@pytest.fixture
def app(repository: str, open_app: OpenApp, echo_api: str, models: Path) -> App:
    """The app with a model that echoes, on the chat page."""
    sparse_gguf(models / "echo.gguf", 1000)
    opened = open_app(repository, api=echo_api, route="#/models")
    opened.page.get_by_role("button", name="Sync").click()
    opened.row("echo.gguf").get_by_role("button", name="Use echo.gguf").click()
    return opened


def say(app: App, *texts: str) -> None:
    """A conversation of one turn for each text."""
    for text in texts:
        app.page.get_by_role("button", name="New chat").click()
        expect(app.page.locator("article")).to_have_count(0)
        expect(app.send(text)).to_have_attribute("data-status", "done")
        expect(app.page.get_by_role("button", name="Send")).to_be_enabled()  # it is on record, too


def items(app: App) -> Locator:
    """The rows of the list."""
    return app.page.get_by_role("list", name="Conversations").get_by_role("listitem")


def fill(page: Page, conversations: int, messages: int) -> None:
    """Put made-up conversations into the database that the app has opened."""
    page.evaluate(FILL, options(conversations, messages))


def test_a_search_marks_what_was_found_in_messages_and_leads_there(app: App):
    say(app, "Rivers of Europe\n\nWhich ones flow through Vienna?", "Something else")
    search = app.page.get_by_role("searchbox", name="Search conversations")
    search.fill("vienna")
    expect(items(app)).to_have_count(1)
    expect(items(app).locator("mark").first).to_have_text("Vienna")
    search.fill("europe said vienna")
    expect(items(app)).to_have_count(1)
    items(app).get_by_role("link").click()
    expect(app.page.locator("article")).to_have_count(2)
    search.fill("nowhere")
    expect(app.page.get_by_text("No conversation has this in its title or its messages.")).to_be_visible()
    search.fill("")
    expect(items(app)).to_have_count(2)
    say(app, "Vienna again")
    search.fill("")
    search.blur()
    search.fill("vienna")
    expect(items(app)).to_have_count(2)


def test_pinned_filed_and_renamed_conversations_are_so_after_a_reload(app: App):
    say(app, "One", "Two", "Three")
    page = app.page
    page.get_by_role("button", name="Pin One").click()
    expect(items(app).first).to_contain_text("One")
    page.get_by_role("button", name="Rename or move Two").click()
    dialog = page.get_by_role("dialog", name="Rename or move")
    dialog.get_by_role("textbox", name="Title").fill("Deux")
    dialog.get_by_label("Folder").fill("French")
    dialog.get_by_role("button", name="Save").click()
    folder = page.get_by_role("button", name="French")
    expect(items(app)).to_have_text(["One", "French 1", "Deux", "Three"])
    folder.click()
    expect(items(app)).to_have_text(["One", "French 1", "Three"])
    app.reload()
    expect(folder).to_have_attribute("aria-expanded", "false")
    expect(items(app)).to_have_text(["One", "French 1", "Three"])
    page.get_by_role("combobox", name="Sort conversations").select_option("Oldest first")
    folder.click()
    expect(items(app)).to_have_text(["One", "French 1", "Deux", "Three"])


def test_the_model_writes_a_title(app: App):
    say(app, "One")
    app.page.get_by_role("button", name="Rename or move One").click()
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_label("Folder").fill("Kept")
    dialog.get_by_role("button", name="Write a title").click()
    expect(dialog.get_by_role("textbox", name="Title")).not_to_have_value("One")
    expect(dialog.get_by_label("Folder")).to_have_value("Kept")


def test_deletions_are_undone_and_those_that_are_not_stay_after_the_tab_is_killed(app: App):
    say(app, "One", "Two", "Three")
    page = app.page
    page.get_by_role("button", name="Delete Three").click()
    expect(items(app)).to_have_text(["Two", "One"])
    expect(page.locator("article")).to_have_count(0)
    page.get_by_role("button", name="Undo: “Three” is deleted.").click()
    expect(items(app)).to_have_text(["Three", "Two", "One"])
    expect(page.locator("article")).to_have_count(2)
    page.locator("article").first.get_by_role("button", name="Delete").click()
    expect(page.locator("article")).to_have_count(0)
    page.get_by_role("button", name="Undo: The message and").click()
    expect(page.locator("article")).to_have_count(2)
    page.get_by_role("button", name="Select conversations").click()
    page.get_by_role("checkbox", name="Select One").check()
    page.get_by_role("checkbox", name="Select Two").check()
    page.get_by_role("button", name="Delete selected conversations").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(items(app)).to_have_text(["Three"])
    page.get_by_role("button", name="Undo: 2 conversations are deleted.").click()
    expect(items(app)).to_have_text(["Three", "Two", "One"])
    page.get_by_role("button", name="Delete One").click()
    expect(page.locator("#removed")).to_contain_text("“One” is deleted.")
    app.reload()
    expect(items(app)).to_have_text(["Three", "Two"])
    items(app).nth(1).get_by_role("link").click()
    expect(page.locator("article")).to_have_count(2)


def test_of_a_long_list_only_a_part_is_drawn_and_scrolling_draws_the_rest(repository: str, open_app: OpenApp):
    app = open_app(repository)
    expect(app.page.get_by_text("Your conversations appear here.")).to_be_attached()
    fill(app.page, 1000, 2)
    app.reload()
    expect(items(app).first).to_contain_text(corpus(0).title)
    assert items(app).count() < 120
    scroll = app.page.locator("#conversation-list")
    for _ in range(3):  # the height of a row is measured by the first scrolling
        scroll.evaluate("list => list.scrollTo(0, list.scrollHeight)")
        app.page.wait_for_timeout(100)
    expect(items(app).last).to_contain_text(corpus(999).title)
    expect(items(app).last).to_be_in_viewport()
    app.page.get_by_role("searchbox", name="Search conversations").fill("zebra500")
    expect(items(app)).to_have_count(1)
    expect(items(app).locator("mark")).to_have_text("zebra500")


def test_a_long_conversation_opens_at_its_end_and_shows_what_came_before_as_one_scrolls_up(repository: str, open_app: OpenApp):
    app = open_app(repository)
    expect(app.page.get_by_text("Your conversations appear here.")).to_be_attached()
    fill(app.page, 1, 300)
    app.reload()
    items(app).get_by_role("link").click()
    articles = app.page.locator("article")
    expect(articles.last).to_contain_text("message 299")
    expect(articles.last).to_be_in_viewport()
    assert articles.count() < 100
    seen = articles.first.get_attribute("id")
    articles.first.scroll_into_view_if_needed()
    expect(articles.first).not_to_have_id(str(seen))
    expect(app.page.locator(f"#{seen}")).to_be_in_viewport()  # what is seen stays where it is
    for _ in range(30):
        app.page.locator("#conversation-scroll").evaluate("area => area.scrollTo(0, 0)")
        app.page.wait_for_timeout(100)
    expect(articles).to_have_count(300)
    expect(app.page.get_by_role("button", name="Show earlier messages")).to_have_count(0)

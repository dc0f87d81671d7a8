"""Nothing of an answer is lost when its tab is killed, and two tabs show and write the same conversation."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import App, ErrorLog, configuration
from tests.e2e.memory import kill_renderer
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply

PATH = "/v1/chat/completions"
MODELS = json_reply({"object": "list", "data": [{"id": "m", "object": "model"}]})


def chunk(text: str) -> bytes:
    """A piece of a streamed answer."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def counting(count: int | None = None, delay_s: float = 0.02) -> Reply:
    """An answer that counts, to a number or without an end."""
    numbers = map(lambda n: chunk(f"{n} "), itertools.count(1) if count is None else range(1, count + 1))
    return Reply(chunks=itertools.chain(numbers, [END]), chunk_delay_s=delay_s, content_type="text/event-stream")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server of one model, which counts to thirty unless a test says otherwise."""
    with ScriptedServer({("GET", "/v1/models"): MODELS, ("POST", PATH): lambda request: counting(30)}) as running:
        yield running


OpenTab = Callable[..., App]


@pytest.fixture
def open_tab(context: BrowserContext, errors: ErrorLog, repository: str, server: ScriptedServer) -> OpenTab:
    """Opens the app, connected to the server, in a tab of its own."""
    config = configuration(None)
    config["connections"].append({"id": "c", "type": "openai", "name": "C", "base_url": server.url + "/v1"})
    config["settings"]["model"] = "c/m"
    script = (
        f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {json.dumps(json.dumps(config))})"
    )

    def open_(route: str = "", page: Page | None = None) -> App:
        page = page or context.new_page()
        errors.watch(page)
        page.add_init_script(script)
        return App(page, repository).open(route)

    return open_


def route_of(app: App) -> str:
    """The address of the conversation that is shown."""
    app.page.wait_for_url(re.compile("#/chat/"))
    return "#" + app.page.url.partition("#")[2]


def last_number(text: str) -> int:
    """How far an answer has counted."""
    return int(re.findall(r"\d+", text)[-1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ends a process by its number")
def test_an_answer_whose_tab_is_killed_is_there_up_to_the_last_second(
    open_tab: OpenTab, server: ScriptedServer, browser: Browser
):
    server.on("POST", PATH, lambda request: counting())
    app = open_tab()
    text = app.send("Count.").locator("[data-part=text]")
    expect(text).to_contain_text(" 100 ")
    route, seen = route_of(app), last_number(text.inner_text())
    kill_renderer(browser)

    again = open_tab(route)
    answer = again.page.locator("article[data-role=assistant]")
    expect(answer).to_have_attribute("data-status", "stopped")
    expect(answer.locator("[data-part=stats]")).to_contain_text("Interrupted")
    assert last_number(answer.locator("[data-part=text]").inner_text()) >= seen - 50  # a second of the stream
    server.on("POST", PATH, counting(3))
    answer.get_by_role("button", name="Regenerate").click()
    expect(answer).to_have_attribute("data-status", "done")
    expect(answer).to_contain_text("2 of 2")


def test_two_tabs_show_an_answer_as_it_comes_and_either_can_stop_it(open_tab: OpenTab, server: ScriptedServer):
    server.on("POST", PATH, lambda request: counting())
    first = open_tab()
    second = open_tab()
    first.send("Count.")
    expect(second.page.get_by_role("list", name="Conversations").get_by_role("listitem")).to_have_count(1)
    second.page.get_by_role("link", name="Count.").click()
    second.page.get_by_role("textbox", name="Message").fill("A half-written thought")
    answer = second.page.locator("article[data-role=assistant]")
    expect(answer).to_have_attribute("data-status", "streaming")
    text = answer.locator("[data-part=text]")
    expect(text).to_contain_text(" 60 ")
    expect(second.page.get_by_text("This answer comes in another tab")).to_be_visible()
    second.page.get_by_role("button", name="Stop").click()
    for app in (first, second):
        expect(app.page.locator("article[data-role=assistant]")).to_have_attribute("data-status", "stopped")
    expect(second.page.locator("[data-part=stats]").last).to_contain_text("Stopped")
    expect(second.page.get_by_role("button", name="Send")).to_be_enabled()
    expect(second.page.get_by_role("textbox", name="Message")).to_have_value("A half-written thought")
    assert text.inner_text() == first.page.locator("[data-part=text]").last.inner_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ends a process by its number")
def test_the_other_tab_notices_that_the_tab_of_an_answer_is_gone(open_tab: OpenTab, server: ScriptedServer):
    server.on("POST", PATH, lambda request: counting())
    first = open_tab()
    first.send("Count.")
    second = open_tab(route_of(first))
    answer = second.page.locator("article[data-role=assistant]")
    expect(answer.locator("[data-part=text]")).to_contain_text(" 30 ")
    expect(answer).to_have_attribute("data-status", "streaming")
    first.page.close()
    expect(answer).to_have_attribute("data-status", "stopped")
    expect(answer.locator("[data-part=stats]")).to_contain_text("Interrupted")
    expect(second.page.get_by_role("button", name="Send")).to_be_enabled()


def test_two_tabs_that_write_at_the_same_time_make_branches(open_tab: OpenTab, server: ScriptedServer):
    def reply(request: RecordedRequest) -> Reply:
        asked = request.json()["messages"][-1]["content"]
        return Reply(
            chunks=[*(chunk(f"{asked} {n}. ") for n in range(30)), END], chunk_delay_s=0.05, content_type="text/event-stream"
        )

    first = open_tab()
    expect(first.send("Begin")).to_have_attribute("data-status", "done")
    expect(first.page.get_by_role("button", name="Send")).to_be_enabled()
    second = open_tab(route_of(first))
    expect(second.page.locator("article")).to_have_count(2)
    server.on("POST", PATH, reply)
    for app, text in ((first, "One"), (second, "Two")):
        app.page.get_by_role("textbox", name="Message").fill(text)
    # In each page at the same moment: neither has heard of the other.
    for app in (first, second):
        app.page.evaluate(
            "setTimeout(() => document.getElementById('composer').requestSubmit(), Math.max(0, 300 - Date.now() % 300))"
        )
    for app, text in ((first, "One"), (second, "Two")):
        expect(app.page.locator("article")).to_have_count(4)
        expect(app.page.locator("article").last).to_have_attribute("data-status", "done")
        expect(app.page.locator("article").last).to_contain_text(f"{text} 29.")
    second.reload()
    expect(second.page.locator("article")).to_have_count(4)
    expect(second.page.locator("article[data-role=user]").last).to_contain_text("of 2")


def test_what_is_sent_changed_and_deleted_in_one_tab_is_seen_in_the_other(open_tab: OpenTab):
    first = open_tab()
    expect(first.send("Begin")).to_have_attribute("data-status", "done")
    second = open_tab(route_of(first))
    expect(second.page.locator("article")).to_have_count(2)
    expect(first.send("More")).to_have_attribute("data-status", "done")
    expect(second.page.locator("article")).to_have_count(4)
    expect(second.page.locator("article").last).to_have_attribute("data-status", "done")
    first.page.locator("article").last.get_by_role("button", name="Delete").click()
    expect(second.page.locator("article")).to_have_count(3)
    first.visit("Settings")
    first.page.get_by_role("combobox", name="Theme").select_option("dark")
    expect(second.page.locator("html")).to_have_attribute("data-theme", "dark")
    first.page.get_by_role("button", name="Delete Begin").click()
    expect(second.page.locator("article")).to_have_count(0)
    expect(second.page.get_by_role("status", name="Status")).to_contain_text("deleted in another tab")


@pytest.mark.expected_errors("QuotaExceeded")
def test_a_storage_that_refuses_is_told_once_and_the_answer_is_kept_as_soon_as_it_can_be(
    open_tab: OpenTab, server: ScriptedServer
):
    app = open_tab()
    app.page.evaluate(
        """() => {
          const put = IDBObjectStore.prototype.put;
          window.full = true;
          IDBObjectStore.prototype.put = function (...given) {
            if (window.full) throw new DOMException("The disk is full.", "QuotaExceededError");
            return put.apply(this, given);
          };
        }"""
    )
    answer = app.send("Count.")
    expect(answer).to_have_attribute("data-status", "done")
    alert = app.page.get_by_role("alert")
    expect(alert).to_contain_text("This conversation cannot be kept: the browser's storage refuses it.")
    expect(answer).to_contain_text("30")
    app.page.evaluate("() => { window.full = false; }")
    expect(alert).to_have_count(0)
    route = route_of(app)
    app.reload()
    app.page.goto(app.url + route)
    expect(app.page.locator("article[data-role=assistant]")).to_contain_text("30")

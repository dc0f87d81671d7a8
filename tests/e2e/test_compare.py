"""The Compare page and the figures under answers, in Chromium, with servers that answer as fast as they are told."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.e2e.conftest import MODEL, App, ErrorLog, OpenApp, configuration
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply


def chunk(**delta: str) -> bytes:
    """One event of a streamed answer."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


END = (
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}\n\ndata: [DONE]\n\n'
)


def answering(model: str, count: int, pause: float) -> ScriptedServer:
    """A server with one model, which answers in so many words, with a pause before each."""

    def answer(request: RecordedRequest) -> Reply:
        turn = sum(1 for m in request.json()["messages"] if m["role"] == "user")
        parts = [chunk(content=f"**{model}** answers {turn}:"), *(chunk(content=f" word{n}") for n in range(count)), END]
        return Reply(chunks=parts, chunk_delay_s=pause, content_type="text/event-stream")

    listed = json_reply({"object": "list", "data": [{"id": model, "object": "model"}]})
    return ScriptedServer({("GET", "/v1/models"): listed, ("POST", "/v1/chat/completions"): answer})


@pytest.fixture(scope="module")
def quick() -> Iterator[ScriptedServer]:
    """Answers within a second."""
    with answering("quick", 10, 0.05) as server:
        yield server


@pytest.fixture(scope="module")
def steady() -> Iterator[ScriptedServer]:
    """Takes some seconds."""
    with answering("steady", 20, 0.2) as server:
        yield server


Compare = Callable[..., App]


@pytest.fixture
def compare(
    context: BrowserContext, errors: ErrorLog, repository: str, quick: ScriptedServer, steady: ScriptedServer
) -> Compare:
    """Opens the Compare page with both servers, one in each of the first two columns."""

    def open_(**settings: Any) -> App:
        page = context.new_page()
        errors.watch(page)
        value = configuration(None)
        value["settings"].update(settings)
        for id_, server in (("q", quick), ("s", steady)):
            value["connections"].append({"id": id_, "type": "openai", "name": f"Server {id_}", "base_url": server.url + "/v1"})
        text = json.dumps(json.dumps(value))
        page.add_init_script(f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {text})")
        app = App(page, repository).open()
        app.visit("Compare")
        expect(page.get_by_role("heading", name="Compare")).to_be_visible()
        for place, name in enumerate(("quick", "steady")):
            choices(app).nth(place).select_option(label=name)
        return app

    return open_


def choices(app: App) -> Locator:
    """The comboboxes of the columns."""
    return app.page.get_by_role("combobox", name="Model", exact=True)


def ask(app: App, text: str) -> None:
    """Types a message and sends it to all columns."""
    app.page.get_by_role("textbox", name="Message").fill(text)
    app.page.get_by_role("button", name="Send to all").click()


def column(app: App, name: str) -> Locator:
    """A column."""
    return app.page.get_by_role("region", name=name, exact=True)


def test_two_models_answer_at_the_same_time_go_on_are_voted_on_and_come_back_after_a_reload(compare: Compare):
    app = compare()
    ask(app, "Why is the sky blue?")
    app.page.wait_for_function(
        "() => document.querySelectorAll('.compare-answer[data-status=streaming] [data-part=text] strong').length === 2"
    )
    expect(app.page.get_by_role("button", name="Stop all")).to_be_visible()
    for name in ("quick", "steady"):
        answer = column(app, name).get_by_role("article", name=name)
        expect(answer).to_have_attribute("data-status", "done")
        expect(answer.locator("strong")).to_have_text(name)
        expect(answer.locator("[data-part=stats]")).to_have_text(
            re.compile(r"500 tokens · .* tokens/s · first token after .* · 1,000 prompt tokens · 127\.0\.0\.1")
        )
    expect(app.page.get_by_role("status", name="Status")).to_have_text("steady has answered. All answers are complete")

    ask(app, "And at night?")
    expect(column(app, "quick").get_by_role("article").nth(1)).to_contain_text("answers 2: word0")
    app.page.get_by_role("button", name="Stop steady").click()
    expect(column(app, "steady").get_by_role("article").nth(1)).to_have_attribute("data-status", "stopped")
    app.page.get_by_role("button", name="This one is best: quick").click()
    table = app.page.get_by_role("table", name="Results")
    expect(table.get_by_role("row", name="quick")).to_contain_text("1 of 1")
    expect(app.page.get_by_role("img", name=re.compile("Voted best: quick 100%"))).to_be_visible()

    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="Export CSV").click()
    assert download.value.path().read_text().count("\n") == 5

    app.reload()
    expect(column(app, "steady").get_by_role("article").nth(1)).to_have_attribute("data-status", "stopped")
    expect(column(app, "quick").get_by_role("article")).to_have_count(2)
    expect(app.page.get_by_role("button", name="This one is best: quick")).to_have_attribute("aria-pressed", "true")
    app.page.get_by_role("button", name="New comparison").click()
    expect(app.page.get_by_role("article")).to_have_count(0)
    app.page.get_by_role("list", name="Comparisons").get_by_role("link", name="Why is the sky blue?").click()
    expect(column(app, "quick").get_by_role("article")).to_have_count(2)


def test_a_killed_tab_loses_at_most_the_last_second_of_each_column(compare: Compare):
    app = compare()
    ask(app, "Why?")
    text = column(app, "steady").locator("[data-part=text]")
    expect(text).to_contain_text("word10")
    seen = text.inner_text()
    app.reload()
    answer = column(app, "steady").get_by_role("article")
    expect(answer).to_have_attribute("data-status", "stopped")
    assert len(re.findall("word", seen)) - len(re.findall("word", answer.locator("[data-part=text]").inner_text())) <= 6


def test_blind_mode_hides_names_until_the_vote_on_a_phone_too(compare: Compare):
    app = compare()
    app.page.set_viewport_size({"width": 390, "height": 844})
    app.page.get_by_role("switch", name="Blind").click()
    ask(app, "Why?")
    expect(column(app, "Model B").get_by_role("article")).to_have_count(1)
    expect(app.page.get_by_role("group", name="Vote")).to_be_visible()
    expect(choices(app)).to_have_count(0)
    expect(app.page.locator("#compare-columns [data-part=stats]")).to_have_text(["", ""])
    assert app.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    app.page.get_by_role("button", name="All the same").click()
    expect(choices(app)).to_have_count(2)
    expect(column(app, "quick").locator("[data-part=stats]")).to_contain_text("500 tokens")


def test_a_price_that_is_set_in_settings_tells_what_an_answer_cost(compare: Compare):
    app = compare()
    app.visit("Settings")
    app.page.get_by_role("button", name="Prices").click()
    dialog = app.page.get_by_role("dialog", name="Prices")
    expect(dialog.get_by_role("row", name="gpt-5-mini")).to_contain_text("$0.25")
    for label, value in (("Model", "quick"), ("Host", "127.0.0.1"), ("Prompt", "1"), ("Answer", "2")):
        dialog.get_by_label(label, exact=True).fill(value)
    dialog.get_by_role("button", name="Save price").click()
    expect(dialog.get_by_role("row", name="quick")).to_contain_text("yours")
    dialog.get_by_role("button", name="Close", exact=True).click()
    app.visit("Chat")
    app.choose_model("quick")
    answer = app.send("Why?")
    expect(answer).to_have_attribute("data-status", "done")
    expect(answer.locator("[data-part=stats]")).to_contain_text("$0.0020 (your price) · quick · 127.0.0.1")


@pytest.mark.model
def test_models_of_the_tab_answer_one_after_the_other(repository: str, open_app: OpenApp):
    app = open_app(repository, max_tokens=60)
    app.add_starter()
    app.visit("Compare")
    expect(app.page.get_by_role("heading", name="Compare")).to_be_visible()
    for place in range(2):
        choices(app).nth(place).select_option(label=MODEL.name)
    ask(app, "Name one colour.")
    expect(app.page.locator("#compare-columns")).to_contain_text("they answer one after the other")
    answers = app.page.locator("#compare-columns article[data-status=done]")
    expect(answers).to_have_count(2, timeout=120_000)
    expect(answers.nth(1).locator("[data-part=stats]")).to_contain_text("stayed in this tab")

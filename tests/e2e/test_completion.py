"""The Playground's page Completion in Chromium: with SmolLM2 in the tab, and with a real llama-server."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import MODEL, App, Connect, OpenApp
from tests.servers.processes import RunningServer, llama_server
from tests.servers.scripted import Reply, ScriptedServer, json_reply

ROUTE = "#/playground/completion"
PROMPT = "The capital of France is"
TEMPLATED = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def real() -> Iterator[RunningServer]:
    """A llama-server."""
    with llama_server(MODEL) as server:
        yield server


def prompt(app: App) -> Locator:
    """The prompt's box."""
    return app.page.get_by_role("textbox", name="Prompt", exact=True)


def tokens(app: App) -> Locator:
    """The tokens of the completion that is shown."""
    return app.page.get_by_role("group", name="Tokens").get_by_role("button")


def alternatives(app: App) -> Locator:
    """The alternatives of the token that is selected."""
    return app.page.get_by_role("list", name="Alternatives").get_by_role("button")


def branches(app: App) -> Locator:
    """The list of completions, newest first."""
    return app.page.get_by_role("list", name="Branches").get_by_role("listitem")


def complete(app: App) -> None:
    """Presses Complete and waits for the end."""
    app.page.get_by_role("button", name="Complete", exact=True).click()
    ended(app)


def ended(app: App) -> None:
    """Waits for the end of the completion."""
    expect(app.page.locator("#completion-tokens")).to_have_attribute("data-status", "done", timeout=120_000)


def render(app: App) -> None:
    """Renders a message with a system prompt."""
    app.page.get_by_text("Messages", exact=True).click()
    app.page.get_by_role("textbox", name="System prompt").fill("Be brief.")
    app.page.get_by_role("textbox", name="Message", exact=True).fill("Why is the sky blue?")
    app.page.get_by_role("button", name="Render", exact=True).click()
    expect(prompt(app)).to_have_value(TEMPLATED)


def branch_off(app: App) -> None:
    """Completes the prompt, looks at the first token by the keyboard, and takes its second alternative."""
    prompt(app).fill(PROMPT)
    app.page.get_by_role("spinbutton", name="Max tokens").fill("6")
    app.page.get_by_role("spinbutton", name="Temperature").fill("0")
    complete(app)
    expect(tokens(app)).to_have_count(6)
    first = tokens(app).first
    expect(first).to_have_attribute("aria-label", re.compile(r"“·Paris”, \d+ %"))
    expect(first).to_have_attribute("title", re.compile(r"\d+ %"))
    expect(app.page.get_by_role("list", name="Legend").get_by_role("listitem")).to_have_count(5)
    first.focus()
    app.page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(alternatives(app)).to_have_count(5)
    expect(alternatives(app).first).to_be_disabled()  # it is the one that came
    app.page.keyboard.press("ArrowRight")
    expect(tokens(app).nth(1)).to_be_focused()
    app.page.keyboard.press("Home")
    expect(first).to_be_focused()
    other = alternatives(app).nth(1)
    expect(other).to_have_attribute("aria-label", re.compile(r"Branch: “.+”, [\d.]+ %"))
    word = str(other.inner_text())
    other.click()
    expect(branches(app)).to_have_count(2)
    ended(app)
    expect(tokens(app).first).to_have_text(word.replace("·", " "), use_inner_text=False)
    expect(branches(app).first).to_contain_text("from token 1")


@pytest.mark.model
def test_a_model_in_the_tab_is_completed_token_by_token_branched_off_from_and_all_of_it_is_there_after_a_reload(
    open_app: OpenApp, repository: str
):
    app = open_app(repository)
    app.add_starter()
    app.page.goto(repository + ROUTE)
    expect(app.page.get_by_role("combobox", name="Model")).to_have_value(f"in-tab/{MODEL.name}")
    render(app)
    branch_off(app)
    branches(app).last.get_by_role("button").first.click()
    expect(tokens(app).first).to_have_text(" Paris", use_inner_text=False)
    app.page.get_by_role("button", name="Use as prompt").click()
    whole = re.compile(f"^{PROMPT} Paris")
    expect(prompt(app)).to_have_value(whole)
    text = app.page.locator("#completion-tokens").inner_text()
    app.page.wait_for_function("() => localStorage.getItem('modeltab.draft.playground.completion')?.includes('Paris')")
    app.reload()
    expect(prompt(app)).to_have_value(whole)
    expect(app.page.get_by_role("spinbutton", name="Max tokens")).to_have_value("6")
    expect(branches(app)).to_have_count(2)
    assert app.page.locator("#completion-tokens").inner_text() == text
    tokens(app).first.click()
    expect(alternatives(app)).to_have_count(5)


@pytest.mark.model
def test_a_real_llama_server_renders_completes_and_branches(connect: Connect, real: RunningServer):
    app = connect(ROUTE, "llama-server", real.url)
    app.page.get_by_role("combobox", name="Model").select_option(label=MODEL.name)
    render(app)
    expect(app.page.locator("#completion-render")).to_contain_text(re.compile(r"\d+ of [\d,]+ tokens"))
    branch_off(app)
    app.page.get_by_role("button", name="Continue").click()
    expect(tokens(app).nth(6)).to_be_visible()
    ended(app)
    app.page.get_by_role("button", name=re.compile("^Delete")).first.click()
    app.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(branches(app)).to_have_count(1)
    expect(tokens(app).first).to_have_text(" Paris", use_inner_text=False)


@pytest.mark.model
def test_a_completion_is_stopped_and_keeps_what_has_come(connect: Connect, real: RunningServer):
    app = connect(ROUTE, "openai", real.url + "/v1")
    app.page.get_by_role("combobox", name="Model").select_option(index=1)
    prompt(app).fill("Once upon a time")
    app.page.get_by_role("spinbutton", name="Max tokens").fill("1500")
    app.page.get_by_role("button", name="Complete", exact=True).click()
    expect(tokens(app).nth(3)).to_be_visible()
    app.page.get_by_role("button", name="Stop", exact=True).click()
    expect(app.page.get_by_role("status", name="Status")).to_have_text("Completion stopped")
    expect(app.page.locator("#completion-tokens")).to_have_attribute("data-status", "stopped")
    assert tokens(app).count() < 1500


def test_a_model_that_completes_no_text_says_why(connect: Connect):
    listed = json_reply({"object": "list", "data": [{"id": "m1", "object": "model"}]})
    with ScriptedServer({("GET", "/v1/models"): listed, ("POST", "/v1/responses"): Reply()}) as server:
        app = connect(ROUTE, "openai-responses", server.url + "/v1")
        app.page.get_by_role("combobox", name="Model").select_option(label="m1")
        expect(app.page.get_by_role("button", name="Complete", exact=True)).to_be_disabled()
        expect(app.page.get_by_text("The Responses API answers messages only.")).to_be_visible()
        links = app.page.get_by_role("navigation", name="Playground").get_by_role("link")
        expect(links).to_have_text(["Code", "Completion", "Structured output"])
        links.nth(2).click()
        expect(app.page.get_by_role("heading", name="Structured output")).to_be_visible()

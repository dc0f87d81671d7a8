"""Hosted APIs by their presets: a key is pasted, Test, Save, and the page has their models and answers."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserType, Page, expect

from tests.e2e.conftest import App, ErrorLog, configuration
from tests.servers.hosted import ANTHROPIC, GEMINI, OPENAI, HostedApis, self_signed
from tools.chromium import launch_arguments

KEY = "sk-secret-0123456789abcdefghij"
FIELDS = {"openai": "authorization", "responses": "authorization", "anthropic": "x-api-key", "gemini": "x-goog-api-key"}
VENDORS = {
    "openai": ("OpenAI", OPENAI, "gpt-5-mini", "/v1/chat/completions"),
    "responses": ("OpenAI Responses", OPENAI, "gpt-5-mini", "/v1/responses"),
    "anthropic": ("Anthropic", ANTHROPIC, "claude-sonnet-4-5", "/v1/messages"),
    "gemini": ("Gemini", GEMINI, "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"),
}


@pytest.fixture(scope="module")
def apis(tmp_path_factory) -> Iterator[HostedApis]:
    """The vendors."""
    with HostedApis(KEY, self_signed(tmp_path_factory.mktemp("tls"))) as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere(apis: HostedApis, browser_type: BrowserType, browser_type_launch_args) -> Iterator[Browser]:
    """A browser for which the vendors' names lead to them."""
    arguments = {**browser_type_launch_args, "args": [*launch_arguments(), *apis.browser_arguments]}
    browser = browser_type.launch(**arguments)
    yield browser
    browser.close()


@pytest.fixture
def page(elsewhere: Browser, errors: ErrorLog) -> Iterator[Page]:
    """A page with a profile of its own."""
    profile = elsewhere.new_context(viewport={"width": 1280, "height": 800})
    page = profile.new_page()
    errors.watch(page)
    config = json.dumps(json.dumps(configuration(None)))
    page.add_init_script(f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {config})")
    yield page
    profile.close()


@pytest.mark.expected_errors("status of 40[01]", "blocked by CORS policy", "net::ERR_FAILED")
@pytest.mark.parametrize("vendor", list(VENDORS))
def test_a_preset_a_key_test_and_save_are_all_it_takes(vendor: str, repository: str, page: Page, apis: HostedApis):
    label, host, model, path = VENDORS[vendor]
    app = App(page, repository).open("#/connections")
    page.get_by_role("button", name="Add connection", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Preset").select_option(label=label)
    expect(dialog.get_by_role("textbox", name="Base URL")).to_have_value(re.compile(f"https://{host}/v1"))
    verdict = dialog.get_by_role("status", name="Diagnosis")

    dialog.get_by_label("API key").fill(KEY[::-1])
    dialog.get_by_role("button", name="Test", exact=True).click()
    expect(verdict).to_have_attribute("data-kind", "key-refused-unseen" if host == OPENAI else "unauthorized")
    expect(verdict).to_contain_text("key")

    dialog.get_by_label("API key").fill(KEY)
    dialog.get_by_role("button", name="Test", exact=True).click()
    expect(verdict).to_have_attribute("data-kind", "healthy")
    dialog.get_by_role("button", name="Save").click()
    expect(app.health(label)).to_have_attribute("data-health", "healthy")

    app.visit("Chat")
    app.choose_model(model)
    answer = app.send("Who are you?")
    expect(answer).to_have_attribute("data-status", "done")
    expect(answer.locator("[data-part=text]")).to_have_text("Hello from afar.")
    expect(answer.locator("[data-part=stats]")).to_contain_text("9 prompt tokens")
    if vendor in ("anthropic", "gemini"):
        expect(answer.locator("[data-part=reasoning]")).to_have_text("I greet them.")

    request = apis.asked(host, path)
    assert KEY in request.headers[FIELDS[vendor]]
    assert not {"referer", "cookie"} & request.headers.keys()
    assert not any(KEY in f"{r.path}?{r.query}" for r in apis.requests)
    shown = page.content() + json.dumps(page.evaluate("() => ({...localStorage, 'modeltab.keys': ''})"))
    assert KEY not in shown and KEY[::-1] not in shown
    if vendor == "anthropic":  # what it thought goes back as it came
        app.send("And now?")
        expect(page.locator("article[data-role=assistant]").nth(1)).to_have_attribute("data-status", "done")
        thought = apis.asked(host, path).json()["messages"][1]["content"][0]
        assert thought == {"type": "thinking", "thinking": "I greet them.", "signature": "c2lnbmVk"}

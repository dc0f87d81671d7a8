"""Copy as code: of a message, of a model, of a connection; what is copied, and that no key is in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import App, OpenApp, configuration
from tests.servers.hosted import HostedApis
from tests.servers.model_files import sparse_gguf
from tests.servers.processes import local_llm_api
from tests.unit.snippet_runs import BY_ID, run_code

KEY = "sk-secret-0123456789abcdefghij"
PROMPT = 'It\'s "this" $HOME `id`\n\\ and 👋'

#: The status may say "Copied" of the copy before this one, so it is the clipboard that is looked at, once a frame.
WAIT_FOR_TEXT = """async () => {
  for (;;) {
    const text = await navigator.clipboard.readText();
    if (text) return text;
    await new Promise(requestAnimationFrame);
  }
}"""


@pytest.fixture(autouse=True)
def clipboard(context) -> None:
    """The page may use it."""
    context.grant_permissions(["clipboard-read", "clipboard-write", "local-network-access"])


@pytest.fixture
def hosted() -> Iterator[HostedApis]:
    """An API that takes a key."""
    with HostedApis(KEY) as server:
        yield server


def with_hosted(open_app: OpenApp, site: str, url: str) -> App:
    """The app with a connection to it, and its key."""
    app = open_app(site)
    config = configuration(None)
    config["connections"].append({"id": "away", "type": "openai", "name": "Away", "base_url": url + "/v1"})
    config["settings"] = {"model": "away/gpt-5-mini", "parameters": {"temperature": 0.25, "system_prompt": "Be brief."}}
    keys = {"version": 1, "protection": "browser", "keys": {"away": {"origin": url, "key": KEY}}}
    app.page.evaluate(
        "([config, keys]) => { localStorage.setItem('modeltab.config', config); localStorage.setItem('modeltab.keys', keys) }",
        [json.dumps(config), json.dumps(keys)],
    )
    return app.reload()


def copied(page: Page, dialog: Locator) -> str:
    """What the dialog's Copy puts on the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    dialog.get_by_role("button", name="Copy code").click()
    expect(page.get_by_role("status", name="Status")).to_have_text("Copied")
    return page.evaluate(WAIT_FOR_TEXT)


def asked(hosted: HostedApis) -> Any:
    """The body of the latest message that the server was sent; the app looks at its models in between."""
    return next(request for request in reversed(hosted.requests) if request.method == "POST").json()


def shown(dialog: Locator) -> str:
    """The code in the dialog."""
    return dialog.locator("#code-text code").inner_text()


def test_a_turn_is_copied_as_it_was_sent_and_runs(repository: str, open_app: OpenApp, hosted: HostedApis, tmp_path):
    app = with_hosted(open_app, repository, hosted.url)
    page = app.page
    expect(app.send(PROMPT)).to_have_attribute("data-status", "done")
    sent = asked(hosted)
    # What is set afterwards is not what was sent.
    page.get_by_role("button", name="Parameters").click()
    page.get_by_role("dialog").get_by_label("Temperature").fill("1")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.locator("article[data-role=assistant]").get_by_role("button", name="Copy as code").click()
    dialog = page.get_by_role("dialog", name="Copy as code")
    form = dialog.get_by_role("combobox", name="Form")
    expect(form).to_have_value("curl")
    expect(dialog).to_contain_text("environment variable API_KEY")
    expect(dialog.locator("#code-text .hljs-string").first).to_be_visible()
    for id_ in ("curl", "python-requests", "python-openai", "javascript-fetch", "javascript-openai"):
        form.select_option(id_)
        expect(dialog.locator("#code-text code")).to_have_class(re.compile(BY_ID[id_].language))
        code = copied(page, dialog)
        assert code == shown(dialog)
        folder = tmp_path / id_
        folder.mkdir()
        printed = run_code(BY_ID[id_], code, folder, {"API_KEY": KEY})
        assert asked(hosted) == sent
        assert id_ == "curl" or printed.strip() == "Hello from afar."

    stream = dialog.get_by_role("checkbox", name="Stream the answer")
    stream.uncheck()
    assert '"stream": true' not in copied(page, dialog)
    form.select_option("powershell")
    expect(stream).to_have_count(0)
    expect(dialog.locator("#code-text .hljs-variable").first).to_be_visible()
    assert "$env:API_KEY" in copied(page, dialog)
    assert KEY not in page.content()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    app.reload()  # the choice is remembered
    page.locator("article[data-role=user]").get_by_role("button", name="Copy as code").click()
    expect(form).to_have_value("powershell")
    form.select_option("javascript-openai")
    expect(stream).not_to_be_checked()
    stream.check()
    run_code(BY_ID["javascript-openai"], copied(page, dialog), tmp_path, {"API_KEY": KEY})
    assert hosted.requests[-1].json() == sent


def test_a_model_of_a_server_and_its_other_operations(repository: str, open_app: OpenApp, models, tmp_path):
    sparse_gguf(models / "it's here.gguf", 1000)
    with local_llm_api(models, "--engine", "echo") as server:
        app = open_app(repository, api=server.url, route="#/models")
        page = app.page
        app.row("it's here.gguf").get_by_role("button", name="Copy as code: it's here.gguf").click()
        dialog = page.get_by_role("dialog", name="Copy as code")
        expect(dialog.get_by_role("checkbox")).to_have_count(0)  # it never streams
        assert "Why is the sky blue?" in run_code(BY_ID["curl"], copied(page, dialog), tmp_path, {})
        dialog.get_by_role("button", name="Close", exact=True).click()

        app.visit("Connections")
        app.health().get_by_role("button", name="Copy as code").click()
        operation = dialog.get_by_role("combobox", name="Operation")
        form = dialog.get_by_role("combobox", name="Form")
        assert "healthy" in run_code(BY_ID["curl"], copied(page, dialog), tmp_path, {})
        form.select_option("python-requests")
        operation.select_option(label="Delete a model")
        expect(dialog.locator("#code-text code")).to_contain_text("requests.delete")
        assert "deleted" in run_code(BY_ID["python-requests"], copied(page, dialog), tmp_path, {})
        assert not list(models.iterdir())


@pytest.mark.model
def test_a_model_in_the_tab_is_called_by_pages_and_the_playground(built: str, open_app: OpenApp):
    app = open_app(built)
    app.add_starter()
    app.visit("Models")
    app.row("SmolLM2").get_by_role("button", name="Copy as code").click()
    dialog = app.page.get_by_role("dialog", name="Copy as code")
    form = dialog.get_by_role("combobox", name="Form")
    options = form.get_by_role("option")
    expect(options).to_have_text(
        ["JavaScript, fetch", "JavaScript, openai", "Python, in the playground", "Python, in the playground, async"]
    )
    expect(dialog).to_contain_text("curl and other programs cannot reach a tab")
    assert f'fetch("{built}v1/chat/completions"' in copied(app.page, dialog)
    form.select_option("modeltab")
    assert 'for piece in modeltab.stream("in-tab/SmolLM2-135M-Instruct' in copied(app.page, dialog)
    dialog.get_by_role("checkbox", name="Stream the answer").uncheck()
    assert 'print(modeltab.chat("in-tab/SmolLM2-135M-Instruct' in copied(app.page, dialog)

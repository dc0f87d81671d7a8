"""Keys in the browser: where they are kept, how they are locked, and where they never are."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import App, OpenApp
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply

KEY = "sk-secret-0123456789abcdef"
PASSPHRASE = "correct horse battery"
ANSWER = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """An OpenAI-compatible server that wants the key, and repeats in its refusals what it was sent."""

    def guarded(reply: Reply) -> Callable[[RecordedRequest], Reply]:
        def answer(request: RecordedRequest) -> Reply:
            sent = request.headers.get("authorization", "")
            if sent == f"Bearer {KEY}":
                return reply
            return json_reply({"error": {"message": f"Incorrect API key provided: {sent}"}}, 401)

        return answer

    models = json_reply({"object": "list", "data": [{"id": "m1", "object": "model"}]})
    with ScriptedServer() as server:
        server.on("GET", "/v1/models", guarded(models))
        server.on("POST", "/v1/chat/completions", guarded(Reply(body=ANSWER, content_type="text/event-stream")))
        yield server


def connect(app: App, api: ScriptedServer, keep: str) -> None:
    """Add the connection with its key, kept in one of the ways."""
    page = app.page
    page.get_by_role("button", name="Add connection", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Type").select_option("openai")
    name = dialog.get_by_role("textbox", name="Name", exact=True)
    expect(name).to_have_attribute("placeholder", "OpenAI-compatible")  # the fields of the other type are there
    name.fill("Mine")
    dialog.get_by_role("textbox", name="Base URL").fill(api.url + "/v1")
    dialog.get_by_label("API key").fill(KEY)
    dialog.get_by_role("combobox", name="Keep keys").select_option(label=keep)
    if keep == "Encrypted with a passphrase":
        dialog.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
        dialog.get_by_label("Repeat it").fill(PASSPHRASE)
    dialog.get_by_role("button", name="Save").click()
    expect(app.health("Mine")).to_have_attribute("data-health", "healthy")


def stored(page: Page) -> str:
    """All of localStorage."""
    return str(page.evaluate("() => JSON.stringify({...localStorage})"))


@pytest.mark.expected_errors("status of 401")
def test_a_key_for_this_session_is_gone_after_a_reload(repository: str, open_app: OpenApp, api: ScriptedServer):
    app = open_app(repository, route="#/connections")
    connect(app, api, "This session only")
    assert KEY not in stored(app.page)
    expect(app.health("Mine")).to_contain_text("Key ••••••••cdef")
    app.reload()
    expect(app.health("Mine")).to_have_attribute("data-health", "unauthorized")
    assert KEY not in app.page.content()


@pytest.mark.expected_errors("status of 401")  # without its key it is asked once more
def test_a_key_in_this_browser_stays_is_shown_masked_and_is_never_exported(
    repository: str, open_app: OpenApp, api: ScriptedServer
):
    app = open_app(repository, route="#/connections")
    connect(app, api, "In this browser")
    app.reload()
    expect(app.health("Mine")).to_have_attribute("data-health", "healthy")
    assert KEY in stored(app.page)
    app.health("Mine").get_by_role("button", name="Edit Mine").click()
    expect(app.page.get_by_role("dialog").get_by_label("API key")).to_have_value("")
    app.page.keyboard.press("Escape")
    assert KEY not in app.page.content()
    app.visit("Settings")
    with app.page.expect_download() as download:
        app.page.get_by_role("button", name=re.compile("^Export")).click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "config.json" in archive.namelist()
        assert not [name for name in archive.namelist() if KEY.encode() in archive.read(name)]

    app.visit("Connections")
    app.health("Mine").get_by_role("button", name="Erase key of Mine").click()
    expect(app.health("Mine").get_by_role("button", name="Erase key of Mine")).to_have_count(0)
    assert KEY not in stored(app.page)


@pytest.mark.expected_errors("status of 401")
def test_a_passphrase_encrypts_and_a_question_waits_for_it(repository: str, open_app: OpenApp, api: ScriptedServer):
    app = open_app(repository, route="#/connections")
    connect(app, api, "Encrypted with a passphrase")
    record = json.loads(app.page.evaluate("localStorage['modeltab.keys']"))
    assert record["lock"]["kdf"] == "PBKDF2-SHA-256" and record["lock"]["rounds"] >= 600_000
    assert KEY not in stored(app.page) and PASSPHRASE not in stored(app.page)
    app.visit("Chat")
    app.choose_model("m1")
    expect(app.send("One.")).to_have_attribute("data-status", "done")

    app.reload()
    dialog = app.page.get_by_role("dialog")
    box = app.page.get_by_role("textbox", name="Message")
    box.fill("Two.")
    box.press("Enter")
    expect(dialog).to_contain_text("Mine needs its key.")
    dialog.get_by_label("Passphrase").fill("another passphrase")
    dialog.get_by_role("button", name="Unlock").click()
    expect(dialog).to_contain_text("This is not the passphrase.")
    expect(box).to_have_value("Two.")
    dialog.get_by_label("Passphrase").fill(PASSPHRASE)
    dialog.get_by_role("button", name="Unlock").click()
    expect(app.page.locator("article[data-role=assistant]").nth(1)).to_have_attribute("data-status", "done")
    expect(box).to_have_value("")

    app.visit("Settings")
    app.page.get_by_role("button", name="Lock now").click()
    expect(app.page.get_by_role("button", name="Unlock keys")).to_be_visible()
    app.page.get_by_role("button", name="Erase all keys").click()
    dialog.get_by_role("button", name="Erase", exact=True).click()
    expect(app.page.get_by_text("No key is kept.")).to_be_visible()
    circle = app.page.get_by_role("radio", name="In this browser").bounding_box()
    words = app.page.get_by_text("In this browser", exact=True).bounding_box()
    assert circle and words and 0 < words["x"] - circle["x"] - circle["width"] < 24, "the words stand beside their circle"
    assert json.loads(app.page.evaluate("localStorage['modeltab.keys']")).get("keys") in ({}, None)


def test_keys_lock_themselves_when_the_page_is_not_used(context: BrowserContext, repository: str, open_app: OpenApp, api):
    context.clock.install()
    app = open_app(repository, route="#/connections")
    connect(app, api, "Encrypted with a passphrase")
    app.visit("Settings")
    app.page.get_by_role("combobox", name="Lock when unused for").select_option(label="5 minutes")
    app.page.clock.fast_forward("04:00")
    expect(app.page.get_by_role("button", name="Lock now")).to_be_visible()
    app.page.clock.fast_forward("06:10")
    expect(app.page.get_by_role("button", name="Unlock keys")).to_be_visible()


@pytest.mark.expected_errors("status of 401")
def test_another_address_asks_for_the_key_again_and_never_gets_the_old_one(
    repository: str, open_app: OpenApp, api: ScriptedServer
):
    refusing = json_reply({"error": {"message": "Who are you?"}}, 401)
    with ScriptedServer({("GET", "/v1/models"): refusing}) as other:
        app = open_app(repository, route="#/connections")
        connect(app, api, "In this browser")
        app.health("Mine").get_by_role("button", name="Edit Mine").click()
        dialog = app.page.get_by_role("dialog")
        dialog.get_by_role("textbox", name="Base URL").fill(other.url + "/v1")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_contain_text(f"The saved key is for {api.url} and is not sent to {other.url}.")
        dialog.get_by_label("API key").fill("sk-other-0123456789abcdef")
        dialog.get_by_role("button", name="Save").click()
        expect(app.health("Mine")).to_have_attribute("data-health", "unauthorized")
        sent = [request.headers.get("authorization") for request in other.requests if request.method == "GET"]
        assert sent and set(sent) == {"Bearer sk-other-0123456789abcdef"}


@pytest.mark.expected_errors("status of 401")
def test_a_refusal_that_repeats_the_key_is_shown_without_it(repository: str, open_app: OpenApp, api: ScriptedServer):
    app = open_app(repository, route="#/connections")
    connect(app, api, "In this browser")
    wrong = KEY[::-1]
    app.health("Mine").get_by_role("button", name="Edit Mine").click()
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_label("API key").fill(wrong)
    dialog.get_by_role("button", name="Test", exact=True).click()
    expect(dialog.get_by_role("status", name="Diagnosis")).to_contain_text("Incorrect API key provided: Bearer [key]")
    assert wrong not in app.page.content()


def test_a_redirect_takes_neither_key_nor_prompt_along(repository: str, open_app: OpenApp, api: ScriptedServer):
    with ScriptedServer() as thief:
        app = open_app(repository, route="#/connections")
        connect(app, api, "In this browser")
        away = Reply(307, headers={"Location": thief.url + "/v1/chat/completions"})
        api.on("POST", "/v1/chat/completions", away)
        app.visit("Chat")
        app.choose_model("m1")
        answer = app.send("Secret plans.")
        expect(answer).to_have_attribute("data-status", "error")
        expect(answer).to_contain_text("sends this request on to another address")
        assert thief.requests == []


def test_two_tabs_know_of_each_others_connections_and_keys(repository: str, open_app: OpenApp, api: ScriptedServer):
    first, second = open_app(repository, route="#/connections"), open_app(repository, route="#/connections")
    first.page.bring_to_front()  # a page in the background is not drawn anew
    connect(first, api, "In this browser")
    expect(second.health("Mine")).to_contain_text("Key ••••••••cdef")
    second.health("Mine").get_by_role("button", name="Erase key of Mine").click()
    expect(first.health("Mine").get_by_role("button", name="Erase key of Mine")).to_have_count(0)

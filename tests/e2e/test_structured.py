"""The Playground's page Structured output in Chromium: with a real llama-server, SmolLM2 in the tab, and scripted answers."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import MODEL, App, Connect, OpenApp
from tests.servers.processes import RunningServer, llama_server
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply

ROUTE = "#/playground/structured"
PERSON = "Facts out of a text"


@pytest.fixture(scope="module")
def real() -> Iterator[RunningServer]:
    """A llama-server."""
    with llama_server(MODEL) as server:
        yield server


def schema(app: App) -> Locator:
    """The schema's box."""
    return app.page.get_by_role("textbox", name="JSON schema")


def answer(app: App) -> Locator:
    """The part of the page with the answer."""
    return app.page.get_by_role("region", name="Answer")


def send(app: App, says: str) -> None:
    """Presses Send and waits for the end, which is told in those words."""
    app.page.get_by_role("button", name="Send", exact=True).click()
    expect(answer(app)).to_contain_text(says, timeout=120_000)


def is_a_person(app: App) -> None:
    """The answer is what the example asks for."""
    found = json.loads(answer(app).locator("pre").inner_text())
    assert found.keys() == {"name", "born", "professions"}
    assert isinstance(found["born"], int) and isinstance(found["professions"], list)


@pytest.mark.model
def test_a_real_llama_server_is_held_to_an_example(connect: Connect, real: RunningServer):
    app = connect(ROUTE, "llama-server", real.url)
    app.page.get_by_role("combobox", name="Model").select_option(label=MODEL.name)
    app.page.get_by_role("combobox", name="Example").select_option(label=PERSON)
    send(app, "The answer keeps to the schema.")
    is_a_person(app)


@pytest.mark.model
def test_a_model_in_the_tab_is_held_to_it_by_its_engine(open_app: OpenApp, repository: str):
    app = open_app(repository)
    app.add_starter()
    app.page.goto(repository + ROUTE)
    app.page.get_by_role("combobox", name="Example").select_option(label=PERSON)
    send(app, "The answer keeps to the schema.")
    is_a_person(app)
    # Only the main build can do that, so the model was loaded anew.
    app.visit("Models")
    app.row(MODEL.name).get_by_role("button", name=f"Details of {MODEL.name}").click()
    words = "wllama 3.8.1, because the request has a format for the answer"
    expect(app.page.get_by_role("dialog").get_by_text(words)).to_be_visible()


SAYINGS = {"wrong": '{"name": 3, "tags": ["a", "x"], "more": {}}', "prose": "It is Ada.", "right": '{"name":"Ada","tags":[]}'}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
    "required": ["name", "tags"],
    "additionalProperties": False,
    "$defs": {"tag": {"enum": ["a", "b"]}},
}


def say(request: RecordedRequest) -> Reply:
    """What the message asks for, which the server was told the schema with."""
    body = request.json()
    assert body["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA, "strict": True}
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": SAYINGS[body["messages"][-1]["content"]]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return Reply(content_type="text/event-stream", chunks=[*lines, b"data: [DONE]\n\n"])


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that says what it is told to."""
    listed = json_reply({"object": "list", "data": [{"id": "m1", "object": "model"}]})
    with ScriptedServer({("GET", "/v1/models"): listed, ("POST", "/v1/chat/completions"): say}) as server:
        yield server


def test_what_does_not_keep_to_the_schema_is_told_with_its_place_and_all_is_there_after_a_reload(
    connect: Connect, scripted: ScriptedServer
):
    app = connect(ROUTE, "openai", scripted.url + "/v1")
    app.page.get_by_role("combobox", name="Model").select_option(label="m1")
    button = app.page.get_by_role("button", name="Send", exact=True)
    expect(button).to_be_disabled()

    schema(app).fill('{\n  "type" "object"\n}')
    expect(app.page.locator("#structured-state")).to_contain_text("line 2, column 10")
    expect(button).to_be_disabled()
    schema(app).fill('{"properties": {"name": {"type": "text"}}}')
    expect(app.page.get_by_role("list", name="Problems of the schema")).to_contain_text("/properties/name/type")
    expect(button).to_be_disabled()
    schema(app).fill(json.dumps(SCHEMA))
    expect(app.page.locator("#structured-state")).to_have_text("The schema is valid.")
    app.page.get_by_role("button", name="Format").click()
    expect(schema(app)).to_have_value(json.dumps(SCHEMA, indent=2))

    box = app.page.get_by_role("textbox", name="Prompt", exact=True)
    box.fill("right")
    send(app, "The answer keeps to the schema.")
    expect(answer(app).locator("pre")).to_have_text('{\n  "name": "Ada",\n  "tags": []\n}')
    box.fill("prose")
    send(app, "The answer is no JSON")
    expect(answer(app).locator("pre")).to_have_text("It is Ada.")
    box.fill("wrong")
    send(app, "The answer does not keep to the schema:")
    problems = app.page.get_by_role("list", name="Problems of the answer").get_by_role("listitem")
    for place in ("/name", "/tags/1"):
        expect(problems.filter(has_text=re.compile(f"^{place} "))).to_have_count(1)
    expect(problems.filter(has_text="more")).to_have_count(2)

    app.page.wait_for_function("() => localStorage.getItem('modeltab.draft.playground.structured')?.includes('wrong')")
    app.reload()
    expect(schema(app)).to_have_value(json.dumps(SCHEMA, indent=2))
    expect(box).to_have_value("wrong")
    expect(problems).to_have_count(4)

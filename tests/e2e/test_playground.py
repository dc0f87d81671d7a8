"""The Playground's page Code: what runs there, what it can reach, and above all what it cannot."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.conftest import MODEL, App, OpenApp
from tests.servers.processes import local_llm_api
from tests.servers.scripted import Script, ScriptedServer, json_reply

#: What a server says to a page that it does not let read its answer, and what the browser says of that.
REFUSED = ("CORS policy", "Failed to load resource")


def write(app: App, code: str, tab: str = "Python") -> None:
    """Put code into the editor."""
    app.page.get_by_role("tab", name=tab, exact=True).click()
    editor = app.page.get_by_role("textbox", name="Code")
    editor.click()
    app.page.keyboard.press("Control+A")
    app.page.keyboard.press("Delete")
    app.page.keyboard.insert_text(code)


def run(app: App, code: str, tab: str = "Python") -> Locator:
    """Run code; what it prints."""
    write(app, code, tab)
    kept = app.page.get_by_role("list", name="Runs").get_by_role("listitem")
    before = kept.count()
    app.page.get_by_role("button", name="Run", exact=True).click()
    # It goes on, or has ended already.
    expect(app.page.get_by_role("button", name="Stop", exact=True).or_(kept.nth(before)).first).to_be_visible()
    return app.page.get_by_role("log", name="Output")


def ended(app: App, how: str) -> None:
    """Wait for a run's end, which has to be that one."""
    head = app.page.locator("#playground-output-head")
    expect(head).to_contain_text(re.compile("Done|Failed|Stopped"), timeout=60_000)
    assert how in head.inner_text(), app.page.get_by_role("log", name="Output").inner_text()


def allow(app: App, button: str = "Allow for this run") -> None:
    """Answer the question whether the code may use the models."""
    app.page.get_by_role("alert", name="Permission").get_by_role("button", name=button).click()


WORKFLOW = """
import requests

api = "API"
print(requests.get(api + "/health").json()["status"])
print(requests.get(api + "/models").json()["count"])
content = bytes.fromhex("CONTENT")
uploaded = requests.post(api + "/models", files={"file": ("sent.gguf", content)})
print(uploaded.status_code)
print([model["name"] for model in requests.get(api + "/models").json()["models"]])
answer = requests.post(api + "/generate", json={"question": "Good morning", "model_name": "sent.gguf"}).json()
print(answer["success"], "Good morning" in answer["response"])
print(requests.get(api + "/cache/status").json()["cached_models"])
print(requests.post(api + "/cache/clear").json()["message"])
print(requests.get(api + "/cache/status").json()["count"])
print(requests.delete(api + "/models/sent.gguf").status_code)
print(requests.get(api + "/models").json()["count"])
missing = requests.delete(api + "/models/sent.gguf")
print(missing.status_code)

import urllib.error, urllib.request

print(urllib.request.urlopen(api + "/health").status)
try:
    urllib.request.urlopen(api + "/nothing")
except urllib.error.HTTPError as error:
    print(error.code)
try:
    requests.get("http://127.0.0.1:1/")
except requests.ConnectionError:
    print("no connection")
"""
PRINTED = [
    *("healthy", "0", "200", "['sent.gguf']", "True True", "['sent.gguf']", "Cache cleared successfully", "0", "200", "0"),
    *("404", "200", "404", "no connection"),
]


@pytest.mark.expected_errors("404", "ERR_CONNECTION_REFUSED|ERR_UNSAFE_PORT")
def test_the_documented_workflow_of_the_local_llm_api_by_requests(built: str, open_app: OpenApp, models: Path, tiny: Path):
    with local_llm_api(models, "--engine", "echo") as server:
        app = open_app(built, api=server.url, route="#/playground")
        code = WORKFLOW.replace("API", server.url, 1).replace("CONTENT", tiny.read_bytes().hex())
        output = run(app, code)
        ended(app, "Done")
        assert output.inner_text().splitlines() == PRINTED
    assert list(models.iterdir()) == []


STREAMED = """
import modeltab

print([model["name"] for model in modeltab.models()])
pieces = []
for piece in modeltab.stream("NAME", "Name three colours.", temperature=0, max_tokens=24):
    pieces.append(piece)
    print(piece, end="")
print()
print("pieces", len(pieces) > 1)
answer = modeltab.chat("NAME", [{"role": "user", "content": "Name three colours."}], temperature=0, max_tokens=24)
print("same", answer == "".join(pieces), answer.finish_reason, answer.usage["completion_tokens"] > 3)
again = await modeltab.chat_async("NAME", "Name three colours.", temperature=0, max_tokens=24)
print("async", again == answer)
try:
    modeltab.chat("nobody", "Hello")
except modeltab.ModelError as error:
    print(error)
"""


@pytest.mark.model
def test_code_asks_a_model_in_the_tab_streamed_and_whole(repository: str, open_app: OpenApp):
    app = open_app(repository)
    app.add_starter()
    app.visit("Playground")
    expect(app.page.get_by_role("combobox", name="Model")).to_have_value(f"in-tab/{MODEL.name}")
    output = run(app, STREAMED.replace("NAME", MODEL.name))
    allow(app)
    ended(app, "Done")
    text = output.inner_text()
    assert f"['{MODEL.name}']" in text
    assert "pieces True" in text
    assert re.search("same True (stop|length) True", text)
    assert "async True" in text
    assert "There is no model nobody. modeltab.models() lists those that there are." in text

    # It is kept with its code, and opens again after a reload.
    app.reload()
    kept = app.page.get_by_role("list", name="Runs").get_by_role("listitem")
    expect(kept).to_have_count(1)
    write(app, "print('something else')")
    kept.get_by_role("button").first.click()
    expect(app.page.get_by_role("textbox", name="Code")).to_contain_text("Name three colours.")
    expect(output).to_contain_text("async True")
    kept.get_by_role("button", name=re.compile("^Delete ")).click()
    expect(kept).to_have_count(0)


def scripted_api(answer: str = "Hello from afar") -> ScriptedServer:
    """A Local LLM API with one model."""
    reply = {"success": True, "response": answer, "model_used": "far.gguf", "processing_time": 1, "token_count": 4}
    listed = {"name": "far.gguf", "path": "./models/far.gguf", "size": "1 GB", "modified": "2024-01-15T10:30:00Z"}
    return ScriptedServer(
        {
            ("GET", "/health"): json_reply({"status": "healthy", "service": "Local LLM API", "version": "1.0.0"}),
            ("GET", "/models"): json_reply({"models": [listed], "count": 1}),
            ("GET", "/cache/status"): json_reply({"cached_models": [], "count": 0}),
            ("POST", "/generate"): json_reply(reply),
        }
    )


def asked(server: ScriptedServer) -> int:
    return sum((request.method, request.path) == ("POST", "/generate") for request in server.requests)


def test_no_means_no_call_and_always_can_be_taken_back(repository: str, open_app: OpenApp):
    with scripted_api() as server:
        app = open_app(repository, api=server.url, route="#/playground")
        code = "import modeltab\nprint(modeltab.chat('far.gguf', 'Hello'))"
        output = run(app, code)
        allow(app, "No")
        ended(app, "Failed")
        expect(output).to_contain_text("You did not allow this code to use your models.")
        assert asked(server) == 0

        run(app, code)
        allow(app, "Always in the playground")
        ended(app, "Done")
        expect(output).to_have_text("Hello from afar")
        app.reload()
        run(app, code)
        ended(app, "Done")
        assert asked(server) == 2

        app.page.get_by_role("button", name="Ask again").click()
        run(app, code)
        expect(app.page.get_by_role("alert", name="Permission")).to_be_visible()
        app.page.get_by_role("button", name="Stop", exact=True).click()
        ended(app, "Stopped")
        expect(app.page.get_by_role("alert", name="Permission")).to_have_count(0)
        assert asked(server) == 2


def test_javascript_runs_too_and_curl_is_to_be_copied(repository: str, open_app: OpenApp):
    with scripted_api() as server:
        app = open_app(repository, api=server.url, route="#/playground")
        code = (
            "console.log((await modeltab.models()).length);\nconsole.error('careful');\n"
            "return await modeltab.chat('far.gguf', 'Hi');"
        )
        output = run(app, code, "JavaScript")
        allow(app)
        ended(app, "Done")
        expect(output.locator("pre")).to_have_text(["1\n", "careful\n", "Hello from afar"])
        run(app, "const a = 1;\nnothing.there();", "JavaScript")
        ended(app, "Failed")
        expect(output).to_contain_text("ReferenceError: nothing is not defined")
        app.page.get_by_role("tab", name="curl").click()
        expect(app.page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
        expect(app.page.locator("#playground-reason")).to_have_text("curl runs in a terminal: copy it.")


def test_stop_ends_what_never_ends_at_once(repository: str, open_app: OpenApp):
    app = open_app(repository, route="#/playground")
    output = run(app, "print('begun')\nwhile True:\n    pass")
    expect(output).to_contain_text("begun")
    took = app.page.evaluate(
        """() => new Promise((resolve) => {
          const head = document.getElementById("playground-output-head");
          const began = performance.now();
          const look = () => head.textContent.includes("Stopped") && resolve(performance.now() - began);
          new MutationObserver(look).observe(head, { subtree: true, childList: true, characterData: true });
          [...document.querySelectorAll("button")].find((button) => button.textContent === "Stop").click();
        })"""
    )
    assert took < 1000
    expect(output).to_have_text("begun\n")
    run(app, "print('again')")
    ended(app, "Done")
    expect(output).to_have_text("again\n")


SHOWN = """
class Page:
    def _repr_html_(self):
        return "<p>plain <b>bold</b></p><script>parent.pwned = 1</script><form><input></form>"

class Picture:
    def _repr_svg_(self):
        return "<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'><script>parent.pwned = 1</script></svg>"

display(Page(), Picture())
display([{"model": "a", "speed": 1.5}, {"model": "b"}])
6 * 7
"""


def test_values_show_as_tables_pictures_and_html_that_does_nothing(repository: str, open_app: OpenApp):
    app = open_app(repository, route="#/playground")
    output = run(app, SHOWN)
    ended(app, "Done")
    expect(output.locator(".code-html b")).to_have_text("bold")
    expect(output.locator(".code-html").locator("script, form, input")).to_have_count(0)
    expect(output.get_by_role("img", name="Figure")).to_have_js_property("naturalWidth", 20)
    table = output.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["model", "speed"])
    expect(table.get_by_role("cell")).to_have_text(["a", "1.5", "b", ""])
    expect(output.locator("pre").last).to_have_text("42")
    assert app.page.evaluate("() => window.pwned") is None


def test_a_failure_shows_the_persons_own_lines_and_what_to_do(repository: str, open_app: OpenApp):
    app = open_app(repository, route="#/playground")
    output = run(app, "import json\n\ndef read(text):\n    return json.loads(text)\n\nread('{')")
    ended(app, "Failed")
    text = output.inner_text()
    assert 'File "snippet.py", line 6' in text and 'File "snippet.py", line 4, in read' in text
    assert "json/decoder" not in text
    assert "JSONDecodeError: " in text
    run(app, "name = input('Name? ')")
    ended(app, "Failed")
    expect(output).to_contain_text("input() has nobody to ask in the playground. Write the value into the code.")
    run(app, "import numpy")
    ended(app, "Failed")
    expect(output).to_contain_text("nothing else can be installed")


def test_code_is_kept_by_language_and_model_and_can_be_reset(repository: str, open_app: OpenApp):
    app = open_app(repository, route="#/playground")
    editor = app.page.get_by_role("textbox", name="Code")
    expect(editor).to_contain_text("import modeltab")
    expect(app.page.get_by_role("button", name="Reset")).to_be_disabled()
    write(app, "print('mine')")
    write(app, "console.log('mine too')", "JavaScript")
    app.page.wait_for_function("() => (localStorage.getItem('modeltab.draft.playground.code') || '').includes('mine too')")
    app.reload()
    expect(editor).to_have_text("console.log('mine too')")
    app.page.get_by_role("tab", name="JavaScript").press("ArrowLeft")
    expect(app.page.get_by_role("tab", name="Python")).to_be_focused()
    expect(editor).to_have_text("print('mine')")
    app.page.get_by_role("button", name="Reset").click()
    expect(editor).to_contain_text("import modeltab")
    # Tab indents; Escape, then Tab, leaves.
    editor.press("Control+Home")
    editor.press("Tab")
    expect(editor).to_contain_text("    import modeltab")
    editor.press("Escape")
    editor.press("Tab")
    expect(editor).not_to_be_focused()
    app.page.get_by_role("combobox", name="Example").select_option("Extract JSON with a schema")
    expect(editor).to_contain_text("response_format")


#: What code may not do, each as an expression that would succeed for a page of the app. `app` is the app's address.
FORBIDDEN = {
    "localStorage": "js.localStorage.getItem('modeltab.config')",
    "sessionStorage": "js.sessionStorage.length",
    "localStorage, of the global object": "js.eval(\"self.localStorage.getItem('modeltab.config')\")",
    "IndexedDB": "await request(js.indexedDB.open('modeltab'))",
    "IndexedDB, listed": "await js.indexedDB.databases()",
    "OPFS": "await js.navigator.storage.getDirectory()",
    "Cache API": "await js.caches.keys()",
    "cookies": "js.document.cookie",
    "cookies, asynchronous": "await js.cookieStore.getAll()",
    "parent": "js.parent.document.title",
    "top": "js.top.location.href",
    "parent, by name": "js.eval('parent.document.title')",
    "opener": "js.eval('opener.document.title')",
    "navigating the top": "js.eval(\"top.location = 'about:blank'\")",
    "a window": "js.open(app)",
    "a window, by clients": "await js.clients.openWindow(app)",
    "a dialog": "js.alert('hello')",
    "the service worker": "await js.navigator.serviceWorker.ready",
    "the service worker's endpoint": "ok(await js.fetch(app + 'v1/models'))",
    "the service worker's endpoint, by requests": "requests.get(app + 'v1/models').json()",
    "a file of the app": "(await js.fetch(app + 'static/prices.json')).status",
    "a file of the app, by requests": "requests.get(app + 'static/prices.json').status_code",
    "a server that lets the app's origin in alone": "(await js.fetch(server + '/private')).status",
    "the app's origin": "claimed()",
    "a module of the app": 'await js.eval("import(\'" + app + "static/js/editor.mjs\')")',
    "a script of the app": "js.importScripts(app + 'sw.js')",
    "a worker of the app's origin": "await begun(js.Worker.new(app + 'sw.js'))",
    "the clipboard": "await js.navigator.clipboard.readText()",
}
TRIES = """
import asyncio, js, requests
from pyodide.ffi import create_once_callable

app, server = "APPLICATION", "SERVER"

async def told(target, good, bad):
    future = asyncio.get_running_loop().create_future()
    setattr(target, good, create_once_callable(lambda event: future.set_result(True)))
    setattr(target, bad, create_once_callable(lambda event: future.set_exception(RuntimeError(bad))))
    return await future

request = lambda target: told(target, "onsuccess", "onerror")
begun = lambda worker: told(worker, "onmessage", "onerror")

def ok(response):
    assert response.ok, response.status
    return response.status

def claimed():
    assert js.location.origin == app.rstrip("/") or js.origin == app.rstrip("/"), "the origin is " + js.origin
    return js.origin

async def attempt(name, code):
    try:
        exec("async def tried():\\n    return " + code, globals())
        value = await asyncio.wait_for(tried(), 5)
    except BaseException as error:
        print("HELD", name, "-", type(error).__name__)
    else:
        print("REACHED", name, "-", value)

for name, code in FORBIDDEN.items():
    await attempt(name, code)
print("all tried")
"""


@pytest.mark.expected_errors(*REFUSED, "404", "Content Security Policy", "Not allowed to load", "page error: undefined")
def test_the_sandbox_holds(repository: str, open_app: OpenApp):
    with ScriptedServer() as server:
        own = {"Access-Control-Allow-Origin": repository.rstrip("/")}
        server.on("GET", "/private", json_reply({"secret": 1}, headers=own, cors=False))
        app = open_app(repository, route="#/playground")
        app.page.evaluate("() => { document.cookie = 'secret=1'; }")
        code = TRIES.replace("APPLICATION", repository).replace("SERVER", server.url).replace("FORBIDDEN", repr(FORBIDDEN), 1)
        output = run(app, code)
        ended(app, "Done")
        expect(output).to_contain_text("all tried")
        lines = output.inner_text().split("\n")
        held = [line.split(" - ")[0].removeprefix("HELD ") for line in lines if line.startswith("HELD ")]
        assert [line for line in lines if line.startswith("REACHED")] == []
        assert held == list(FORBIDDEN)
        asked_ = [request for request in server.requests if request.path == "/private"]
        assert [request.headers["origin"] for request in asked_] == ["null"]
        assert not any("cookie" in request.headers for request in server.requests)
        assert app.page.url.startswith(repository) and len(app.page.context.pages) == 1
        expect(app.page.locator("html")).to_have_attribute("data-state", "ready")


@pytest.mark.expected_errors("Content Security Policy", "Failed to load resource")
def test_offline_only_closes_the_network_but_for_this_machine(repository: str, open_app: OpenApp):
    with ScriptedServer() as server:
        server.on("GET", "/here", json_reply({"here": 1}))
        app = open_app(repository, route="#/settings")
        app.page.get_by_role("switch", name="Offline only").click()
        app.visit("Playground")
        away: list[str] = []

        def answer(route: Route) -> None:
            away.append(route.request.url)
            route.fulfill(body="secret", headers={"Access-Control-Allow-Origin": "*"})

        app.page.context.route("https://example.org/**", answer)
        output = run(
            app,
            f"import requests\nprint(requests.get('{server.url}/here').json())\n"
            "try:\n    requests.get('https://example.org/?secret')\nexcept requests.ConnectionError:\n    print('closed')",
        )
        ended(app, "Done")
        expect(output).to_have_text("{'here': 1}\nclosed\n")
        assert away == []
        app.visit("Settings")
        app.page.get_by_role("switch", name="Offline only").click()
        app.visit("Playground")
        output = run(app, "import requests\nprint(requests.get('https://example.org/?open').text)")
        ended(app, "Done")
        expect(output).to_have_text("secret\n")
        assert away == ["https://example.org/?open"]  # what was refused before would have been seen


def frames(page: Page) -> int:
    return page.locator("iframe[sandbox]").count()


def test_a_sandbox_is_warm_while_the_page_is_shown_and_each_run_has_its_own(repository: str, open_app: OpenApp):
    app = open_app(repository)
    assert frames(app.page) == 0
    app.visit("Playground")
    expect(app.page.locator("iframe[sandbox]")).to_have_count(1)
    run(app, "import builtins\nbuiltins.left = 1")
    ended(app, "Done")
    output = run(app, "import builtins\nprint(hasattr(builtins, 'left'))")
    ended(app, "Done")
    expect(output).to_have_text("False\n")
    expect(app.page.locator("iframe[sandbox]")).to_have_count(1)
    app.visit("Settings")
    expect(app.page.locator("iframe[sandbox]")).to_have_count(0)


def test_code_in_the_tool_example_is_called_by_the_model(repository: str, open_app: OpenApp):
    """An API that takes tools asks for one; its result goes back, and the answer is what comes then."""
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "double", "arguments": '{"number": 21}'}}
    turns: list[dict] = []

    def reply(request):
        turns.append(request.json())
        if len(turns) == 1:
            message, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        else:
            message, reason = {"role": "assistant", "content": "It is 42."}, "stop"
        return json_reply({"choices": [{"index": 0, "message": message, "finish_reason": reason}]})

    scripts: dict[tuple[str, str], Script] = {
        ("GET", "/v1/models"): json_reply({"data": [{"id": "helper"}]}),
        ("POST", "/v1/chat/completions"): reply,
    }
    with ScriptedServer(scripts) as server:
        app = open_app(repository, route="#/connections")
        app.page.get_by_role("button", name="Add connection").click()
        dialog = app.page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Type").select_option(label="OpenAI-compatible")
        dialog.get_by_role("textbox", name="Base URL").fill(f"{server.url}/v1")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)
        app.visit("Playground")
        code = (
            "import modeltab\n\ndef double(number: int) -> int:\n    'Twice a number.'\n    return 2 * number\n\n"
            "answer = modeltab.chat('helper', 'Twice 21?', tools=[double])\nprint(answer, answer.tool_calls[0]['result'])"
        )
        output = run(app, code)
        allow(app)
        ended(app, "Done")
        expect(output).to_have_text("It is 42. 42\n")
        assert turns[0]["tools"][0]["function"]["parameters"]["properties"] == {"number": {"type": "integer"}}
        assert "double" in turns[1]["messages"][-1]["content"] and "42" in turns[1]["messages"][-1]["content"]

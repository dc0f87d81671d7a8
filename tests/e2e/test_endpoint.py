"""The API in the tab: another page of the same origin calls it, with fetch and with npm's own `openai`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import MODEL, ROOT, SITES, App, ErrorLog, configuration
from tests.servers.openapi import Exchange, OpenApi
from tests.servers.pages import pages_beside
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply

SPEC = OpenApi.read(ROOT / "docs/local-llm-api.openapi.yaml", closed=True)
TYPE = "application/json"

#: In the page: fetch, with what is needed to judge the reply.
CALL = """async ([path, init]) => {
  const response = await fetch(path, init ?? {});
  return [response.status, response.headers.get("content-type"), await response.text()];
}"""
UPLOAD = """async ([path, name, bytes]) => {
  const form = new FormData();
  form.append("file", new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name));
  const response = await fetch(path, { method: "POST", body: form });
  return [response.status, response.headers.get("content-type"), await response.text()];
}"""


@pytest.fixture(scope="module")
def beside() -> Iterator[str]:
    """The built app with pages beside it."""
    with pages_beside(*SITES["dist"]) as url:
        yield url


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The app of the repository with pages beside it."""
    with pages_beside(ROOT) as url:
        yield url


class Tabs:
    """The app and pages beside it, in one profile."""

    def __init__(self, context: BrowserContext, errors: ErrorLog) -> None:
        self.context = context
        self.errors = errors

    def app(self, url: str, api: bool = True, connections: tuple[dict[str, str], ...] = (), route: str = "") -> App:
        """The app, with the API switched on or off."""
        config = configuration(None)
        config["connections"] += connections
        config["settings"]["api"] = api
        config["settings"]["parameters"]["max_tokens"] = 16
        script = json.dumps(json.dumps(config))
        page = self.context.new_page()
        self.errors.watch(page)
        page.add_init_script(f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {script})")
        return App(page, url).open(route)

    def page(self, url: str, name: str = "a-page.html") -> Page:
        """Another page of the same origin, which the service worker serves."""
        page = self.context.new_page()
        self.errors.watch(page)
        page.goto(url + name)
        page.wait_for_function("() => navigator.serviceWorker.controller")
        return page


@pytest.fixture
def tabs(context: BrowserContext, errors: ErrorLog) -> Tabs:
    """The tabs of a test."""
    return Tabs(context, errors)


def call(page: Page, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any]:
    """A call from a page: status and JSON."""
    init = {"method": method, "headers": headers}
    if body is not None:
        init |= {"body": json.dumps(body), "headers": {"content-type": TYPE, **headers}}
    status, _, text = page.evaluate(CALL, [path, init])
    return status, json.loads(text)


def documented(page: Page, path: str, method: str = "GET", body: Any = None) -> Any:
    """A call of the Local LLM API, which has to be as its document says."""
    sent = b"" if body is None else json.dumps(body).encode()
    init = {"method": method} if body is None else {"method": method, "body": sent.decode(), "headers": {"content-type": TYPE}}
    status, kind, text = page.evaluate(CALL, ["api/v1" + path, init])
    exchange = Exchange(method, path, TYPE if sent else "", sent, status, kind, text.encode())
    assert SPEC.problems(exchange) == []
    assert status == 200, text
    return json.loads(text)


@pytest.mark.model
def test_the_documented_workflow_of_the_local_llm_api_with_no_server(beside: str, tabs: Tabs):
    app = tabs.app(beside)
    page = tabs.page(beside)
    assert documented(page, "/health") == {"status": "healthy", "service": "Local LLM API", "version": "1.0.0"}
    assert documented(page, "/models") == {"models": [], "count": 0}

    page.set_content("<input type=file>")
    page.locator("input").set_input_files(MODEL)
    status, kind, text = page.evaluate(
        """async () => {
          const form = new FormData();
          form.append("file", document.querySelector("input").files[0]);
          const response = await fetch("api/v1/models", { method: "POST", body: form });
          return [response.status, response.headers.get("content-type"), await response.text()];
        }"""
    )
    assert SPEC.reply_problems(Exchange("POST", "/models", status=status, reply_type=kind, reply=text.encode())) == []
    assert (status, json.loads(text)["filename"]) == (200, MODEL.name)
    app.visit("Models")
    expect(app.row(MODEL.name)).to_contain_text("98.4 MB")

    listed = documented(page, "/models/sync", "POST")["data"]
    assert [model["name"] for model in listed["models"]] == [MODEL.name]
    asked = {"question": "What is the capital of France?", "model_name": MODEL.stem, "temperature": 0}
    answer = documented(page, "/generate", "POST", asked)
    assert answer["model_used"] == MODEL.name
    assert "Paris" in answer["response"]
    assert answer["token_count"] > 0
    template = {**asked, "template": "Question: {question}\nAnswer in one word: Paris, Paris, Paris, Paris, Paris,"}
    assert "Paris" in documented(page, "/generate", "POST", template)["response"]
    assert documented(page, "/cache/status") == {"cached_models": [MODEL.name], "count": 1}
    documented(page, "/cache/clear", "POST")
    assert documented(page, "/cache/status") == {"cached_models": [], "count": 0}
    assert documented(page, f"/models/{MODEL.stem}", "DELETE")["remaining_models"] == 0
    assert documented(page, "/models")["count"] == 0


# ---- npm's openai ----------------------------------------------------------------------------------------------------

CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "word "}}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n' + USAGE + b"data: [DONE]\n\n"
LIST = json_reply({"object": "list", "data": [{"id": "org/m", "object": "model"}]})
PATH = "/v1/chat/completions"
KEY = "sk-secret-0123456789"

OPENAI = """async () => {
  const { default: OpenAI } = await import(new URL("npm/openai/index.mjs", document.baseURI));
  const baseURL = globalThis.modeltab ? modeltab + "v1" : new URL("v1", document.baseURI).href;
  const fetch = globalThis.bridged && { fetch: bridged };
  globalThis.openai = new OpenAI({ baseURL, apiKey: "none", dangerouslyAllowBrowser: true, maxRetries: 0, ...fetch });
}"""


@pytest.fixture
def lab() -> Iterator[ScriptedServer]:
    """An OpenAI-compatible server of one model, which says "word word"."""
    answer = Reply(chunks=[CHUNK, CHUNK, END], content_type="text/event-stream")
    with ScriptedServer({("GET", "/v1/models"): LIST, ("POST", PATH): answer}) as server:
        yield server


def to_lab(server: ScriptedServer) -> tuple[dict[str, str], ...]:
    """A connection to it, with a slash in its name."""
    return ({"id": "lab", "type": "openai", "name": "The lab/1", "base_url": server.url + "/v1"},)


def openai(page: Page, code: str) -> Any:
    """What a piece of code gives that uses `openai`; of an error its status and code."""
    page.evaluate(OPENAI)
    script = f"async () => {{ try {{ {code} }} catch (error) {{ return [error.status, error.code, error.message]; }} }}"
    return page.evaluate(script)


ASK = "{ model: 'The lab/1/org/m', messages: [{ role: 'user', content: 'Hello?' }] }"


def test_npms_openai_works_unmodified(beside: str, tabs: Tabs, lab: ScriptedServer):
    app = tabs.app(beside, connections=to_lab(lab))
    page = tabs.page(beside)
    listed = openai(page, "const ids = []; for await (const model of openai.models.list()) ids.push(model.id); return ids;")
    assert listed == ["The lab/1/org/m"]
    whole = openai(page, f"return await openai.chat.completions.create({ASK});")
    assert whole["choices"][0]["message"]["content"] == "word word "
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    streamed = openai(
        page,
        f"""const options = {{ stream: true, stream_options: {{ include_usage: true }} }};
        const stream = await openai.chat.completions.create({{ ...{ASK}, ...options }});
        const chunks = []; for await (const chunk of stream) chunks.push(chunk); return chunks;""",
    )
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in streamed[:-1]) == "word word "
    assert streamed[-1]["usage"]["total_tokens"] == 5
    assert lab.wait_for_request("POST", PATH).json()["messages"] == [{"role": "user", "content": "Hello?"}]

    app.visit("Settings")
    rows = app.page.get_by_role("table", name="Calls").get_by_role("row")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("POST v1/chat/completions")
    expect(rows.nth(1)).to_contain_text(beside + "a-page.html")
    expect(rows.nth(1)).to_contain_text("The lab/1/org/m")
    expect(rows.nth(1)).to_contain_text("200")
    expect(rows.nth(1)).to_contain_text("3 + 2")
    app.reload()
    expect(rows).to_have_count(4)
    app.page.get_by_role("button", name="Clear log").click()
    expect(rows).to_have_count(0)


@pytest.mark.expected_errors("status of 404", "status of 400")
def test_npms_openai_understands_the_errors(origin: str, tabs: Tabs, lab: ScriptedServer):
    tabs.app(origin, connections=to_lab(lab))
    page = tabs.page(origin)
    status, code, message = openai(page, "return await openai.chat.completions.create({ model: 'none', messages: [] });")
    assert (status, code) == (404, "model_not_found")
    assert "There is no model “none” here" in message
    several = openai(page, f"return await openai.chat.completions.create({{...{ASK}, n: 3}});")
    assert several[:2] == [400, "unsupported_parameter"]


ENDLESS = Reply(chunks=iter(lambda: CHUNK, None), chunk_delay_s=0.02, content_type="text/event-stream")


def left(page: Page, lab: ScriptedServer, begin: str, leave: Callable[[], object]) -> bool:
    """Whether the request that a call makes is ended when its caller leaves."""
    before = len(lab.requests)
    page.evaluate(f"() => {{ {begin} }}")
    while not any(request.method == "POST" for request in lab.requests[before:]):
        page.wait_for_timeout(20)
    request: RecordedRequest = lab.wait_for_request("POST", PATH)
    assert not request.finished.is_set()
    leave()
    return request.finished.wait(10) and request.client_left


def test_a_caller_who_leaves_ends_the_request_to_the_provider(origin: str, tabs: Tabs, lab: ScriptedServer):
    tabs.app(origin, connections=to_lab(lab))
    page = tabs.page(origin)
    lab.on("POST", PATH, ENDLESS)
    page.evaluate(OPENAI)
    begin = f"""globalThis.quit = new AbortController();
      void openai.chat.completions.create({{ ...{ASK}, stream: STREAM }}, {{ signal: quit.signal }}).catch(() => {{}});"""
    abort = lambda: page.evaluate("() => quit.abort()")  # noqa: E731
    assert left(page, lab, begin.replace("STREAM", "true"), abort)
    assert left(page, lab, begin.replace("STREAM", "false"), abort)
    assert left(page, lab, begin.replace("STREAM", "false"), page.close)


@pytest.mark.model
def test_the_tabs_own_model_streams_to_npms_openai(origin: str, tabs: Tabs):
    app = tabs.app(origin)
    app.add_starter()
    page = tabs.page(origin)
    model = f"In this tab/{MODEL.stem}"
    asked = f"{{ model: '{model}', messages: [{{ role: 'user', content: 'What is the capital of France?' }}] }}"
    streamed = openai(
        page,
        f"""const stream = await openai.chat.completions.create({{ ...{asked}, stream: true, temperature: 0 }});
        const chunks = []; for await (const chunk of stream) chunks.push(chunk); return chunks;""",
    )
    assert "Paris" in "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in streamed)


# ---- When there is no ModelTab, or not yet, or not any more ----------------------------------------------------------


@pytest.mark.expected_errors("status of 503")
def test_without_a_modeltab_there_is_an_answer_in_the_shape_of_either_api(origin: str, tabs: Tabs):
    app = tabs.app(origin)
    page = tabs.page(origin)
    assert call(page, "api/v1/health")[0] == 200
    app.page.close()
    status, value = call(page, "v1/models")
    assert (status, value["error"]["code"]) == (503, "modeltab_closed")
    status, value = call(page, "api/v1/health")
    assert status == 503
    assert value["error"].startswith("No ModelTab answers.")
    reply = Exchange("GET", "/models", status=500, reply_type=TYPE, reply=json.dumps(value).encode())
    assert SPEC.reply_problems(reply) == []


def test_a_call_waits_while_the_tab_starts(origin: str, tabs: Tabs):
    app = tabs.app(origin)
    page = tabs.page(origin)
    app.page.reload(wait_until="commit")
    assert app.page.locator("html").get_attribute("data-state") == "booting"
    assert call(page, "api/v1/health")[0] == 200


def test_when_the_tab_that_answers_is_closed_the_next_one_does(origin: str, tabs: Tabs):
    first = tabs.app(origin, route="#/settings")
    second = tabs.app(origin, route="#/settings")
    page = tabs.page(origin)
    assert call(page, "api/v1/health")[0] == 200
    expect(second.page.get_by_role("table", name="Calls").get_by_role("row")).to_have_count(2)  # the log is one for all tabs
    first.page.close()
    assert call(page, "api/v1/health")[0] == 200
    expect(second.page.get_by_role("table", name="Calls").get_by_role("row")).to_have_count(3)


# ---- Who may ---------------------------------------------------------------------------------------------------------

SWITCH = "Let other pages use these models"


@pytest.mark.expected_errors("status of 403")
def test_it_is_off_until_a_person_switches_it_on_and_off_again(context: BrowserContext, tabs: Tabs, lab: ScriptedServer):
    with pages_beside(ROOT, isolate=False) as url:  # where the service worker is there in any case
        app = tabs.app(url, api=False, connections=to_lab(lab), route="#/settings")
        app.page.wait_for_function("() => navigator.serviceWorker.controller && crossOriginIsolated")
        app.wait()
        page = tabs.page(url)
        status, value = call(page, "v1/models")
        assert (status, value["error"]["code"]) == (403, "api_off")
        status, value = call(page, "api/v1/models")
        assert status == 403
        assert "Switch on “API in this tab”" in value["error"]

        switch = app.page.get_by_role("switch", name=SWITCH)
        expect(switch).to_have_attribute("aria-checked", "false")
        switch.click()
        expect(app.page.get_by_text(url + "api/v1", exact=True)).to_be_visible()
        assert call(page, "v1/models")[0] == 200
        assert call(app.page, "v1/models")[0] == 403  # it does not call itself

        lab.on("POST", PATH, ENDLESS)
        page.evaluate(OPENAI)
        assert left(page, lab, f"void openai.chat.completions.create({{...{ASK}, stream: true}});", switch.click)
        assert call(page, "v1/models")[0] == 403
        expect(app.page.get_by_role("table", name="Calls")).to_contain_text("stopped")


@pytest.mark.expected_errors("status of 404")
def test_nothing_else_of_the_site_changes(origin: str, tabs: Tabs):
    tabs.app(origin)
    page = tabs.page(origin)
    script = "async (path) => (await fetch(path)).status"
    assert page.evaluate(script, "static/catalogue.json") == 200
    response = page.goto(origin + "v1/models")  # an address that somebody types is no call
    assert response is not None
    assert response.status == 404


# ---- Pages of other origins, over the bridge -------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A site of another origin, with pages and the client module, which no header keeps from its windows."""
    with pages_beside(ROOT, isolate=False) as url:
        yield url.replace("127.0.0.1", "localhost")


CONNECT = """async ([app, options]) => {
  globalThis.modeltab = app;
  const { connect } = await import(new URL("static/js/modeltab-client.mjs", document.baseURI));
  try {
    globalThis.bridged = await connect(app, options);
    return "connected";
  } catch (error) {
    return error.message;
  }
}"""


def foreign(tabs: Tabs, url: str) -> Page:
    """A page of another origin."""
    page = tabs.context.new_page()
    tabs.errors.watch(page)
    page.goto(url + "a-page.html")
    return page


def window(page: Page, app: str) -> Page:
    """The bridge's window, which a page opens at the app."""
    with page.expect_popup() as opening:
        page.evaluate(f"(given) => {{ globalThis.connecting = ({CONNECT})(given); }}", [app, {}])
    return opening.value


def connect(page: Page, app: str, press: str) -> tuple[Page, str]:
    """Connect over the bridge's window, pressing a button in it: the window, and how it ended."""
    bridge = window(page, app)
    bridge.get_by_role("button", name=press).click()
    return bridge, page.evaluate("() => connecting")


def origin_of(url: str) -> str:
    """The origin of an address."""
    return url.rstrip("/")


@pytest.mark.expected_errors("status of 403", "status of 404", "status of 400")
def test_a_page_of_another_origin_asks_and_streams_and_leaves_over_the_bridge(
    beside: str, elsewhere: str, tabs: Tabs, lab: ScriptedServer
):
    app = tabs.app(beside, connections=to_lab(lab), route="#/settings")
    page = foreign(tabs, elsewhere)
    bridge = window(page, beside)
    tabs.errors.watch(bridge)
    expect(bridge.get_by_role("heading")).to_have_text(f"Allow {origin_of(elsewhere)} to use your models?")
    bridge.get_by_role("button", name="Always allow").click()
    assert page.evaluate("() => connecting") == "connected"

    whole = openai(page, f"return await openai.chat.completions.create({ASK});")
    assert whole["choices"][0]["message"]["content"] == "word word "
    missing = openai(page, "return await openai.chat.completions.create({ model: 'none', messages: [] });")
    assert missing[:2] == [404, "model_not_found"]
    status, _, text = page.evaluate(
        UPLOAD.replace("fetch(path", "bridged(path"), [beside + "api/v1/models", "a.txt", "R0dVRg=="]
    )
    assert (status, json.loads(text)["error"]) == (400, "Invalid file type. Only gguf files are allowed")
    outside = page.evaluate("async (url) => bridged(url).catch((error) => error.message)", beside + "index.html")
    assert "is not ModelTab's API" in outside

    lab.on("POST", PATH, ENDLESS)
    begin = f"""globalThis.quit = new AbortController();
      void openai.chat.completions.create({{ ...{ASK}, stream: true }}, {{ signal: quit.signal }}).catch(() => {{}});"""
    assert left(page, lab, begin, lambda: page.evaluate("() => quit.abort()"))

    expect(app.page.get_by_role("table", name="Calls")).to_contain_text(origin_of(elsewhere))
    assert left(page, lab, begin, lambda: app.page.get_by_role("button", name=f"Revoke {origin_of(elsewhere)}").click())
    assert openai(page, f"return await openai.chat.completions.create({ASK});")[:2] == [403, "origin_not_allowed"]


@pytest.mark.expected_errors("status of 403")
def test_a_person_can_refuse_and_allow_once(origin: str, elsewhere: str, tabs: Tabs, lab: ScriptedServer):
    tabs.app(origin, connections=to_lab(lab))
    page = foreign(tabs, elsewhere)
    _, ended = connect(page, origin, "Don't allow")
    assert ended == "The person did not allow it."
    bridge, ended = connect(page, origin, "Allow once")
    assert ended == "connected"
    assert call_over(page, origin + "v1/models") == 200
    bridge.close()
    _, ended = connect(page, origin, "Don't allow")  # the next window asks again
    assert ended == "The person did not allow it."


def call_over(page: Page, url: str) -> int:
    """The status of a call over the bridge."""
    status: int = page.evaluate("async (url) => (await bridged(url)).status", url)
    return status


def test_a_window_that_is_closed_is_told(origin: str, elsewhere: str, tabs: Tabs):
    tabs.app(origin)
    page = foreign(tabs, elsewhere)
    window(page, origin).close()
    assert page.evaluate("() => connecting") == "The window is closed, or was never opened."


@pytest.mark.expected_errors("status of 403")
def test_while_it_is_off_the_bridge_says_so(origin: str, elsewhere: str, tabs: Tabs):
    tabs.app(origin, api=False)
    page = foreign(tabs, elsewhere)
    bridge = window(page, origin)
    assert "Switch on “API in this tab”" in page.evaluate("() => connecting")
    expect(bridge.get_by_role("status")).to_contain_text("Switch on “API in this tab”")


@pytest.mark.expected_errors("status of 403")
def test_a_frame_of_the_same_site_is_enough_once_the_origin_is_allowed(origin: str, tabs: Tabs):
    app = tabs.app(origin)
    with pages_beside(ROOT, isolate=False) as other:  # another port: another origin of the same site
        page = foreign(tabs, other)
        refused = page.evaluate(CONNECT, [origin, {"frame": True}])
        assert "has not allowed this origin yet" in refused
        app.page.evaluate(
            """(origin) => {
              const config = JSON.parse(localStorage.getItem("modeltab.config"));
              config.settings.api_origins = [origin];
              localStorage.setItem("modeltab.config", JSON.stringify(config));
            }""",
            origin_of(other),
        )
        app.reload()
        assert page.evaluate(CONNECT, [origin, {"frame": True}]) == "connected"
        assert call_over(page, origin + "v1/models") == 200
        expect(page.locator("iframe")).to_have_count(1)

"""The API in the tab: another page of the same origin calls it, with fetch and with npm's own `openai`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import MODEL, ROOT, SITES, App, ErrorLog, configuration
from tests.servers.openapi import Exchange, OpenApi
from tests.servers.pages import pages_beside

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


@pytest.fixture(scope="module", params=["repository", "dist"])
def beside(request: pytest.FixtureRequest) -> Iterator[str]:
    """The app with pages beside it."""
    root, prefix = SITES[request.param]
    with pages_beside(root, prefix) as url:
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

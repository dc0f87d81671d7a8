"""The app in a real Chromium, from the repository and from dist/, with every console error failing its test."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.servers.model_files import sparse_gguf
from tests.servers.processes import local_llm_api
from tools.chromium import launch_arguments
from tools.serve import make_server

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "static/models/SmolLM2-135M-Instruct.Q4_1.gguf"
#: A page that starts, a model that loads: these machines are slow at times, and a wait ends as soon as it is over.
expect.set_options(timeout=30_000)

SITES = {"repository": (ROOT, "/"), "dist": (ROOT / "dist", "/modeltab/")}


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The browser that run.py found."""
    return {"executable_path": os.environ.get("CHROMIUM", "/usr/bin/chromium"), "args": launch_arguments()}


@pytest.fixture(scope="session", params=list(SITES))
def site(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the app: from the repository at the root of a host, and from dist/ under a path."""
    root, prefix = SITES[request.param]
    with _serving(root, prefix, isolate=True) as url:
        yield url


@pytest.fixture(scope="session")
def repository() -> Iterator[str]:
    """The URL of the app from the repository alone, for what cannot differ in dist/."""
    with _serving(*SITES["repository"], isolate=True) as url:
        yield url


@pytest.fixture(scope="session")
def built() -> Iterator[str]:
    """The URL of the app from dist/ alone, for what takes long, and is as likely to break there."""
    with _serving(*SITES["dist"], isolate=True) as url:
        yield url


@pytest.fixture
def plain_site() -> Iterator[str]:
    """The app on a host that sends no isolation headers, as most static hosts are."""
    with _serving(*SITES["dist"], isolate=False) as url:
        yield url


class _serving:
    def __init__(self, root: Path, prefix: str, isolate: bool) -> None:
        self._server = make_server(root, 0, prefix, isolate)

    def __enter__(self) -> str:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server.url

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class ErrorLog:
    """What a page complains of. A complaint fails the test unless the test expects it by name."""

    def __init__(self, expected: tuple[str, ...]) -> None:
        self._expected = expected
        self.unexpected: list[str] = []

    def watch(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _note(self, text: str) -> None:
        if not any(re.search(pattern, text) for pattern in self._expected):
            self.unexpected.append(text)


@pytest.fixture
def errors(request: pytest.FixtureRequest) -> Iterator[ErrorLog]:
    """Fails the test at its end for each complaint that no `expected_errors` mark names."""
    patterns = tuple(p for mark in request.node.iter_markers("expected_errors") for p in mark.args)
    log = ErrorLog(patterns)
    yield log
    assert not log.unexpected, "\n".join(log.unexpected)


@pytest.fixture
def context(browser: Browser, tmp_path: Path) -> Iterator[BrowserContext]:
    """A profile of its own, so that a test sees no other's models and conversations."""
    profile = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield profile
    profile.close()


@dataclass
class App:
    """The app in a page, with the steps that many tests take."""

    page: Page
    url: str

    def open(self, route: str = "") -> "App":
        """Go to a route and wait until Python answers."""
        self.page.goto(self.url + route)
        return self.wait()

    def wait(self) -> "App":
        """Wait until Python answers."""
        expect(self.page.locator("html")).not_to_have_attribute("data-state", "booting")
        expect(self.page.locator("html")).to_have_attribute("data-state", "ready")
        return self

    def reload(self) -> "App":
        """Load the page again."""
        self.page.reload()
        return self.wait()

    def visit(self, name: str) -> None:
        """Follow a link of the navigation."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()

    def choose_model(self, name: str) -> None:
        """Choose a model in the combobox, by typing."""
        self.page.get_by_role("combobox", name="Model").fill(name)
        self.page.get_by_role("option", name=name).first.click()

    def send(self, text: str) -> Locator:
        """Type a message and press Enter; the answer's article."""
        # As a person sees it: no dialog in the way any more, and the answer before this one at its end.
        expect(self.page.get_by_role("dialog")).to_have_count(0)
        expect(self.page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
        expect(self.page.get_by_role("button", name="Stop")).to_have_count(0)
        before = self.page.locator("article[data-role=assistant]").count()
        self.page.get_by_role("textbox", name="Message").fill(text)
        self.page.keyboard.press("Enter")
        answer = self.page.locator("article[data-role=assistant]").nth(before)
        expect(answer).to_be_visible()
        return answer

    def add_starter(self) -> None:
        """Bring the starter model into the tab, and wait until it is there and chosen."""
        self.page.get_by_role("button", name=re.compile("Get SmolLM2")).click()
        expect(self.page.get_by_role("combobox", name="Model")).to_have_value(MODEL.name)

    def add_files(self, *files: Path, to: str) -> None:
        """Add model files through the dialog."""
        self.page.get_by_role("button", name="Add model", exact=True).first.click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Model file").set_input_files(files)
        dialog.get_by_role("combobox", name="Destination").select_option(label=to)
        dialog.get_by_role("button", name="Add", exact=True).click()

    def row(self, name: str) -> Locator:
        """A model's row in the table."""
        return self.page.get_by_role("table", name="Models").get_by_role("row", name=name)

    def transfer(self, name: str) -> Locator:
        """A transfer's card."""
        return self.page.locator(".transfer").filter(has_text=name)

    def health(self, name: str = "Local LLM API") -> Locator:
        """A connection in the list."""
        return self.page.get_by_role("list", name="Connections").get_by_role("listitem", name=name)


OpenApp = Callable[..., App]


def until(page: Page, ask: str, arg: Any = None) -> None:
    """Wait until an async JavaScript function answers yes. To `wait_for_function` its promise alone would be a yes."""
    page.evaluate(
        f"""async (arg) => {{
          for (const end = Date.now() + 30000; !(await ({ask})(arg)); await new Promise((next) => setTimeout(next, 50)))
            if (Date.now() > end) throw new Error("waited for 30 seconds, and it is still not so");
        }}""",
        arg,
    )


#: The sizes of the kept snapshots (static/js/snapshot_worker.js): one that is being written has its first bytes last.
KEPT = """async () => {
  const root = await navigator.storage.getDirectory();
  const sizes = [];
  for await (const handle of (await root.getDirectoryHandle("snapshot", { create: true })).values()) {
    const file = await handle.getFile();
    const head = new Uint8Array(await file.slice(0, 36).arrayBuffer().catch(() => 0)); // it cannot be read while it is written
    if (head.some(Boolean)) sizes.push(file.size);
  }
  return sizes;
}"""


def wait_until_kept(page: Page) -> None:
    """Wait until the unpacked snapshot is in the browser's storage."""
    until(page, f"async () => (await ({KEPT})()).some((size) => size > 1e6)")


@pytest.fixture
def open_app(context: BrowserContext, errors: ErrorLog) -> OpenApp:
    """Opens the app at a URL. `api`: the Local LLM API that it is connected to, None for none at all; then parameters."""

    def open_(url: str, api: str | None = None, route: str = "", **parameters: float) -> App:
        page = context.new_page()
        errors.watch(page)
        config = json.dumps(json.dumps(configuration(api, **parameters)))
        script = f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {config})"
        page.add_init_script(f"if (self === top) {{ {script} }}")  # a sandbox has no storage
        return App(page, url).open(route)

    return open_


Connect = Callable[..., App]


@pytest.fixture
def connect(context: BrowserContext, errors: ErrorLog, repository: str) -> Connect:
    """Opens a route with one connection more than the tab's."""

    def connect_(route: str, type_: str, base_url: str) -> App:
        page = context.new_page()
        errors.watch(page)
        value = configuration(None)
        value["connections"].append({"id": "c", "type": type_, "name": "C", "base_url": base_url})
        entry = json.dumps(json.dumps(value))
        page.add_init_script(f"localStorage.getItem('modeltab.config') ?? localStorage.setItem('modeltab.config', {entry})")
        return App(page, repository).open(route)

    return connect_


def configuration(api: str | None, **parameters: float) -> dict[str, Any]:
    """A configuration as the app keeps it."""
    connections = [{"id": "in-tab", "type": "in-tab", "name": "In this tab", "base_url": ""}]
    if api:
        connections.append({"id": "local-llm", "type": "local-llm", "name": "Local LLM API", "base_url": api})
    # Temperature 0: a real model, and the same answer each time.
    return {"version": 1, "connections": connections, "settings": {"parameters": {"temperature": 0, **parameters}}}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A server's models folder, empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def echo_api(models: Path) -> Iterator[str]:
    """A Local LLM API that answers with the question, at once."""
    with local_llm_api(models, "--engine", "echo") as server:
        yield server.url


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A GGUF file that is whole, and of no use: enough for a server that only stores it."""
    return sparse_gguf(tmp_path / "tiny.gguf", 4096)

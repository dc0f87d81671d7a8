"""The page starts: quickly, with what was typed, on every host; and says why when it cannot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.conftest import ROOT, App, ErrorLog, OpenApp

pytestmark = pytest.mark.alone
REFUSED = r"ERR_CONNECTION_REFUSED.*127\.0\.0\.1:5000"


@pytest.mark.expected_errors(REFUSED)
def test_a_new_profile_is_offered_the_starter_model_and_nothing_fails(site: str, context: BrowserContext, errors: ErrorLog):
    page = context.new_page()
    errors.watch(page)
    App(page, site).open()
    expect(page.get_by_role("button", name="Get SmolLM2 135M (98.4 MB)")).to_be_visible()
    for name in ("Chat", "Models", "Connections", "Compare", "Playground", "Settings"):
        expect(page.get_by_role("navigation", name="Main").get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_role("status", name="Status")).to_be_attached()
    assert page.locator("html").get_attribute("data-version")


def test_every_route_opens_by_its_address_and_by_back_and_forward(site: str, open_app: OpenApp):
    app = open_app(site, route="#/connections")
    expect(app.page.get_by_role("heading", name="Connections", exact=True)).to_be_visible()
    app.visit("Settings")
    expect(app.page.get_by_role("combobox", name="Theme")).to_be_visible()
    app.visit("Models")
    expect(app.page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    app.page.go_back()
    expect(app.page.get_by_role("combobox", name="Theme")).to_be_visible()
    app.page.go_forward()
    expect(app.page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    app.reload()
    expect(app.page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    expect(app.page).to_have_title("Models · ModelTab")


def test_what_is_typed_before_python_is_up_stays(repository: str, context: BrowserContext, errors: ErrorLog):
    page = context.new_page()
    errors.watch(page)
    page.add_init_script('localStorage.setItem(\'modeltab.config\', \'{"version":1,"connections":[],"settings":{}}\')')
    release: list[Route] = []
    page.route("**/app.zip", lambda route: release.append(route))  # Python waits for it, as on a slow network
    page.goto(repository)
    box = page.get_by_role("textbox", name="Message")
    box.press_sequentially("half a senten")
    expect(page.locator("html")).to_have_attribute("data-state", "booting")
    while not release:
        page.wait_for_timeout(50)
    release[0].continue_()
    expect(page.locator("html")).to_have_attribute("data-state", "ready")
    box.press_sequentially("ce")
    expect(box).to_have_value("half a sentence")
    expect(box).to_be_focused()


def test_a_host_without_isolation_headers_is_isolated_by_the_service_worker(plain_site: str, open_app: OpenApp):
    app = open_app(plain_site)
    app.page.wait_for_function("() => navigator.serviceWorker.controller !== null && crossOriginIsolated")
    app.wait()
    app.visit("Settings")
    expect(app.page.get_by_text("on several threads")).to_be_visible()


def test_pythons_own_web_server_serves_the_repository(context: BrowserContext, errors: ErrorLog):
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().split(" port ")[1].split()[0]
            page = context.new_page()
            page.add_init_script('localStorage.setItem(\'modeltab.config\', \'{"version":1,"connections":[],"settings":{}}\')')
            errors.watch(page)
            app = App(page, f"http://127.0.0.1:{port}/").open()
            expect(app.page.get_by_role("button", name="Get SmolLM2")).to_be_visible()
        finally:
            server.terminate()


def test_a_host_that_does_not_know_what_wasm_is_will_do(repository: str, context: BrowserContext, errors: ErrorLog):
    def answer(route: Route) -> None:
        route.fulfill(response=route.fetch(), content_type="application/octet-stream")

    page = context.new_page()
    page.add_init_script('localStorage.setItem(\'modeltab.config\', \'{"version":1,"connections":[],"settings":{}}\')')
    page.route("**/pyodide.asm.wasm", answer)
    errors.watch(page)
    App(page, repository).open()


def fails(page: Page, reason: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-state", "failed")
    expect(page.get_by_role("alert")).to_contain_text(reason)
    expect(page.get_by_role("alert").get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.parametrize(
    "asset",
    [
        "vendor/pyscript/core.js",
        "app.zip",
        "pyodide/pyodide.js",
        "pyodide/pyodide.asm.wasm",
        "pyodide/python_stdlib.zip",
        "idiomorph/idiomorph.esm.js",
    ],
)
def test_a_missing_file_is_named(repository: str, context: BrowserContext, asset: str):
    page = context.new_page()
    page.route(f"**/{asset}", lambda route: route.fulfill(status=404))
    page.route("**/snapshot.bin.gz", lambda route: route.abort())  # a start from it does without the modules
    page.goto(repository)
    fails(page, f"A file of the app is missing: /static/{'' if asset.startswith(('vendor', 'app')) else 'vendor/'}{asset}")


def test_a_damaged_program_is_told(repository: str, context: BrowserContext):
    page = context.new_page()
    page.route("**/pyodide.asm.wasm", lambda route: route.fulfill(body=b"damaged", content_type="application/wasm"))
    page.goto(repository)
    fails(page, "A part of the app could not be loaded.")
    expect(page.locator("#failure-detail")).to_contain_text("WebAssembly")


def test_a_browser_without_webassembly_is_told(repository: str, context: BrowserContext):
    page = context.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(repository)
    fails(page, "This browser lacks: WebAssembly")


def test_a_page_opened_as_a_file_says_how_to_serve_it(context: BrowserContext):
    page = context.new_page()
    page.goto(f"file://{Path(ROOT)}/index.html")
    fails(page, "does not run this app from a file")
    expect(page.get_by_role("alert")).to_contain_text("python run.py")


@pytest.mark.expected_errors(REFUSED)
@pytest.mark.parametrize("entry", ["{not json", '{"version": 99}', '{"version": 1, "connections": "all", "settings": {}}'])
def test_a_corrupt_configuration_is_set_aside_and_told(repository: str, context: BrowserContext, errors: ErrorLog, entry: str):
    page = context.new_page()
    errors.watch(page)
    page.add_init_script(f"localStorage.setItem('modeltab.config', {json.dumps(entry)})")
    App(page, repository).open()
    expect(page.get_by_role("alert")).to_contain_text("was set aside")
    assert page.evaluate("() => localStorage.getItem('modeltab.config.unreadable')") == entry
    expect(page.get_by_role("button", name="Get SmolLM2")).to_be_visible()

"""The start from a snapshot of Python's memory, and from the modules wherever the snapshot cannot be used."""

import gzip

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.e2e.conftest import KEPT, ROOT, App, OpenApp, wait_until_kept
from tools.archive import APP_ARCHIVE
from tools.snapshot import SNAPSHOT, imported

SHORTEN = """async () => {
  const root = await navigator.storage.getDirectory();
  for await (const handle of (await root.getDirectoryHandle("snapshot")).values()) {
    const writable = await handle.createWritable({ keepExistingData: true });
    await writable.truncate(1000);
    await writable.close();
  }
}"""
FETCHED = "fetched snapshot"
DIGEST_BYTES = 32
HEAD_BYTES = DIGEST_BYTES + 4
#: In front of the worker's code: its first fetch of the snapshot brings a hundredth of it, waits, and goes on as slowly.
SLOW = """
const quick = fetch;
self.fetch = async (url, options) => {
  if (!slow || !url.endsWith("snapshot.bin.gz")) return quick(url, options);
  slow = false;
  const response = await quick(url, options);
  const reader = response.body.getReader();
  const body = new ReadableStream({async pull(controller) {
    if (options.signal.aborted) throw postMessage({error: "given up"});
    const {done, value} = await reader.read();
    await new Promise((next) => setTimeout(next, 500));
    if (done) controller.close();
    else controller.enqueue(value.subarray(0, 70_000));
  }});
  return new Response(body, {headers: response.headers});
};
"""


pytestmark = pytest.mark.alone


@pytest.fixture(scope="module", autouse=True)
def _the_browser_has_started(browser: Browser, built: str) -> None:
    """The app was open once: a browser that is starting itself is so slow that the host seems to be."""
    page = browser.new_page()
    App(page, built).open()
    page.context.close()


def start(page: Page) -> str | None:
    """How the page's Python has started."""
    return page.locator("html").get_attribute("data-start")


def works(app: App) -> None:
    """Python answers a click, with a page that it draws."""
    app.visit("Settings")
    expect(app.page.get_by_role("combobox", name="Theme")).to_be_visible()


def before_the_worker(context: BrowserContext, script: str) -> None:
    """Have a script run before the worker's own."""
    worker = (ROOT / "static/js/snapshot_worker.js").read_text(encoding="utf-8")
    headers = {"Cross-Origin-Embedder-Policy": "credentialless", "Content-Type": "text/javascript"}
    context.route("**/snapshot_worker.js", lambda route: route.fulfill(body=script + worker, headers=headers))


def test_the_first_visit_takes_the_snapshot_and_the_next_ones_their_own_copy(site: str, open_app: OpenApp):
    app = open_app(site)
    assert start(app.page) == FETCHED
    works(app)
    wait_until_kept(app.page)
    asked: list[str] = []
    app.page.on("request", lambda request: asked.append(request.url))
    app.reload()
    assert start(app.page) == "kept snapshot"
    assert not any(url.endswith(SNAPSHOT.name) for url in asked)
    works(app)


def test_over_a_slow_line_the_snapshot_comes_after_the_start(repository: str, context: BrowserContext, open_app: OpenApp):
    said: list[str] = []
    before_the_worker(context, f"let slow = true;{SLOW}")
    context.on("console", lambda message: said.append(message.text))
    app = open_app(repository)
    assert start(app.page) == "modules"
    assert "Error: given up" in said[0]
    works(app)
    wait_until_kept(app.page)
    app.reload()
    assert start(app.page) == "kept snapshot"


@pytest.mark.expected_errors(r"404.*snapshot\.bin\.gz")
@pytest.mark.parametrize("fault", ["of another version", "damaged", "not there", "cut off"])
def test_a_snapshot_that_does_not_fit_costs_nothing_but_time(
    repository: str, context: BrowserContext, open_app: OpenApp, fault: str
):
    content = gzip.decompress((ROOT / SNAPSHOT).read_bytes())
    if fault == "of another version":
        content = bytes(DIGEST_BYTES) + content[DIGEST_BYTES:]
    elif fault == "damaged":
        content = content[:HEAD_BYTES] + bytes(len(content) - HEAD_BYTES)
    packed = gzip.compress(content, 1)

    def answer(route: Route) -> None:
        if fault == "not there":
            route.fulfill(status=404)
        else:
            route.fulfill(body=packed[:-100_000] if fault == "cut off" else packed, content_type="application/gzip")

    context.route(f"**/{SNAPSHOT.name}", answer)
    app = open_app(repository)
    assert start(app.page) == "modules"
    works(app)
    assert app.page.evaluate(KEPT) == []


def test_a_kept_snapshot_that_is_not_whole_is_replaced(repository: str, open_app: OpenApp):
    app = open_app(repository)
    wait_until_kept(app.page)
    app.page.evaluate(SHORTEN)
    app.reload()
    assert start(app.page) == FETCHED
    wait_until_kept(app.page)


@pytest.mark.parametrize(
    ("fault", "way"),
    [
        ("StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));", FETCHED),
        ("FileSystemSyncAccessHandle.prototype.write = () => { throw new DOMException('', 'QuotaExceededError'); };", FETCHED),
        ("throw new Error('no worker')", "modules"),
    ],
    ids=["refused", "full", "broken"],
)
@pytest.mark.expected_errors("no worker")
def test_where_the_browser_keeps_nothing_the_app_starts_all_the_same(
    repository: str, context: BrowserContext, open_app: OpenApp, fault: str, way: str
):
    before_the_worker(context, fault)
    app = open_app(repository)
    assert start(app.page) == way
    works(app)
    app.reload()
    assert start(app.page) == way


def test_where_the_page_can_check_nothing_the_app_starts_from_the_modules(
    repository: str, context: BrowserContext, open_app: OpenApp
):
    context.add_init_script("delete Crypto.prototype.subtle")
    app = open_app(repository)
    assert start(app.page) == "modules"
    works(app)


def test_after_a_start_from_the_snapshot_the_modules_come_for_tracebacks(built: str, open_app: OpenApp):
    app = open_app(built, route="#/settings")
    assert start(app.page) == FETCHED
    with app.page.expect_response("**/app.zip", timeout=30_000):
        pass
    works(app)


def test_the_memory_that_a_start_was_from_is_not_held(built: str, open_app: OpenApp):
    app = open_app(built)
    wait_until_kept(app.page)
    session = app.page.context.new_cdp_session(app.page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    assert session.send("Runtime.getHeapUsage")["backingStorageSize"] < 20e6  # the snapshot alone has more


def test_everything_that_the_app_imports_is_in_the_snapshot():
    names = imported(ROOT / APP_ARCHIVE)
    assert {"asyncio", "modeltab.browser.engine", "pickletools", "zipfile"} <= set(names)
    assert not [name for name in names if name.partition(".")[0] == "js"]

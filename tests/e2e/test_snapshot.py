"""The start from a snapshot of Python's memory, and from the modules wherever the snapshot cannot be used."""

import gzip

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.conftest import ROOT, App, OpenApp, until
from tools.snapshot import SNAPSHOT

KEPT = "async () => (await (await caches.open('modeltab-snapshot')).keys()).length"
DIGEST_BYTES = 32


def start(page: Page) -> str | None:
    """How the page's Python has started."""
    return page.locator("html").get_attribute("data-start")


def works(app: App) -> None:
    """Python answers a click, with a page that it draws."""
    app.visit("Settings")
    expect(app.page.get_by_role("combobox", name="Theme")).to_be_visible()


def wait_until_kept(page: Page) -> None:
    """Wait until the unpacked snapshot is in the cache."""
    until(page, KEPT)


def test_the_first_visit_takes_the_snapshot_and_the_next_ones_their_own_copy(site: str, open_app: OpenApp):
    app = open_app(site)
    assert start(app.page) == "fetched snapshot"
    works(app)
    wait_until_kept(app.page)
    asked: list[str] = []
    app.page.on("request", lambda request: asked.append(request.url))
    app.reload()
    assert start(app.page) == "kept snapshot"
    assert not any(url.endswith(SNAPSHOT.name) for url in asked)
    works(app)


def test_over_a_slow_line_the_snapshot_comes_after_the_start(repository: str, context: BrowserContext, open_app: OpenApp):
    context.add_init_script("Object.defineProperty(navigator.connection, 'effectiveType', {value: '3g'})")
    app = open_app(repository)
    assert start(app.page) == "modules"
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
        content = content[:DIGEST_BYTES] + bytes(len(content) - DIGEST_BYTES)
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
    assert app.page.evaluate(KEPT) == 0


def test_a_kept_snapshot_of_another_version_is_replaced(repository: str, open_app: OpenApp):
    app = open_app(repository)
    wait_until_kept(app.page)
    app.page.evaluate(
        """async () => {
          const cache = await caches.open("modeltab-snapshot");
          const [key] = await cache.keys();
          await cache.put(key, new Response(new Uint8Array(100)));
        }"""
    )
    app.reload()
    assert start(app.page) == "fetched snapshot"
    until(
        app.page,
        """async () => {
          const cache = await caches.open("modeltab-snapshot");
          const response = await cache.match((await cache.keys())[0]);
          return (await response.arrayBuffer()).byteLength > 1e6;
        }""",
    )


@pytest.mark.parametrize(
    ("fault", "way"),
    [
        ("delete CacheStorage.prototype.open; delete globalThis.caches", "modules"),
        ("CacheStorage.prototype.open = () => Promise.reject(new DOMException('no', 'SecurityError'))", "modules"),
        ("Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'))", "fetched snapshot"),
    ],
    ids=["no cache", "refused", "full"],
)
def test_where_the_browser_keeps_nothing_the_app_starts_all_the_same(
    repository: str, context: BrowserContext, open_app: OpenApp, fault: str, way: str
):
    context.add_init_script(fault)
    app = open_app(repository)
    assert start(app.page) == way
    works(app)
    app.reload()
    assert start(app.page) == way

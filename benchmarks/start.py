"""How long ModelTab takes to start, and what goes over the wire for it, against llama.cpp's own interface, in turn.

Usable is `data-state=ready` for ModelTab, and a message box that takes a text for the other. Cold: a new profile in a newly
started browser. Warm: a new tab of a browser whose profile has opened the page before. A round is a warm visit of each, a cold
one of each, and a cold one of each on a line of 20 Mbit/s with 40 ms.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from common import BUILT
from peers import API, LlamaUi, llama_ui
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright

from benchmarks.figures import OURS, Measured, Section, ratio
from benchmarks.hosting import CountedSite, CountingServer, Line, PeerServer, running
from benchmarks.report import section_text
from tools.chromium import chromium, launch_arguments

#: Promises, in the page, the moment at which it is usable, by CONDITION, looking after every change of the document.
WATCH = """globalThis.benchmarkUsable = new Promise((resolve, reject) => {
  const look = () => {
    if (CONDITION) {
      observer.disconnect();
      resolve(performance.now());
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, attributes: true });
  setTimeout(() => reject(new Error("the page is not usable after two minutes")), 120000);
});"""
READY = "document.documentElement?.dataset.state === 'ready'"
EDITABLE = """[...document.querySelectorAll("textarea[placeholder^='Type a message']")]
    .some((box) => !box.disabled && !box.readOnly && box.checkVisibility())"""
PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
  const [entry] = list.getEntriesByName("first-contentful-paint");
  if (entry) resolve(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""
SLOW_LINE = {"bits": 20e6, "delay": 0.04}
#: Visits before the warm ones: caches, compiled code among them, fill over the first few.
FILLING = 3
#: Seconds after which a page is taken for done: ModelTab keeps its snapshot after 5, and itself for offline use after 10.
SETTLED = 15.0
#: Seconds without a byte after which a first visit is over: ModelTab is still for 10 before it fetches for offline use.
QUIET = 13.0
METHOD = f"""Both are served by a host on this machine that sends what was compressed beforehand (brotli, quality 11) and
lets files be kept that have a hash in their name or folder; bytes are counted on its sockets, heads included. Usable:
`data-state=ready` here, a message box that takes a text there. Cold is a new profile in a newly started browser; warm a new
tab of one that has opened the page {FILLING} times, for {SETTLED:.0f} s each, so that both have kept what they keep for
themselves: a service worker answers then. The first visit is over when nothing has been sent for {QUIET:.0f} s; the
service workers of both have fetched what they keep for offline use by then. No model is fetched. The slow line is made by
the host: 20 Mbit/s for all connections together, 40 ms to open one, and 40 ms until an answer begins."""


class Visit(NamedTuple):
    """Milliseconds from navigation to the first contentful paint, and until usable; bytes sent until then, and in all."""

    paint: float
    usable: float
    bytes_until_usable: int
    bytes_in_all: int | None = None


class Site(NamedTuple):
    """What is opened, and how to know in its page that it is usable."""

    name: str
    server: CountingServer
    url: str
    condition: str


@contextmanager
def sites() -> Iterator[list[Site]]:
    """Both, served."""
    with running(CountedSite(BUILT)) as ours, running(PeerServer({"/": llama_ui()}, API)) as peer:
        yield [Site(OURS, ours, ours.url, READY), Site(LlamaUi.name, peer, f"{peer.url}#/", EDITABLE)]


@contextmanager
def profile(playwright: Playwright) -> Iterator[BrowserContext]:
    """A newly started browser with a new profile, which it keeps on disk as a person's does."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = chromium(Path(sys.executable))
        context = playwright.chromium.launch_persistent_context(folder, executable_path=path, args=launch_arguments())
        time.sleep(1)  # its own start is not the page's
        yield context
        context.close()


def visit(context: BrowserContext, site: Site, whole: bool = False) -> Visit:
    """Open the page in a new tab. `whole`: wait for the visit's last byte."""
    page = context.new_page()
    page.add_init_script(WATCH.replace("CONDITION", site.condition))
    before = site.server.counter.bytes
    page.goto(site.url, wait_until="commit")
    usable = page.evaluate("() => globalThis.benchmarkUsable")
    until_usable = site.server.counter.bytes - before
    paint = page.evaluate(PAINT)
    in_all = last_byte(site, page) - before if whole else None
    page.close()
    return Visit(paint, usable, until_usable, in_all)


def last_byte(site: Site, page: Page) -> int:
    """Bytes sent so far, once no more come."""
    sent, since = site.server.counter.bytes, time.monotonic()
    while time.monotonic() < since + QUIET:
        page.wait_for_timeout(100)
        if site.server.counter.bytes != sent:
            sent, since = site.server.counter.bytes, time.monotonic()
    return sent


def warmed(context: BrowserContext, site: Site) -> None:
    """Open the page as often as it takes until the profile has all that it will keep."""
    for _ in range(FILLING):
        page = context.new_page()
        page.goto(site.url)
        page.wait_for_timeout(SETTLED * 1000)
        page.close()


def measure(playwright: Playwright, rounds: int, say: Callable[[str], None]) -> Section:
    """Measure both, in turn."""
    warm: dict[str, list[Visit]] = {}
    cold: dict[str, list[Visit]] = {}
    slow: dict[str, list[Visit]] = {}
    with sites() as both:
        with profile(playwright) as ours, profile(playwright) as theirs:
            contexts = (ours, theirs)
            for context, site in zip(contexts, both, strict=True):
                warmed(context, site)
            for _ in range(rounds):
                for context, site in zip(contexts, both, strict=True):
                    warm.setdefault(site.name, []).append(visit(context, site))
            say("warm visits done")
        for number in range(rounds):
            for site in both:
                with profile(playwright) as context:
                    cold.setdefault(site.name, []).append(visit(context, site, whole=number == 0))
                site.server.line = Line(**SLOW_LINE)
                with profile(playwright) as context:
                    slow.setdefault(site.name, []).append(visit(context, site))
                site.server.line = None
            say(f"cold visits, round {number + 1} of {rounds} done")
    return section(warm, cold, slow)


def section(warm: dict[str, list[Visit]], cold: dict[str, list[Visit]], slow: dict[str, list[Visit]]) -> Section:
    """What the visits tell."""
    peer = LlamaUi.name

    def taken(what: str, visits: dict[str, list[Visit]], field: str, unit: str = "ms") -> Measured:
        found = {name: [getattr(one, field) for one in each] for name, each in visits.items()}
        scale, digits = (1e6, 2) if unit == "MB" else (1, 0)
        told = {name: [value / scale for value in values if value is not None] for name, values in found.items()}
        return Measured(what, unit, digits, told)

    paint_warm, usable_warm = taken("first contentful paint, warm", warm, "paint"), taken("usable, warm", warm, "usable")
    paint_cold, usable_cold = taken("first contentful paint, cold", cold, "paint"), taken("usable, cold", cold, "usable")
    paint_slow = taken("first contentful paint, cold, slow line", slow, "paint")
    usable_slow = taken("usable, cold, slow line", slow, "usable")
    bytes_usable = taken("sent until usable, cold", cold, "bytes_until_usable", "MB")
    bytes_all = taken("sent in the first visit", cold, "bytes_in_all", "MB")
    bytes_warm = taken("sent until usable, warm", warm, "bytes_until_usable", "MB")
    return Section(
        "Start",
        METHOD,
        [paint_warm, usable_warm, paint_cold, usable_cold, paint_slow, usable_slow, bytes_usable, bytes_all, bytes_warm],
        [
            ratio(usable_warm, peer, 0.6),
            ratio(usable_cold, peer, 1.0),
            ratio(usable_slow, peer),
            ratio(bytes_all, peer, 1.0),
            ratio(bytes_usable, peer),
            ratio(paint_warm, peer, 0.2),
        ],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        print(section_text(measure(playwright, options.rounds, print)))


if __name__ == "__main__":
    main()

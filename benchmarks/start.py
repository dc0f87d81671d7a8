"""How long ModelTab takes to start, and what goes over the wire for it, against llama.cpp's own interface, in turn.

Usable is `data-state=ready` for ModelTab, and a message box that takes a text for the other. Cold: a new profile in a newly
started browser. Warm: a new tab of a browser whose profile has opened the page before. A round is a warm visit of each, one of
each in a browser that was started anew, a cold one of each, and a cold one of each on a line of 20 Mbit/s with 40 ms.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
themselves: a service worker answers then. That tab is opened in a browser that is still running and has just had the page,
or in one that was started anew with that profile, where nothing of the page is in memory. The first visit is over when
nothing has been sent for {QUIET:.0f} s; the service workers of both have fetched what they keep for offline use by then. No
model is fetched. The slow line is made by the host: 20 Mbit/s for all connections together, 40 ms to open one, and 40 ms
until an answer begins."""


#: The kinds of visits.
WARM, ANEW, COLD, SLOW = "warm", "warm, browser started anew", "cold", "cold, slow line"


class Visit(NamedTuple):
    """Milliseconds from navigation to the first contentful paint, and until usable; bytes sent until then, and in all."""

    paint: float
    usable: float
    bytes_until_usable: int
    bytes_in_all: int | None = None


#: By kind and by who was visited.
Found = dict[str, dict[str, list[Visit]]]


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
def started(playwright: Playwright, folder: str) -> Iterator[BrowserContext]:
    """A newly started browser that keeps its profile in a folder, as a person's does."""
    path = chromium(Path(sys.executable))
    context = playwright.chromium.launch_persistent_context(folder, executable_path=path, args=launch_arguments())
    time.sleep(1)  # its own start is not the page's
    yield context
    context.close()


@contextmanager
def profile(playwright: Playwright) -> Iterator[BrowserContext]:
    """One with a new profile."""
    with new_folder() as folder, started(playwright, folder) as context:
        yield context


def new_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for a profile. A browser that has just ended may still write to it."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


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
    found: Found = {kind: {} for kind in (WARM, ANEW, COLD, SLOW)}

    def add(kind: str, site: Site, context: BrowserContext, whole: bool = False) -> None:
        found[kind].setdefault(site.name, []).append(visit(context, site, whole))

    with sites() as both:
        with new_folder() as ours, new_folder() as theirs:
            profiles = list(zip((ours, theirs), both, strict=True))
            with ExitStack() as open_:
                contexts = [(open_.enter_context(started(playwright, folder)), site) for folder, site in profiles]
                for context, site in contexts:
                    warmed(context, site)
                for _ in range(rounds):
                    for context, site in contexts:
                        add(WARM, site, context)
            for _ in range(rounds):
                for folder, site in profiles:
                    with started(playwright, folder) as context:
                        add(ANEW, site, context)
            say("warm visits done")
        for number in range(rounds):
            for site in both:
                with profile(playwright) as context:
                    add(COLD, site, context, whole=number == 0)
                site.server.line = Line(**SLOW_LINE)
                with profile(playwright) as context:
                    add(SLOW, site, context)
                site.server.line = None
            say(f"cold visits, round {number + 1} of {rounds} done")
    return section(found)


def section(found: Found) -> Section:
    """What the visits tell."""
    peer = LlamaUi.name

    def taken(what: str, kind: str, field: str, unit: str = "ms") -> Measured:
        values = {name: [getattr(one, field) for one in each] for name, each in found[kind].items()}
        scale, digits = (1e6, 2) if unit == "MB" else (1, 0)
        told = {name: [value / scale for value in each if value is not None] for name, each in values.items()}
        return Measured(f"{what}, {kind}", unit, digits, told)

    paints = {kind: taken("first contentful paint", kind, "paint") for kind in found}
    usable = {kind: taken("usable", kind, "usable") for kind in found}
    bytes_usable = taken("sent until usable", COLD, "bytes_until_usable", "MB")
    bytes_all = taken("sent in the first visit", COLD, "bytes_in_all", "MB")
    bytes_warm = taken("sent until usable", WARM, "bytes_until_usable", "MB")
    return Section(
        "Start",
        METHOD,
        [*paints.values(), *usable.values(), bytes_usable, bytes_all, bytes_warm],
        [
            ratio(usable[WARM], peer, 0.6),
            ratio(usable[ANEW], peer),
            ratio(usable[COLD], peer, 1.0),
            ratio(usable[SLOW], peer),
            ratio(bytes_all, peer, 1.0),
            ratio(bytes_usable, peer),
            ratio(paints[WARM], peer, 0.2),
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

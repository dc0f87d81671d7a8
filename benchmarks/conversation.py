"""Conversations that are long, and many of them, in the app and in llama.cpp's own interface, in turn.

Opening a conversation of 2,000 messages, from the change of the address to its last message on the screen; scrolling up in
it, in the app. What the page computes with it open while nobody touches it. The memory that a page has after 10, 30 and 50
conversations of 100 messages have been opened in it, one after the other.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from common import BUILT, browser, cpu_seconds, serving
from peers import API, LlamaUi, llama_ui
from playwright.sync_api import Browser, Playwright, sync_playwright

from benchmarks.corpus import FILL, FILL_LLAMA_UI, options
from benchmarks.figures import OURS, Measured, Outcome, Section, ratio
from benchmarks.hosting import PeerServer, running
from benchmarks.report import section_text
from tests.e2e.conftest import App
from tests.e2e.memory import renderer_bytes

#: Opens a conversation by GO; ms until SHOWN is true, and what has changed is drawn. `last`: its last message.
OPEN = """async ({ conversation, last }) => {
  const began = performance.now();
  GO;
  await new Promise((resolve) => {
    const look = () => ((SHOWN) ? resolve() : setTimeout(look));
    look();
  });
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - began;
}"""
#: What a click in the list does. ModelTab has links there, and of a long list only the near part, so no link for each.
OURS_GO = "location.hash = `#/chat/${conversation}`"
PEERS_GO = 'document.querySelector(`[data-conversation-row="${conversation}"]`).click()'
OURS_SHOWN = "document.getElementById(`m-${last.id}`)"
PEERS_SHOWN = 'document.querySelector(".chat-messages")?.lastElementChild?.textContent.includes(last.text)'
#: The longest main-thread task while one scrolls up through the conversation, in ms, and how many messages are drawn then.
SCROLL = """async () => {
  const area = document.querySelector("#conversation-scroll");
  let longest = 0;
  const observer = new PerformanceObserver((found) => {
    for (const entry of found.getEntries()) longest = Math.max(longest, entry.duration);
  });
  observer.observe({ entryTypes: ["longtask"] });
  for (let n = 0; n < 300; n += 1) {
    area.scrollTop -= 300;
    await new Promise(requestAnimationFrame);
  }
  observer.disconnect();
  return [longest, document.querySelectorAll("article").length];
}"""
MESSAGES = 2000
#: How many conversations are opened, of how many messages each, and after how many of them the memory is looked at.
SEVERAL, OF_MESSAGES, LOOKS = 50, 100, (10, 30, 50)
#: Seconds for which a page that nobody touches is watched, and before, until it is done with what it began.
IDLE, CALM = 10.0, 5.0
METHOD = f"""Both have the same made-up conversations in their databases, of messages of 50 words. One of {MESSAGES:,}
messages is opened as a click in the list does, until its last message is drawn. With it open, the CPU time of the page's
process is taken for {IDLE:.0f} s in which nobody touches it, in percent of one core. In another profile {SEVERAL}
conversations of {OF_MESSAGES} messages are opened one after the other, once; after {", ".join(map(str, LOOKS))} of them,
and a garbage collection, the memory is looked at: the JavaScript heap, and the private memory of the page's process,
WebAssembly included."""


class Memory(NamedTuple):
    """Bytes: the JavaScript heap in use, and the private memory of the page's process."""

    heap: float
    private: float


class Ours:
    """The app, whose database can be filled."""

    name, script = OURS, OPEN.replace("GO", OURS_GO).replace("SHOWN", OURS_SHOWN)
    fill_script = FILL

    def __init__(self, chromium: Browser, url: str) -> None:
        self.chromium, self.url = chromium, url
        self.page = chromium.new_page()
        self.start()

    def start(self) -> None:
        """Load the page."""
        App(self.page, self.url).open()

    def leave(self) -> None:
        """Go back to where no conversation is open."""
        self.page.evaluate('() => { location.hash = "#/chat"; }')

    def fill(self, conversations: int, messages: int) -> None:
        """Put conversations into the database, and load the page anew."""
        self._messages = messages
        self.page.wait_for_timeout(1000)  # until the database is there
        self.page.evaluate(self.fill_script, options(conversations, messages))
        self.page.goto("about:blank")
        self.start()
        self.page.wait_for_timeout(2000)

    def open(self, number: int) -> float:
        """Open a conversation; ms."""
        last = {"id": f"m{number}-{self._messages - 1}", "text": f"zebra{number} message {self._messages - 1}"}
        return float(self.page.evaluate(self.script, {"conversation": f"c{number}", "last": last}))

    def memory(self) -> Memory:
        """What it takes, with nothing in it that could be thrown away."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Performance.enable")
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
            self.page.wait_for_timeout(1000)
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        session.detach()
        return Memory(metrics["JSHeapUsedSize"], renderer_bytes(self.chromium, self.page))


class Theirs(Ours):
    """llama.cpp's interface, with the list of conversations opened."""

    name, script = LlamaUi.name, OPEN.replace("GO", PEERS_GO).replace("SHOWN", PEERS_SHOWN)
    fill_script = FILL_LLAMA_UI

    def start(self) -> None:
        """Load the page."""
        self._ui = LlamaUi(self.page, self.url.rstrip("/")).open()
        self.page.locator("button[aria-label='Expand navigation']").click()

    def leave(self) -> None:
        """Go back to where no conversation is open."""
        self._ui.new_chat()


@contextmanager
def pages(playwright: Playwright) -> Iterator[Sequence[Ours]]:
    """Both, in browsers of their own with empty profiles."""
    with ExitStack() as ends:
        url = ends.enter_context(serving(BUILT))
        peer = ends.enter_context(running(PeerServer({"/": llama_ui()}, API)))
        chromiums = [browser(playwright) for _ in range(2)]
        for chromium in chromiums:
            ends.callback(chromium.close)
        yield [Ours(chromiums[0], url), Theirs(chromiums[1], peer.url)]


def idle(one: Ours) -> float:
    """CPU time of the page's process while nothing is done, in percent of a core."""
    time.sleep(CALM)
    before, began = cpu_seconds(one.chromium)[0], time.monotonic()
    time.sleep(IDLE)
    return 100 * (cpu_seconds(one.chromium)[0] - before) / (time.monotonic() - began)


def measure(playwright: Playwright, rounds: int, say: Callable[[str], None]) -> Section:
    """Measure both, in turn."""
    opened: dict[str, list[float]] = {}
    resting: dict[str, list[float]] = {}
    memory: dict[str, list[Memory]] = {}
    with pages(playwright) as both:
        for one in both:
            one.fill(1, MESSAGES)
        for _ in range(rounds):
            for one in both:
                opened.setdefault(one.name, []).append(one.open(0))
                one.leave()
                time.sleep(0.5)
        say("openings done")
        for one in both:
            one.open(0)
        for _ in range(rounds):
            for one in both:
                resting.setdefault(one.name, []).append(idle(one))
        say("idle pages done")
        longest, drawn = both[0].page.evaluate(SCROLL)
    with pages(playwright) as both:
        for one in both:
            one.fill(SEVERAL, OF_MESSAGES)
            for number in range(SEVERAL):
                one.open(number)
                if number + 1 in LOOKS:
                    memory.setdefault(one.name, []).append(one.memory())
            say(f"memory of {one.name} done")
    scrolling = f"longest task over 50 ms (0: none) while scrolling up, until {drawn} messages are drawn"
    scrolled = Measured(scrolling, "ms", 0, {OURS: [longest]})
    return section(opened, resting, memory, scrolled)


def section(
    opened: dict[str, list[float]], resting: dict[str, list[float]], memory: dict[str, list[Memory]], scrolled: Measured
) -> Section:
    """What all that tells."""
    opening = Measured(f"opening {MESSAGES:,} messages", "ms", 0, opened)
    idling = Measured("CPU of the page's process, idle, of one core", "%", 2, resting)
    heaps = [
        Measured(f"JavaScript heap after {count}", "MB", 1, {name: [looks[n].heap / 1e6] for name, looks in memory.items()})
        for n, count in enumerate(LOOKS)
    ]
    private = [
        Measured(f"private memory after {count}", "MB", 0, {name: [looks[n].private / 1e6] for name, looks in memory.items()})
        for n, count in enumerate(LOOKS)
    ]
    idle_median = statistics.median(resting[OURS])
    ours = memory[OURS]
    after = f"after {LOOKS[-1]} conversations, by that after {LOOKS[0]}"
    growths = [("private memory", ours[-1].private / ours[0].private), ("JavaScript heap", ours[-1].heap / ours[0].heap)]
    return Section(
        "Conversations",
        METHOD,
        [opening, scrolled, idling, *heaps, *private],
        [
            ratio(opening, LlamaUi.name),
            Outcome("CPU of the page, idle with a conversation open", "", idle_median, 1.0, unit="% of a core"),
            *(Outcome(f"{what} {after}", "", grown, 1.05) for what, grown in growths),
        ],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with sync_playwright() as playwright:
        print(section_text(measure(playwright, given.rounds, print)))


if __name__ == "__main__":
    main()

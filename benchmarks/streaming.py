"""An answer of 4,000 tokens that streams at 500 tokens a second, in the app and in llama.cpp's own interface, in turn.

Both get the same bytes, as llama-server sends them. In each round it comes twice. Once undisturbed: CPU time of the page's
process, all its threads, and of the whole browser, from the Enter to a second after the answer's end, so that nothing put off
is left out. Once traced: the longest task of the main thread (the page's `longtask` entries tell only of 50 ms and more), and
the frames that it left out, by the page's own clock of frames.
The answer is of all that models write, or of one kind: one long block of code, one long list, one long paragraph.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from threading import Event
from typing import Any, NamedTuple

from common import BUILT, browser, cpu_seconds, serving
from peers import CARD, MODEL, LlamaUi, event, serve_llama_ui
from playwright.sync_api import Locator, Page, Playwright, expect, sync_playwright

from benchmarks.figures import OURS, Measured, Section, ratio
from benchmarks.report import section_text
from tests.e2e.conftest import App, configuration
from tests.servers.scripted import Reply, ScriptedServer, json_reply

PATH = "/v1/chat/completions"
END = "That is all."
#: What is in each part of an answer of a kind, once: as many have to be seen in the end.
LANDMARKS = {"mixed": r"Part \d+:", "code": r"compute\(", "list": r"of the list", "paragraph": r"Words that go on"}
SECTION = """## Part {n}: what a *hash table* does

A hash table keeps **pairs** of keys and values, so that finding one takes $O(1)$ steps on average; see
[the article](https://en.wikipedia.org/wiki/Hash_table) and `dict`. It costs memory, and what it costs is a matter of
the load factor, which is the number of pairs by the number of places: the higher it is, the more keys meet in one place.

1. Compute the key's hash.
   - It must be the same each time.
   - It should be spread evenly.
2. Look into the place that it names.
3. Where another key is there, go on to the next one.

| Operation | Average | Worst |
|:----------|:-------:|------:|
| search    | $O(1)$  | $O(n)$ |
| insertion | $O(1)$  | $O(n)$ |

```{language}
def insert(table, key, value):
    place = hash(key) % len(table)  # where it should be
    while table[place] is not None and table[place][0] != key:
        place = (place + 1) % len(table)
    table[place] = (key, value)
    return "done", 42
```

> Nothing is free: a table that grows has to move all that is in it.

"""
LONG_CODE = "```python\n{body}```\n"
#: Where a trace has the main thread's tasks, and what it calls them.
CATEGORY, TASK = "disabled-by-default-devtools.timeline", "RunTask"
#: Begins to note in the page when frames begin.
COUNT_FRAMES = """() => {
  const moments = globalThis.benchmarkFrames = [];
  const note = (moment) => {
    if (globalThis.benchmarkFrames !== moments) return;
    moments.push(moment);
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""
#: Ends that, and tells.
FRAMES = """() => {
  const moments = globalThis.benchmarkFrames;
  globalThis.benchmarkFrames = null;
  return moments;
}"""
METHOD = """An answer of 4,000 tokens comes at 500 tokens a second, the same bytes to both. CPU time is of all threads of
the page's process, undisturbed, from the Enter to a second after the answer's end; it is measured apart from the tasks,
which are traced. A frame counts as dropped when the page's next one begins a sixtieth of a second later than it should,
twice that counts as two. The answer:"""
KINDS = {"mixed": "of all that models write", "code": "one block of code", "list": "one list", "paragraph": "one paragraph"}


def texts(kind: str) -> str:
    """An answer: of everything, one long block of code, one long list, one long paragraph."""
    if kind == "code":
        return LONG_CODE.format(body="".join(f"value_{n} = compute({n}, 'text {n}')  # a comment\n" for n in range(1000)))
    if kind == "list":
        return "".join(f"- item *{n}* of the list, with `code` and a [link](https://a.example/{n})\n" for n in range(1000))
    if kind == "paragraph":
        return "Words that go on and on, **some** of them `strong` or not. " * 1000
    languages = ("python", "javascript", "rust", "bash")
    return "".join(SECTION.format(n=n, language=languages[n % 4]) for n in range(40))


def tokens(text: str, count: int) -> list[str]:
    """The first `count` pieces of four characters, about what a token is, and an end that can be waited for."""
    return [*(text[n : n + 4] for n in range(0, 4 * count, 4)), f" {END}"]


class ModelTab:
    """The app in a page."""

    name = OURS

    def __init__(self, page: Page, url: str, api: str) -> None:
        self.page = page
        config = configuration(None)
        config["connections"].append({"id": "c", "type": "openai", "name": "C", "base_url": api + "/v1"})
        config["settings"]["model"] = f"c/{MODEL}"
        page.add_init_script(f"localStorage.setItem('modeltab.config', {json.dumps(json.dumps(config))})")
        self.app = App(page, url).open()
        self._answer: Locator

    def new_chat(self) -> None:
        """Begin another conversation."""
        self.page.get_by_role("button", name="New chat").click()

    def send(self, text: str) -> None:
        """Send a message."""
        self._answer = self.app.send(text)

    def wait(self, end: str) -> None:
        """Wait until the answer is complete, with `end`."""
        expect(self._answer).to_have_attribute("data-status", "done", timeout=120_000)
        expect(self._answer).to_contain_text(end)

    def shown(self) -> str:
        """The text of the answer."""
        return str(self._answer.text_content())


class Stream:
    """A reply of server-sent events, each at the moment at which it is due; `sent` is set at its end."""

    def __init__(self, pieces: Iterable[str], rate: float) -> None:
        self.sent = Event()
        self._pieces, self._rate = pieces, rate

    def reply(self) -> Reply:
        """The reply."""
        return Reply(chunks=self._chunks(), content_type="text/event-stream")

    def _chunks(self) -> Iterator[bytes]:
        begin = time.monotonic()
        for n, piece in enumerate(self._pieces):
            time.sleep(max(0.0, begin + n / self._rate - time.monotonic()))
            yield event({"content": piece})
        yield event({}, "stop")
        yield b"data: [DONE]\n\n"
        self.sent.set()


class Used(NamedTuple):
    """CPU seconds of the page's process and of all the browser's, and how long it took."""

    page: float
    browser: float
    seconds: float


class Watched(NamedTuple):
    """How long the main thread's tasks of one answer took, in ms, and how many frames were dropped."""

    tasks: Sequence[float]
    dropped: int


def stream(tab: ModelTab | LlamaUi, server: ScriptedServer, kind: str, pieces: list[str], rate: float) -> Used:
    """Let one answer come into a new conversation, all of it."""
    tab.new_chat()
    coming = Stream(pieces, rate)
    server.on("POST", PATH, coming.reply())
    chromium = tab.page.context.browser
    assert chromium is not None
    page, everything = cpu_seconds(chromium)
    began = time.monotonic()
    tab.send("Go on.")
    coming.sent.wait(120)
    tab.wait(END)
    took = time.monotonic() - began
    time.sleep(1)
    page_now, everything_now = cpu_seconds(chromium)
    landmarks = len(re.findall(LANDMARKS[kind], "".join(pieces)))
    if (seen := len(re.findall(LANDMARKS[kind], tab.shown()))) != landmarks:
        raise SystemExit(f"{tab.name} shows {seen} of {landmarks} parts of the answer: what was measured tells nothing.")
    return Used(page_now - page, everything_now - everything, took)


def watched(tab: ModelTab | LlamaUi, server: ScriptedServer, kind: str, pieces: list[str], rate: float) -> Watched:
    """What the main thread does of one answer."""
    chromium = tab.page.context.browser
    assert chromium is not None
    tab.page.evaluate(COUNT_FRAMES)
    chromium.start_tracing(page=tab.page, categories=[CATEGORY])
    stream(tab, server, kind, pieces, rate)
    tasks = main_thread(json.loads(chromium.stop_tracing())["traceEvents"])
    return Watched(tasks, dropped_frames(tab.page.evaluate(FRAMES)))


def dropped_frames(moments: Sequence[float]) -> int:
    """How many frames of a sixtieth of a second had no beginning between those that began."""
    gaps = (later - earlier for earlier, later in pairwise(moments))
    return sum(max(0, round(gap * 60 / 1000) - 1) for gap in gaps)


def main_thread(events: list[dict[str, Any]]) -> list[float]:
    """The tasks of the page's main thread, in ms."""
    threads = {(e["pid"], e["tid"]) for e in events if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    found: dict[tuple[int, int], list[float]] = {thread: [] for thread in threads}
    for one in events:
        thread = (one["pid"], one["tid"])
        if thread in threads and one.get("ph") == "X" and one["name"] == TASK:
            found[thread].append(one["dur"] / 1000)
    return max(found.values(), key=sum)


@contextmanager
def tabs(playwright: Playwright, alone: bool = False) -> Iterator[tuple[ScriptedServer, Sequence[ModelTab | LlamaUi]]]:
    """The server of the answers, and the interfaces, each in a browser of its own."""
    models = {("GET", "/v1/models"): json_reply({"object": "list", "data": [CARD]})}
    with serving(BUILT) as url, ScriptedServer(models) as server:
        opened: list[ModelTab | LlamaUi] = [ModelTab(browser(playwright).new_page(), url, server.url)]
        if not alone:
            serve_llama_ui(server)
            opened.append(LlamaUi(browser(playwright).new_page(), server.url).open())
        yield server, opened
        for tab in opened:
            assert tab.page.context.browser is not None
            tab.page.context.browser.close()


def measure(
    playwright: Playwright,
    rounds: int,
    say: Callable[[str], None],
    kind: str = "mixed",
    count: int = 4000,
    rate: float = 500,
    alone: bool = False,
) -> Section:
    """Measure an answer of that kind."""
    pieces = tokens(texts(kind), count)
    with tabs(playwright, alone) as (server, compared):
        used: dict[str, list[Used]] = {tab.name: [] for tab in compared}
        seen: dict[str, list[Watched]] = {tab.name: [] for tab in compared}
        for tab in compared:  # to warm up
            stream(tab, server, kind, pieces, rate)
        for number in range(rounds):
            for tab in compared:
                used[tab.name].append(stream(tab, server, kind, pieces, rate))
                seen[tab.name].append(watched(tab, server, kind, pieces, rate))
            say(f"streaming, round {number + 1} of {rounds} done")
    return section(kind, used, seen)


def section(kind: str, used: dict[str, list[Used]], seen: dict[str, list[Watched]]) -> Section:
    """What the answers tell."""

    def told(what: str, unit: str, digits: int, figures: Callable[[str], list[float]]) -> Measured:
        return Measured(what, unit, digits, {name: figures(name) for name in used})

    page = told("CPU time of the page's process", "s", 2, lambda name: [one.page for one in used[name]])
    everything = told("CPU time of the whole browser", "s", 2, lambda name: [one.browser for one in used[name]])
    took = told("from the Enter to the answer's end", "s", 2, lambda name: [one.seconds for one in used[name]])
    longest = told("longest task", "ms", 1, lambda name: [max(one.tasks) for one in seen[name]])
    over = told("tasks over 50 ms", "", 0, lambda name: [sum(ms > 50 for ms in one.tasks) for one in seen[name]])
    dropped = told("frames dropped", "", 0, lambda name: [one.dropped for one in seen[name]])
    outcomes = [
        ratio(one, LlamaUi.name)._replace(what=f"streaming, {what}")
        for one, what in ((page, "CPU of the page"), (longest, "longest task"))
        if LlamaUi.name in used
    ]
    return Section("Streaming", f"{METHOD} {KINDS[kind]}.", [page, everything, longest, over, dropped, took], outcomes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=500, help="tokens a second")
    parser.add_argument("--kinds", nargs="*", default=list(LANDMARKS), choices=list(LANDMARKS))
    parser.add_argument("--alone", action="store_true", help="without llama.cpp's interface")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        for kind in options.kinds:
            given = (kind, options.tokens, options.rate, options.alone)
            print(section_text(measure(playwright, options.rounds, print, *given)), flush=True)


if __name__ == "__main__":
    main()

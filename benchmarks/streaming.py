"""An answer of 4,000 tokens that streams into the app's page at 500 tokens a second: the longest task, and CPU time.

The main thread's tasks are those of the browser's own trace (the page's `longtask` entries tell only of 50 ms and more). CPU
time is that of the page's process, all its threads, from the click on Send to the end of the answer. The answer is of all that
models write, or of one kind: one long block of code, one long list, one long paragraph.
"""

import argparse
import json
import time
from typing import Any

from common import ROOT, browser, figure, serving
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import App, configuration
from tests.servers.scripted import Reply, ScriptedServer, json_reply

PATH = "/v1/chat/completions"
MODELS = json_reply({"object": "list", "data": [{"id": "writer", "object": "model"}]})
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
#: The main thread's outermost tasks in a trace.
TASKS = ("RunTask", "ThreadControllerImpl::RunTask", "ThreadPool_RunTask")


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
    """The first `count` pieces of four characters: about what a token is."""
    return [text[n : n + 4] for n in range(0, 4 * count, 4)]


def chunks(pieces: list[str], rate: float) -> Any:
    """Server-sent events, at the moments at which they are due."""
    begin = time.monotonic()
    for n, piece in enumerate(pieces):
        time.sleep(max(0.0, begin + n / rate - time.monotonic()))
        yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': piece}}]})}\n\n".encode()
    yield b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def cpu_seconds(page: Page) -> float:
    """CPU time of the page's process so far."""
    session = page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(process["cpuTime"] for process in found if process["type"] == "renderer")


def stream_once(app: App, server: ScriptedServer, pieces: list[str], rate: float) -> tuple[list[float], float, float]:
    """The main thread's tasks in ms, CPU seconds, and how long it took, of one answer."""
    server.on("POST", PATH, Reply(chunks=chunks(pieces, rate), content_type="text/event-stream"))
    chromium = app.page.context.browser
    assert chromium is not None
    chromium.start_tracing(page=app.page, categories=["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"])
    cpu, began = cpu_seconds(app.page), time.monotonic()
    answer = app.send("Go on.")
    expect(answer).to_have_attribute("data-status", "done", timeout=120_000)
    cpu, took = cpu_seconds(app.page) - cpu, time.monotonic() - began
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    return main_thread(events), cpu, took


def main_thread(events: list[dict[str, Any]]) -> list[float]:
    """How long the tasks of the page's main thread took, in ms, the longest first."""
    threads = {(e["pid"], e["tid"]) for e in events if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    busy: dict[tuple[int, int], float] = dict.fromkeys(threads, 0.0)
    found: dict[tuple[int, int], list[float]] = {thread: [] for thread in threads}
    for event in events:
        thread = (event["pid"], event["tid"])
        if thread in threads and event.get("ph") == "X" and event["name"] in TASKS:
            busy[thread] += event["dur"]
            found[thread].append(event["dur"] / 1000)
    page = max(threads, key=lambda thread: busy[thread])
    return sorted(found[page], reverse=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=500, help="tokens a second")
    parser.add_argument("--kinds", nargs="*", default=["mixed", "code", "list", "paragraph"])
    options = parser.parse_args()
    with serving(ROOT) as url, ScriptedServer({("GET", "/v1/models"): MODELS}) as server, sync_playwright() as playwright:
        page = browser(playwright).new_page()
        config = configuration(None)
        config["connections"].append({"id": "c", "type": "openai", "name": "C", "base_url": server.url + "/v1"})
        config["settings"]["model"] = "c/writer"
        page.add_init_script(f"localStorage.setItem('modeltab.config', {json.dumps(json.dumps(config))})")
        app = App(page, url).open()
        for kind in options.kinds:
            rounds = []
            for _ in range(options.rounds + 1):
                page.get_by_role("button", name="New chat").click()
                rounds.append(stream_once(app, server, tokens(texts(kind), options.tokens), options.rate))
            rounds = rounds[1:]
            longest = figure([tasks[0] for tasks, _, _ in rounds], 1)
            over = figure([float(sum(task > 50 for task in tasks)) for tasks, _, _ in rounds])
            cpu, took = figure([cpu for _, cpu, _ in rounds], 2), figure([took for _, _, took in rounds], 2)
            print(f"{kind:10} longest task {longest} ms, {over} over 50 ms; CPU {cpu} s of {took} s", flush=True)


if __name__ == "__main__":
    main()

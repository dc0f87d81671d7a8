"""The engine in the tab, against wllama by itself and llama.cpp as a native program: in turn, in one run.

Load, tokens a second of the prompt and of the answer, memory. The app is measured by what it shows. wllama is the library from
npm with its own defaults on an empty isolated page. The native one is llama-server (PyPI's xllamacpp) with a thread for
each core. All have the same model, the same prompt and greedy sampling, and have answered a short message before.
"""

import argparse
import json
import os
import re
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common import BUILT, ROOT, browser, serving
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from benchmarks.figures import OURS, Measured, Section, ratio
from benchmarks.hosting import ISOLATION, PeerServer, running
from benchmarks.report import section_text
from tests.e2e.conftest import App
from tests.e2e.memory import renderer_bytes
from tests.servers.processes import llama_server
from tools.model import MODEL_FILE

WLLAMA, NATIVE = "wllama", "native llama.cpp"
FIRST = "Say hello."
#: About 300 tokens, and an answer that goes on for longer than is measured.
PROMPT = """\
Below are a lighthouse keeper's notes of one week. Write a long story from them, with many details, in the keeper's own voice.

Monday: Fog from the early morning on. I lit the lamp at three in the afternoon and heard two ships pass, but saw neither. The
horn needs new leather, and there is none left in the store.
Tuesday: The supply boat came with flour, oil and a letter from my sister, who writes that the orchard has never borne so many
pears. I read it twice, once for the news and once for the sound of it.
Wednesday: Wind from the north west, and waves up to the second window. A gull sat on the railing for an hour and looked in. I
mended the stair, which has been loose since the autumn.
Thursday: The storm took a part of the wall by the landing. I counted eleven stones in the water, and I shall need a mason
before the winter. The lamp burned all night without a flicker.
Friday: Quiet at last. I painted the door green, as my father had it, and found his initials under the old paint.
Saturday: A fishing boat lost its way and came to the light. I gave the three men soup, and they slept on the floor by the
stove; in the morning they left me a basket of fish and a song that I cannot forget.
Sunday: Nothing came and nothing went. I wrote all of this down so that somebody may know how the days pass here."""
#: wllama with its own defaults: loads the model, answers a short message, then the prompt.
BARE = """async ({ model, messages, tokens }) => {
  const { Wllama } = await import(new URL("/wllama/index.js", location).href);
  const file = await (await fetch("/models/" + model)).blob();
  const wllama = new Wllama({ default: new URL("/wllama/wasm/wllama.wasm", location).href }, { suppressNativeLog: true });
  const began = performance.now();
  await wllama.loadModel([file]);
  const loaded = performance.now() - began;
  let last;
  for (const content of messages) {
    await wllama.createChatCompletion({
      messages: [{ role: "user", content }], temperature: 0, max_tokens: tokens, stream: true,
      onData: (chunk) => { last = chunk; },
    });
  }
  return { loaded, threads: wllama.getNumThreads(), ...last.timings };
}"""
STATS = re.compile(
    r"(?P<tokens>[\d,]+) tokens .*?(?P<speed>[\d.,]+) tokens/s .*?first token after (?P<first>[\d.]+) s"
    r" .*?(?P<prompt>[\d,]+) prompt tokens(?:, (?P<cached>[\d,]+) of them cached)?"
)


class Answered(NamedTuple):
    """What an answer took.

    :param load: seconds.
    :param first_load: seconds of the very first one, where it does more than any later one.
    :param prompt_tokens: those that were read, in `prompt_seconds`.
    :param speed: tokens a second of the answer.
    :param memory: bytes of the process.
    :param threads: None where they are not told.
    """

    load: float
    prompt_tokens: int
    prompt_seconds: float
    speed: float
    memory: float
    threads: int | None = None
    first_load: float | None = None


def in_app(chromium: Browser, url: str, tokens: int) -> Answered:
    """The app, by what it shows. The prompt's time is that to the first token that it showed."""
    context = chromium.new_context()
    page = context.new_page()
    settings = {"parameters": {"temperature": 0, "max_tokens": tokens}, "model": f"in-tab/{MODEL_FILE.name}"}
    connections = [{"id": "in-tab", "type": "in-tab", "name": "In this tab", "base_url": ""}]
    config = json.dumps(json.dumps({"version": 1, "connections": connections, "settings": settings}))
    page.add_init_script(f"localStorage.setItem('modeltab.config', {config})")
    app = App(page, url).open()
    ensure_model(page)
    page.wait_for_timeout(6000)  # the app keeps its snapshot five seconds after its start
    app.visit("Models")
    row = app.row(MODEL_FILE.name)
    button = row.get_by_role("button", name=f"Load {MODEL_FILE.name}", exact=True)
    expect(button).to_be_visible()
    loads = []
    for is_first in (True, False):
        if not is_first:
            row.get_by_role("button", name=f"Unload {MODEL_FILE.name}", exact=True).click()
            expect(button).to_be_visible()
        began = time.monotonic()
        button.click()
        row.locator("[data-state=Loaded]").wait_for(timeout=120_000)
        loads.append(time.monotonic() - began)
    app.visit("Chat")
    for text in (FIRST, PROMPT):
        page.get_by_role("button", name="New chat").click()
        answer = app.send(text)
        expect(answer).to_have_attribute("data-status", "done", timeout=300_000)
    said = answer.locator("[data-part=stats]").inner_text()
    memory = renderer_bytes(chromium, page)
    context.close()
    found = STATS.search(said.replace("\n", " "))
    if found is None or "about" in said or int(found["tokens"].replace(",", "")) != tokens:
        raise SystemExit(f"The app told not what {tokens} tokens took: {said}")
    read = int(found["prompt"].replace(",", "")) - int((found["cached"] or "0").replace(",", ""))
    first_load, load = loads
    return Answered(load, read, float(found["first"]), float(found["speed"].replace(",", "")), memory, first_load=first_load)


def ensure_model(page: Page) -> None:
    """Bring the starter model into the tab at the first visit."""
    start = page.get_by_role("button", name=re.compile("Get SmolLM2"))
    known = page.get_by_text("What is on your mind?")
    expect(start.or_(known)).to_be_visible(timeout=30_000)
    if start.is_visible():
        start.click()
        expect(known).to_be_visible(timeout=60_000)


def bare(chromium: Browser, url: str, tokens: int) -> Answered:
    """wllama by itself, by the engine's own timings."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(url + "wllama/wllama.d.ts")  # any page of that host
    given = {"model": MODEL_FILE.name, "messages": [FIRST, PROMPT], "tokens": tokens}
    found = page.evaluate(BARE, given)
    memory = renderer_bytes(chromium, page)
    context.close()
    return answered(found, found["loaded"] / 1000, memory, tokens)


def native(tokens: int) -> Answered:
    """llama-server with a thread for each core, by its own timings."""
    threads = os.cpu_count() or 1
    began = time.monotonic()
    options = ("--slots", "1", "--n-ctx", "4096", "--threads", str(threads))
    with llama_server(ROOT / MODEL_FILE, *options) as server:
        loaded = time.monotonic() - began
        for text in (FIRST, PROMPT):
            messages = [{"role": "user", "content": text}]
            body = json.dumps({"messages": messages, "temperature": 0, "max_tokens": tokens}).encode()
            headers = {"Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(f"{server.url}/v1/chat/completions", body, headers)) as reply:
                timings = json.load(reply)["timings"]
        status = Path(f"/proc/{server.pid}/status").read_text()
    resident = sum(int(kb) * 1024 for kb in re.findall(r"^Rss(?:Anon|File):\s+(\d+)", status, re.MULTILINE))
    return answered({**timings, "threads": threads}, loaded, resident, tokens)


def answered(timings: Mapping[str, Any], load: float, memory: float, tokens: int) -> Answered:
    """What llama.cpp's timings tell."""
    if timings["predicted_n"] != tokens:
        raise SystemExit(f"{timings['predicted_n']} tokens instead of {tokens}: what was measured tells nothing.")
    read, seconds, speed = timings["prompt_n"], timings["prompt_ms"] / 1000, timings["predicted_per_second"]
    return Answered(load, read, seconds, speed, memory, timings["threads"])


def measure(playwright: Playwright, rounds: int, say: Callable[[str], None], tokens: int = 128) -> Section:
    """Measure all three, in turn."""
    found: dict[str, list[Answered]] = {OURS: [], WLLAMA: [], NATIVE: []}
    peer = PeerServer(
        {
            "/wllama/": ROOT / "node_modules" / "@wllama" / "wllama" / "esm",
            "/models/": ROOT / MODEL_FILE.parent,
        },
        headers=ISOLATION,
    )
    with serving(BUILT) as url, running(peer):
        steps: Sequence[tuple[str, Callable[[Browser], Answered]]] = (
            (OURS, lambda chromium: in_app(chromium, url, tokens)),
            (WLLAMA, lambda chromium: bare(chromium, peer.url, tokens)),
            (NATIVE, lambda _: native(tokens)),
        )
        for number in range(rounds):
            # A machine that slows down must not favour any.
            for name, step in steps if number % 2 else reversed(steps):
                chromium = browser(playwright)
                found[name].append(step(chromium))
                chromium.close()
            lasts = ", ".join(f"{name} {each[-1].speed:.1f}" for name, each in found.items())
            say(f"engine, round {number + 1} of {rounds} done; tokens/s: {lasts}")
    return section(found, tokens)


def prompt_speed(name: str, one: Answered, shared: int) -> float:
    """Tokens a second of the prompt. Of what it shared with the message before, ModelTab does not tell: it counts as known."""
    return (one.prompt_tokens - (shared if name == OURS else 0)) / one.prompt_seconds


def section(found: dict[str, list[Answered]], tokens: int) -> Section:
    """What the answers tell."""

    def told(what: str, unit: str, digits: int, figure: Callable[[str, Answered], float]) -> Measured:
        return Measured(what, unit, digits, {name: [figure(name, one) for one in each] for name, each in found.items()})

    # How much of it native llama.cpp had in its cache; no more than that can ModelTab's engine have had.
    shared = max(0, found[OURS][0].prompt_tokens - found[NATIVE][0].prompt_tokens)
    prompt = told("prompt", "tokens/s", 1, lambda name, one: prompt_speed(name, one, shared))
    speed = told("answer", "tokens/s", 1, lambda _, one: one.speed)
    load = told("load", "s", 2, lambda _, one: one.load)
    first_loads = {name: [one.first_load for one in each if one.first_load] for name, each in found.items()}
    first_load = Measured("load, the very first", "s", 2, {name: each for name, each in first_loads.items() if each})
    memory = told("memory", "MB", 0, lambda _, one: one.memory / 1e6)
    threads = ", ".join(f"{name} {each[0].threads}" for name, each in found.items() if each[0].threads)
    method = f"""{MODEL_FILE.name}; a prompt of {found[OURS][0].prompt_tokens} tokens and {tokens} tokens of answer, greedy,
after a short message and its answer, so that all is compiled and warm. Each runs in a process of its own that was started
for it. Threads: {threads}; ModelTab takes as many as it measures to be best, which its very first load of a model includes.
Its figures are those that it shows below the answer. It shows no speed for the prompt: that is the prompt's tokens by the
time to the first token that it showed, which is longer than reading took, without the {shared} tokens that the template
puts before every message, which it may have had in its cache. The others' are llama.cpp's own timings.
Load: ModelTab's from the click on Load until the page says so, the file being in the browser's storage; wllama's is
`loadModel` with the file in memory; the native one's is from the start of its process (Python) until it answers. Memory: of
ModelTab and wllama the private memory of the page's process after the answer, of the native one its resident memory, the
model's mapped file included."""
    return Section(
        "Engine",
        method,
        [load, first_load, prompt, speed, memory],
        [
            ratio(speed, WLLAMA, 2.5, more_is_better=True)._replace(what="generated tokens/s"),
            ratio(speed, NATIVE, 0.25, more_is_better=True)._replace(what="generated tokens/s"),
            ratio(prompt, NATIVE, 0.25, more_is_better=True)._replace(what="prompt tokens/s"),
            ratio(prompt, WLLAMA, more_is_better=True)._replace(what="prompt tokens/s"),
        ],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        print(section_text(measure(playwright, options.rounds, print, options.tokens)))


if __name__ == "__main__":
    main()

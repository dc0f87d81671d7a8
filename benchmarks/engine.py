"""Tokens per second in the app, against wllama 3 with its defaults on an empty page, and against llama.cpp: in turn.

A first question lets the browser compile, and none of them knows the second one yet. llama.cpp is a real llama-server
(PyPI's `xllamacpp`) with as many threads as the machine has cores.
"""

import argparse
import json
import re
import statistics
import urllib.request
from typing import NamedTuple

from common import ROOT, browser, figure, serving
from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

from tests.servers.processes import llama_server

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
FIRST, PROMPT = "Hello?", "Write a long story about a lighthouse keeper, with many details. " * 12
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
BARE = """async ({model, prompts, tokens}) => {
  const {Wllama, LoggerWithoutDebug} = await import(new URL("static/vendor/wllama/index.js", location).href);
  const file = await (await fetch("static/models/" + model)).blob();
  const wllama = new Wllama({default: new URL("static/vendor/wllama/wllama.wasm", location).href},
                            {suppressNativeLog: true, logger: LoggerWithoutDebug});
  await wllama.loadModel([file], {n_ctx: 4096, n_gpu_layers: 0});
  let last;
  for (const content of prompts)
    await wllama.createChatCompletion({messages: [{role: "user", content}], temperature: 0, max_tokens: tokens,
                                       return_progress: true, stream: true, onData: chunk => { last = chunk; }});
  await wllama.exit();
  return last.timings;
}"""


class Speed(NamedTuple):
    """Tokens per second of reading the prompt, and of writing the answer."""

    prompt: float
    generation: float


def of_timings(timings: dict[str, float], tokens: int) -> Speed:
    """What llama.cpp's server tells."""
    assert timings["predicted_n"] == tokens, f"{timings['predicted_n']} tokens instead of {tokens}"
    return Speed(timings["prompt_per_second"], timings["predicted_per_second"])


def bare(context: BrowserContext, url: str, tokens: int) -> Speed:
    """wllama 3 alone."""

    def empty(route: Route) -> None:
        route.fulfill(body="<!doctype html><title>bare</title>", content_type="text/html", headers=ISOLATED)

    context.route(url + "bare.html", empty)
    page = context.new_page()
    page.goto(url + "bare.html")
    timings = page.evaluate(BARE, {"model": MODEL, "prompts": [FIRST, PROMPT], "tokens": tokens})
    page.close()
    return of_timings(timings, tokens)


def native(context: BrowserContext, url: str, tokens: int) -> Speed:
    """llama.cpp."""
    with llama_server(ROOT / "static" / "models" / MODEL, "--n-ctx", "4096") as server:
        for content in (FIRST, PROMPT):
            body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": tokens}
            request = urllib.request.Request(
                server.url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request) as response:
                answer = json.load(response)
    return of_timings(answer["timings"], tokens)


def in_app(context: BrowserContext, url: str, tokens: int) -> Speed:
    """The app, as it shows it; how quick it read is what was not cached, over the time until the first token."""
    page = context.new_page()
    settings = {"parameters": {"temperature": 0, "max_tokens": tokens}, "model": f"in-tab/{MODEL}"}
    connections = [{"id": "in-tab", "type": "in-tab", "name": "In this tab", "base_url": ""}]
    config = json.dumps(json.dumps({"version": 1, "connections": connections, "settings": settings}))
    page.add_init_script(f"localStorage.setItem('modeltab.config', {config})")
    page.goto(url)
    expect(page.locator("html")).to_have_attribute("data-state", "ready", timeout=60_000)
    ensure_model(page)
    ask(page, FIRST)
    page.get_by_role("button", name="New chat").first.click()
    expect(page.locator("article[data-role=assistant]")).to_have_count(0)
    text = ask(page, PROMPT)
    page.close()
    found = re.search(r"(\d+) tokens .* ([\d.]+) tokens/s .* after ([\d.]+) s .* (\d+) prompt tokens(?:, (\d+) of)?", text)
    assert found, text
    assert int(found[1]) == tokens, text
    return Speed((int(found[4]) - int(found[5] or 0)) / float(found[3]), float(found[2]))


def ask(page: Page, text: str) -> str:
    """Send a message; what is said of the answer."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")
    answer = page.locator("article[data-role=assistant]")
    expect(answer).to_have_attribute("data-status", "done", timeout=300_000)
    return answer.locator("[data-part=stats]").inner_text()


def ensure_model(page: Page) -> None:
    """Bring the starter model into the tab at the first visit."""
    start = page.get_by_role("button", name=re.compile("Get SmolLM2"))
    known = page.get_by_text("What is on your mind?")
    expect(start.or_(known)).to_be_visible(timeout=30_000)
    if start.is_visible():
        start.click()
        expect(known).to_be_visible(timeout=60_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    with serving(ROOT) as url, sync_playwright() as playwright:
        context = browser(playwright).new_context()
        in_app(context, url, options.tokens)  # the model comes into storage, compiled code into the cache
        steps = [in_app, bare, native]
        results: dict[str, list[Speed]] = {step.__name__: [] for step in steps}
        for _ in range(options.runs):
            for step in steps:
                results[step.__name__].append(step(context, url, options.tokens))
                print(f"  {step.__name__} {results[step.__name__][-1]}", flush=True)
            steps.reverse()  # a machine that slows down must not favour any
    for kind, what in enumerate(Speed._fields):
        app, *others = ([speed[kind] for speed in results[name]] for name in ("in_app", "bare", "native"))
        print(f"{what}: app {figure(app, 1)}, wllama 3 {figure(others[0], 1)}, llama.cpp {figure(others[1], 1)} tokens/s")
        ratios = [statistics.median(map(float.__truediv__, app, other)) for other in others]
        print(f"  app to wllama 3 {ratios[0]:.2f}, to llama.cpp {ratios[1]:.2f}: medians of {len(app)} rounds")


if __name__ == "__main__":
    main()

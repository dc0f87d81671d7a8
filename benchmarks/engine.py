"""Tokens per second in the app, against wllama 3 alone with its defaults on an empty page, and against llama.cpp: in turn.

The app is asked twice, so that its first answer, for which the browser still compiles, is no figure; both prompts of the
others follow nothing either. llama.cpp is a real llama-server (PyPI's `xllamacpp`) with as many threads as there are cores.
"""

import argparse
import json
import re
import statistics

from common import ROOT, browser, figure, serving
from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPT = "Write a long story about a lighthouse keeper, with many details."
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
BARE = """async ({model, prompt, tokens}) => {
  const {Wllama, LoggerWithoutDebug} = await import(new URL("static/vendor/wllama/index.js", location).href);
  const file = await (await fetch("static/models/" + model)).blob();
  const wllama = new Wllama({default: new URL("static/vendor/wllama/wllama.wasm", location).href},
                            {suppressNativeLog: true, logger: LoggerWithoutDebug});
  await wllama.loadModel([file], {n_ctx: 4096, n_gpu_layers: 0});
  let last;
  await wllama.createChatCompletion({messages: [{role: "user", content: prompt}], temperature: 0, max_tokens: tokens,
                                     return_progress: true, stream: true, onData: chunk => { last = chunk; }});
  await wllama.exit();
  return last.timings;
}"""


def bare(context: BrowserContext, url: str, tokens: int) -> float:
    """Tokens per second of wllama alone."""

    def empty(route: Route) -> None:
        route.fulfill(body="<!doctype html><title>bare</title>", content_type="text/html", headers=ISOLATED)

    context.route(url + "bare.html", empty)
    page = context.new_page()
    page.goto(url + "bare.html")
    timings = page.evaluate(BARE, {"model": MODEL, "prompt": PROMPT, "tokens": tokens})
    page.close()
    assert timings["predicted_n"] == tokens, f"{timings['predicted_n']} tokens instead of {tokens}"
    return float(timings["predicted_per_second"])


def in_app(context: BrowserContext, url: str, tokens: int) -> float:
    """Tokens per second of the same prompt in the app, as it shows them."""
    page = context.new_page()
    settings = {"parameters": {"temperature": 0, "max_tokens": tokens}, "model": f"in-tab/{MODEL}"}
    connections = [{"id": "in-tab", "type": "in-tab", "name": "In this tab", "base_url": ""}]
    config = json.dumps(json.dumps({"version": 1, "connections": connections, "settings": settings}))
    page.add_init_script(f"localStorage.setItem('modeltab.config', {config})")
    page.goto(url)
    expect(page.locator("html")).to_have_attribute("data-state", "ready", timeout=60_000)
    ensure_model(page)
    page.get_by_role("textbox", name="Message").fill(PROMPT)
    page.keyboard.press("Enter")
    answer = page.locator("article[data-role=assistant]")
    expect(answer).to_have_attribute("data-status", "done", timeout=300_000)
    text = answer.locator("[data-part=stats]").inner_text()
    page.close()
    found = re.search(r"(\d+) tokens .* ([\d.]+) tokens/s", text)
    assert found, text
    assert int(found[1]) == tokens, text
    return float(found[2])


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
        pairs = []
        for run in range(options.runs):
            order = (bare, in_app) if run % 2 else (in_app, bare)  # a machine that slows down must not favour either
            result = {step: step(context, url, options.tokens) for step in order}
            pairs.append((result[in_app], result[bare]))
            print(f"  app {pairs[-1][0]:.2f}, bare {pairs[-1][1]:.2f} tokens/s")
    print(f"app   {figure([a for a, _ in pairs], 2)} tokens/s")
    print(f"bare  {figure([b for _, b in pairs], 2)} tokens/s")
    print(f"ratio {statistics.median(a / b for a, b in pairs):.3f}, median of {len(pairs)} pairs")


if __name__ == "__main__":
    main()

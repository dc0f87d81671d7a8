"""What the API in the tab adds to the provider behind it: milliseconds a request, and milliseconds a streamed token.

Another page of the same origin asks a scripted OpenAI-compatible server, in turn by itself and through the service worker and
ModelTab. A request is one whole answer of one word, from fetch to its JSON. A token is measured from the moment in which the
server writes it, which is the token's text, to that in which the page's reader has it; server and browser run on this
machine, and their clocks are compared before each round, as NTP does it.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from common import ROOT, browser
from playwright.sync_api import Page, sync_playwright

from benchmarks.figures import figure
from tests.e2e.conftest import App, configuration
from tests.servers.pages import pages_beside
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply

PATH = "/v1/chat/completions"
MODELS = json_reply({"object": "list", "data": [{"id": "m", "object": "model"}]})
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
NOW = "() => performance.timeOrigin + performance.now()"
REQUEST = """async ([url, model]) => {
  const began = performance.now();
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello?" }], stream: false });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body };
  await (await fetch(url + "/chat/completions", init)).json();
  return performance.now() - began;
}"""
STREAM = """async ([url, model]) => {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello?" }], stream: true });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body };
  const reader = (await fetch(url + "/chat/completions", init)).body.pipeThrough(new TextDecoderStream()).getReader();
  const late = [];
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return late;
    const now = performance.timeOrigin + performance.now();
    const events = (rest + value).split("\\n\\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.slice("data: ".length);
      const text = data === "[DONE]" ? "" : JSON.parse(data).choices[0]?.delta.content;
      if (text) late.push(now - Number(text));
    }
  }
}"""


def chunk(text: str) -> bytes:
    """A piece of a streamed answer."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


def answer(request: RecordedRequest, tokens: int, rate: float) -> Reply:
    """One word at once, or so many tokens that are the time at which they are written."""
    asked = request.json()
    if b"whole" in request.body:
        if not asked["stream"]:
            return json_reply({"choices": [{"index": 0, "message": {"content": "word"}, "finish_reason": "stop"}]})
        return Reply(chunks=[chunk("word"), END], content_type="text/event-stream")

    def told() -> Iterator[bytes]:
        for _ in range(tokens):
            time.sleep(1 / rate)
            yield chunk(repr(time.time() * 1000))
        yield END

    return Reply(chunks=told(), content_type="text/event-stream")


def clock_ahead(page: Page) -> float:
    """How far the page's clock is ahead of this process's, in ms."""
    tries = []
    for _ in range(15):
        before = time.time() * 1000
        there = page.evaluate(NOW)
        after = time.time() * 1000
        tries.append((after - before, there - (before + after) / 2))
    return min(tries)[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--rate", type=float, default=50, help="tokens a second")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    def reply(request: RecordedRequest) -> Reply:
        return answer(request, options.tokens, options.rate)

    scripts: dict[Any, Any] = {("GET", "/v1/models"): MODELS, ("POST", PATH): reply}
    with pages_beside(ROOT) as url, ScriptedServer(scripts) as server, sync_playwright() as playwright:
        context = browser(playwright).new_context()
        config = configuration(None)
        config["connections"].append({"id": "c", "type": "openai", "name": "C", "base_url": server.url + "/v1"})
        config["settings"]["api"] = True
        page = context.new_page()
        page.add_init_script(f"localStorage.setItem('modeltab.config', {json.dumps(json.dumps(config))})")
        App(page, url).open()
        beside = context.new_page()
        beside.goto(url + "a-page.html")
        beside.wait_for_function("() => navigator.serviceWorker.controller")
        ways = {"directly": [server.url + "/v1", "m"], "in the tab": [url + "v1", "C/m"]}
        whole = {name: REQUEST.replace("Hello?", "whole") for name in ways}
        requests: dict[str, list[float]] = {name: [] for name in ways}
        tokens: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.requests + 10):
            for name, given in ways.items():
                took = beside.evaluate(whole[name], given)
                if number >= 10:  # the first ones warm up
                    requests[name].append(took)
        for _ in range(options.rounds):
            for name, given in ways.items():
                ahead = clock_ahead(beside)
                tokens[name] += [late - ahead for late in beside.evaluate(STREAM, given)]
    for what, values in (("a request", requests), ("a streamed token", tokens)):
        direct, through = values["directly"], values["in the tab"]
        added = statistics.median(through) - statistics.median(direct)
        print(f"{what}: {figure(direct, 1)} ms directly, {figure(through, 1)} ms through the tab: {added:.1f} ms more")
    print(f"{options.requests} requests; {options.tokens} tokens at {options.rate:g} a second, {options.rounds} rounds")


if __name__ == "__main__":
    main()

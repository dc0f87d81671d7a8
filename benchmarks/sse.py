"""Decoding 10 MB of server-sent events in the app's page: `SseDecoder` in Pyodide beside npm's `eventsource-parser`, in turn.

The stream is a chat completion's, cut in three ways: 16 kB at a time, as a server sends that is quicker than the network;
one event at a time, as a model sends them; 200 bytes at a time, wherever that cuts. Both begin with the Uint8Arrays that
fetch gives. So Python has to take them in (`bytes`: that alone), and eventsource-parser, which takes text, has a TextDecoder
before it. `events`: the events; `values`: with each one's JSON read; `app`: that again, by the app's `Endpoint.sse`.
"""

import argparse
import json
import statistics
from itertools import accumulate

from common import ROOT, browser, serving
from playwright.sync_api import Page, Route, sync_playwright

from benchmarks.figures import figure
from tests.e2e.conftest import App
from tools.packages import install_packages

CUTS = ("16 kB", "one event", "200 B")
PARSER = ROOT / "node_modules/eventsource-parser/dist"
TEXT = "The lighthouse keeper climbed the stairs, lit the lamp — été, 灯台, 🙂 — and wrote:\n “All's well.” "
IN_PYTHON = """
import json
import js
from pyodide.ffi import create_proxy, to_js
from modeltab.providers.http import Endpoint
from modeltab.providers.sse import SseDecoder

def bytes_(chunks):
    count = 0
    for chunk in chunks:
        count += len(chunk.to_bytes())
    return count

def events(chunks):
    decoder, count = SseDecoder(), 0
    for chunk in chunks:
        for event in decoder.feed(chunk.to_bytes()):
            count += 1
    return count

def values(chunks):
    decoder, texts = SseDecoder(), []
    for chunk in chunks:
        for event in decoder.feed(chunk.to_bytes()):
            if event.data != "[DONE]":
                texts.append(json.loads(event.data)["choices"][0]["delta"]["content"])
    return "".join(texts)

class Stream:
    status, headers = 200, {"content-type": "text/event-stream"}

    def __init__(self, chunks):
        self.chunks = chunks

    async def send(self, request):
        return self

    async def iter_bytes(self):
        for chunk in self.chunks:
            yield chunk.to_bytes()

    async def aclose(self):
        pass

async def app(chunks):
    endpoint = Endpoint(Stream(chunks), "http://localhost")
    stream = endpoint.sse("/chat/completions", {})
    return "".join([value["choices"][0]["delta"]["content"] async for value in stream if value])

steps = {"bytes": bytes_, "events": events, "values": values, "app": app}
js.pyodide = to_js({name: create_proxy(step) for name, step in steps.items()}, dict_converter=js.Object.fromEntries)
"""
# <py-script> runs in the interpreter that the app runs in.
PREPARE = """async ({code, ends}) => {
  const element = document.createElement("py-script");
  element.append(code);
  document.body.append(element);
  const {createParser} = await import(new URL("eventsource-parser/index.js", location).href);
  const stream = new Uint8Array(await (await fetch("benchmark-stream")).arrayBuffer());
  while (!globalThis.pyodide) await new Promise(resolve => setTimeout(resolve, 20));
  const cut = places => places.slice(1).map((end, n) => stream.slice(places[n], end));
  const every = size => cut([...Array(Math.ceil(stream.length / size)).keys().map(n => n * size), stream.length]);
  globalThis.chunks = {"16 kB": every(16384), "one event": cut(ends), "200 B": every(200)};
  const feed = (chunks, onEvent) => {
    const decoder = new TextDecoder(), parser = createParser({onEvent});
    for (const chunk of chunks) parser.feed(decoder.decode(chunk, {stream: true}));
  };
  globalThis.parser = {
    events(chunks) {
      let count = 0;
      feed(chunks, () => { count += 1; });
      return count;
    },
    values(chunks) {
      const texts = [];
      feed(chunks, event => {
        if (event.data !== "[DONE]") texts.push(JSON.parse(event.data).choices[0].delta.content);
      });
      return texts.join("");
    },
  };
}"""
MEASURE = """async ({where, step, cut}) => {
  const chunks = globalThis.chunks[cut];
  const began = performance.now();
  const result = await globalThis[where][step](chunks);
  return {seconds: (performance.now() - began) / 1000, result};
}"""
#: (where, step): `pyodide` is the app's interpreter, `parser` eventsource-parser.
WAYS = [
    *(("pyodide", "bytes"), ("pyodide", "events"), ("parser", "events")),
    *(("pyodide", "values"), ("parser", "values"), ("pyodide", "app")),
]
ROWS = [("bytes", ""), ("events", "events"), ("values", "values"), ("app", "values")]


def stream_of(size: int) -> list[bytes]:
    """The events of a chat completion of at least `size` bytes, its end mark the last."""
    fields = {"id": "chatcmpl-C3xQ8mJv1TfZkq0yRb7nWs5LdPa2E", "object": "chat.completion.chunk", "created": 1764100000}
    fields |= {"model": "gpt-5-mini-2025-08-07", "service_tier": "default", "system_fingerprint": "fp_9f8c3e2a71"}
    words = TEXT.split(" ")
    events: list[bytes] = []
    while size > 0:
        delta = {"index": 0, "delta": {"content": words[len(events) % len(words)] + " "}, "finish_reason": None}
        value = json.dumps({**fields, "choices": [delta]}, ensure_ascii=False, separators=(",", ":"))
        events.append(f"data: {value}\n\n".encode())
        size -= len(events[-1])
    return [*events, b"data: [DONE]\n\n"]


def prepared(page: Page, url: str, events: list[bytes]) -> None:
    """The app's page, with both decoders and the stream in it."""

    def parser(route: Route) -> None:
        route.fulfill(path=PARSER / route.request.url.rpartition("/")[2], content_type="text/javascript")

    page.route(url + "eventsource-parser/*", parser)
    page.route(url + "benchmark-stream", lambda route: route.fulfill(body=b"".join(events)))
    App(page, url).open("#/settings")
    page.evaluate(PREPARE, {"code": IN_PYTHON, "ends": [0, *accumulate(map(len, events))]})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--bytes", type=int, default=10_000_000)
    options = parser.parse_args()
    if not PARSER.exists():
        install_packages(ROOT, for_tests=True)
    events = stream_of(options.bytes)
    size = sum(map(len, events)) / 1e6
    with serving(ROOT) as url, sync_playwright() as playwright:
        page = browser(playwright).new_page()
        prepared(page, url, events)
        print(f"{size:.1f} MB, {len(events)} events; MB/s, median [min–max] of {options.runs}")
        for cut in CUTS:
            speeds: dict[tuple[str, str], list[float]] = {way: [] for way in WAYS}
            for run in range(options.runs + 1):
                results = {}
                for way in WAYS if run % 2 else WAYS[::-1]:  # a machine that slows down must not favour either
                    measured = page.evaluate(MEASURE, {"where": way[0], "step": way[1], "cut": cut})
                    results[way] = measured["result"]
                    if run:  # the first one warms up
                        speeds[way].append(size / measured["seconds"])
                assert results["pyodide", "events"] == results["parser", "events"] == len(events), "other events"
                texts = {results["pyodide", "values"], results["parser", "values"], results["pyodide", "app"]}
                assert len(texts) == 1, "other texts"
            print(f"{cut} a chunk")
            for step, other in ROWS:
                ours, theirs = speeds["pyodide", step], speeds.get(("parser", other))
                row = f"  {step:7} Pyodide {figure(ours)}"
                if theirs:
                    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
                    row = f"{row:38} eventsource-parser {figure(theirs):20} {ratio:.1f} times"
                print(row)


if __name__ == "__main__":
    main()

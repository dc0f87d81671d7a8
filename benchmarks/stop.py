"""From the click on Stop to the server seeing the connection close, in ms, while an answer streams into the app's page.

It begins with the click event's own time stamp, so what the page has to finish first counts, and it ends when a poll of the
server's socket, once a millisecond, finds that the browser has closed it: not at the server's next write. Server and browser
run on this machine, and their clocks are compared before each round, as NTP does it; how well they are then known is printed.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from common import ROOT, browser, serving
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.figures import figure
from tests.e2e.conftest import App, configuration
from tests.servers import scripted
from tests.servers.scripted import RecordedRequest, Reply, ScriptedServer, json_reply

CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "word "}}]}\n\n'
MODELS = json_reply({"object": "list", "data": [{"id": "endless", "object": "model"}]})
PATH = "/v1/chat/completions"
NOW = "() => performance.timeOrigin + performance.now()"
LISTEN = """() => addEventListener("click", event => {
  if (event.target.closest("button")?.textContent.includes("Stop")) {
    globalThis.stopped = performance.timeOrigin + event.timeStamp;
  }
}, {capture: true})"""


def clock_ahead(page: Page, tries: int = 15) -> tuple[float, float]:
    """How far the page's clock is ahead of this process's, in ms, and how far that may be wrong."""
    best = (0.0, float("inf"))
    for _ in range(tries):
        before = time.time() * 1000
        there = page.evaluate(NOW)
        after = time.time() * 1000
        best = min(best, (there - (before + after) / 2, (after - before) / 2), key=lambda found: found[1])
    return best


def closed(request: RecordedRequest) -> float:
    """When the server is done with a request, in ms."""
    assert request.finished.wait(30), "the connection stayed open"
    return time.time() * 1000


def stop_once(app: App, server: ScriptedServer, pool: ThreadPoolExecutor, pause_ms: float) -> tuple[float, float]:
    """Milliseconds from the click to the end of the connection, and how far that may be wrong."""
    ahead, doubt = clock_ahead(app.page)
    answer = app.send("Go on.")
    expect(answer.locator("[data-part=text]")).to_contain_text("word word")
    request = server.wait_for_request("POST", PATH)
    end = pool.submit(closed, request)
    app.page.wait_for_timeout(pause_ms)
    app.page.get_by_role("button", name="Stop").click()
    took = end.result() - (app.page.evaluate("() => globalThis.stopped") - ahead)
    assert request.client_left
    expect(answer).to_have_attribute("data-status", "stopped")
    return took, doubt


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rate", type=float, default=50, help="chunks a second")
    options = parser.parse_args()
    scripted.POLL_S = 0.001
    endless = Reply(chunks=repeat(CHUNK), chunk_delay_s=1 / options.rate, content_type="text/event-stream")
    scripts = {("GET", "/v1/models"): MODELS, ("POST", PATH): endless}
    with serving(ROOT) as url, ScriptedServer(scripts) as server, ThreadPoolExecutor() as pool, sync_playwright() as playwright:
        page = browser(playwright).new_page()
        config = configuration(None)
        config["connections"].append({"id": "c", "type": "openai", "name": "C", "base_url": server.url + "/v1"})
        config["settings"]["model"] = "c/endless"
        page.add_init_script(f"localStorage.setItem('modeltab.config', {json.dumps(json.dumps(config))})")
        app = App(page, url).open()
        page.evaluate(LISTEN)
        rounds = [stop_once(app, server, pool, 300 + 37 * n % 200) for n in range(options.rounds + 1)][1:]
    times, doubt = [took for took, _ in rounds], max(doubt for _, doubt in rounds)
    print(f"{figure(times, 1)} ms from the click on Stop to the end of the connection, median [min–max] of {len(rounds)}")
    print(f"at {options.rate:g} chunks a second; the clocks are known to ±{doubt:.1f} ms, polls are 1 ms apart")


if __name__ == "__main__":
    main()

"""How much of an answer is lost when its tab, or the whole browser, is killed while it streams at 500 tokens a second.

The answer counts. At the moment of the kill the server tells how far it has sent; the app, opened again on the same profile,
shows how far it was kept; the difference is told in milliseconds of the stream. The moments are spread over eight seconds. The
tab is killed by ending the page's process, the browser by ending its own; neither can write anything any more.
"""

import argparse
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from common import serving
from peers import CARD, MODEL, event
from playwright.sync_api import Browser, Error, Playwright, expect, sync_playwright

from benchmarks.figures import figure
from tests.e2e.conftest import App, configuration
from tests.servers.scripted import Reply, ScriptedServer, json_reply
from tools.chromium import chromium, launch_arguments

#: Windows has no signal that cannot be caught; there any ends the process.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Counting:
    """An answer without an end: "1 2 3 …", a number a token. `sent`: the last that has gone out."""

    def __init__(self, rate: float) -> None:
        self.sent = 0
        self._rate = rate

    def reply(self) -> Reply:
        """The reply."""
        return Reply(chunks=self._chunks(), content_type="text/event-stream")

    def _chunks(self) -> Iterator[bytes]:
        begin = time.monotonic()
        for n in itertools.count(1):
            time.sleep(max(0.0, begin + n / self._rate - time.monotonic()))
            yield event({"content": f"{n} "})
            self.sent = n  # what was yielded is in the socket by the time that more is asked for


@contextmanager
def started(playwright: Playwright, profile: Path) -> Iterator[tuple[subprocess.Popen[bytes], Browser]]:
    """A browser with a profile that stays, as a process that can be killed."""
    port = profile / "DevToolsActivePort"
    port.unlink(missing_ok=True)
    path = chromium(Path(sys.executable))
    arguments = [
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        *launch_arguments(),
        "about:blank",
    ]
    process = subprocess.Popen([path, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (port.exists() and "\n" in port.read_text()):
            if process.poll() is not None:
                raise SystemExit(f"{path} ended at once.")
            time.sleep(0.02)
        yield process, playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port.read_text().split()[0]}")
    finally:
        process.kill()
        process.wait()


def opened(browser: Browser, url: str, api: str, route: str = "") -> App:
    """The app in a new tab, connected to the server."""
    config = configuration(None)
    config["connections"].append({"id": "c", "type": "openai", "name": "C", "base_url": api + "/v1"})
    config["settings"]["model"] = f"c/{MODEL}"
    page = browser.contexts[0].new_page()
    page.add_init_script(f"localStorage.setItem('modeltab.config', {json.dumps(json.dumps(config))})")
    return App(page, url).open(route)


def kill_tab(browser: Browser) -> None:
    """End the process of the page: of those that have pages, the one that has worked most."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    page = max((process for process in found if process["type"] == "renderer"), key=lambda process: process["cpuTime"])
    os.kill(page["id"], KILL)


def kept(app: App) -> int:
    """How far the answer was kept. It has to be whole as far as it goes, and marked."""
    answer = app.page.locator("article[data-role=assistant]")
    expect(answer).to_have_attribute("data-status", "stopped")
    expect(answer.locator("[data-part=stats]")).to_contain_text("Interrupted")
    numbers = [int(found) for found in re.findall(r"\d+", str(answer.locator("[data-part=text]").text_content()))]
    if numbers != [*range(1, len(numbers) + 1)]:
        raise SystemExit(f"The answer that was kept is not the beginning of what was sent: {numbers[:10]} … {numbers[-10:]}")
    return len(numbers)


def lost(playwright: Playwright, url: str, server: ScriptedServer, rate: float, what: str, moment: float) -> float:
    """Milliseconds of the stream that were not kept, of an answer that is cut off `moment` seconds after its beginning."""
    counting = Counting(rate)
    server.on("POST", "/v1/chat/completions", counting.reply())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        with started(playwright, profile) as (process, browser):
            app = opened(browser, url, server.url)
            app.send("Count.")
            route = "#" + app.page.url.partition("#")[2]
            while counting.sent < moment * rate:
                time.sleep(0.001)
            if what == "tab":
                kill_tab(browser)
                sent = counting.sent
                number = kept(opened(browser, url, server.url, route))
            else:
                process.kill()
                sent = counting.sent
        if what == "browser":
            with started(playwright, profile) as (_, browser):
                number = kept(opened(browser, url, server.url, route))
    if number > sent + rate / 10:
        raise SystemExit(f"{number} tokens were kept of {sent} sent: what was measured tells nothing.")
    return max(0, sent - number) / rate * 1000


def measured(run: Callable[[], float]) -> float:
    """What a run measures. One in which the browser crashes by itself, as it does where memory is short, is begun again."""
    for _ in range(2):
        try:
            return run()
        except (AssertionError, Error) as error:
            if "Target crashed" not in str(error):
                raise
    return run()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=500, help="tokens a second")
    given = parser.parse_args()
    models = {("GET", "/v1/models"): json_reply({"object": "list", "data": [CARD]})}
    with serving() as url, ScriptedServer(models) as server, sync_playwright() as playwright:
        print(f"{given.runs} runs each at {given.rate:.0f} tokens a second; ms of the stream, median [least–most]")
        for what in ("tab", "browser"):
            # Not a multiple of the half second after which the app keeps what there is.
            moments = [0.5 + 0.83 * n for n in range(given.runs)]
            figures = [measured(partial(lost, playwright, url, server, given.rate, what, at)) for at in moments]
            print(f"lost when the {what:7} is killed  {figure(figures)}", flush=True)


if __name__ == "__main__":
    main()

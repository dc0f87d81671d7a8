"""A keystroke in the message box while a conversation of 2,000 messages is open, and while an answer comes into it as well.

For each key, from the moment that the browser has it: until the first frame after it is done; and the main thread's work for
it, which is the event's listeners and that frame. The same keys in a page with nothing but a text field tell how much of it is
the browser's own: mostly the wait for the next of 60 frames a second. Keys come at uneven times, so that they meet the frames,
and what the app does of itself, at all phases.
"""

import argparse
import itertools
import random
import statistics

from common import browser, serving
from peers import CARD
from playwright.sync_api import Locator, Page, expect, sync_playwright
from streaming import PATH, ModelTab, Stream, texts, tokens

from benchmarks.corpus import FILL, options
from tests.servers.scripted import ScriptedServer, json_reply

TEXT = "Whose woods these are I think I know, and what does it take to walk there in the snow? "
#: First in line for the key, last for what it types. The frame's callbacks begin with this one; the message that is sent from
#: it comes once the frame is done.
LISTEN = """() => {
  const listens = "keys" in globalThis;
  globalThis.keys = [];
  if (listens) return;
  const { port1, port2 } = new MessageChannel();
  let pressed, begun, entered, frame;
  port1.onmessage = () => {
    const now = performance.now();
    keys.push({ frame: now - pressed, work: entered - begun + now - frame });
  };
  window.addEventListener("keydown", (event) => {
    [pressed, begun] = [event.timeStamp, performance.now()];
    requestAnimationFrame(() => { frame = performance.now(); port2.postMessage(null); });
  }, true);
  window.addEventListener("input", () => { entered = performance.now(); });
}"""


def measured(page: Page, box: Locator, keys: int) -> list[dict[str, float]]:
    """Milliseconds to the frame, and of work, of each key."""
    text = "".join(itertools.islice(itertools.cycle(TEXT), keys))
    page.evaluate(LISTEN)
    box.focus()
    pauses = random.Random(1)
    for letter in text:
        page.keyboard.press(letter)
        page.wait_for_timeout(pauses.uniform(60, 120))
    found: list[dict[str, float]] = page.evaluate("keys")
    if box.input_value() != text or len(found) != keys:
        raise SystemExit(f"{len(found)} of {keys} keys were measured: what was measured tells nothing.")
    return found


def report(what: str, found: list[dict[str, float]]) -> None:
    """Print a line."""
    parts = []
    for name in ("frame", "work"):
        values = [key[name] for key in found]
        p95 = statistics.quantiles(values, n=20)[-1]
        parts.append(f"{name} {statistics.median(values):5.1f}, p95 {p95:5.1f}, most {max(values):5.1f}")
    print(f"{what:34} {'; '.join(parts)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--rate", type=float, default=500, help="tokens a second")
    given = parser.parse_args()
    models = {("GET", "/v1/models"): json_reply({"object": "list", "data": [CARD]})}
    with serving() as url, ScriptedServer(models) as server, sync_playwright() as playwright:
        chromium = browser(playwright)
        print(f"{given.keys} keys; ms, median")
        empty = chromium.new_page()
        empty.set_content("<textarea></textarea>")
        report("an empty page", measured(empty, empty.locator("textarea"), given.keys))
        empty.close()
        tab = ModelTab(chromium.new_page(), url, server.url)
        tab.page.get_by_text("Your conversations appear here.").wait_for(state="attached")
        tab.page.evaluate(FILL, options(1, given.messages))
        tab.app.reload()
        tab.page.locator(".conversation-link").first.click()
        expect(tab.page.locator(f"#m-m0-{given.messages - 1}")).to_be_visible()
        box = tab.page.get_by_role("textbox", name="Message")
        report(f"{given.messages} messages", measured(tab.page, box, given.keys))
        server.on("POST", PATH, Stream(itertools.cycle(tokens(texts("mixed"), 4000)), given.rate).reply())
        tab.send("Go on.")
        report(f"{given.messages} messages, an answer coming", measured(tab.page, box, given.keys))
        expect(tab.page.get_by_role("button", name="Stop")).to_be_visible()


if __name__ == "__main__":
    main()

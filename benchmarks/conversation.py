"""Opening a conversation of 2,000 messages in the app in a browser: from the click to its last message on the screen; and
scrolling up in it.
"""

import argparse

from common import browser, figure, serving
from corpus import FILL, options
from playwright.sync_api import sync_playwright

from tests.e2e.conftest import App

OPEN = """async (last) => {
  const log = document.querySelector("#conversation");
  const began = performance.now();
  await new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (document.getElementById(last)) { observer.disconnect(); resolve(); }
    });
    observer.observe(log, { childList: true });
    document.querySelector(".conversation-link").click();
  });
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - began;
}"""
#: The longest main-thread task while one scrolls up through the conversation, in ms, and how many messages are drawn then.
SCROLL = """async () => {
  const area = document.querySelector("#conversation-scroll");
  let longest = 0;
  const observer = new PerformanceObserver((found) => {
    for (const entry of found.getEntries()) longest = Math.max(longest, entry.duration);
  });
  observer.observe({ entryTypes: ["longtask"] });
  for (let n = 0; n < 300; n += 1) {
    area.scrollTop -= 300;
    await new Promise(requestAnimationFrame);
  }
  observer.disconnect();
  return [longest, document.querySelectorAll("article").length];
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with serving() as url, sync_playwright() as playwright:
        page = browser(playwright).new_page()
        app = App(page, url).open()
        page.get_by_text("Your conversations appear here.").wait_for(state="attached")
        page.evaluate(FILL, options(1, given.messages))
        app.reload()
        page.locator(".conversation-item").first.wait_for()
        page.wait_for_timeout(1000)
        times = []
        for _ in range(given.rounds):
            times.append(page.evaluate(OPEN, f"m-m0-{given.messages - 1}"))
            page.get_by_role("button", name="New chat").click()
            page.wait_for_timeout(300)
        page.evaluate(OPEN, f"m-m0-{given.messages - 1}")
        print(f"a conversation of {given.messages} messages; ms, median [least–most]")
        print(f"from the click to its end on the screen  {figure(times)}; the first time {times[0]:.0f}")
        longest, drawn = page.evaluate(SCROLL)
        print(f"longest task while scrolling up          {longest:.0f}, {drawn} messages drawn in the end")


if __name__ == "__main__":
    main()

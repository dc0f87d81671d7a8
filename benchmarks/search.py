"""Searching 10,000 conversations of 20 messages, in the app in a browser: from the keystroke to the list that shows what was
found; reading the texts before the first search; and scrolling the list.
"""

import argparse

from common import browser, serving
from playwright.sync_api import Page, sync_playwright

from benchmarks.corpus import FILL, corpus, options
from benchmarks.figures import figure
from tests.e2e.conftest import App

#: Types a query as one keystroke would end it, and waits until its rows are painted. The rows differ for each query.
SEARCH = """async (query) => {
  const box = document.querySelector(".history-search input");
  const list = document.querySelector("#conversation-list");
  const marks = () => [...list.querySelectorAll(".conversation-snippet mark, .history-note")].length > 0;
  const began = performance.now();
  await new Promise((resolve) => {
    const wanted = query.split(" ");
    const observer = new MutationObserver(() => {
      const texts = [...list.querySelectorAll("mark")].map((mark) => mark.textContent.toLowerCase());
      if (marks() && (!texts.length || wanted.every((word) => texts.includes(word)))) { observer.disconnect(); resolve(); }
    });
    observer.observe(list, { childList: true, subtree: true, characterData: true, attributes: true });
    box.value = query;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - began;
}"""
CLEAR = """async () => {
  const box = document.querySelector(".history-search input");
  box.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((resolve) => setTimeout(resolve, 300));
}"""
#: The longest main-thread task while the list is scrolled through, in ms.
SCROLL = """async () => {
  const list = document.querySelector("#conversation-list");
  let longest = 0;
  const observer = new PerformanceObserver((found) => {
    for (const entry of found.getEntries()) longest = Math.max(longest, entry.duration);
  });
  observer.observe({ entryTypes: ["longtask"] });
  for (let n = 0; n < 120; n += 1) {
    list.scrollTop += 700;
    await new Promise(requestAnimationFrame);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  observer.disconnect();
  return longest;
}"""


def searched(page: Page, query: str, rounds: int) -> list[float]:
    """Milliseconds of each round."""
    times = []
    for _ in range(rounds):
        times.append(page.evaluate(SEARCH, query))
        page.evaluate(CLEAR)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with serving() as url, sync_playwright() as playwright:
        page = browser(playwright).new_page()
        app = App(page, url).open()
        page.get_by_text("Your conversations appear here.").wait_for(state="attached")
        page.evaluate(FILL, options(given.conversations, given.messages))
        app.reload()
        page.locator(".conversation-item").first.wait_for()
        page.wait_for_timeout(1000)
        print(f"{given.conversations} conversations of {given.messages} messages; ms, median [least–most]")
        last = corpus(given.conversations - 1)
        began = page.evaluate("() => performance.now()")
        page.get_by_role("searchbox", name="Search conversations").focus()
        page.evaluate(SEARCH, last.own_word)
        page.locator(".history-note", has_text="Reading").wait_for(state="detached")
        print(f"reading the texts, and the first find  {page.evaluate('() => performance.now()') - began:.0f}")
        page.evaluate(CLEAR)
        queries = {
            "a word in one message": last.own_word,
            "a word in no message": "xylophone",
            "a word in every conversation": "history",
            "three words": "garden winter zebra77",
            "one letter": "e",
        }
        for name, query in queries.items():
            print(f"{name:38} {figure(searched(page, query, given.rounds))}")
        print(f"longest task while scrolling           {page.evaluate(SCROLL):.0f}")


if __name__ == "__main__":
    main()

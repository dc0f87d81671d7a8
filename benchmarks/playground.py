"""How long code in the Playground waits: from the click on Run to its first output, with a warm sandbox and without one.

Warm is how a person meets it: the page has been open for a while. Cold is a second click right after a run, when the next
sandbox has only begun to load.
"""

import argparse

from common import browser, serving
from playwright.sync_api import Page, sync_playwright

from benchmarks.figures import figure

CLICK = """() => new Promise(resolve => {
  const output = document.getElementById("playground-output");
  const began = performance.now();
  const look = () => output.textContent.includes("ready") && resolve(performance.now() - began);
  new MutationObserver(look).observe(output, {subtree: true, childList: true, characterData: true});
  document.querySelector("[data-action='playground.run']").click();
})"""
#: A sandbox has taken its code when it is asked for nothing any more; long enough for that here.
WARM_MS = 8000


def write(page: Page) -> None:
    """Put code that prints at once into the editor."""
    editor = page.get_by_role("textbox", name="Code")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text("print('ready')")


def click(page: Page) -> float:
    """Seconds from the click to the output."""
    seconds = page.evaluate(CLICK) / 1000
    page.locator("#playground-output-head", has_text="Done").wait_for()
    return float(seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with serving() as url, sync_playwright() as playwright:
        chromium = browser(playwright)
        page = chromium.new_page()
        page.goto(f"{url}#/playground")
        page.locator("html[data-state=ready]").wait_for()
        write(page)
        warm, cold = [], []
        for _ in range(options.runs):
            page.wait_for_timeout(WARM_MS)
            warm.append(click(page))
            cold.append(click(page))  # the next sandbox has only begun to load
        chromium.close()
    print(f"from the click on Run to the first output, s, {options.runs} runs")
    print(f"warm {figure(warm, 3)}")
    print(f"cold {figure(cold, 2)}")


if __name__ == "__main__":
    main()

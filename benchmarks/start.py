"""How long the app takes to start: first contentful paint and `data-state=ready`, warm and cold, medians of N.

Warm: the same browser profile has opened the page before. Cold: a new profile each time. The server is the one of run.py.
"""

import argparse
from pathlib import Path

from common import ROOT, browser, figure, serving
from playwright.sync_api import Page, sync_playwright

MEASURE = """() => new Promise(resolve => {
  const root = document.documentElement;
  const done = () => {
    const ready = performance.now();
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    resolve({ready, paint: paint ? paint.startTime : NaN, state: root.dataset.state});
  };
  if (root.dataset.state !== "booting") return done();
  new MutationObserver(() => root.dataset.state !== "booting" && done()).observe(root, {attributes: true});
})"""


def measure(page: Page, url: str) -> dict[str, float]:
    """Milliseconds from navigation."""
    page.goto(url, wait_until="commit")
    result = page.evaluate(MEASURE)
    assert result["state"] == "ready", f"the app did not start: {result}"
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder to serve: the repository or dist")
    options = parser.parse_args()
    with serving(options.root) as url, sync_playwright() as playwright:
        chromium = browser(playwright)
        context = chromium.new_context()
        page = context.new_page()
        for _ in range(3):  # the profile's caches, compiled code among them, fill over the first visits
            measure(page, url)
            page.wait_for_timeout(1500)
        warm = []
        for _ in range(options.runs):
            warm.append(measure(page, url))
            page.wait_for_timeout(500)
        chromium.close()
        cold = []
        for _ in range(options.runs):
            fresh = browser(playwright)
            cold.append(measure(fresh.new_page(), url))
            fresh.close()
    print(f"{'':6}{'first paint':>14}{'ready':>12}   (ms, median [min–max] of {options.runs})")
    for name, results in (("warm", warm), ("cold", cold)):
        cells = [figure([r[key] for r in results]) for key in ("paint", "ready")]
        print(f"{name:6}{cells[0]:>22}{cells[1]:>26}")


if __name__ == "__main__":
    main()

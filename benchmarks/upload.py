"""Memory of the page's process while a 2 GB file goes up to a Local LLM API: its growth over the page at rest, median of N."""

import argparse
import json
import tempfile
import time
from pathlib import Path

from common import ROOT, browser, figure, serving
from playwright.sync_api import expect, sync_playwright

from tests.e2e.conftest import App, configuration, gguf_like
from tests.e2e.memory import renderer_bytes
from tests.servers.processes import local_llm_api


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=2 * 1024**3)
    options = parser.parse_args()
    growth, seconds = [], []
    with tempfile.TemporaryDirectory() as folder, serving(ROOT) as url, sync_playwright() as playwright:
        models = Path(folder, "models")
        models.mkdir()
        big = gguf_like(Path(folder, "big.gguf"), options.bytes)
        chromium = browser(playwright)
        with local_llm_api(models, "--engine", "echo") as server:
            for _ in range(options.runs):
                page = chromium.new_context().new_page()
                page.add_init_script(f"localStorage.setItem('modeltab.config', {configuration_text(server.url)})")
                app = App(page, url).open("#/models")
                page.wait_for_timeout(3000)
                before = renderer_bytes(chromium, page)
                started = time.monotonic()
                app.add_files(big, to="Local LLM API")
                card = app.transfer("big.gguf")
                expect(card).to_be_visible()
                highest = before
                while card.get_attribute("data-phase") in ("queued", "sending", "processing"):
                    highest = max(highest, renderer_bytes(chromium, page))
                    page.wait_for_timeout(50)
                expect(card).to_have_attribute("data-phase", "done")
                seconds.append(time.monotonic() - started)
                growth.append((highest - before) / 1e6)
                page.context.close()
                (models / "big.gguf").unlink()
    print(f"growth {figure(growth, 1)} MB while {options.bytes / 1e6:,.0f} MB went up in {figure(seconds, 1)} s")


def configuration_text(api: str) -> str:
    """The configuration as a JavaScript string."""
    return json.dumps(json.dumps(configuration(api)))


if __name__ == "__main__":
    main()

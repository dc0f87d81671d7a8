"""A file goes up to a Local LLM API on this machine, by the app and by curl: MB/s, and how much the page's process grows.

The growth is over the page at rest; all figures are medians of N runs. The peer is left out where there is no curl.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from common import ROOT, browser, figure, serving
from playwright.sync_api import expect, sync_playwright

from tests.e2e.conftest import App, configuration
from tests.e2e.memory import renderer_bytes
from tests.servers.model_files import sparse_gguf
from tests.servers.processes import local_llm_api


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=2 * 1024**3)
    options = parser.parse_args()
    growth, ours, curls = [], [], []
    with tempfile.TemporaryDirectory() as folder, serving(ROOT) as url, sync_playwright() as playwright:
        models = Path(folder, "models")
        models.mkdir()
        big = sparse_gguf(Path(folder, "big.gguf"), options.bytes)
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
                expect(card).to_have_attribute("data-phase", "done", timeout=120_000)
                ours.append(options.bytes / 1e6 / (time.monotonic() - started))
                growth.append((highest - before) / 1e6)
                page.context.close()
                delete(server.url)
                if shutil.which("curl"):
                    curls.append(options.bytes / 1e6 / seconds_with_curl(big, server.url))
                    delete(server.url)
    print(f"{options.bytes / 1e6:,.0f} MB: app {figure(ours, 0)} MB/s, the page grew by {figure(growth, 1)} MB")
    if curls:
        ratio = statistics.median(mine / other for mine, other in zip(ours, curls, strict=True))
        print(f"curl {figure(curls, 0)} MB/s; the app's speed is {ratio:.2f} of it")


def seconds_with_curl(file: Path, api: str) -> float:
    """How long curl takes to upload a file."""
    started = time.monotonic()
    options = ["--silent", "--show-error", "--fail", "--output", "/dev/null"]
    subprocess.run(["curl", *options, "--form", f"file=@{file}", f"{api}/models"], check=True)
    return time.monotonic() - started


def delete(api: str) -> None:
    """Delete the file from the server, which would list it still if only the file went."""
    with urllib.request.urlopen(urllib.request.Request(f"{api}/models/big.gguf", method="DELETE")):
        pass


def configuration_text(api: str) -> str:
    """The configuration as a JavaScript string."""
    return json.dumps(json.dumps(configuration(api)))


if __name__ == "__main__":
    main()

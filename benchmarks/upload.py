"""A file goes up to a Local LLM API on this machine, by the app and by curl, in turn: its speed, and how much the page grows.

The growth is over the page at rest. The peer is left out where there is no curl.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from common import BUILT, browser, serving
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from benchmarks.figures import OURS, Measured, Section, ratio
from benchmarks.report import section_text
from tests.e2e.conftest import App, configuration
from tests.e2e.memory import renderer_bytes
from tests.servers.model_files import sparse_gguf
from tests.servers.processes import local_llm_api

CURL = "curl"
SIZE = 1_000_000_000


class Uploaded(NamedTuple):
    """Seconds that an upload took, and by how many bytes the page's process grew at most."""

    seconds: float
    growth: float


def with_app(chromium: Browser, url: str, file: Path, api: str) -> Uploaded:
    """Upload a file in the app, in a new profile."""
    page = chromium.new_context().new_page()
    page.add_init_script(f"localStorage.setItem('modeltab.config', {configuration_text(api)})")
    app = App(page, url).open("#/models")
    page.wait_for_timeout(7000)  # the app keeps its snapshot five seconds after its start
    before = highest = renderer_bytes(chromium, page)
    started = time.monotonic()
    app.add_files(file, to="Local LLM API")
    card = app.transfer(file.name)
    expect(card).to_be_visible()
    while card.get_attribute("data-phase") in ("queued", "sending", "processing"):
        highest = max(highest, renderer_bytes(chromium, page))
        page.wait_for_timeout(50)
    expect(card).to_have_attribute("data-phase", "done", timeout=120_000)
    took = time.monotonic() - started
    page.context.close()
    return Uploaded(took, highest - before)


def measure(playwright: Playwright, rounds: int, say: Callable[[str], None], size: int = SIZE) -> Section:
    """Measure both, in turn."""
    found: list[Uploaded] = []
    speeds: dict[str, list[float]] = {OURS: []}
    with tempfile.TemporaryDirectory() as folder, serving(BUILT) as url:
        models = Path(folder, "models")
        models.mkdir()
        big = sparse_gguf(Path(folder, "big.gguf"), size)
        chromium = browser(playwright)
        with local_llm_api(models, "--engine", "echo") as server:
            with_app(chromium, url, big, server.url)  # not counted
            delete(server.url)
            for number in range(rounds):
                found.append(with_app(chromium, url, big, server.url))
                speeds[OURS].append(size / 1e6 / found[-1].seconds)
                delete(server.url)
                if shutil.which(CURL):
                    speeds.setdefault(CURL, []).append(size / 1e6 / seconds_with_curl(big, server.url))
                    delete(server.url)
                say(f"upload, round {number + 1} of {rounds} done")
        chromium.close()
    speed = Measured("upload", "MB/s", 0, speeds)
    growth = Measured("growth of the page's process", "MB", 1, {OURS: [one.growth / 1e6 for one in found]})
    return Section(
        "Upload",
        f"""A file of {size / 1e6:,.0f} MB goes to a Local LLM API on this machine. ModelTab's time is from the choice of
the file in its dialog until the page says that it is done; the growth is of the private memory of the page's process, at
most, over the page at rest. One upload before is not counted: the first takes thrice as long, whoever sends it.""",
        [speed, growth],
        [ratio(speed, CURL, more_is_better=True)._replace(what="upload, MB/s")] if CURL in speeds else [],
    )


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=SIZE)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        print(section_text(measure(playwright, options.rounds, print, options.bytes)))


if __name__ == "__main__":
    main()

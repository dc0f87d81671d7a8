"""What the benchmarks share: the repository on the path, a browser, and what it uses."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools.build import DIST  # noqa: E402
from tools.chromium import chromium, launch_arguments  # noqa: E402
from tools.serve import make_server  # noqa: E402

#: What is measured where ModelTab is compared with others: what a static host gets.
BUILT = ROOT / DIST


def browser(playwright: Playwright) -> Browser:
    """A headless Chromium with an empty profile."""
    path = chromium(Path(sys.executable))
    return playwright.chromium.launch(executable_path=path, args=launch_arguments())


@contextmanager
def serving(root: Path = ROOT) -> Iterator[str]:
    """The URL of a folder, served as run.py does."""
    with make_server(root, 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.url
        server.shutdown()


def cpu_seconds(chromium: Browser) -> tuple[float, float]:
    """CPU time so far: of the pages' processes, and of all the browser's."""
    session = chromium.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(p["cpuTime"] for p in found if p["type"] == "renderer"), sum(p["cpuTime"] for p in found)

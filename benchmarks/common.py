"""What the benchmarks share: the repository on the path, and a browser."""

import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools.chromium import chromium, launch_arguments  # noqa: E402
from tools.serve import make_server  # noqa: E402


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


def figure(values: list[float], digits: int = 0) -> str:
    """Median, least and most."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"

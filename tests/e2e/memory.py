"""A page's process, on Linux: how much memory it has of its own, and its sudden end."""

import os
import signal
from pathlib import Path

from playwright.sync_api import Browser, Page


def renderer_bytes(browser: Browser, page: Page) -> int:
    """The private resident memory of the largest renderer process, in bytes: the one in which the app and Python run."""
    return max(_private_bytes(pid) for pid in _renderers(browser))


def kill_renderer(browser: Browser) -> None:
    """End the largest renderer process as a crash does: nothing of the app is told of it."""
    os.kill(max(_renderers(browser), key=_private_bytes), signal.SIGKILL)


def _renderers(browser: Browser) -> list[int]:
    session = browser.new_browser_cdp_session()
    try:
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    finally:
        session.detach()
    return [process["id"] for process in processes if process["type"] == "renderer"]


def _private_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)

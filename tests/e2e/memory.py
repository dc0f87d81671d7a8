"""How much memory a page's process has of its own, on Linux."""

from pathlib import Path

from playwright.sync_api import Browser, Page


def renderer_bytes(browser: Browser, page: Page) -> int:
    """The private resident memory of the largest renderer process, in bytes: the one in which the app and Python run."""
    session = browser.new_browser_cdp_session()
    try:
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    finally:
        session.detach()
    return max(_private_bytes(process["id"]) for process in processes if process["type"] == "renderer")


def _private_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)

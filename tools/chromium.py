"""Finds the browser for the end-to-end tests, or gets one: Chromium, or anything made from it."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tools.debian import install_on_debian
from tools.report import Problem, say, step, succeeds_quietly

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_PLACES = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path(os.environ.get("PROGRAMFILES", "/"), "Google/Chrome/Application/chrome.exe"),
)
# What Playwright's own download may take: where its host cannot be reached it would try for many minutes.
_DOWNLOAD_SECONDS = 300


def chromium(python: Path) -> Path:
    """Return the browser that $CHROMIUM names, or that is installed, or that can be installed now.

    Args:
        python: a Python that has Playwright.

    Raises:
        Problem: there is none to be had.
    """
    if named := os.environ.get("CHROMIUM"):
        if not Path(named).is_file():
            raise Problem(f"$CHROMIUM names {named}, which is no file.", "Correct it, or unset it.")
        return Path(named)
    for found in (_installed(), _playwrights(python)):
        if found is not None:
            return found
    with step("Getting Chromium for the tests in a browser"):
        found = _download(python)
    if found is None:
        raise Problem(
            "The end-to-end tests need Chromium, and none was found.",
            "Install Chromium or Chrome, or set CHROMIUM to the path of one, then run this again. "
            "The tests that need none: run.py test tests/unit",
        )
    return found


def _installed() -> Path | None:
    on_path = (shutil.which(name) for name in _NAMES)
    candidates: Iterable[Path] = (*(Path(found) for found in on_path if found), *_PLACES)
    return next((path for path in candidates if path.is_file()), None)


def _download(python: Path) -> Path | None:
    say("  trying Playwright's own build")
    if succeeds_quietly([python, "-m", "playwright", "install", "chromium"], timeout=_DOWNLOAD_SECONDS):
        return _playwrights(python)
    install_on_debian("chromium")
    return _installed()


def _playwrights(python: Path) -> Path | None:
    """Return the browser that Playwright downloaded, if it did."""
    script = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
    )
    asked = subprocess.run([python, "-c", script], check=False, capture_output=True, text=True)
    path = Path(asked.stdout.strip())
    return path if asked.returncode == 0 and path.is_file() else None


def launch_arguments() -> list[str]:
    """Return what Chromium is started with in tests and benchmarks: no traffic of its own, and no sandbox as root."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*quiet, "--disable-dev-shm-usage", *(["--no-sandbox"] if root else [])]

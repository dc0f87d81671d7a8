"""A model file of 1 GB on its way into the tab, beside the same on the disk without a browser, in turn; MB/s.

`written`: from the click on Add in the dialog "Add model" until its transfer is done, against `dd` of that file with
`conv=fsync`. `hashed`: the app's SHA-256, in its worker, against `sha256sum`, where there is one, against Python's hashlib,
whose hash is OpenSSL's, and against the same reading of the file in the page without a hash. File, profile and copy lie in
one temporary folder; the file is in the system's cache, since it was just written, and what is yet to be written to the
disk is written before each.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import ROOT, serving
from playwright.sync_api import BrowserContext, Playwright, expect, sync_playwright

from benchmarks.figures import figure
from tests.e2e.conftest import App
from tests.servers.model_files import sparse_gguf
from tools.chromium import chromium, launch_arguments

BLOCK = 8 * 1024 * 1024
# The header of the file that fills the first of it.
KEPT = 4096
LISTEN = """() => {
  globalThis.written = new Promise(resolve => {
    let clicked = 0;
    addEventListener("submit", event => { clicked = event.timeStamp; }, {capture: true, once: true});
    const watch = new MutationObserver(() => {
      const phase = clicked && document.querySelector(".transfer")?.dataset.phase;
      if (phase !== "done" && phase !== "failed") return;
      watch.disconnect();
      resolve({seconds: (performance.now() - clicked) / 1000, phase});
    });
    watch.observe(document.body, {attributes: true, childList: true, subtree: true});
  });
}"""
EMPTY = """async () => {
  const root = await navigator.storage.getDirectory();
  for (const folder of ["models", "partial", "deleted"]) await root.removeEntry(folder, {recursive: true}).catch(() => {});
}"""
IN_PYTHON = """
import js
from pyodide.ffi import create_proxy
from modeltab.browser.files import BrowserFile

async def app_sha256(file, block):
    return await BrowserFile(file).sha256(lambda done: None)

js.appSha256 = create_proxy(app_sha256)
"""
# <py-script> runs in the interpreter that the app runs in.
PREPARE = """async code => {
  const element = document.createElement("py-script");
  element.append(code);
  document.body.append(element);
  globalThis.input = Object.assign(document.createElement("input"), {type: "file", id: "benchmark-file"});
  document.body.append(input);
  while (!globalThis.appSha256) await new Promise(resolve => setTimeout(resolve, 20));
  globalThis.readOnly = async (file, block) => {
    for (let at = 0; at < file.size; at += block) await file.slice(at, at + block).arrayBuffer();
    return "";
  };
}"""
STEP = "({step, block}) => globalThis[step](input.files[0], block)"


def profile(playwright: Playwright, folder: Path) -> BrowserContext:
    """A headless Chromium whose profile is on the disk: without one, it keeps a page's files in memory."""
    path = chromium(Path(sys.executable))
    return playwright.chromium.launch_persistent_context(folder, executable_path=path, args=launch_arguments())


def noise(path: Path, size: int) -> Path:
    """A GGUF file of `size` bytes, its tensor of noise."""
    sparse_gguf(path, size)
    with path.open("r+b") as file:
        file.seek(KEPT)
        for at in range(KEPT, size, BLOCK):
            file.write(os.urandom(min(BLOCK, size - at)))
    return path


def settle() -> None:
    """Have written what is to be written, so that it does not count in what comes next."""
    if hasattr(os, "sync"):
        os.sync()
    time.sleep(1)


def write_in_app(app: App, source: Path) -> float:
    """Seconds for a file into the tab, which then has none again."""
    app.reload()
    settle()
    app.page.evaluate(LISTEN)
    app.add_files(source, to="In this tab")
    found = app.page.evaluate("() => globalThis.written")
    assert found["phase"] == "done", app.transfer(source.name).inner_text()
    expect(app.row(source.name)).to_be_visible()
    app.page.evaluate(EMPTY)
    return float(found["seconds"])


def write_with_dd(source: Path, target: Path) -> float:
    """Seconds for a copy, which is then deleted."""
    settle()
    began = time.perf_counter()
    command = ["dd", f"if={source}", f"of={target}", f"bs={BLOCK}", "conv=fsync"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - began
    target.unlink()
    return took


def sha256sum(path: Path) -> str:
    """By the program of that name."""
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


def with_hashlib(path: Path) -> str:
    """By Python."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows(name: str, times: dict[str, list[float]], size: float) -> str:
    """Speeds in MB/s, and how many times as long as each of the others the app takes."""
    lines = [f"{name:8} {'app':14} {figure([size / seconds for seconds in times['app']])}"]
    for other in [who for who in times if who != "app"]:
        ratio = statistics.median(ours / theirs for ours, theirs in zip(times["app"], times[other], strict=True))
        lines.append(f"{'':8} {other:14} {figure([size / seconds for seconds in times[other]]):20} {ratio:.1f} times")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=1_000_000_000)
    parser.add_argument("--folder", type=Path, help="where, instead of the system's folder for temporary files")
    options = parser.parse_args()
    if not shutil.which("dd"):
        raise SystemExit("This needs dd, which is not on this computer.")
    megabytes = options.bytes / 1e6
    written: dict[str, list[float]] = {"app": [], "dd": []}
    with (
        tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as name,
        serving(ROOT) as url,
        sync_playwright() as playwright,
    ):
        folder = Path(name)
        source = noise(folder / "big.gguf", options.bytes)
        context = profile(playwright, folder / "profile")
        app = App(context.new_page(), url).open("#/models")
        print(f"{megabytes:,.0f} MB; MB/s, median [min–max] of {options.runs}")
        for run in range(options.runs + 1):
            ours, theirs = ("app", lambda: write_in_app(app, source)), ("dd", lambda: write_with_dd(source, folder / "copy"))
            for who, step in (ours, theirs) if run % 2 else (theirs, ours):
                seconds = step()
                if run:  # the first one warms up
                    written[who].append(seconds)
        print(rows("written", written, megabytes), flush=True)
        page = app.reload().page
        page.evaluate(PREPARE, IN_PYTHON)
        page.locator("#benchmark-file").set_input_files(source)
        settle()

        def in_page(step: str) -> Callable[[], str]:
            return lambda: str(page.evaluate(STEP, {"step": step, "block": BLOCK}))

        native = {"hashlib": lambda: with_hashlib(source)}
        if shutil.which("sha256sum"):
            native["sha256sum"] = lambda: sha256sum(source)
        steps = {"app": in_page("appSha256"), **native, "reading alone": in_page("readOnly")}
        hashed: dict[str, list[float]] = {who: [] for who in steps}
        for run in range(options.runs + 1):
            digests = set()
            for who in steps if run % 2 else reversed(steps):  # a machine that slows down must not favour either
                began = time.perf_counter()
                digests.add(steps[who]())
                if run:  # the first one warms up
                    hashed[who].append(time.perf_counter() - began)
            assert len(digests - {""}) == 1, "another SHA-256"
        print(rows("hashed", hashed, megabytes))
        context.close()


if __name__ == "__main__":
    main()

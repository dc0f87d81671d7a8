"""All that ModelTab is compared in, in one run on one machine: `python run.py bench [section …]`.

A run of all sections writes RESULTS.md and results.svg here. One that leaves sections out, or is quick, tells less than those
two claim, so it only prints, unless `--to` names a folder for its files.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import conversation
import engine
import start
import streaming
import upload
from common import browser
from machine import machine, versions
from peers import llama_ui
from playwright.sync_api import Playwright, sync_playwright

from benchmarks.chart import chart
from benchmarks.figures import Section
from benchmarks.report import Run, document, outcomes_table, section_text
from tools.report import say

HERE = Path(__file__).parent
SECTIONS: dict[str, Callable[[Playwright, int, Callable[[str], None]], Section]] = {
    "start": start.measure,
    "streaming": streaming.measure,
    "conversations": conversation.measure,
    "upload": upload.measure,
    "engine": engine.measure,
}
ROUNDS, QUICK_ROUNDS = 5, 1
#: A section that fails is begun again once: a browser crashes by itself at times.
TRIES = 2


def run(names: Sequence[str], rounds: int, load: Sequence[float]) -> Run:
    """Measure those sections. `load`: the load averages before."""
    began, moment = time.monotonic(), datetime.now(UTC)
    sections: list[Section] = []
    failed: dict[str, str] = {}
    with sync_playwright() as playwright:
        chromium = browser(playwright)
        facts = {**machine(load), **versions(chromium.version)}
        chromium.close()
    for name in names:
        section = measured(name, rounds, failed)
        if section:
            say(f"\n{section_text(section)}\n\n{outcomes_table(section.outcomes)}\n")
            sections.append(section)
    took = f"{(time.monotonic() - began) / 60:.0f} minutes, {rounds} round{'s' if rounds > 1 else ''} of each section"
    return Run({"When": f"{moment:%Y-%m-%d %H:%M} UTC, {took}", **facts}, sections, failed)


def measured(name: str, rounds: int, failed: dict[str, str]) -> Section | None:
    """One section, or None, and why, where it cannot be measured."""
    began = time.monotonic()

    def told(line: str) -> None:
        say(f"  {time.monotonic() - began:4.0f} s  {line}")

    why = ""
    for _ in range(TRIES):
        say(f"Measuring: {name} …")
        try:
            with sync_playwright() as playwright:  # its end is the end of every browser that a failure has left
                return SECTIONS[name](playwright, rounds, told)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            why = next(iter(str(error).strip().splitlines()), repr(error))
    failed[name] = why
    return None


def write(result: Run, folder: Path) -> None:
    """Write both files, each at once."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = [outcome for section in result.sections for outcome in section.outcomes]
    for name, text in (("RESULTS.md", document(result)), ("results.svg", chart(outcomes, result.facts["When"][:10]))):
        partial = folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(folder / name)
        say(f"wrote {name}")


def main() -> int:
    """Measure, print and write; the exit status."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    known = ", ".join(SECTIONS)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {known}; default: all")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} round of each, to see whether all works")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where RESULTS.md and results.svg go")
    parser.add_argument("--load", type=float, nargs=3, default=os.getloadavg(), help="the load averages before; default: now")
    options = parser.parse_args()
    if unknown := sorted({*options.sections} - {*SECTIONS}):
        parser.error(f"no section: {', '.join(unknown)} (there are {known})")
    llama_ui()
    names = [name for name in SECTIONS if name in options.sections or not options.sections]
    result = run(names, options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS), options.load)
    say(outcomes_table([outcome for section in result.sections for outcome in section.outcomes]))
    if options.to or (len(names) == len(SECTIONS) and not options.quick):
        write(result, options.to or HERE)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())

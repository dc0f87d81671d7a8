"""The command line of run.py: what can be asked for, and what each request starts."""

import argparse
import sys
from pathlib import Path

from tools import build, development, testing
from tools.precompress import QUICK
from tools.report import Problem
from tools.setup import set_up

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 8000


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's own) ask for, and return the exit status."""
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command != "test":
        _parser().error(f"unknown argument: {rest[0]}")
    try:
        return _run(options, rest)
    except Problem as problem:
        print(f"\n{problem.what}\n→ {problem.next_step}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130


def _run(options: argparse.Namespace, pytest_arguments: list[str]) -> int:
    match options.command:
        case "serve":
            set_up(ROOT, with_model=options.model)
            development.serve(ROOT, options.port, open_browser=options.open)
            return 0
        case "build":
            set_up(ROOT, with_model=options.model)
            build.build(ROOT, with_model=options.model)
            return 0
        case "test":
            set_up(ROOT, with_model=True)
            build.build(ROOT, with_model=True, quality=QUICK)
            return testing.test(ROOT, pytest_arguments)
        case _:
            return testing.lint(ROOT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        allow_abbrev=False,
        description="Set ModelTab up, then serve it on this computer and open it in the browser.",
        epilog="What follows `test` goes to pytest, for example: run.py test tests/unit -k sse",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "build", "test", "lint"],
        default="serve",
        help="serve (the default), build (writes dist/ for a static host), test, or lint",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"serve: the port (default {DEFAULT_PORT})")
    parser.add_argument("--no-open", dest="open", action="store_false", help="serve: do not open the browser")
    parser.add_argument(
        "--no-model", dest="model", action="store_false", help="serve, build: leave out the 98 MB starter model"
    )
    return parser

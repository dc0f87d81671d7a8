"""The command line of run.py: what can be asked for, and what each request starts."""

import argparse
import sys
from pathlib import Path

from tools import benchmarking, build, development, testing
from tools.precompress import QUICK
from tools.report import Problem
from tools.setup import set_up

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 8000
#: Commands whose further arguments are for what they start.
_PASS_ON = ("test", "bench")


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (default: the process's own) ask for, and return the exit status."""
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command not in _PASS_ON:
        _parser().error(f"unknown argument: {rest[0]}")
    try:
        return _run(options, rest)
    except Problem as problem:
        print(f"\n{problem.what}\n→ {problem.next_step}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130


def _run(options: argparse.Namespace, rest: list[str]) -> int:
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
            return testing.test(ROOT, rest)
        case "bench":
            return benchmarking.bench(ROOT, rest)
        case _:
            return testing.lint(ROOT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        allow_abbrev=False,
        description="Set ModelTab up, then serve it on this computer and open it in the browser.",
        epilog="What follows `test` goes to pytest, for example: run.py test tests/unit -k sse. What follows `bench` chooses "
        "what is measured: run.py bench start engine --rounds 3",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "build", "test", "lint", "bench"],
        default="serve",
        help="serve (the default), build (writes dist/ for a static host), test, lint, or bench (measures, against others)",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"serve: the port (default {DEFAULT_PORT})")
    parser.add_argument("--no-open", dest="open", action="store_false", help="serve: do not open the browser")
    parser.add_argument(
        "--no-model", dest="model", action="store_false", help="serve, build: leave out the 98 MB starter model"
    )
    return parser

"""How the tools talk to the person who runs them: one line a step, and failures that say what to do next."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class Problem(Exception):
    """A failure that a person can do something about.

    Args:
        what: what went wrong, in a sentence.
        next_step: what to do about it.
    """

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step


def say(line: str) -> None:
    """Print a line at once, also where the output is a pipe."""
    print(line, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took once it is done."""
    say(f"{what} …")
    started = time.perf_counter()
    yield
    say(f"  done in {time.perf_counter() - started:.1f} s")


Command = Sequence[str | Path]


def succeeds(command: Command, folder: Path | None = None) -> bool:
    """Run a command, in `folder` if one is named; the person sees its output. Return whether it succeeded."""
    try:
        return subprocess.run([str(part) for part in command], cwd=folder, check=False).returncode == 0
    except OSError as error:
        say(f"  {command[0]} could not be started: {error}")
        return False


def succeeds_quietly(command: Command, timeout: float | None = None) -> bool:
    """Run a command, show the last lines of its output only if it fails, and return whether it succeeded."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"  failed: {error}")
        return False
    if done.returncode != 0:
        say(f"  failed: {' '.join(map(str, command))}")
        for line in done.stdout.strip().splitlines()[-5:]:
            say(f"    {line}")
    return done.returncode == 0

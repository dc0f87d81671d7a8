"""Starts the reference Local LLM API server as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVER = Path(__file__).with_name("local_llm_api.py")
ANNOUNCEMENT = "listening on "


@dataclass(frozen=True)
class RunningServer:
    """``url`` is the API's, with its prefix and no slash at the end; ``pid`` is the process that answers."""

    url: str
    pid: int


@contextmanager
def local_llm_api(models: Path, *options: str) -> Iterator[RunningServer]:
    """Runs the server on a free port of 127.0.0.1 with the models folder and further command-line options.

    It accepts requests when the block begins, and is gone when it ends. RuntimeError when it does not start; why is
    on this process's stderr.
    """
    command = [sys.executable, str(SERVER), "--port", "0", "--models", str(models), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(ANNOUNCEMENT):
                raise RuntimeError(f"the server did not start: {line!r}")
            yield RunningServer(line.removeprefix(ANNOUNCEMENT).strip(), process.pid)
        finally:
            process.terminate()

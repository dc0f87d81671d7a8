"""Starts real servers as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ANNOUNCEMENT = "listening on "


@dataclass(frozen=True)
class RunningServer:
    """``url`` is where it answers, with no slash at the end; ``pid`` is the process that answers."""

    url: str
    pid: int


def local_llm_api(models: Path, *options: str) -> AbstractContextManager[RunningServer]:
    """The reference Local LLM API with a models folder and further command-line options; the URL has its prefix."""
    return running("local_llm_api.py", "--models", str(models), *options)


def llama_server(model: Path, *options: str) -> AbstractContextManager[RunningServer]:
    """A llama-server with a model and further command-line options."""
    return running("llama_server.py", "--model", str(model), *options)


@contextmanager
def running(script: str, *options: str) -> Iterator[RunningServer]:
    """Runs a server of this folder on a free port of 127.0.0.1.

    It accepts requests when the block begins, and is gone when it ends. RuntimeError when it does not start; why is
    on this process's stderr.
    """
    command = [sys.executable, str(FOLDER / script), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(ANNOUNCEMENT):
                raise RuntimeError(f"the server did not start: {line!r}")
            yield RunningServer(line.removeprefix(ANNOUNCEMENT).strip(), process.pid)
        finally:
            process.terminate()

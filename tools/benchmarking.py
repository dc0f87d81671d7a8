"""Runs the comparison with others, benchmarks/everything.py, in .venv, with all that it needs in place."""

import os
import subprocess
import sys
from pathlib import Path

from tools.build import build
from tools.chromium import chromium
from tools.packages import install_packages
from tools.report import Problem, step
from tools.setup import set_up
from tools.virtual_environment import development_python

_SCRIPT = Path("benchmarks", "everything.py")
#: wllama by itself, as npm has it.
_PEER = Path("node_modules", "@wllama", "wllama", "esm", "wasm", "wllama.wasm")


def bench(root: Path, arguments: list[str]) -> int:
    """Set the app and what it is compared with up, build dist/, measure, and return the exit status.

    Args:
        root: the repository.
        arguments: what everything.py is asked for.

    Raises:
        Problem: something that is needed is not to be had.
    """
    if sys.platform != "linux":
        raise Problem("The benchmarks read the memory of processes as Linux tells it.", "Run them on Linux.")
    load = os.getloadavg()  # before the set-up adds to it
    set_up(root, with_model=True)
    build(root, with_model=True)
    if not (root / _PEER).is_file():
        with step("Installing what ModelTab is compared with, from npm"):
            install_packages(root, for_tests=True)
    python = development_python(root)
    environment = {**os.environ, "CHROMIUM": str(chromium(python))}
    command = [str(python), str(_SCRIPT), *arguments, "--load", *map(str, load)]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode

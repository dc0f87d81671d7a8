"""Runs the comparison with others, benchmarks/everything.py, in .venv, with all that it needs in place."""

import os
import subprocess
from pathlib import Path

from tools.chromium import chromium
from tools.packages import install_packages
from tools.report import step
from tools.virtual_environment import development_python

_SCRIPT = Path("benchmarks", "everything.py")
#: wllama by itself, as npm has it.
_PEER = Path("node_modules", "@wllama", "wllama", "esm", "wasm", "wllama.wasm")


def bench(root: Path, arguments: list[str]) -> int:
    """Measure, with a browser in $CHROMIUM, and return the exit status. dist/ is built already.

    Raises:
        Problem: something that is needed is not to be had.
    """
    if not (root / _PEER).is_file():
        with step("Installing what ModelTab is compared with, from npm"):
            install_packages(root, for_tests=True)
    python = development_python(root)
    environment = {**os.environ, "CHROMIUM": str(chromium(python))}
    return subprocess.run([str(python), str(_SCRIPT), *arguments], cwd=root, env=environment, check=False).returncode

"""Runs the tests and the linters, in .venv, with all that they need in place."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from tools.chromium import chromium
from tools.packages import install_packages
from tools.report import step
from tools.virtual_environment import development_python

#: What tests take from npm: CommonMark's examples, and OpenAI's own client.
FROM_NPM = (Path("node_modules", "commonmark-spec", "spec.txt"), Path("node_modules", "openai", "index.mjs"))

#: What runs in a browser, and what does not: these are at work at the same time, for one waits where the other computes.
IN_BROWSER, WITHOUT_BROWSER = "tests/e2e", "tests/unit"
#: What runs beside the browser takes what that leaves: threads of an engine in a tab wait for each other, and for a core.
GIVING_WAY = ("nice", "-n", "15")
#: Those in a browser that stand no other beside them come first; then two at a time, each file's in order.
ALONE = "alone or model"
TWO_AT_A_TIME = ("-n", "2", "--dist", "loadfile")


def test(root: Path, pytest_arguments: list[str]) -> int:
    """Run pytest, with a browser for the end-to-end tests in $CHROMIUM, and return its exit status."""
    if not all((root / file).is_file() for file in FROM_NPM):
        with step("Installing what the tests compare with, from npm"):
            install_packages(root, for_tests=True)
    python = development_python(root)
    environment = {**os.environ, "CHROMIUM": str(chromium(python))}
    command = [str(python), "-m", "pytest"]
    if pytest_arguments:
        return subprocess.run([*command, *pytest_arguments], cwd=root, env=environment, check=False).returncode
    quietly = [*(GIVING_WAY if shutil.which(GIVING_WAY[0]) else ()), *command, WITHOUT_BROWSER]
    with TemporaryFile() as said:
        beside = subprocess.Popen(quietly, cwd=root, env=environment, stdout=said, stderr=subprocess.STDOUT)
        status = 0
        for chosen in (["-m", ALONE], ["-m", f"not ({ALONE})", *TWO_AT_A_TIME]):
            done = subprocess.run([*command, IN_BROWSER, *chosen], cwd=root, env=environment, check=False)
            status = done.returncode or status
        status = beside.wait() or status
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout.buffer)
    return status


def lint(root: Path) -> int:
    """Run each linter, all of them even if one finds something, and return 0 if none does."""
    python = development_python(root)
    status = 0
    for name, command in (("ruff", ["ruff", "check", "--output-format=concise", "."]), ("mypy", ["mypy"])):
        with step(f"Checking with {name}"):
            status |= subprocess.run([python, "-m", *command], cwd=root, check=False).returncode
    return status

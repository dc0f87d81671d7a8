"""Runs the tests and the linters, in .venv, with all that they need in place."""

import os
import subprocess
from pathlib import Path

from tools.chromium import chromium
from tools.packages import install_packages
from tools.report import step
from tools.virtual_environment import development_python

#: What tests take from npm: CommonMark's examples, and OpenAI's own client.
FROM_NPM = (Path("node_modules", "commonmark-spec", "spec.txt"), Path("node_modules", "openai", "index.mjs"))

#: One after the other: threads of an engine in a tab wait for each other, and for whatever else has a core.
ALL = ("tests/unit", "tests/e2e")


def test(root: Path, pytest_arguments: list[str]) -> int:
    """Run pytest, with a browser for the end-to-end tests in $CHROMIUM, and return its exit status."""
    if not all((root / file).is_file() for file in FROM_NPM):
        with step("Installing what the tests compare with, from npm"):
            install_packages(root, for_tests=True)
    python = development_python(root)
    environment = {**os.environ, "CHROMIUM": str(chromium(python))}
    command = [str(python), "-m", "pytest", *(pytest_arguments or ALL)]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode


def lint(root: Path) -> int:
    """Run each linter, all of them even if one finds something, and return 0 if none does."""
    python = development_python(root)
    status = 0
    for name, command in (("ruff", ["ruff", "check", "--output-format=concise", "."]), ("mypy", ["mypy"])):
        with step(f"Checking with {name}"):
            status |= subprocess.run([python, "-m", *command], cwd=root, check=False).returncode
    return status

"""The virtual environment .venv with what the tests and linters need, exactly as requirements-dev.txt names it."""

import os
import shutil
import sys
from pathlib import Path

from tools.debian import install_on_debian
from tools.report import Command, Problem, step, succeeds, succeeds_quietly
from tools.stamps import Stamps, hash_of

_REQUIREMENTS = "requirements-dev.txt"


def python_of(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def development_python(root: Path) -> Path:
    """Return the Python of .venv, made and filled first where it is not what requirements-dev.txt says.

    Raises:
        Problem: it cannot be made, or the packages cannot be installed.
    """
    environment = root / ".venv"
    python = python_of(environment)
    requirements = root / _REQUIREMENTS
    # Inside .venv, so that to delete the folder is to start afresh.
    stamps = Stamps(environment / "stamps.json")
    wanted = hash_of(requirements, sys.version)
    if stamps.is_fresh("requirements", wanted, python):
        return python
    with step("Installing what the tests and linters need into .venv"):
        shutil.rmtree(environment, ignore_errors=True)
        _make(environment)
        options = ["--disable-pip-version-check", "--quiet", "--require-hashes", "--requirement", str(requirements)]
        if not succeeds([python, "-m", "pip", "install", *options]):
            raise Problem(
                f"pip could not install {_REQUIREMENTS} into .venv.",
                "Check the internet connection and pip's message above. Python 3.11, 3.12 and 3.13 are known to work.",
            )
        stamps.set("requirements", wanted)
    return python


def _make(environment: Path) -> None:
    command: Command = [sys.executable, "-m", "venv", environment]
    if succeeds_quietly(command):
        return
    if install_on_debian("python3-venv") and succeeds_quietly(command):
        return
    raise Problem(
        "Python could not make a virtual environment (.venv).",
        "On Debian and Ubuntu: sudo apt install python3-venv. Elsewhere, the lines above say what is missing.",
    )

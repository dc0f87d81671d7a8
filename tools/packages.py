"""The browser-side libraries from npm, exactly those that package-lock.json names, checked against its hashes."""

import shutil
from pathlib import Path

from tools.report import Problem, succeeds

_GET_NODE = (
    "Install Node.js 20 or newer, which brings npm: from nodejs.org, with your system's package manager "
    "(Debian and Ubuntu: sudo apt install nodejs npm; macOS: brew install node; "
    "Windows: winget install OpenJS.NodeJS.LTS), then run this again."
)


def node() -> str:
    """Return the path of Node.js."""
    return _program("node")


def install_packages(root: Path, for_tests: bool = False) -> None:
    """Fill node_modules from the lock file, with what tests and benchmarks compare with too if asked to.

    No package's own install script runs: none of ours needs one.
    """
    # What is optional is for libraries that draw under Node; a browser draws by itself.
    left_out = ["--omit=optional"] if for_tests else ["--omit=optional", "--omit=dev"]
    if not succeeds([_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *left_out], root):
        raise Problem(
            "npm could not install the browser-side libraries (npm ci failed).",
            "Check the internet connection and npm's own message above, then run this again.",
        )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Problem(f"{name} was not found on this computer.", _GET_NODE)
    return found

"""What is to be known of a run besides its figures: the machine, and the versions of everything that took part."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from common import ROOT
from peers import LLAMA_CPP

from tools.packages import node


def machine(load: Sequence[float]) -> dict[str, str]:
    """The machine. `load`: its load averages before the run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "Processor": f"{_processor()}, {os.cpu_count()} cores for this system",
        "Memory": f"{memory / 1e9:.0f} GB",
        "System": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release().partition('-')[0]}",
        "Load average before": ", ".join(f"{one:.2f}" for one in load) + " (1, 5 and 15 minutes)",
    }


def versions(chromium: str) -> dict[str, str]:
    """What took part. `chromium`: the browser's own word."""
    wllama = json.loads((ROOT / "node_modules" / "@wllama" / "wllama" / "package.json").read_text(encoding="utf-8"))["version"]
    return {
        "ModelTab": _commit(),
        "Browser": f"Chromium {chromium}, headless",
        "llama.cpp's UI": f"built from PyPI's {LLAMA_CPP.replace('==', ' ')}",
        "wllama": f"npm's @wllama/wllama {wllama}, its own defaults",
        "native llama.cpp": f"PyPI's xllamacpp {version('xllamacpp')}",
        "curl": " ".join(_said(["curl", "--version"]).split()[1:2]) or "none",
        "Python, Node.js": f"{platform.python_version()}, {_said([node(), '--version'])}",
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _commit() -> str:
    changed = ", with changes that are not committed" if _said(["git", "status", "--porcelain", "--untracked-files=no"]) else ""
    return f"{_said(['git', 'rev-parse', '--short', 'HEAD']) or 'not under git'}{changed}"


def _said(command: list[str]) -> str:
    """What a program prints; nothing where it is not there."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""

"""Installs system packages where that needs no question: on Debian and its kin, for root (a container, usually)."""

import os
import shutil

from tools.report import say, succeeds_quietly


def install_on_debian(*packages: str) -> bool:
    """Install system packages, and return whether they are there now; False where this is not ours to do."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return False
    say(f"  installing {', '.join(packages)} with apt-get")
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]
    # An update that fails in part is no reason to give up: the lists that are there may do.
    succeeds_quietly([*apt, "update"])
    return succeeds_quietly([*apt, "install", "--yes", "--no-install-recommends", *packages])

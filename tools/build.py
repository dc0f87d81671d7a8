"""Writes dist/: what a static host needs, and nothing else."""

import shutil
from pathlib import Path

from tools.model import MODEL_FILE
from tools.offline import add_offline_copy
from tools.report import Problem, step
from tools.serve import SITE_FILES, SITE_FOLDER

DIST = "dist"


def build(root: Path, with_model: bool) -> None:
    """Copy the app as it is set up in `root` to dist/, which is exchanged only once all of it is there.

    Raises:
        Problem: a file of the app is missing.
    """
    with step(f"Writing {DIST}/"):
        partial = root / f".{DIST}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name in SITE_FILES:
            if not (root / name).is_file():
                raise Problem(f"{name} is missing.", "Restore it with git, then run this again.")
            shutil.copyfile(root / name, partial / name)
        left_out = shutil.ignore_patterns(".*", "*.partial", *([] if with_model else [MODEL_FILE.parent.name]))
        shutil.copytree(root / SITE_FOLDER, partial / SITE_FOLDER, ignore=left_out)
        add_offline_copy(partial)
        _exchange(partial, root / DIST)


def _exchange(new: Path, place: Path) -> None:
    """Put a folder in the place of another, which a server may be reading: it is away for a moment only."""
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)

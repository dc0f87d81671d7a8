"""The offline copy of the built app: which files are in it, and what they are called together. sw.js keeps it; see there."""

import hashlib
import json
from pathlib import Path

from tools.model import MODEL_FILE
from tools.report import Problem

_WORKER = "sw.js"
_PAGE = "index.html"
_VERSION_LINE = 'const VERSION = "";'
_FILES_LINE = "const FILES = [];"
_HTML = "<html "
#: The engine for browsers that cannot run its main build. No other keeps it, so it is counted by itself (sw.js, isNeeded).
_COMPAT = "/wllama/compat/"
#: Packed: files for hosts that send them in the place of others, and the snapshot, which snapshot_worker.js keeps unpacked.
_PACKED = (".br", ".gz")


def add_offline_copy(dist: Path) -> None:
    """Tell dist's sw.js which files it is to keep, and its page what version that is and how many bytes they have.

    To be called when every file is there, and before any is packed: the page and sw.js change.

    Raises:
        Problem: sw.js or the page has no place for it.
    """
    names = [name for name in _names(dist) if name not in (_WORKER, _PAGE)]
    hashes = {name: content_hash((dist / name).read_bytes()) for name in names}
    page, worker = ((dist / name).read_text(encoding="utf-8") for name in (_PAGE, _WORKER))
    version = content_hash(json.dumps([hashes, page, worker]).encode())[:12]
    sizes = {name: (dist / name).stat().st_size for name in names}
    compat = sum(size for name, size in sizes.items() if _COMPAT in name)
    size = len(page.encode()) + sum(sizes.values()) - compat
    marked = _replaced(page, _HTML, f'{_HTML}data-offline="{version} {size} {compat}" ', _PAGE)
    listed = [*hashes.items(), (_PAGE, content_hash(marked.encode()))]
    lines = ",\n".join(json.dumps(entry) for entry in listed)
    worker = _replaced(worker, _VERSION_LINE, f'const VERSION = "{version}";', _WORKER)
    worker = _replaced(worker, _FILES_LINE, f"const FILES = [\n{lines},\n];", _WORKER)
    (dist / _PAGE).write_bytes(marked.encode())
    (dist / _WORKER).write_bytes(worker.encode())


def content_hash(content: bytes) -> str:
    """Return the first half of the SHA-256, which is long enough to tell any two files apart."""
    return hashlib.sha256(content).hexdigest()[:32]


def _names(dist: Path) -> list[str]:
    """Return the paths of what the app may ask for: no models, which are in storage of their own, and nothing only to read."""
    files = sorted(path for path in dist.rglob("*") if path.is_file())
    return [
        path.relative_to(dist).as_posix()
        for path in files
        if path.suffix not in _PACKED
        and path.parent.name != MODEL_FILE.parent.name
        and not path.name.startswith("LICENSE")
    ]


def _replaced(text: str, old: str, new: str, name: str) -> str:
    if text.count(old) != 1:
        raise Problem(f"{name} has no place for the offline copy: {old!r}.", "Restore it with git, then run this again.")
    return text.replace(old, new)

"""What set-up has already done, by a hash of what each step was made from, so that a second run does nothing twice."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def hash_of(*parts: Path | str) -> str:
    """Return a hash of strings and of files' contents; a folder counts with every file in it and its path."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            _add(digest, b"text", part.encode())
        elif part.is_dir():
            for path in sorted(files_in(part)):
                _add(digest, path.relative_to(part).as_posix().encode(), path.read_bytes())
        else:
            _add(digest, part.name.encode(), part.read_bytes() if part.exists() else b"")
    return digest.hexdigest()


def files_in(folder: Path) -> Iterable[Path]:
    """Return the files under a folder, without what Python itself leaves there."""
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _add(digest: "hashlib._Hash", name: bytes, content: bytes) -> None:
    # Lengths keep two different lists of parts from running together into the same bytes.
    digest.update(b"%d:%s%d:" % (len(name), name, len(content)))
    digest.update(content)


class Stamps:
    """The hashes of the steps that are done, kept in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_fresh(self, step: str, inputs: str, *outputs: Path) -> bool:
        """Return whether a step was done from these very inputs, and all that it made is still there."""
        return self._read().get(step) == inputs and all(output.exists() for output in outputs)

    def set(self, step: str, inputs: str) -> None:
        """Record that a step is done."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({**self._read(), step: inputs}, indent=1) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, str]:
        try:
            stamps = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # no stamps yet, or a write that was cut off: every step is simply done again
        return stamps if isinstance(stamps, dict) else {}

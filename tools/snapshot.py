"""Python's memory with the whole app imported, static/snapshot.bin.gz, which a start in the browser takes up from.

In front of the memory is the SHA-256 of the app archive that was imported: static/js/interpreter.mjs takes no other.
"""

import gzip
import hashlib
from pathlib import Path

from tools.packages import node
from tools.report import Problem, succeeds

SNAPSHOT = Path("static", "snapshot.bin.gz")
SCRIPT = Path(__file__).with_name("snapshot_in_pyodide.mjs")


def make_snapshot(root: Path, library: Path, archive: Path, work: Path) -> None:
    """Write the snapshot of the app.

    Args:
        root: the repository, whose node_modules has Pyodide.
        library: the compiled standard library.
        archive: the app archive.
        work: a folder for the file on its way.

    Raises:
        Problem: Pyodide does not start, or the app cannot be imported without a browser.
    """
    work.mkdir(parents=True, exist_ok=True)
    memory = work / "snapshot.bin"
    if not succeeds([node(), SCRIPT, library, archive, memory], root):
        raise Problem(
            "The snapshot of the app could not be made.",
            "The lines above say why. A module that needs a browser while it is imported must import that later.",
        )
    content = hashlib.sha256(archive.read_bytes()).digest() + memory.read_bytes()
    # No time in it: the same memory is the same file.
    (root / SNAPSHOT).write_bytes(gzip.compress(content, 9, mtime=0))
    memory.unlink()

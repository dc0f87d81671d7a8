"""Python's memory with the whole app imported, static/snapshot.bin.gz, which a start in the browser takes up from.

In front of the memory are the SHA-256 of the app archive that was imported (static/js/snapshot_worker.js takes no other) and
the memory's length, as 4 bytes, the lowest first: Pyodide begins with that before the memory has arrived.
"""

import ast
import gzip
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tools.packages import node
from tools.report import Problem, succeeds

SNAPSHOT = Path("static", "snapshot.bin.gz")
SCRIPT = Path(__file__).with_name("snapshot_in_pyodide.mjs")
#: What is there only in a page.
_IN_PAGES = {"js"}


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
    if not succeeds([node(), SCRIPT, library, archive, memory, *imported(archive)], root):
        raise Problem(
            "The snapshot of the app could not be made.",
            "The lines above say why. A module that needs a browser while it is imported must import that later.",
        )
    content = memory.read_bytes()
    head = hashlib.sha256(archive.read_bytes()).digest() + len(content).to_bytes(4, "little")
    # No time in it: the same memory is the same file.
    (root / SNAPSHOT).write_bytes(gzip.compress(head + content, 9, mtime=0))
    memory.unlink()


def imported(archive: Path) -> list[str]:
    """Return the names of all modules that those in an archive import, in functions too.

    A start from the snapshot has not the app's modules until some seconds later, so all have to be in it.
    """
    names: set[str] = set()
    with zipfile.ZipFile(archive) as opened:
        for path in opened.namelist():
            if path.endswith(".py"):
                names.update(_imported_by(opened.read(path)))
    return sorted(name for name in names if name.partition(".")[0] not in _IN_PAGES)


def _imported_by(source: bytes) -> Iterator[str]:
    for part in ast.walk(ast.parse(source)):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom) and part.module and not part.level:
            yield part.module

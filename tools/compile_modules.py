"""Compiles folders of modules, ahead of time, for the Python in the browser.

Runs inside Pyodide, in Node (see compile_in_pyodide.mjs): a compiled module only loads in the very version of Python
that compiled it, and that version is Pyodide's, not the one on this computer.
"""

import json
import py_compile
from pathlib import Path


def compile_folder(source: Path, target: Path, shown_as: str, optimize: int) -> int:
    """Compile each module under `source` to the same place under `target`, and return how many there are.

    The result carries no date and is never checked against a source ("unchecked hash"), so that it depends on the
    source alone and costs nothing to accept.

    Args:
        source: the folder with the .py files.
        target: the folder for the .pyc files; made if it is not there.
        shown_as: the folder that tracebacks show in front of a module's path; may be empty.
        optimize: as Python's own -O: 0 keeps everything, 2 leaves out assertions and docstrings.

    Raises:
        py_compile.PyCompileError: a module does not compile.
    """
    count = 0
    for path in sorted(source.rglob("*.py")):
        module = path.relative_to(source)
        py_compile.compile(
            str(path),
            cfile=str(target / module.with_suffix(".pyc")),
            dfile=f"{shown_as}/{module.as_posix()}" if shown_as else module.as_posix(),
            doraise=True,
            optimize=optimize,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        count += 1
    return count


def compile_jobs(work: Path) -> None:
    """Do the jobs that jobs.json in the folder `work` lists: each from its folder "source" to its folder "compiled"."""
    for job in json.loads((work / "jobs.json").read_text()):
        folder = work / job["name"]
        count = compile_folder(folder / "source", folder / "compiled", job["shown_as"], job["optimize"])
        print(f"  {job['title']}: {count} modules")

"""Hands modules to the Pyodide in node_modules to be compiled, several folders of them in one start of Node."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.packages import node
from tools.report import Problem, succeeds

SCRIPTS = [Path(__file__).with_name(name) for name in ("compile_in_pyodide.mjs", "compile_modules.py")]


@dataclass(frozen=True)
class Job:
    """One folder of modules to compile.

    Args:
        name: the job's folder in the work folder.
        title: what a person calls these modules.
        modules: path → content of each.
        shown_as: the folder in front of a module's path in tracebacks; may be empty.
        optimize: as Python's own -O: 0, 1 or 2.
    """

    name: str
    title: str
    modules: Mapping[str, bytes]
    shown_as: str
    optimize: int


def compile_all(jobs: list[Job], root: Path, work: Path) -> dict[str, Path]:
    """Compile the jobs' modules, and return for each job's name the folder with the compiled ones.

    Args:
        jobs: what to compile.
        root: the repository, whose node_modules has Pyodide.
        work: a folder for the files on their way, emptied first.

    Raises:
        Problem: a module does not compile, or Pyodide does not start.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for job in jobs:
        for name, content in job.modules.items():
            path = work / job.name / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    orders = [{"name": job.name, "title": job.title, "shown_as": job.shown_as, "optimize": job.optimize} for job in jobs]
    (work / "jobs.json").write_text(json.dumps(orders), encoding="utf-8")
    if not succeeds([node(), SCRIPTS[0], work], root):
        raise Problem(
            "The Python modules could not be compiled for the browser.",
            "The lines above say which module, or why Pyodide did not start. Node.js 20 or newer is needed.",
        )
    return {job.name: work / job.name / "compiled" for job in jobs}

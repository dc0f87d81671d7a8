"""The app in the interpreter that a browser gets: real Pyodide, here under Node, with our archive and standard library.

The archive is made as `python run.py` serves it: what was compiled at set-up, and the source alone of what was edited since.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.archive import APP_ARCHIVE, APP_PACKAGE, live_archive

ROOT = Path(__file__).parents[2]
BUILT = ROOT / APP_ARCHIVE
STDLIB = ROOT / "static" / "vendor" / "pyodide" / "python_stdlib.zip"
PYODIDE = ROOT / "node_modules" / "pyodide" / "pyodide.mjs"
NODE = shutil.which("node")

#: Runs the Python of its first argument as a browser would, and prints what that returns.
#: `js` is Node's global object, which has no document.
RUNNER = """
import { readFile } from "node:fs/promises";
const [pyodideModule, stdLibURL, archive, code] = process.argv.slice(1);
const { loadPyodide } = await import(pyodideModule);
const pyodide = await loadPyodide({ stdLibURL });
pyodide.FS.writeFile("/lib/modeltab.zip", await readFile(archive));
pyodide.runPython("import sys; sys.path.insert(0, '/lib/modeltab.zip')");
console.log("\\n" + await pyodide.runPythonAsync(code));
"""

IMPORT_ALL = """
import importlib, json, sys, traceback, zipfile
names = sorted(
    name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for name in zipfile.ZipFile("/lib/modeltab.zip").namelist() if name.endswith(".py")
)
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException:
        failed[name] = traceback.format_exc()
json.dumps({
    "names": names,
    "failed": failed,
    "platform": sys.platform,
})
"""

RENDER = """
import json
from modeltab.domain.messages import Message, Conversation
from modeltab.state.store import Route, State
from modeltab.views.page import PageView
from modeltab.views.format import moment
messages, parent = {}, None
for place in range(200):
    role = "assistant" if place % 2 else "user"
    messages[f"m{place}"] = Message(f"m{place}", "c", parent, role, f"<b>{place}</b>", float(place))
    parent = f"m{place}"
conversation = Conversation("c", "T", 0.0, 0.0, parent)
state = State(route=Route("chat", "c"), conversation=conversation, messages=messages, first_shown="m0")
drawn = PageView().messages(state)
json.dumps({"count": len(drawn), "last": drawn[-1][1], "moment": moment("2024-01-15T10:30:00Z")})
"""


@pytest.fixture
def in_pyodide(tmp_path: Path) -> Callable[[str], Any]:
    """A function that returns what some Python returns in Pyodide, as JSON."""
    for needed in (BUILT, STDLIB, PYODIDE):
        if not needed.exists():
            pytest.skip(f"{needed.relative_to(ROOT)} is made by set-up, which has not run here")
    if NODE is None:
        pytest.skip("Node.js is not installed")
    archive = tmp_path / "app.zip"
    archive.write_bytes(live_archive(ROOT / APP_PACKAGE, BUILT))
    command = [NODE, "--input-type=module", "-e", RUNNER, PYODIDE.as_uri(), str(STDLIB), str(archive)]

    def run_python(code: str) -> Any:
        done = subprocess.run([*command, code], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.rstrip().splitlines()[-1])

    return run_python


def test_every_module_of_the_app_is_imported_by_pyodide_with_our_standard_library(in_pyodide):
    result = in_pyodide(IMPORT_ALL)
    assert result["failed"] == {}
    assert result["platform"] == "emscripten"
    assert len(result["names"]) == len(list((ROOT / APP_PACKAGE).rglob("*.py")))
    assert {"modeltab.main", "modeltab.browser.engine", "modeltab.actions.table"} <= set(result["names"])


def test_a_conversation_is_drawn_by_pyodide_as_it_is_here(in_pyodide):
    result = in_pyodide(RENDER)
    assert result["count"] == 200
    assert "&lt;b&gt;199&lt;/b&gt;" in result["last"]
    assert result["moment"].startswith("2024-01-1")

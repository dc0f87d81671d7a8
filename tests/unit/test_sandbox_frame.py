"""The sandbox's frame in index.html, and what set-up makes for it: small differences here would open it, or keep it shut."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from html import unescape
from pathlib import Path

import pytest

from modeltab.domain.code_runs import RUNNABLE
from tools import rewriting, wheels
from tools.report import Problem

ROOT = Path(__file__).parents[2]
INDEX = (ROOT / "index.html").read_text(encoding="utf-8")
FRAME = re.search(r'<template id="sandbox"><iframe ([^>]*?)srcdoc="([^"]*)"', INDEX)


def policies(html: str) -> list[dict[str, str]]:
    """The Content Security Policies of a document: directive → its sources."""
    found = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    return [dict(part.strip().partition(" ")[::2] for part in text.split(";")) for text in found]


def test_the_frame_has_an_origin_of_its_own_and_may_nothing_but_run_scripts():
    assert FRAME
    assert re.findall(r'sandbox="([^"]*)"', FRAME[1]) == ["allow-scripts"]
    assert "allow=" not in FRAME[1]


def test_the_page_and_the_frame_know_the_one_script_by_its_hash():
    assert FRAME
    document = unescape(FRAME[2])
    (script,) = re.findall(r"<script>(.*?)</script>", document)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (page,), (frame,) = policies(INDEX.replace(FRAME[0], "")), policies(document)
    for policy in (page, frame):
        assert re.findall(r"'sha256-([^']*)'", policy["script-src"]) == [digest]
    assert frame["default-src"] == "'none'"
    assert frame["script-src"] == f"'sha256-{digest}' 'unsafe-eval'"
    assert (frame["worker-src"], frame["connect-src"]) == ("blob:", "http: https:")


def test_each_language_that_runs_has_its_worker():
    source = (ROOT / "src/modeltab/browser/sandbox.py").read_text(encoding="utf-8")
    for language in RUNNABLE:
        assert (ROOT / f"static/js/sandbox_{language}.js").is_file()
        assert f'"./static/js/sandbox_{language}.js"' in source


def test_the_editors_modules_import_only_each_other():
    modules = rewriting.editor_modules(ROOT / "node_modules")
    for name, text in modules.items():
        for line in re.findall(r"^(?:import|export)\b[^;'\"]*\bfrom ['\"]([^'\"]+)['\"]", text, re.MULTILINE):
            assert line.startswith("./") and line[2:] in modules, f"{name} imports {line}"


def test_an_editor_package_that_imports_another_is_a_problem(tmp_path: Path):
    for package in rewriting.EDITOR_PACKAGES:
        folder = tmp_path / package
        (folder / "mode").mkdir(parents=True)
        (folder / "package.json").write_text('{"exports": {"import": "./index.js"}}')
        for place in ("index.js", "mode/shell.js"):
            (folder / place).write_text("import { a } from 'crelt';\n")
    assert set(rewriting.editor_modules(tmp_path).values()) == {'import { a } from "./crelt.mjs";\n'}
    (tmp_path / "crelt" / "index.js").write_text('import { a } from "something-new";\n')
    with pytest.raises(Problem, match="imports something-new"):
        rewriting.editor_modules(tmp_path)


def test_pyodide_becomes_a_script_that_imports_nothing(tmp_path: Path):
    script = rewriting.classic_pyodide(ROOT / "node_modules" / "pyodide")
    assert not re.search(r"^\s*(?:import|export)\b[^(]", script, re.MULTILINE)
    assert "import.meta" not in script
    (tmp_path / "pyodide.mjs").write_text("export const loadPyodide = 1;")
    (tmp_path / "pyodide.asm.mjs").write_text("export default a;")
    with pytest.raises(Problem, match="end otherwise"):
        rewriting.classic_pyodide(tmp_path)


def test_modules_and_licences_come_out_of_wheels(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a-1.0-py3-none-any.whl", "w") as wheel:
        for name in ("a/__init__.py", "a/data.pem", "a-1.0.dist-info/licenses/LICENSE.txt", "a-1.0.dist-info/METADATA"):
            wheel.writestr(name, name)
    assert wheels.modules_and_licences(tmp_path) == (
        {"a/__init__.py": b"a/__init__.py"},
        {"a": b"a-1.0.dist-info/licenses/LICENSE.txt"},
    )

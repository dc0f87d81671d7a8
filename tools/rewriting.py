"""Third-party modules that a browser cannot load as npm ships them: rewritten, not bundled, for that takes no other tool."""

import json
import re
from pathlib import Path

from tools.report import Problem

#: The packages that the playground's editor is made of: its own imports first, then what those import.
EDITOR_PACKAGES = (
    *("@codemirror/commands", "@codemirror/lang-javascript", "@codemirror/lang-python", "@codemirror/language"),
    *("@codemirror/legacy-modes", "@codemirror/state", "@codemirror/view", "@lezer/highlight"),
    *("@codemirror/autocomplete", "@codemirror/streamparser", "@lezer/common", "@lezer/javascript", "@lezer/lr"),
    *("@lezer/python", "@marijn/find-cluster-break", "crelt", "style-mod", "w3c-keyname"),
)
#: What is taken of a package that has no single entry.
_ENTRIES = {"@codemirror/legacy-modes": "mode/shell.js"}
_IMPORT = re.compile(r"""^((?:import|export)\b[^;'"]*\bfrom )(['"])([@\w][^'"]*)\2""", re.MULTILINE)
_EXPORTS = re.compile(r"export\s*\{([^{}]*)\};?\s*(?://[^\n]*\s*)?\Z")
_DEFAULT = re.compile(r"export default (\w+);\s*\Z")


def module_name(package: str) -> str:
    """Return the name of a package's file: they lie in one folder."""
    return package.removeprefix("@").replace("/", "-") + ".mjs"


def editor_modules(packages: Path) -> dict[str, str]:
    """Return the editor's modules, name → text, importing each other as files beside them.

    Raises:
        Problem: a package imports one that is not among them.
    """
    return {
        module_name(package): _resolved(package, _entry(packages / package, package).read_text(encoding="utf-8"))
        for package in EDITOR_PACKAGES
    }


def _entry(folder: Path, package: str) -> Path:
    if package in _ENTRIES:
        return folder / _ENTRIES[package]
    exports = json.loads((folder / "package.json").read_text(encoding="utf-8"))["exports"]
    return folder / str(exports.get(".", exports)["import"])


def _resolved(package: str, text: str) -> str:
    def beside(found: re.Match[str]) -> str:
        if found[3] not in EDITOR_PACKAGES:
            raise _changed(package, f"it imports {found[3]}")
        return f'{found[1]}"./{module_name(found[3])}"'

    return _IMPORT.sub(beside, text)


def classic_pyodide(folder: Path) -> str:
    """Return Pyodide, from its folder, as one classic script that imports nothing.

    In the playground's sandbox there is nowhere to import from, and Chromium starts no module worker there; and of a classic
    script browsers keep what they have compiled, of a module Chromium did not (156, November 2026). The script defines
    `globalThis.loadPyodide`, which wants the options `createPyodideModule` (defined too) and `indexURL`.

    Raises:
        Problem: Pyodide is not written as it was.
    """
    loader = (folder / "pyodide.mjs").read_text(encoding="utf-8")
    # Where the module lies only matters to what it would fetch by itself.
    module = (folder / "pyodide.asm.mjs").read_text(encoding="utf-8").replace("import.meta.url", "location.href")
    default = _DEFAULT.search(module)
    exports = _EXPORTS.search(loader)
    local = re.search(r"(\w+) as loadPyodide", exports[1]) if exports else None
    if default is None or exports is None or local is None:
        raise _changed("pyodide", "its modules end otherwise than before")
    return (
        f"globalThis.createPyodideModule = (() => {{{module[: default.start()]}\nreturn {default[1]};\n}})();\n"
        f"globalThis.loadPyodide = (() => {{{loader[: exports.start()]}\nreturn {local[1]};\n}})();\n"
    )


def _changed(package: str, how: str) -> Problem:
    return Problem(
        f"{package} is not the version that tools/rewriting.py was written for: {how}.",
        "Delete node_modules and run this again; if it stays so, correct tools/rewriting.py.",
    )

"""The third-party files that the browser loads, copied out of node_modules into static/vendor/.

Only what is needed at run time, each library's licence beside it, and nothing that would be fetched from another host.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.report import Problem
from tools.rewriting import EDITOR_PACKAGES, classic_pyodide, editor_modules, module_name

VENDOR_FOLDER = Path("static", "vendor")
_PACKAGES = Path("node_modules")
# What sends the browser's developer tools after a source map that is not there, by the kind of file that it is in:
# a comment, and in WebAssembly a section of its own at the very end.
_SOURCE_MAP = {
    ".css": re.compile(rb"/\*[#@] ?sourceMappingURL=[^*]*\*/"),
    ".js": re.compile(rb"^\s*//[#@] ?sourceMappingURL=[^\s'\"]*\s*$", re.MULTILINE),
    ".mjs": re.compile(rb"^\s*//[#@] ?sourceMappingURL=[^\s'\"]*\s*$", re.MULTILINE),
    ".wasm": re.compile(rb"\x00.\x10sourceMappingURL.[!-~]+\Z", re.DOTALL),
}


@dataclass(frozen=True)
class Library:
    """What is taken from one npm package.

    Args:
        package: its name.
        folder: its folder in static/vendor/.
        files: file in the package (may be a pattern) → name in the folder; an empty name keeps the file's own, as does
            one that ends in "/", the name of a folder in it.
        bundled: packages whose code is inside these files, so that their licences come along.
    """

    package: str
    folder: str
    files: dict[str, str]
    bundled: tuple[str, ...] = ()


LIBRARIES = (
    Library(
        "@pyscript/core",
        "pyscript",
        # Its plugins, its editor and its terminal are never loaded.
        {f"dist/{name}.js": "" for name in ("core", "core-*", "error-*", "toml-*")},
        ("polyscript", "coincident"),
    ),
    Library(
        "pyodide",
        "pyodide",
        # Not its python_stdlib.zip: ours is compiled (stdlib.py).
        {"pyodide.asm.wasm": "", "pyodide-lock.json": ""},
    ),
    Library("@wllama/wllama", "wllama", {"esm/index.min.js": "index.js", "esm/wasm/wllama.wasm": ""}),
    # Older versions write quicker on a CPU (src/modeltab/providers/tab_choice.py).
    *(
        Library(
            folder,
            folder,
            {
                "esm/index.min.js": "index.js",
                "esm/single-thread/wllama.wasm": "single-thread/wllama.wasm",
                "esm/multi-thread/wllama.wasm": "multi-thread/wllama.wasm",
            },
        )
        for folder in ("wllama-2-3", "wllama-2-4")
    ),
    # For browsers without what the main build needs (Safari); the library would fetch it from a CDN.
    Library("@wllama/wllama-compat", "wllama/compat", {"wasm/wllama.js": "", "wasm/wllama.wasm": ""}),
    Library("dexie", "dexie", {"dist/modern/dexie.min.mjs": "dexie.mjs"}),
    Library(
        "markdown-it",
        "markdown-it",
        {"dist/browser/markdown-it.esm.min.mjs": "markdown-it.mjs"},
        ("entities", "linkify-it", "mdurl", "punycode.js", "uc.micro"),
    ),
    Library("dompurify", "dompurify", {"dist/purify.es.mjs": ""}),
    Library("idiomorph", "idiomorph", {"dist/idiomorph.esm.js": ""}),
    Library("hash-wasm", "hash-wasm", {"dist/sha256.umd.min.js": ""}),
    # The build for browsers that are some years old; the tables are for texts in Chinese, Japanese and Korean.
    Library(
        "pdfjs-dist",
        "pdfjs",
        {"legacy/build/pdf.min.mjs": "", "legacy/build/pdf.worker.min.mjs": "", "cmaps/*.bcmap": "cmaps/"},
    ),
    Library(
        "@highlightjs/cdn-assets",
        "highlight",
        {"es/highlight.min.js": "highlight.mjs", "es/languages/powershell.min.js": "powershell.mjs"},
    ),
    # Every browser that runs the app reads WOFF2, the first of the three kinds that the style sheet names.
    Library("katex", "katex", {"dist/katex.mjs": "", "dist/katex.min.css": "katex.css"}),
    Library("katex", "katex/fonts", {"dist/fonts/*.woff2": ""}),
    Library("@cfworker/json-schema", "json-schema", {"dist/esm/*.js": ""}),
    Library("@huggingface/jinja", "jinja", {"dist/index.js": ""}),
)


def copy_libraries(root: Path, stdlib: Path, packages: Path, licences: Mapping[str, bytes]) -> None:
    """Write static/vendor/ anew, with the compiled standard library `stdlib` in Pyodide's folder.

    Args:
        root: the repository.
        stdlib: the archive of the compiled standard library.
        packages: the archive of what code in the playground may import; `licences`, of what is in it.

    Raises:
        Problem: a package has not the files that are expected of it.
    """
    target = root / VENDOR_FOLDER
    partial = target.with_name("vendor.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for library in LIBRARIES:
        _copy(library, root / _PACKAGES, partial / library.folder)
    shutil.copyfile(stdlib, partial / "pyodide" / "python_stdlib.zip")
    (partial / "pyodide" / "pyodide.js").write_text(classic_pyodide(root / _PACKAGES / "pyodide"), encoding="utf-8")
    _write_editor(root / _PACKAGES, partial / "codemirror")
    _write_packages(packages, licences, partial / "python")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _write_editor(packages: Path, folder: Path) -> None:
    folder.mkdir()
    for name, text in editor_modules(packages).items():
        (folder / name).write_text(text, encoding="utf-8")
    for package in EDITOR_PACKAGES:
        (folder / f"LICENSE-{module_name(package).removesuffix('.mjs')}").write_text(
            _licence(packages / package), encoding="utf-8"
        )


def _write_packages(packages: Path, licences: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir()
    shutil.copyfile(packages, folder / "packages.zip")
    for name, text in licences.items():
        (folder / f"LICENSE-{name}").write_bytes(text)


def _copy(library: Library, packages: Path, folder: Path) -> None:
    package = packages / library.package
    folder.mkdir(parents=True, exist_ok=True)
    for pattern, name in library.files.items():
        found = sorted(package.glob(pattern))
        if not found:
            raise Problem(
                f"{library.package} has no file {pattern}: it is not the version that tools/vendor.py was written for.",
                "Delete node_modules and run this again; if it stays so, correct the table in tools/vendor.py.",
            )
        for path in found:
            target = folder / (name + path.name if name.endswith("/") else name or path.name)
            target.parent.mkdir(exist_ok=True)
            _copy_file(path, target)
    (folder / "LICENSE").write_text(_licence(package), encoding="utf-8")
    for bundled in library.bundled:
        (folder / f"LICENSE-{bundled}").write_text(_licence(packages / bundled), encoding="utf-8")


def _copy_file(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if pattern := _SOURCE_MAP.get(source.suffix):
        content = pattern.sub(b"", content)
    target.write_bytes(content)


def _licence(package: Path) -> str:
    """Return a package's licence text, or where it ships none, what its description says of its licence and source."""
    texts = [path.read_text(encoding="utf-8") for path in _licence_files(package)]
    if texts:
        return "\n\n".join(texts)
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    source = about.get("repository") or about.get("homepage") or "unknown"
    if isinstance(source, dict):
        source = source["url"]
    return f"{about['name']} {about['version']}\nLicence: {about['license']}\nSource: {source}\n"


def _licence_files(package: Path) -> Iterable[Path]:
    return sorted(path for path in package.iterdir() if path.name.upper().startswith(("LICENSE", "LICENCE", "NOTICE")))

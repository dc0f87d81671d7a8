"""Compressed forms of what a host sends, `name.br` and `name.gz` beside each file, for hosts that look for them there.

nginx (`gzip_static`, `brotli_static`), Caddy (`precompressed`) and our own server (serve.py) do; on others they lie there
unused. Compressing as well as brotli can takes a minute, so what was compressed once is kept by its content.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tools.packages import node
from tools.report import Problem

#: What the names of compressed forms end with, by the encoding as HTTP names it, the better one first.
ENCODINGS = {"br": ".br", "gzip": ".gz"}
#: As good as it gets, and as quick as it gets while still worth it.
BEST, QUICK = 11, 4
_SCRIPT = Path(__file__).with_suffix(".mjs")
# Fonts, pictures, archives and models are compressed already.
_COMPRESSIBLE = {".bcmap", ".css", ".html", ".js", ".json", ".mjs", ".svg", ".toml", ".wasm", ".webmanifest"}
# Less than one packet is not worth a file.
_LEAST_BYTES = 1400


def precompress(folder: Path, kept: Path, quality: int = BEST) -> None:
    """Write the compressed forms of all files in a folder that become smaller.

    Args:
        folder: the folder; what lies in `models` folders in it is left alone.
        kept: a folder for compressed forms from one time to the next.
        quality: brotli's, 0 to 11.

    Raises:
        Problem: Node.js is missing, or a file cannot be read or written.
    """
    kept.mkdir(parents=True, exist_ok=True)
    forms = {path: kept / f"{hashlib.sha256(path.read_bytes()).hexdigest()}-{quality}" for path in _compressible(folder)}
    missing = {form: path for path, form in forms.items() if not all(_named(form, end).is_file() for end in ENCODINGS.values())}
    if missing:
        _compress({path: form for form, path in missing.items()}, quality)
    for path, form in forms.items():
        for ending in ENCODINGS.values():
            shutil.copyfile(_named(form, ending), _named(path, ending))


def _compressible(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in _COMPRESSIBLE and path.is_file() and path.stat().st_size >= _LEAST_BYTES:
            yield path


def _compress(forms: dict[Path, Path], quality: int) -> None:
    largest_first = sorted(forms, key=lambda path: -path.stat().st_size)  # or the last one would be waited for alone
    lines = "".join(f"{path}\t{forms[path]}\t{quality}\n" for path in largest_first)
    done = subprocess.run([node(), _SCRIPT, str(os.cpu_count() or 1)], input=lines, text=True, check=False)
    if done.returncode != 0:
        raise Problem("The files for static hosts could not be compressed.", "The line above says why.")


def _named(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)

"""The app as one zip archive, static/app.zip, that Python in the browser puts on sys.path and imports from.

One request instead of a hundred, and compiled modules instead of a compiler in the tab. Each compiled module has its
source beside it, for tracebacks. The same sources give the same bytes, so that a browser's cache holds.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tools.stamps import files_in

APP_PACKAGE = Path("src", "modeltab")
APP_ARCHIVE = Path("static", "app.zip")
#: The same of what runs in the playground's sandbox.
PLAYGROUND_PACKAGE = Path("src", "playground")
PLAYGROUND_ARCHIVE = Path("static", "playground.zip")
# The earliest moment that a zip entry can name: a fixed one, or no two archives would be the same.
_ENTRY_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def zip_of(entries: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of the entries (path in the archive → content), the same bytes for the same entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _ENTRY_DATE)
            info.create_system = _UNIX
            info.external_attr = 0o644 << 16
            archive.writestr(info, entries[name], zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def sources(package: Path) -> dict[str, bytes]:
    """Return what a package consists of (path in the archive → content): modules, and data files that lie with them."""
    if not package.is_dir():
        return {}
    return {
        f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in files_in(package)
        if path.suffix != ".pyc"
    }


def app_archive(package: Path, compiled: Path) -> bytes:
    """Return the archive of a package, with its compiled modules from the folder `compiled`, which has its layout."""
    entries = sources(package)
    for name in [name for name in entries if name.endswith(".py")]:
        entries[f"{name}c"] = (compiled / f"{name}c").read_bytes()
    return zip_of(entries)


def live_archive(package: Path, built: Path) -> bytes:
    """Return the archive of a package as it is now, with the compiled form of those modules that have not changed.

    A module that was edited since `built` was made goes without its compiled form, which would hide the edit: Python in
    the browser then compiles it itself.
    """
    entries = sources(package)
    if built.is_file():
        with zipfile.ZipFile(built) as archive:
            names = set(archive.namelist())
            for name in [name for name in entries if name.endswith(".py")]:
                if {name, f"{name}c"} <= names and archive.read(name) == entries[name]:
                    entries[f"{name}c"] = archive.read(f"{name}c")
    return zip_of(entries)

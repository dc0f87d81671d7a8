"""Python's standard library for the browser: compiled ahead of time, and without what a browser app cannot use.

Pyodide's own archive holds sources, and compiling some 140 modules at each start is most of what a person waits for.
Ours holds compiled modules only, without docstrings: a start takes about a third of the time. What a module of it gives
up is the source lines in tracebacks of the library itself; the app's own modules keep theirs.
"""

import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

from tools.archive import zip_of
from tools.compiling import Job

STOCK_ARCHIVE = Path("node_modules", "pyodide", "python_stdlib.zip")
# Where Pyodide mounts the archive: what tracebacks name.
_SHOWN_AS = "/lib/python314.zip"

# What stays out, as paths in the archive. A module may go when no other that stays imports it as it is imported itself;
# a test imports all that stays.
LEFT_OUT = (
    # tools for developers at a terminal
    *("_pyrepl/*", "bdb.py", "cProfile.py", "cmd.py", "compileall.py", "doctest.py", "filecmp.py", "fileinput.py"),
    *("getopt.py", "modulefinder.py", "optparse.py", "pdb.py", "profile.py", "pstats.py"),
    *("py_compile.py", "pyclbr.py", "pydoc.py", "symtable.py", "tabnanny.py", "timeit.py", "trace.py"),
    *("unittest/*", "zipapp.py"),
    # processes, terminals, servers and shared libraries, which a tab has not
    *("asyncio/__main__.py", "asyncio/tools.py", "asyncio/windows_*.py", "concurrent/futures/interpreter.py"),
    *("concurrent/futures/process.py", "concurrent/interpreters/*", "ctypes/*", "getpass.py", "http/server.py"),
    *("logging/config.py", "logging/handlers.py", "multiprocessing/*", "pty.py", "socketserver.py", "tty.py"),
    *("wsgiref/*", "xmlrpc/*"),
    # protocols, formats and encodings that nothing here speaks
    *("configparser.py", "ftplib.py", "imaplib.py", "mailbox.py", "netrc.py", "plistlib.py", "poplib.py"),
    *("shelve.py", "smtplib.py", "sqlite3/*", "wave.py", "xml/dom/*", "xml/sax/*"),
    *("encodings/big5*.py", "encodings/cp[0-9]*.py", "encodings/euc_*.py", "encodings/gb*.py", "encodings/hp_*.py"),
    *("encodings/hz.py", "encodings/iso2022_*.py", "encodings/johab.py", "encodings/koi8_[tu].py"),
    *("encodings/kz*.py", "encodings/mac_*.py", "encodings/mbcs.py", "encodings/oem.py", "encodings/palmos.py"),
    *("encodings/ptcp*.py", "encodings/shift_*.py", "encodings/tis_*.py"),
    # second versions, in Python, of what Pyodide has in C
    *("_pydatetime.py", "_pyio.py"),
    # jokes, and what only the build of Python itself reads
    *("__hello__.py", "__phello__/*", "antigravity.py", "site-packages/*", "this.py"),
)
# What the lines above would take along: zip files name their entries in cp437, old web pages are in cp125x.
KEPT = ("encodings/cp437.py", "encodings/cp125[0-8].py")


def stdlib_job(root: Path) -> Job:
    """Return the work of compiling the standard library that npm's Pyodide in `root` comes with."""
    with zipfile.ZipFile(root / STOCK_ARCHIVE) as stock:
        modules = {name: stock.read(name) for name in stock.namelist() if name.endswith(".py") and stays(name)}
    return Job("stdlib", "standard library", modules, _SHOWN_AS, optimize=2)


def stays(name: str) -> bool:
    """Return whether an entry of Pyodide's archive belongs in ours."""
    if any(fnmatchcase(name, pattern) for pattern in KEPT):
        return True
    return not any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)


def stdlib_archive(compiled: Path) -> bytes:
    """Return the archive of the compiled modules in a folder."""
    return zip_of({path.relative_to(compiled).as_posix(): path.read_bytes() for path in compiled.rglob("*.pyc")})

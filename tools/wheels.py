"""What comes from PyPI for the browser: wheels, exactly those that a file of requirements names, checked by its hashes."""

import importlib.util
import sys
import tempfile
import zipfile
from pathlib import Path

from tools.archive import zip_of
from tools.compiling import Job
from tools.debian import install_on_debian
from tools.report import Problem, say, succeeds, succeeds_quietly
from tools.virtual_environment import python_of

#: The packages that code in the playground may import.
PLAYGROUND_REQUIREMENTS = Path(__file__).with_name("playground.txt")


def download(requirements: Path, target: Path, what: str, otherwise: str = "") -> None:
    """Download the wheels that a file names into the folder `target`.

    Args:
        requirements: names, versions and hashes.
        target: made if it is not there.
        what: what a person calls them.
        otherwise: how to do without them.

    Raises:
        Problem: they could not be had, or are not what their hashes say.
    """
    with tempfile.TemporaryDirectory(prefix="modeltab-") as folder:
        python = _python_with_pip(Path(folder), what, otherwise)
        options = ["--disable-pip-version-check", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        if not succeeds([python, "-m", "pip", "download", *options, "-r", requirements, "-d", target]):
            advice = "Check the internet connection and pip's message above, then run this again"
            raise Problem(f"{what} could not be downloaded.", f"{advice}, or {otherwise}" if otherwise else f"{advice}.")


def modules_and_licences(wheels: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return what is in a folder of wheels: the modules (path → content), and the licences (package → text)."""
    modules: dict[str, bytes] = {}
    licences: dict[str, bytes] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                folder, _, rest = name.partition("/")
                if name.endswith(".py"):
                    modules[name] = archive.read(name)
                elif folder.endswith(".dist-info") and rest.rsplit("/", 1)[-1].upper().startswith(("LICENSE", "COPYING")):
                    licences[folder.partition("-")[0]] = archive.read(name)
    return modules, licences


def packages_job(wheels: Path) -> Job:
    """Return the work of compiling the modules of a folder of wheels."""
    return Job("importable", "packages for the playground", modules_and_licences(wheels)[0], "/lib/packages.zip", optimize=2)


def packages_archive(compiled: Path) -> bytes:
    """Return the archive of the compiled modules in a folder.

    Certifi's list of certificates is empty in it: the browser has its own, and requests only wants to know where it lies.
    """
    modules = {path.relative_to(compiled).as_posix(): path.read_bytes() for path in compiled.rglob("*.pyc")}
    return zip_of({**modules, "certifi/cacert.pem": b""})


def _python_with_pip(folder: Path, what: str, otherwise: str) -> Path:
    """Return a Python that has pip: this one, else one in a temporary environment in `folder`, else Debian's."""
    this = Path(sys.executable)
    if _has_pip():
        return this
    say("  this Python has no pip; making a temporary environment that has it")
    environment = folder / "environment"
    if succeeds_quietly([this, "-m", "venv", environment]):
        return python_of(environment)
    if install_on_debian("python3-pip", "python3-venv") and _has_pip():
        return this
    raise Problem(
        f"This Python has no pip, with which it comes: {what[0].lower()}{what[1:]}.",
        "Install it (Debian and Ubuntu: sudo apt install python3-pip)" + (f", or {otherwise}" if otherwise else "."),
    )


def _has_pip() -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec("pip") is not None

"""Sets the working tree up, so that any static web server can serve it; a step is done again only when it has to be."""

from pathlib import Path

from tools import archive, compiling, snapshot, stdlib, vendor
from tools.compiling import Job, compile_all
from tools.model import download_model, has_model
from tools.packages import install_packages
from tools.report import step
from tools.stamps import Stamps, hash_of

_FOLDER = ".setup"
_TOOLS = Path(__file__).parent
_APP = "app"
_STDLIB = "stdlib"


def set_up(root: Path, with_model: bool) -> None:
    """Install, compile and copy what the browser loads; see the module each step is from.

    Args:
        root: the repository.
        with_model: whether to download the starter model, too.

    Raises:
        Problem: a step failed.
    """
    stamps = Stamps(root / _FOLDER / "stamps.json")
    _packages(root, stamps)
    _modules(root, stamps)
    _libraries(root, stamps)
    _snapshot(root, stamps)
    if with_model and not has_model(root):
        with step("Downloading the starter model (98 MB)"):
            download_model(root)


def _packages(root: Path, stamps: Stamps) -> None:
    wanted = hash_of(root / "package.json", root / "package-lock.json")
    if not stamps.is_fresh("packages", wanted, root / "node_modules"):
        with step("Installing the browser-side libraries with npm"):
            install_packages(root)
            stamps.set("packages", wanted)


def _modules(root: Path, stamps: Stamps) -> None:
    """Compile the standard library and the app, whichever has changed, in one start of Pyodide."""
    compiler = hash_of(root / "package-lock.json", *compiling.SCRIPTS, _TOOLS / "archive.py")
    wanted = {
        _STDLIB: hash_of(compiler, _TOOLS / "stdlib.py"),
        _APP: hash_of(compiler, root / archive.APP_PACKAGE),
    }
    made = {_STDLIB: _stdlib_archive(root), _APP: root / archive.APP_ARCHIVE}
    stale = [name for name in wanted if not stamps.is_fresh(name, wanted[name], made[name])]
    if not stale:
        return
    with step("Compiling the Python modules for the browser"):
        jobs = {_STDLIB: stdlib.stdlib_job, _APP: _app_job}
        compiled = compile_all([jobs[name](root) for name in stale], root, root / _FOLDER / "work")
        for name, folder in compiled.items():
            content = (
                stdlib.stdlib_archive(folder) if name == _STDLIB else archive.app_archive(root / archive.APP_PACKAGE, folder)
            )
            made[name].parent.mkdir(parents=True, exist_ok=True)
            made[name].write_bytes(content)
            stamps.set(name, wanted[name])


def _app_job(root: Path) -> Job:
    modules = {name: content for name, content in archive.sources(root / archive.APP_PACKAGE).items() if name.endswith(".py")}
    return Job(_APP, "ModelTab", modules, shown_as="", optimize=0)


def _libraries(root: Path, stamps: Stamps) -> None:
    wanted = hash_of(root / "package-lock.json", _TOOLS / "vendor.py", _stdlib_archive(root))
    if not stamps.is_fresh("libraries", wanted, root / vendor.VENDOR_FOLDER):
        with step("Copying the libraries to static/vendor/"):
            vendor.copy_libraries(root, _stdlib_archive(root))
            stamps.set("libraries", wanted)


def _snapshot(root: Path, stamps: Stamps) -> None:
    library, app = _stdlib_archive(root), root / archive.APP_ARCHIVE
    wanted = hash_of(root / "package-lock.json", Path(snapshot.__file__), snapshot.SCRIPT, library, app)
    if not stamps.is_fresh("snapshot", wanted, root / snapshot.SNAPSHOT):
        with step("Making the snapshot that the app starts from"):
            snapshot.make_snapshot(root, library, app, root / _FOLDER / "work")
            stamps.set("snapshot", wanted)


def _stdlib_archive(root: Path) -> Path:
    return root / _FOLDER / "python_stdlib.zip"

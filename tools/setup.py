"""Sets the working tree up, so that any static web server can serve it; a step is done again only when it has to be."""

import shutil
from pathlib import Path

from tools import archive, compiling, icons, snapshot, stdlib, vendor, wheels
from tools.compiling import Job, compile_all
from tools.model import download_model, has_model
from tools.packages import install_packages
from tools.report import step
from tools.stamps import Stamps, hash_of

_FOLDER = ".setup"
_TOOLS = Path(__file__).parent
_STDLIB = "stdlib"
_PACKAGES = "importable"
#: The archives that are made of packages in src/: name of the step → (package, archive, what a person calls it).
_OWN = {
    "app": (archive.APP_PACKAGE, archive.APP_ARCHIVE, "ModelTab"),
    "playground": (archive.PLAYGROUND_PACKAGE, archive.PLAYGROUND_ARCHIVE, "the playground's sandbox"),
}


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
    _wheels(root, stamps)
    _modules(root, stamps)
    _libraries(root, stamps)
    _snapshot(root, stamps)
    _icons(root, stamps)
    if with_model and not has_model(root):
        with step("Downloading the starter model (98 MB)"):
            download_model(root)


def _packages(root: Path, stamps: Stamps) -> None:
    wanted = hash_of(root / "package.json", root / "package-lock.json")
    if not stamps.is_fresh("packages", wanted, root / "node_modules"):
        with step("Installing the browser-side libraries with npm"):
            install_packages(root)
            stamps.set("packages", wanted)


def _wheels(root: Path, stamps: Stamps) -> None:
    wanted = hash_of(wheels.PLAYGROUND_REQUIREMENTS)
    if not stamps.is_fresh("wheels", wanted, _wheel_folder(root)):
        with step("Downloading what the playground can import"):
            shutil.rmtree(_wheel_folder(root), ignore_errors=True)
            wheels.download(wheels.PLAYGROUND_REQUIREMENTS, _wheel_folder(root), "What the playground can import")
            stamps.set("wheels", wanted)


def _modules(root: Path, stamps: Stamps) -> None:
    """Compile whichever modules have changed, in one start of Pyodide."""
    compiler = hash_of(root / "package-lock.json", *compiling.SCRIPTS, _TOOLS / "archive.py")
    wanted = {
        _STDLIB: hash_of(compiler, _TOOLS / "stdlib.py"),
        _PACKAGES: hash_of(compiler, wheels.PLAYGROUND_REQUIREMENTS, _TOOLS / "wheels.py"),
        **{name: hash_of(compiler, root / package) for name, (package, _, _) in _OWN.items()},
    }
    made = {
        _STDLIB: _stdlib_archive(root),
        _PACKAGES: _packages_archive(root),
        **{name: root / target for name, (_, target, _) in _OWN.items()},
    }
    stale = [name for name in wanted if not stamps.is_fresh(name, wanted[name], made[name])]
    if not stale:
        return
    with step("Compiling the Python modules for the browser"):
        compiled = compile_all([_job(root, name) for name in stale], root, root / _FOLDER / "work")
        for name, folder in compiled.items():
            made[name].parent.mkdir(parents=True, exist_ok=True)
            made[name].write_bytes(_archive(root, name, folder))
            stamps.set(name, wanted[name])


def _job(root: Path, name: str) -> Job:
    if name == _STDLIB:
        return stdlib.stdlib_job(root)
    if name == _PACKAGES:
        return wheels.packages_job(_wheel_folder(root))
    package, _, title = _OWN[name]
    modules = {path: content for path, content in archive.sources(root / package).items() if path.endswith(".py")}
    return Job(name, title, modules, shown_as="", optimize=0)


def _archive(root: Path, name: str, compiled: Path) -> bytes:
    if name == _STDLIB:
        return stdlib.stdlib_archive(compiled)
    if name == _PACKAGES:
        return wheels.packages_archive(compiled)
    return archive.app_archive(root / _OWN[name][0], compiled)


def _libraries(root: Path, stamps: Stamps) -> None:
    scripts = [_TOOLS / "vendor.py", _TOOLS / "rewriting.py"]
    wanted = hash_of(root / "package-lock.json", *scripts, _stdlib_archive(root), _packages_archive(root))
    if not stamps.is_fresh("libraries", wanted, root / vendor.VENDOR_FOLDER):
        with step("Copying the libraries to static/vendor/"):
            licences = wheels.modules_and_licences(_wheel_folder(root))[1]
            vendor.copy_libraries(root, _stdlib_archive(root), _packages_archive(root), licences)
            stamps.set("libraries", wanted)


def _snapshot(root: Path, stamps: Stamps) -> None:
    library, app = _stdlib_archive(root), root / archive.APP_ARCHIVE
    wanted = hash_of(root / "package-lock.json", Path(snapshot.__file__), snapshot.SCRIPT, library, app)
    if not stamps.is_fresh("snapshot", wanted, root / snapshot.SNAPSHOT):
        with step("Making the snapshot that the app starts from"):
            snapshot.make_snapshot(root, library, app, root / _FOLDER / "work")
            stamps.set("snapshot", wanted)


def _icons(root: Path, stamps: Stamps) -> None:
    wanted = hash_of(root / icons.MARK, Path(icons.__file__))
    if not stamps.is_fresh("icons", wanted, *(root / icons.ICON_FOLDER / icon.name for icon in icons.ICONS)):
        with step("Drawing the app's icons"):
            icons.write_icons(root)
            stamps.set("icons", wanted)


def _stdlib_archive(root: Path) -> Path:
    return root / _FOLDER / "python_stdlib.zip"


def _packages_archive(root: Path) -> Path:
    return root / _FOLDER / "packages.zip"


def _wheel_folder(root: Path) -> Path:
    return root / _FOLDER / "wheels"

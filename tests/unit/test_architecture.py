"""The rooms of the app: who may import whom, so that what happens flows one way round."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "modeltab"
#: From the pure core to the edge; a room imports only itself and those before it.
ROOMS = (
    *("domain", "files", "snippets", "providers", "sources", "state", "exchange", "endpoint", "views", "actions", "browser"),
    "main",
)
BROWSER_ONLY = {"js", "pyodide", "pyodide_js", "_pyodide"}
MAX_LINES = 400


def modules() -> dict[str, Path]:
    """Every module by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """Every module that a module imports, wherever in it; `from a import b` as a.b when that is a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides which room it comes from"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def room(module: str) -> str:
    """The room in which a module is; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def is_provider(path: Path) -> bool:
    """Whether a module makes a connection type; what several providers share makes none."""
    return any(
        isinstance(node, ast.FunctionDef) and node.name == "connection_type" for node in ast.parse(path.read_text()).body
    )


PROVIDERS = {name for name, path in MODULES.items() if room(name) == "providers" and is_provider(path)}
OWN = {name: {item for item in imports(path) if item.split(".")[0] == "modeltab"} for name, path in MODULES.items()}


def test_every_module_is_in_a_room_that_is_known():
    assert {room(name) for name in MODULES} == {"", *ROOMS}


@pytest.mark.parametrize("name", MODULES)
def test_only_the_edge_and_the_composition_root_need_a_browser(name):
    needed = {item.split(".")[0] for item in imports(MODULES[name])} & BROWSER_ONLY
    assert not needed or room(name) in ("browser", "main")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_its_own_room_and_those_before_it(name):
    order = ("", *ROOMS)
    assert {item for item in OWN[name] if order.index(room(item)) > order.index(room(name))} == set()


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in ("state", "views")])
def test_views_and_the_state_know_providers_only_by_the_types_of_base(name):
    types = {"modeltab.providers.base", "modeltab.providers.connection_type"}
    assert {item for item in OWN[name] if room(item) == "providers"} <= types


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "actions"])
def test_actions_do_not_know_which_providers_there_are(name):
    assert OWN[name] & PROVIDERS == set()


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "providers"])
def test_a_provider_does_not_know_another_one(name):
    assert OWN[name] & PROVIDERS == set()


@pytest.mark.parametrize("name", [name for name in MODULES if name != "modeltab.main"])
def test_only_the_composition_root_builds_the_app(name):
    built = {"App", "Store", "Registry"}
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert calls & built == set()


@pytest.mark.parametrize("name", MODULES)
def test_no_two_modules_import_each_other(name):
    seen: set[str] = set()
    pending = set(OWN[name])
    while pending:
        item = pending.pop()
        assert item != name
        seen.add(item)
        pending |= OWN.get(item, set()) - seen


@pytest.mark.parametrize("name", MODULES)
def test_a_module_fits_in_one_reading(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for(name):
    assert ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))


def test_no_error_is_swallowed_whole():
    bare = []
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "BaseException")
            ):
                bare.append(f"{name}:{node.lineno}")
    assert bare == []

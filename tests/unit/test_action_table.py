"""The table of actions and the page name the same things."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from modeltab.actions.app import UiEvent
from modeltab.actions.table import ACTIONS, perform
from modeltab.state.controls import CONTROLS
from tests.unit.rig import Rig

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "modeltab"
#: The place of the action among the arguments of the parts that take one.
PARTS = {
    "button": (1, "action"),
    "icon_button": (2, "action"),
    "select": (4, "change"),
    "grouped_select": (4, "change"),
    "model_field": (3, "change"),
    "_FORM": (9, "action"),  # a form's template, whose values are named
}


def trees(folder: str) -> Iterator[ast.Module]:
    """The syntax trees of a folder's modules."""
    for path in sorted((SOURCE / folder).glob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def data_attributes() -> tuple[str, ...]:
    """The attributes in which `browser.events` finds an action's name."""
    module = ast.parse((SOURCE / "browser" / "events.py").read_text(encoding="utf-8"))
    (table,) = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "ATTRIBUTES"
    ]
    return tuple(ast.literal_eval(table).values())


def in_markup(html: str) -> set[str]:
    """The actions that the attributes of some HTML name."""
    pattern = rf"(?:{'|'.join(data_attributes())})=\"([^\"{{]+)\""
    return set(re.findall(pattern, html))


def in_calls(tree: ast.Module) -> Iterator[str]:
    """The actions that are given to the parts of a view."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PARTS:
            place, keyword = PARTS[node.func.id]
            given = [*node.args[place : place + 1], *(item.value for item in node.keywords if item.arg == keyword)]
            for value in given:
                if isinstance(value, ast.Constant) and value.value:
                    yield str(value.value)


def in_questions(tree: ast.Module) -> Iterator[str]:
    """The actions with which a question before a loss goes on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "action" and isinstance(value, ast.Constant):
                    yield str(value.value)


@functools.cache
def named() -> set[str]:
    """Every action that the page names."""
    found = in_markup((ROOT / "index.html").read_text(encoding="utf-8"))
    for tree in trees("views"):
        found.update(in_calls(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= in_markup(node.value)
    for tree in trees("actions"):
        found.update(in_questions(tree))
    prose = (ROOT / "static" / "js" / "prose.mjs").read_text(encoding="utf-8")  # makes the controls in answers
    found.update(re.findall(r"dataset\.action = \"([^\"]+)\"", prose))
    return found


@functools.cache
def given() -> set[str]:
    """Every action that the edge itself gives, for what is no element's own: files that are dropped, scrolling; those of keys
    and of the command palette; and those that another action goes on with.
    """
    return {
        *(control.action for control in CONTROLS),
        "palette.run",  # of commands of the message box
        *(name for tree in (*trees("browser"), *trees("actions")) for name in in_events(tree)),
    }


def in_events(tree: ast.Module) -> Iterator[str]:
    """The actions of the events that a module makes."""
    yield from (
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "UiEvent"
        and isinstance(node.args[0], ast.Constant)
    )


def test_every_action_that_the_page_names_is_in_the_table():
    assert named() - set(ACTIONS) == set()


def test_every_action_of_the_table_is_named_by_the_page_or_given_by_the_edge():
    assert set(ACTIONS) - named() - given() == set()


def test_the_names_are_found_wherever_they_may_stand():
    assert {"chat.new", "composer", "picker.key", "message.copy", "settings.theme", "conversation.delete"} <= named()


def test_the_edge_gives_only_names_that_are_in_the_table():
    assert {"chat.new", "dialog.close", "files.drop"} <= given()
    assert given() <= set(ACTIONS)


def test_a_name_that_no_action_has_is_a_defect():
    with pytest.raises(KeyError):
        perform(Rig().app, UiEvent("no.such.action"))


async def test_an_action_that_takes_time_keeps_the_browser_from_its_own_part_and_its_failure_is_an_alert():
    rig = Rig()
    await rig.start()
    assert rig.press("model.unload", "gone/a.gguf")
    await rig.idle()
    assert rig.alerts == ["That connection no longer exists."]

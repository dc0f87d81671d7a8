"""Keys: how they are named, and how a person and a screen reader are told of them."""

from __future__ import annotations

import pytest

from modeltab.state.shortcuts import Pressed, aria, name_of, words
from tests.unit.markup import parse
from tests.unit.test_action_table import ROOT


@pytest.mark.parametrize(
    ("pressed", "name"),
    [
        (Pressed("k", "KeyK", ctrl=True), "Mod+K"),
        (Pressed("K", "KeyK", ctrl=True), "Mod+K"),  # with caps lock
        (Pressed("K", "KeyK", ctrl=True, shift=True), "Mod+Shift+K"),
        (Pressed("n", "KeyN", alt=True), "App+N"),
        (Pressed("ArrowUp", "ArrowUp", alt=True), "App+ArrowUp"),
        (Pressed("Escape"), "Escape"),
        (Pressed("Enter", shift=True), "Shift+Enter"),
        (Pressed("?", "Slash", shift=True), "?"),
        (Pressed("/", "Digit7", shift=True), "/"),  # on a German keyboard
        (Pressed("/", "Digit7", ctrl=True, shift=True), "Mod+/"),
        (Pressed("л", "KeyK", ctrl=True), "Mod+K"),  # Cyrillic letters stand on Latin ones
        (Pressed("a", "KeyQ", ctrl=True), "Mod+A"),  # AZERTY: what it types counts, not where it stands
        (Pressed("@", "KeyQ", ctrl=True, alt=True), ""),  # AltGr
        (Pressed("k", "KeyK", meta=True), ""),
    ],
)
def test_a_key_has_a_name_whatever_the_keyboard(pressed, name):
    assert name_of(pressed, apple=False) == name


@pytest.mark.parametrize(
    ("pressed", "name"),
    [
        (Pressed("k", "KeyK", meta=True), "Mod+K"),
        (Pressed("n", "KeyN", ctrl=True, meta=True), "App+N"),
        (Pressed("k", "KeyK", ctrl=True), ""),  # deletes to the end of the line
        (Pressed("˜", "KeyN", alt=True), ""),  # begins an ñ
        (Pressed("n", "KeyN", ctrl=True, alt=True), ""),  # VoiceOver's
    ],
)
def test_on_a_system_of_apples_command_and_control_command_are_the_modifiers(pressed, name):
    assert name_of(pressed, apple=True) == name


@pytest.mark.parametrize(
    ("name", "here", "apple"),
    [
        ("Mod+K", "Ctrl+K", "⌘K"),
        ("App+N", "Alt+N", "⌃⌘N"),
        ("App+ArrowUp", "Alt+↑", "⌃⌘↑"),
        ("Shift+Enter", "Shift+Enter", "⇧Enter"),
        ("Escape", "Esc", "Esc"),
        ("?", "?", "?"),
    ],
)
def test_a_person_reads_the_keys_as_the_system_writes_them(name, here, apple):
    assert words(name, apple=False) == here
    assert words(name, apple=True) == apple


def test_the_buttons_of_the_page_tell_their_shortcuts_as_the_table_has_them():
    page = parse((ROOT / "index.html").read_text(encoding="utf-8").replace("<!doctype html>", ""))
    told = {node.name: node["aria-keyshortcuts"] for node in page if "aria-keyshortcuts" in node}
    assert told == {
        "Command palette": f"{aria('Mod+K', apple=False)} {aria('Mod+K', apple=True)}",
        "New chat": f"{aria('App+N', apple=False)} {aria('App+N', apple=True)}",
    }

"""What the command palette finds, in which order."""

from __future__ import annotations

import pytest

from modeltab.state.controls import CONTROLS
from modeltab.state.palette import RECENT, Item, ranked, remembered, with_recent_first

ALL = [control.item("") for control in CONTROLS]


def item(label: str, words: str = "") -> Item:
    """A line of that name."""
    return Item(label, label, "Group", "some.action", words=words)


def found(query: str) -> list[str]:
    """The names that the query finds in the whole table, the best first."""
    return [line.label for line in ranked(ALL, query)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("new", "New chat"),
        ("chat new", "New chat"),
        ("  REGEN ", "Regenerate"),
        ("dark", "Theme: dark"),
        ("thm lght", "Theme: light"),
        ("para", "Parameters"),
        ("temperature", "Parameters"),  # another word for it
        ("offline", "Offline only: on"),
        ("gtm", "Go to Models"),
        ("free", "Free memory"),
        ("shortcut", "Keyboard shortcuts"),
        ("stop", "Stop"),
        ("settings", "Go to Settings"),
        ("sync", "Sync"),
    ],
)
def test_the_best_comes_first(query, first):
    assert found(query)[0] == first


def test_every_word_has_to_be_in_it():
    assert found("theme dark") == ["Theme: dark"]
    assert found("theme banana") == []


def test_without_a_query_all_stay_in_their_order():
    assert ranked(ALL, "  ") == ALL


def test_a_name_is_meant_before_another_word_and_a_beginning_before_a_middle():
    lines = [item("Unexported"), item("Save", "export"), item("Data export"), item("Export")]
    assert [line.label for line in ranked(lines, "export")] == ["Export", "Data export", "Unexported", "Save"]


def test_of_two_that_fit_alike_the_shorter_one_is_meant_and_else_the_earlier():
    lines = [item("Stop everything"), item("Stop all"), item("Stop now")]
    assert [line.label for line in ranked(lines, "stop")] == ["Stop all", "Stop now", "Stop everything"]


def test_scattered_letters_begin_with_that_of_a_word_and_keep_their_order():
    assert [line.label for line in ranked([item("Copy last answer")], "cla")] == ["Copy last answer"]
    assert ranked([item("Copy last answer")], "alc") == []
    assert ranked([item("Copy last answer")], "opy x") == []
    assert ranked([item("Copy last answer")], "py") != []
    assert ranked([item("Copy last answer")], "pl") == []


def test_what_was_used_last_comes_first_as_far_as_it_is_possible():
    lines = [item("A"), item("B"), item("C"), Item("", "D", "Group", "page.go")]
    shown = with_recent_first(lines, ("C", "gone", "A"))
    assert [(line.label, line.group) for line in shown] == [("C", "Recent"), ("A", "Recent"), ("B", "Group"), ("D", "Group")]


def test_the_latest_are_remembered_each_once_and_not_too_many():
    recent: tuple[str, ...] = ()
    for key in ("a", "b", "a", "c", "d", "e", "f"):
        recent = remembered(recent, key)
    assert recent == ("f", "e", "d", "c", "a")
    assert len(recent) == RECENT
    assert remembered(recent, "") == recent

"""The tree of a conversation's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.messages import Message, newest_leaf, path, subtree, title_from, versions


def node(id_: str, parent: str | None, created: float, role: str = "user") -> Message:
    """A message without a text."""
    return Message(id_, "c", parent, role, "", created)  # type: ignore[arg-type]


def tree(*messages: Message) -> dict[str, Message]:
    """Messages by id."""
    return {message.id: message for message in messages}


#: q ─ a1 ─ q2 ─ a3
#:   └ a2        (a newer answer to q)
TREE = tree(
    node("q", None, 1),
    node("a1", "q", 2, "assistant"),
    node("q2", "a1", 3),
    node("a3", "q2", 4, "assistant"),
    node("a2", "q", 5, "assistant"),
)


def ids(messages: tuple[Message, ...]) -> list[str]:
    """Their ids."""
    return [message.id for message in messages]


def test_the_path_leads_from_the_root_to_the_leaf():
    assert ids(path(TREE, "a3")) == ["q", "a1", "q2", "a3"]
    assert ids(path(TREE, "a2")) == ["q", "a2"]


@pytest.mark.parametrize("leaf", [None, "gone"])
def test_without_a_leaf_the_path_is_empty(leaf):
    assert path(TREE, leaf) == ()


def test_a_path_whose_root_is_lost_begins_where_it_can():
    rest = {key: value for key, value in TREE.items() if key != "q"}
    assert ids(path(rest, "q2")) == ["a1", "q2"]


def test_versions_are_the_siblings_of_the_same_role_oldest_first():
    assert ids(versions(TREE, TREE["a2"])) == ["a1", "a2"]
    assert ids(versions(TREE, TREE["a1"])) == ["a1", "a2"]
    assert ids(versions(TREE, TREE["q"])) == ["q"]


def test_versions_of_the_first_message_are_the_other_first_messages():
    both = tree(*TREE.values(), node("p", None, 0))
    assert ids(versions(both, both["q"])) == ["p", "q"]


def test_versions_of_the_same_moment_have_an_order_that_stays():
    first, second = node("b", "q", 1), node("a", "q", 1)
    assert ids(versions(tree(first, second), first)) == ids(versions(tree(second, first), first)) == ["a", "b"]


def test_the_newest_leaf_is_the_end_of_the_newest_branch():
    assert newest_leaf(TREE, "q") == "a2"
    assert newest_leaf(TREE, "a1") == "a3"
    assert newest_leaf(TREE, "a2") == "a2"


def test_a_subtree_is_a_message_and_all_that_follows_from_it():
    assert subtree(TREE, "a1") == {"a1", "q2", "a3"}
    assert subtree(TREE, "q") == set(TREE)
    assert subtree(TREE, "a2") == {"a2"}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_in_every_tree_a_path_ends_at_its_leaf_and_every_subtree_has_its_newest_leaf(parents):
    messages = tree(*(node(str(place), str(parent % place) if place else None, place) for place, parent in enumerate(parents)))
    for message in messages.values():
        shown = path(messages, message.id)
        assert shown[-1] == message
        assert shown[0].parent_id is None
        below = subtree(messages, message.id)
        leaf = newest_leaf(messages, message.id)
        assert leaf in below
        assert message in path(messages, leaf)
        assert all(other.parent_id != leaf for other in messages.values())


class Bounded(Mapping[str, Message]):
    """Messages that may be looked at a thousand times: an endless search fails in place of hanging."""

    def __init__(self, messages: dict[str, Message]) -> None:
        self._messages = messages
        self._left = 1000

    def _look(self) -> None:
        self._left -= 1
        assert self._left, "the search does not end"

    def __getitem__(self, key: str) -> Message:
        self._look()
        return self._messages[key]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)


@pytest.mark.parametrize("function", [path, newest_leaf])
def test_messages_that_are_each_others_parents_do_not_hang_the_page(function):
    function(Bounded(tree(node("a", "b", 1), node("b", "a", 2))), "a")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  First line  \nSecond", "First line"),
        ("", "New chat"),
        (" \n\t", "New chat"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("word " * 20, ("word " * 12).rstrip() + "…"),
    ],
)
def test_a_title_is_the_first_line_with_something_on_it(text, title):
    assert title_from(text) == title
    assert len(title_from(text)) <= 60

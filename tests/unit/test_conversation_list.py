"""The list of conversations: search, order, folders, selection, titles; and what is deleted can be had again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from modeltab.actions.titles import cleaned
from modeltab.domain.messages import Conversation, Message
from modeltab.state.listing import MESSAGES, MORE, WINDOW, Heading, page_of
from modeltab.state.store import Listing, Settings, State
from modeltab.views import conversations as view
from tests.unit.fakes import stop, words
from tests.unit.markup import Node, parse
from tests.unit.rig import Rig

MODEL = "in-tab/a.gguf"


@pytest.fixture
def rig() -> Rig:
    """An app with one model."""
    return Rig("a.gguf")


async def talk(rig: Rig, *texts: str) -> list[Conversation]:
    """A conversation of one turn for each text, the first text's first."""
    await rig.start(MODEL)
    for text in texts:
        await rig.do("chat.new")
        await rig.say(text)
    return list(reversed(rig.state.conversations))


def drawn(rig: Rig) -> Node:
    """The list as it is drawn."""
    return parse(view.listed(rig.state))


def links(rig: Rig) -> list[str]:
    """The titles in the list, in order, without what a search has found."""
    return [node.text for node in drawn(rig) if node.attributes.get("class") == "conversation-title"]


def many(count: int) -> tuple[Conversation, ...]:
    """Conversations, the latest first."""
    return tuple(Conversation(f"c{n}", f"Talk {n}", 1.0, float(count - n)) for n in range(count))


def listing(count: int, **changes: Any) -> State:
    """A state with so many conversations."""
    return State(conversations=many(count), conversations_loaded=True, **changes)


# ---- Search ----------------------------------------------------------------------------------------------------------


async def test_a_search_finds_what_a_message_says_and_marks_it_with_the_text_around_it(rig):
    rig.engine.steps = (*words("The Danube flows there"), stop())
    await talk(rig, "Which river is it?")
    await rig.do("conversations.search", value="danube")
    assert links(rig) == ["Which river is it?"]
    (mark,) = [node for node in drawn(rig) if node.tag == "mark"]
    assert mark.text == "Danube"


async def test_all_words_have_to_be_there_and_each_may_be_in_the_title_or_in_a_message(rig):
    rig.engine.steps = (*words("The Danube flows there"), stop())
    await talk(rig, "Which river is it?", "Nothing of it")
    await rig.do("conversations.search", value="danube RIVER")
    assert links(rig) == ["Which river is it?"]
    await rig.do("conversations.search", value="danube mountain")
    assert links(rig) == []
    assert "No conversation has this" in drawn(rig).text


async def test_titles_are_searched_at_once_while_the_messages_are_still_being_read(rig):
    await talk(rig, "About apples", "About pears")
    rig.records.reading = asyncio.Event()
    rig.press("conversations.read")
    await rig.until(lambda: rig.state.listing.reading)
    rig.press("conversations.search", value="apples")
    assert links(rig) == ["About apples"]
    assert "Reading the messages" in drawn(rig).text
    rig.records.reading.set()
    await rig.idle()
    assert not rig.state.listing.reading and rig.state.listing.snippets is not None


async def test_an_emptied_search_box_shows_all_again(rig):
    await talk(rig, "One", "Two")
    await rig.do("conversations.search", value="one")
    await rig.do("conversations.search", value=" ")
    assert (links(rig), rig.state.listing.snippets) == (["Two", "One"], None)


async def test_messages_that_cannot_be_read_are_told_and_titles_are_searched_all_the_same(rig):
    await talk(rig, "One", "Two")
    rig.records.failure = RuntimeError("gone")
    await rig.do("conversations.search", value="one")
    assert rig.alerts == ["The messages could not be read for the search."]
    assert (links(rig), rig.state.listing.reading) == (["One"], False)


@pytest.mark.parametrize(
    ("text", "words", "html"),
    [
        ("A cat & a dog", ("cat", "dog"), "A <mark>cat</mark> &amp; a <mark>dog</mark>"),
        ("Cats, CATS", ("cat", "cats"), "<mark>Cats</mark>, <mark>CATS</mark>"),
        ("a.b (c", (".b (",), "a<mark>.b (</mark>c"),
        ("<b>", ("b",), "&lt;<mark>b</mark>&gt;"),
        ("plain", (), "plain"),
    ],
)
def test_what_was_searched_for_is_marked(text, words, html):
    assert view.marked(text, words) == html


# ---- Order, folders, a long list -------------------------------------------------------------------------------------


async def test_the_order_that_was_chosen_is_kept(rig):
    await talk(rig, "Part 10", "part 9", "Apple")
    await rig.do("conversations.sort", value="title")
    assert links(rig) == ["Apple", "part 9", "Part 10"]
    await rig.do("conversations.sort", value="oldest")
    assert links(rig) == ["Part 10", "part 9", "Apple"]
    assert rig.config.value["settings"]["conversation_sort"] == "oldest"
    await rig.do("conversations.sort", value="nonsense")
    assert rig.state.settings.conversation_sort == "oldest"


async def test_a_pinned_conversation_is_on_top_and_on_record(rig):
    one, _ = await talk(rig, "One", "Two")
    await rig.do("conversation.pin", one.id)
    assert links(rig) == ["One", "Two"]
    assert rig.records.conversations[one.id]["pinned"] is True
    assert "Unpin One" in drawn(rig).names("button")
    await rig.do("conversation.pin", one.id)
    assert links(rig) == ["Two", "One"]


async def test_a_conversation_is_renamed_and_put_into_a_folder_that_is_made_by_its_name(rig):
    one, _ = await talk(rig, "One", "Two")
    await rig.do("conversation.edit", one.id)
    assert rig.state.dialog is not None and rig.state.dialog.values["title"] == "One"
    await rig.do("conversation.save", values={"title": "  Uno  due ", "folder": "Italian"})
    assert (links(rig), rig.state.dialog) == (["Uno due", "Two"], None)
    record = rig.records.conversations[one.id]
    assert (record["title"], record["folder"], record["pinned"]) == ("Uno due", "Italian", False)
    assert drawn(rig).one("button", "Italian 1")["aria-expanded"] == "true"


async def test_an_empty_title_leaves_the_one_that_is_there(rig):
    (one,) = await talk(rig, "One")
    await rig.do("conversation.edit", one.id)
    await rig.do("conversation.save", values={"title": " ", "pinned": "yes"})
    assert links(rig) == ["One"]
    assert rig.state.conversations[0].pinned


async def test_a_folder_folds_up_and_stays_so(rig):
    one, _ = await talk(rig, "One", "Two")
    await rig.do("conversation.edit", one.id)
    await rig.do("conversation.save", values={"title": "One", "folder": "Work"})
    await rig.do("conversations.fold", "Work")
    assert links(rig) == ["Two"]
    assert rig.config.value["settings"]["folded_folders"] == ["Work"]
    await rig.do("conversations.search", value="one")
    assert links(rig) == ["One"], "a search looks into folders that are folded up"
    await rig.do("conversations.search", value="")
    await rig.do("conversations.fold", "Work")
    assert links(rig) == ["One", "Two"]


async def test_the_title_that_is_shown_changes_with_the_record(rig):
    (one,) = await talk(rig, "One")
    await rig.do("conversation.edit", one.id)
    await rig.do("conversation.save", values={"title": "Uno"})
    assert rig.state.conversation is not None and rig.state.conversation.title == "Uno"
    await rig.say("More")
    assert rig.records.conversations[one.id]["title"] == "Uno"


def test_of_a_long_list_only_what_is_near_is_drawn_and_the_rest_is_room():
    state = listing(10_000, listing=Listing(first=5000, row_height=40))
    page = page_of(state)
    assert (len(page.rows), page.total) == (WINDOW, 10_000)
    assert page.first < 5000 < page.first + WINDOW
    room = [node["height"] for node in parse(view.listed(state)) if node.tag == "svg"]
    assert sum(map(int, room)) == (10_000 - WINDOW) * 40


def test_a_list_that_has_become_shorter_than_where_one_was_ends_with_its_last_row():
    page = page_of(listing(WINDOW + 1, listing=Listing(first=5000)))
    assert page.first + len(page.rows) == page.total == WINDOW + 1


async def test_scrolling_a_little_draws_nothing_anew(rig):
    before = rig.state
    rig.press("conversations.scroll", value="3:36")
    assert rig.state is before
    rig.press("conversations.scroll", value="50:45")
    assert (rig.state.listing.first, rig.state.listing.row_height) == (50, 45)


def test_folders_come_in_the_order_of_their_names_after_what_is_pinned():
    conversations = (
        Conversation("1", "Loose", 1, 4),
        Conversation("2", "In b", 1, 3, folder="b"),
        Conversation("3", "In A", 1, 2, folder="A"),
        Conversation("4", "Pinned", 1, 1, pinned=True, folder="b"),
    )
    rows = page_of(State(conversations=conversations, settings=Settings(folded_folders=("b",)))).rows
    assert [row.folder if isinstance(row, Heading) else row.title for row in rows] == ["Pinned", "A", "In A", "b", "Loose"]


# ---- Selection -------------------------------------------------------------------------------------------------------


async def test_what_is_selected_is_deleted_after_a_question_and_can_be_had_again(rig):
    one, two, _ = await talk(rig, "One", "Two", "Three")
    before = rig.records.conversations | {}, rig.records.by_id | {}
    await rig.do("conversations.select")
    await rig.do("conversations.check", one.id)
    await rig.do("conversations.check", two.id)
    await rig.do("conversations.delete.ask")
    assert rig.state.dialog is not None and rig.state.dialog.values["title"] == "Delete 2 conversations?"
    await rig.do("conversations.delete")
    assert (links(rig), len(rig.records.by_id), rig.state.listing.selected) == (["Three"], 2, None)
    (removed,) = rig.state.removed
    assert removed.text == "2 conversations are deleted."
    await rig.do("removed.undo", removed.id)
    assert links(rig) == ["Three", "Two", "One"]
    assert (rig.records.conversations, rig.records.by_id) == before


async def test_all_that_a_search_has_found_is_selected_at_once_or_nothing(rig):
    one, *_ = await talk(rig, "One", "Two")
    await rig.do("conversations.search", value="one")
    await rig.do("conversations.select")
    await rig.do("conversations.all")
    assert rig.state.listing.selected == {one.id}
    await rig.do("conversations.all")
    assert rig.state.listing.selected == frozenset()
    assert parse(view.tools(rig.state)).one("button", "Delete selected conversations").attributes.get("disabled") is not None


async def test_what_is_selected_is_moved_into_a_folder(rig):
    one, two = await talk(rig, "One", "Two")
    await rig.do("conversations.select")
    await rig.do("conversations.all")
    await rig.do("conversations.move")
    await rig.do("conversation.save", values={"folder": "Both"})
    assert {rig.records.conversations[c.id]["folder"] for c in (one, two)} == {"Both"}
    assert rig.state.listing.selected is None


# ---- Delete and undo -------------------------------------------------------------------------------------------------


async def test_a_deleted_conversation_that_was_shown_is_shown_again(rig):
    await talk(rig, "One", "Two")
    two = rig.state.conversations[0]
    await rig.do("conversation.delete", two.id)
    (removed,) = rig.state.removed
    assert (removed.text, rig.texts) == ("“Two” is deleted.", [])
    await rig.do("removed.undo", removed.id)
    assert (rig.texts, rig.page.hash, rig.state.removed) == (["Two", "Hello there"], f"#/chat/{two.id}", ())
    assert rig.app.removed == {}


async def test_a_notice_that_is_closed_lets_go_of_what_was_deleted(rig):
    (one,) = await talk(rig, "One")
    await rig.do("conversation.delete", one.id)
    await rig.do("removed.close", rig.state.removed[0].id)
    assert (rig.state.removed, rig.app.removed, rig.records.conversations) == ((), {}, {})


async def test_a_deletion_that_the_storage_refuses_leaves_everything_and_is_told(rig):
    (one,) = await talk(rig, "One")
    rig.records.failure = RuntimeError("refused")
    await rig.do("conversation.delete", one.id)
    assert rig.alerts == ["The conversation could not be deleted."]
    assert (links(rig), rig.state.removed, len(rig.texts)) == (["One"], (), 2)


async def test_an_undo_that_the_storage_refuses_can_be_tried_again(rig):
    (one,) = await talk(rig, "One")
    await rig.do("conversation.delete", one.id)
    (removed,) = rig.state.removed
    rig.records.failure = RuntimeError("full")
    await rig.do("removed.undo", removed.id)
    assert rig.alerts == ["What was deleted could not be put back."]
    rig.records.failure = None
    await rig.do("removed.undo", removed.id)
    assert links(rig) == ["One"]


async def test_a_deleted_message_comes_back_with_what_followed_from_it(rig):
    await talk(rig, "One")
    await rig.say("Two")
    before = rig.shown
    await rig.do("message.delete", before[1].id)
    (removed,) = rig.state.removed
    assert (removed.text, rig.texts) == ("The message and the 2 that follow from it are deleted.", ["One"])
    await rig.do("removed.undo", removed.id)
    assert rig.shown == before
    assert rig.records.conversations[before[0].conversation_id]["leaf_id"] == before[-1].id
    assert len(rig.records.by_id) == 4


async def test_a_message_comes_back_into_a_conversation_that_is_not_shown(rig):
    (one,) = await talk(rig, "One")
    answer = rig.shown[1]
    await rig.do("message.delete", answer.id)
    await rig.do("chat.new")
    await rig.do("removed.undo", rig.state.removed[0].id)
    assert rig.texts == []
    await rig.visit(f"#/chat/{one.id}")
    assert rig.shown[-1] == answer


async def test_a_message_whose_conversation_or_predecessor_is_deleted_waits_until_that_is_undone(rig):
    (one,) = await talk(rig, "One")
    question, answer = rig.shown
    await rig.do("message.delete", answer.id)
    await rig.do("message.delete", question.id)
    await rig.do("conversation.delete", one.id)
    first, second, third = rig.state.removed
    await rig.do("removed.undo", first.id)
    await rig.do("removed.undo", third.id)
    await rig.do("removed.undo", first.id)
    assert rig.alerts == ["The message's conversation is deleted, too.", "The message before it is deleted, too."]
    await rig.do("removed.undo", second.id)
    await rig.do("removed.undo", first.id)
    await rig.visit(f"#/chat/{one.id}")
    assert rig.shown == [question, answer]


async def test_a_conversation_that_is_deleted_while_it_is_answered_comes_back_with_what_was_said(rig):
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    conversation = rig.state.conversation
    assert conversation is not None
    await rig.do("conversation.delete", conversation.id)
    await rig.do("removed.undo", rig.state.removed[0].id)
    assert (rig.texts, rig.shown[-1].status) == (["Hello?", "Half"], "stopped")


# ---- Titles by the model ---------------------------------------------------------------------------------------------


async def test_the_chosen_model_writes_a_title_which_is_kept_when_the_dialog_is_saved(rig):
    (one,) = await talk(rig, "One")
    rig.engine.steps = (*words('Title: "Numbers in Italian."\n\nHope it helps'), stop())
    await rig.do("conversation.edit", one.id)
    await rig.do("conversation.title", one.id, values={"title": "typed", "folder": "Work"})
    dialog = rig.state.dialog
    assert dialog is not None and not dialog.busy and dialog.error is None
    assert (dialog.values["title"], dialog.values["folder"]) == ("Numbers in Italian", "Work")
    assert links(rig) == ["One"]
    assert "One" in str(rig.engine.bodies[-1])


async def test_a_title_that_was_asked_for_in_a_dialog_that_is_closed_changes_nothing(rig):
    (one,) = await talk(rig, "One")
    rig.engine.steps = (*words("Late"), gate := asyncio.Event(), *words(" title"), stop())
    await rig.do("conversation.edit", one.id)
    rig.press("conversation.title", one.id)
    await rig.until(lambda: rig.state.dialog is not None and rig.state.dialog.busy)
    rig.press("dialog.close")
    gate.set()
    await rig.idle()
    assert (rig.state.dialog, rig.alerts, links(rig)) == (None, [], ["One"])


async def test_a_model_that_writes_nothing_is_told_in_the_dialog(rig):
    (one,) = await talk(rig, "One")
    rig.engine.steps = (*words("  "), stop())
    await rig.do("conversation.edit", one.id)
    await rig.do("conversation.title", one.id, values={"title": "typed"})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None and "wrote no title" in dialog.error.message
    assert dialog.values["title"] == "typed"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Rivers of Europe", "Rivers of Europe"),
        ("\n# **Rivers of Europe**\nBecause", "Rivers of Europe"),
        ("Title: “Rivers”.", "Rivers"),
        ("", ""),
        ('""', ""),
    ],
)
def test_a_title_is_taken_out_of_what_a_model_wrote(text, title):
    assert cleaned(text) == title


# ---- A long conversation ---------------------------------------------------------------------------------------------


def chain(count: int) -> dict[str, Message]:
    """Messages one after the other."""
    return {f"m{n}": Message(f"m{n}", "c", f"m{n - 1}" if n else None, "user", str(n), float(n)) for n in range(count)}


async def test_of_a_long_conversation_the_end_is_drawn_and_more_when_it_is_wanted(rig):
    await rig.start()
    conversation = Conversation("c", "Long", 1.0, 1.0, "m199")
    rig.app.update(conversation=conversation, messages=chain(200))
    button = parse(view.earlier(rig.state)).one("button")
    assert (button.name, button["data-id"]) == (f"Show earlier messages ({200 - MESSAGES})", f"m{200 - MESSAGES}")
    await rig.do("conversation.earlier", f"m{200 - MESSAGES}")
    await rig.do("conversation.earlier", f"m{200 - MESSAGES}")  # the same scrolling may tell it twice
    assert rig.state.first_shown == f"m{200 - MESSAGES - MORE}"
    while view.earlier(rig.state):
        await rig.do("conversation.earlier", rig.state.first_shown)
    assert rig.state.first_shown == "m0"


async def test_a_long_conversation_keeps_what_is_drawn_while_it_grows(rig):
    (one,) = await talk(rig, "One")
    records = {f"x{n}": {**rig.records.by_id[rig.shown[0].id], "id": f"x{n}", "parent_id": f"x{n - 1}"} for n in range(100)}
    rig.records.by_id.update(records)
    rig.records.by_id["x0"]["parent_id"] = None
    await rig.do("chat.new")
    rig.app.update(conversations=(one._replace(leaf_id="x99"),))
    await rig.visit(f"#/chat/{one.id}")
    assert rig.state.first_shown == f"x{100 - MESSAGES}"
    await rig.say("More")
    assert rig.state.first_shown == f"x{100 - MESSAGES}"

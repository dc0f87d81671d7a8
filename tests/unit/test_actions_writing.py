"""What a person writes and has not sent: drafts and the queue, and what the context meter says of it."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions import drafts
from modeltab.domain.errors import EngineFailed
from modeltab.domain.messages import Stats
from modeltab.domain.requests import Parameters
from modeltab.state.context import context_use
from modeltab.state.drafts import Draft, draft_from_json, draft_to_json
from modeltab.state.writing import NEW_CHAT, Attachment, Queued
from modeltab.views.context_meter import meter
from modeltab.views.queue import queue
from tests.unit.fakes import MemoryFile, stop, words
from tests.unit.markup import parse
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/small.gguf"


@pytest.fixture
def rig() -> Rig:
    """An app with one model in the tab."""
    return Rig("small.gguf")


def again(rig: Rig) -> Rig:
    """The page, loaded again: what was kept is there."""
    other = Rig("small.gguf", files=rig.files)
    other.records, other.images, other.drafts, other.config = rig.records, rig.images, rig.drafts, rig.config
    other.app.conversations, other.app.images, other.app.drafts = rig.records, rig.images, rig.drafts
    other.app.box = "nowhere"
    drafts._follow(other.app, other.state)
    return other


def queued(rig: Rig) -> list[str]:
    """The texts in the queue that is shown."""
    return [item.text for item in rig.state.queue if item.place == rig.app.box]


async def waiting(rig: Rig, *texts: str) -> asyncio.Event:
    """An answer that comes until the event, with messages queued behind it."""
    rig.engine.steps = (*words("Hel"), gate := asyncio.Event(), stop())
    await rig.start(MODEL)
    await rig.begin("One", "Hel")
    for text in texts:
        rig.type(text)
        rig.press("chat.send")
    return gate


# ---- Drafts ----------------------------------------------------------------------------------------------------------


async def test_what_is_typed_is_kept_a_moment_later_and_is_there_after_a_reload(rig):
    await rig.start(MODEL)
    rig.type("Half a thou")
    await rig.idle()
    assert rig.drafts.by_place[NEW_CHAT]["text"] == "Half a thou"
    assert again(rig).page.fields["message"] == "Half a thou"


def test_a_draft_is_kept_within_half_a_second(monkeypatch):
    monkeypatch.undo()
    source = drafts.__file__
    assert source is not None
    with open(source, encoding="utf-8") as file:
        assert "KEEP_AFTER = 0.3" in file.read()


async def test_each_conversation_has_its_own_draft(rig):
    await rig.start(MODEL)
    await rig.say("One")
    first = rig.page.hash
    rig.type("for the first")
    await rig.do("chat.new")
    assert rig.page.fields["message"] == ""
    rig.type("for the new one")
    await rig.visit(first)
    assert rig.page.fields["message"] == "for the first"
    await rig.do("chat.new")
    assert rig.page.fields["message"] == "for the new one"


async def test_a_message_that_is_sent_leaves_no_draft(rig):
    await rig.start(MODEL)
    rig.type("One")
    await rig.idle()
    await rig.do("chat.send")
    assert rig.drafts.by_place == {}
    await rig.do("chat.new")
    assert rig.page.fields["message"] == ""


async def test_files_of_a_draft_are_kept_and_go_along_after_a_reload(rig):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("notes.txt", "the notes"),))
    await rig.idle()
    assert "the notes" not in str(rig.drafts.by_place)
    other = again(rig)
    await other.start(MODEL)
    await other.idle()
    assert [(a.name, a.text) for a in other.state.attachments] == [("notes.txt", "the notes")]
    await other.say("Look")
    assert other.texts[0] == "notes.txt:\n```\nthe notes\n```\n\nLook"


async def test_a_file_of_a_draft_that_is_gone_is_told_and_left_out(rig):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("notes.txt", "the notes"),))
    await rig.idle()
    rig.images.content.clear()
    other = again(rig)
    other.watch()
    await asyncio.sleep(0.01)
    assert other.state.attachments == ()
    assert "notes.txt" in other.state.status


async def test_where_the_browser_keeps_no_draft_that_is_told_once_and_nothing_typed_is_lost(rig):
    await rig.start(MODEL)
    await rig.say("One")
    first = rig.page.hash
    rig.drafts.problem = "The browser does not let this page keep the draft (full)."
    for text in ("a", "ab"):
        rig.type(text)
        await rig.idle()
    assert rig.alerts == ["The browser does not let this page keep the draft (full)."]
    await rig.do("chat.new")
    await rig.visit(first)
    assert rig.page.fields["message"] == "ab"


async def test_what_was_typed_before_the_app_was_up_stands_below_the_draft():
    rig = Rig("small.gguf")
    rig.drafts.by_place[NEW_CHAT] = draft_to_json(Draft("kept"))
    rig.page.fields["message"] = "typed early"
    drafts.begin(rig.app)
    assert rig.page.fields["message"] == "kept\ntyped early"


@pytest.mark.parametrize("value", [None, 5, [], {"text": 1}, {"queue": [1, {}]}, {"attachments": [{"id": "x"}, "y"]}])
def test_a_damaged_draft_costs_only_what_is_damaged(value):
    assert draft_from_json(value, "c", "") == Draft()


def test_a_draft_comes_back_as_it_was():
    files = (Attachment("1", "a.txt", digest="ab", pages=3),)
    draft = Draft("text", files, (Queued("q", "c", "later", files, "why"),), Parameters(temperature=0.5))
    assert draft_from_json(draft_to_json(draft), "c", "why") == draft


# ---- The queue -------------------------------------------------------------------------------------------------------


async def test_a_message_that_is_sent_while_an_answer_comes_goes_when_it_is_done(rig):
    gate = await waiting(rig, "Two", "Three")
    assert (queued(rig), rig.page.fields["message"]) == (["Two", "Three"], "")
    assert "2 messages wait for the answer" in parse(queue(rig.state)).text
    gate.set()
    await rig.idle()
    assert rig.texts == ["One", "Hel", "Two", "Hel", "Three", "Hel"]
    assert rig.state.queue == ()
    assert rig.drafts.by_place == {}


async def test_the_queue_waits_and_says_so_when_the_answer_is_stopped(rig):
    await waiting(rig, "Two")
    await rig.do("chat.stop")
    assert queued(rig) == ["Two"]
    assert "The answer was stopped. 1 message waits here until you send it." in parse(queue(rig.state)).text
    rig.engine.steps = (*words("Hel"), stop())
    await rig.do("queue.resume")
    assert rig.texts == ["One", "Hel", "Two", "Hel"]


async def test_the_queue_waits_and_says_so_when_the_answer_fails(rig):
    rig.engine.steps = (*words("Hel"), gate := asyncio.Event(), EngineFailed("It broke."))
    await rig.start(MODEL)
    await rig.begin("One", "Hel")
    rig.type("Two")
    rig.press("chat.send")
    gate.set()
    await rig.idle()
    assert (queued(rig), rig.texts) == (["Two"], ["One", "Hel"])
    assert "The answer failed. 1 message waits here" in parse(queue(rig.state)).text


async def test_send_now_stops_the_answer_and_the_rest_of_the_queue_follows(rig):
    await waiting(rig, "Two", "Three")
    rig.engine.steps = (*words("Hel"), stop())
    await rig.do("queue.now", rig.state.queue[1].id)
    assert rig.texts == ["One", "Hel", "Three", "Hel", "Two", "Hel"]
    assert rig.shown[1].status == "stopped"


async def test_a_message_of_the_queue_is_edited_and_does_not_go_meanwhile(rig):
    gate = await waiting(rig, "Two")
    id_ = rig.state.queue[0].id
    rig.press("queue.edit", id_)
    gate.set()
    await rig.idle()
    assert queued(rig) == ["Two"]
    await rig.do("queue.edit.save", id_, values={"text": "Two, better"})
    assert rig.texts == ["One", "Hel", "Two, better", "Hel"]


async def test_a_message_that_is_taken_out_goes_back_into_the_empty_message_box(rig):
    gate = await waiting(rig, "Two")
    rig.press("queue.remove", rig.state.queue[0].id)
    assert (queued(rig), rig.page.fields["message"]) == ([], "Two")
    gate.set()
    await rig.idle()


async def test_a_queue_of_a_conversation_that_is_not_shown_goes_there(rig):
    gate = await waiting(rig, "Two")
    first = rig.page.hash
    await asyncio.sleep(0.01)
    rig.press("chat.new")
    rig.type("elsewhere")
    gate.set()
    await rig.idle()
    assert rig.state.conversation is None
    assert rig.page.fields["message"] == "elsewhere"
    await rig.visit(first)
    assert rig.texts == ["One", "Hel", "Two", "Hel"]


async def test_what_is_queued_in_a_new_chat_begins_a_conversation(rig):
    gate = await waiting(rig)
    rig.press("chat.new")
    await asyncio.sleep(0.01)
    rig.type("Another subject")
    rig.press("chat.send")
    rig.type("not yet sent")
    gate.set()
    await rig.idle()
    assert rig.texts == ["Another subject", "Hel"]
    assert rig.page.fields["message"] == "not yet sent"
    assert len(rig.state.conversations) == 2


async def test_a_queue_is_there_after_a_reload_and_waits(rig):
    await waiting(rig, "Two")
    await asyncio.sleep(0.01)
    place = rig.app.box
    assert [item["text"] for item in rig.drafts.by_place[place]["queue"]] == ["Two"]
    await rig.do("chat.stop")
    other = again(rig)
    await other.start(MODEL)
    await other.visit(f"#/chat/{place}")
    assert queued(other) == ["Two"]
    assert "The page was closed before these were sent." in parse(queue(other.state)).text


# ---- The context meter -----------------------------------------------------------------------------------------------


async def test_the_meter_takes_the_last_count_and_estimates_the_rest(rig):
    await rig.start(MODEL)
    assert str(meter(rig.state)) == ""
    rig.type("x" * 400)
    await rig.idle()
    assert rig.state.context.used == 100
    assert "about 100 of 4,096 tokens" in parse(meter(rig.state)).text
    await rig.say("One")
    conversation = rig.state.conversation
    assert conversation is not None
    counted = rig.shown[-1]._replace(stats=Stats(prompt_tokens=900, completion_tokens=100, reasoning_tokens=40))
    rig.app.update(messages={**rig.state.messages, counted.id: counted}, typed=40)
    use = context_use(rig.state)
    assert (use.used, use.is_counted, use.dropped) == (970, True, 0)


async def test_the_meter_warns_before_the_context_overflows_and_says_what_would_be_dropped(rig):
    await rig.start(MODEL)
    await rig.say("Tell me of whales " + "x" * 9000)
    rig.app.set_setting(parameters=Parameters(n_ctx=2600))
    shown = parse(meter(rig.state)).text
    assert "Little room is left in the 2,600 tokens" in shown
    assert "the first message “Tell me of whales" in shown
    rig.app.set_setting(parameters=Parameters(n_ctx=1000))
    assert "This is more than the 1,000 tokens" in parse(meter(rig.state)).text


async def test_the_meter_follows_what_is_attached_while_an_answer_comes(rig):
    gate = await waiting(rig)
    await asyncio.sleep(0.01)
    before = rig.state.context.used
    rig.press("attach.files", files=(MemoryFile("notes.txt", "x" * 4000),))
    await rig.until(lambda: rig.state.context.used >= before + 1004)
    gate.set()
    await rig.idle()

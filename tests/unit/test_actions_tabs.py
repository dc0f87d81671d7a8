"""Two tabs with the same conversations, an answer whose tab is gone, and a storage that refuses to keep anything."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions import keeping, live
from modeltab.actions.tabs import News, claim_of
from modeltab.domain.messages import INTERRUPTED, Conversation, Message
from modeltab.state.records import conversation_to_json, message_to_json
from tests.unit.fakes import stop, words
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/a.gguf"


class Wire:
    """The tabs of one browser: what one tells, the others hear a moment later."""

    def __init__(self) -> None:
        self.ends: list[End] = []
        self.claims: dict[str, asyncio.Event] = {}


class End:
    """One tab's end of it."""

    def __init__(self, wire: Wire, rig: Rig) -> None:
        self.wire, self.rig = wire, rig
        wire.ends.append(self)

    def tell(self, news: News) -> None:
        """Tells every other tab."""
        for other in self.wire.ends:
            if other is not self:
                asyncio.get_running_loop().call_soon(live.hear, other.rig.app, news)

    def claim(self, name: str) -> None:
        """Claims something."""
        self.wire.claims[name] = asyncio.Event()

    def release(self, name: str) -> None:
        """Lets it go."""
        self.wire.claims.pop(name, asyncio.Event()).set()

    async def claimed(self) -> frozenset[str]:
        """What is claimed."""
        return frozenset(self.wire.claims)

    async def when_free(self, name: str) -> None:
        """Waits until it is let go."""
        if name in self.wire.claims:
            await self.wire.claims[name].wait()


@pytest.fixture
def two() -> tuple[Rig, Rig]:
    """Two tabs of one browser."""
    wire = Wire()
    first, second = Rig("a.gguf"), Rig("a.gguf")
    second.records.conversations, second.records.by_id = first.records.conversations, first.records.by_id
    for rig in (first, second):
        rig.app.tabs = End(wire, rig)
        rig.records.tell = rig.app.tabs.tell
    return first, second


async def side_by_side(first: Rig, second: Rig) -> None:
    """Both show the same conversation of one question and its answer."""
    await first.start(MODEL)
    await second.start(MODEL)
    await first.say("One")
    assert first.state.conversation is not None
    await second.visit(f"#/chat/{first.state.conversation.id}")
    assert second.texts == first.texts == ["One", "Hello there"]


async def test_what_is_said_in_one_tab_is_shown_in_the_other_and_what_is_typed_there_stays(two):
    first, second = two
    await side_by_side(first, second)
    second.type("Half a thought")
    await first.say("Two")
    await second.idle()
    assert second.texts == first.texts == ["One", "Hello there", "Two", "Hello there"]
    assert second.page.fields["message"] == "Half a thought"


async def test_a_new_conversation_is_listed_in_the_other_tab(two):
    first, second = two
    await first.start(MODEL)
    await second.start(MODEL)
    await first.say("One")
    await second.idle()
    assert [c.title for c in second.state.conversations] == ["One"]
    assert second.state.conversation is None


async def test_an_answer_that_comes_in_another_tab_is_shown_as_it_grows_and_stops_from_here(two):
    first, second = two
    await side_by_side(first, second)
    first.engine.steps = (*words("Half"), asyncio.Event())
    answer = await first.begin("Two", shows="Half")
    await second.until(lambda: second.state.elsewhere == answer.id)
    second.type("And now?")
    second.press("chat.send")
    assert second.alerts == ["An answer is coming in another tab."]
    assert second.page.fields["message"] == "And now?"
    second.press("chat.stop")
    await first.idle()
    await second.until(lambda: second.state.elsewhere == "")
    assert (first.shown[-1].status, second.shown[-1].status, second.texts[-1]) == ("stopped", "stopped", "Half")


async def test_two_tabs_that_answer_at_once_make_branches_and_lose_nothing(two):
    first, second = two
    await side_by_side(first, second)
    gates = [asyncio.Event(), asyncio.Event()]
    for rig, gate, text in zip(two, gates, ("A", "B"), strict=True):
        rig.engine.steps = (gate, *words(text), stop())
        rig.records.tell = lambda news: None  # neither knows of the other in time
        rig.type(f"From {text}")
        rig.press("chat.send")
    for gate in gates:
        gate.set()
    await first.idle()
    await second.idle()
    texts = sorted(record["text"] for record in first.records.by_id.values())
    assert texts == ["A", "B", "From A", "From B", "Hello there", "One"]


async def test_what_is_deleted_in_one_tab_is_gone_from_the_other(two):
    first, second = two
    await side_by_side(first, second)
    await first.say("Two")
    await first.do("message.delete", first.shown[2].id)
    await second.idle()
    assert second.texts == ["One", "Hello there"]
    assert first.state.conversation is not None
    await first.do("conversation.delete", first.state.conversation.id)
    await second.idle()
    assert (second.state.conversation, second.state.conversations) == (None, ())
    assert second.state.status == "This conversation was deleted in another tab"
    await first.do("removed.undo", first.state.removed[-1].id)
    await second.idle()
    assert [c.title for c in second.state.conversations] == ["One"]


async def test_news_that_this_version_does_not_know_is_passed_over(two):
    first, second = two
    await side_by_side(first, second)
    for news in ({"kind": "of tomorrow"}, {}, {"kind": "saved", "messages": [{"nonsense": 1}], "conversation": 5}):
        live.hear(second.app, news)
    await second.idle()
    assert (second.texts, second.alerts) == (["One", "Hello there"], [])


def unfinished(rig: Rig) -> None:
    """Leaves a conversation on record whose answer was still coming."""
    question = Message("q", "c", None, "user", "Why?", 1.0)
    answer = Message("a", "c", "q", "assistant", "Because", 2.0, "streaming", model="a.gguf", connection=TAB)
    rig.records.conversations["c"] = conversation_to_json(Conversation("c", "Why?", 1.0, 2.0, "a"))
    rig.records.by_id.update({message.id: message_to_json(message) for message in (question, answer)})


async def test_an_answer_whose_tab_is_gone_is_interrupted_and_its_text_is_there():
    rig = Rig("a.gguf")
    unfinished(rig)
    await rig.start(MODEL)
    await rig.visit("#/chat/c")
    assert (rig.shown[-1].text, rig.shown[-1].status, rig.shown[-1].finish_reason) == ("Because", "stopped", INTERRUPTED)


async def test_an_answer_that_another_tab_still_takes_in_is_not_interrupted_until_that_tab_is_gone(two):
    first, second = two
    unfinished(first)
    first.app.tabs.claim(claim_of("a"))
    await second.start(MODEL)
    second.page.go("#/chat/c")
    await second.until(lambda: second.state.elsewhere == "a")
    assert second.shown[-1].status == "streaming"
    first.app.tabs.release(claim_of("a"))
    await second.idle()
    assert (second.shown[-1].finish_reason, second.state.elsewhere) == (INTERRUPTED, "")


async def test_a_full_storage_is_told_once_and_what_it_refused_is_written_as_soon_as_it_can_be():
    rig = Rig("a.gguf")
    await rig.start(MODEL)
    rig.records.failure = RuntimeError("QuotaExceededError: full")
    await rig.say("One")
    await rig.say("Two")
    assert rig.alerts == ["This conversation cannot be kept: the browser's storage refuses it."]
    assert (rig.texts, rig.records.by_id) == (["One", "Hello there", "Two", "Hello there"], {})
    rig.records.failure = None
    await keeping.try_again(rig.app)
    assert [record["text"] for record in rig.records.by_id.values()] == rig.texts
    assert (rig.alerts, rig.state.status) == ([], "The conversation is kept again")
    assert list(rig.records.conversations) == [c.id for c in rig.state.conversations]

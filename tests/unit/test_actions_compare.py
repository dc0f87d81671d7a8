"""Compare: one message to several models, side by side: sending, stopping, failing, voting, keeping."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from modeltab.domain.comparisons import Column, Comparison, answer_id, history
from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.prices import Price
from modeltab.providers.base import HttpRequest, Json
from modeltab.state.store import Dialog
from modeltab.views.page import PageView
from tests.unit.fakes import CannedResponse, CannedTransport, canned, sse, stop, words
from tests.unit.markup import Node, parse
from tests.unit.rig import Rig

FAST, SLOW = "fast/quick", "slow/steady"
USAGE = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}


class Hosts(CannedTransport):
    """Two hosts; each lists its model, and answers when its gate is open, with its name and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = {"fast.example": asyncio.Event(), "slow.example": asyncio.Event()}
        self.fails: set[str] = set()
        self.bodies: dict[str, list[Json]] = {"fast.example": [], "slow.example": []}

    async def send(self, request: HttpRequest) -> CannedResponse:
        """A list of one model, or an answer."""
        host = request.url.split("/")[2]
        if request.method == "GET":
            return canned({"data": [{"id": "quick" if host == "fast.example" else "steady"}]})
        self.bodies[host].append(json.loads(request.body or b"null"))
        if host in self.fails:
            return canned({"error": {"message": "No credit is left."}}, 402)
        return Gated(self.gates[host], sse(*words(host, f" {len(self.bodies[host])}"), stop(), USAGE).body)

    def open(self) -> None:
        """Lets both answer to the end."""
        for gate in self.gates.values():
            gate.set()


class Gated(CannedResponse):
    """A streamed reply that stays open after its first piece until a gate is."""

    def __init__(self, gate: asyncio.Event, body: bytes) -> None:
        super().__init__(body, content_type="text/event-stream")
        self.gate = gate

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The first event, the wait, the others."""
        end = self.body.index(b"\n\n") + 2
        yield self.body[:end]
        await self.gate.wait()
        yield self.body[end:]


async def comparing() -> Rig:
    """An app with two hosts, on the Compare page, with a model of each in the columns."""
    rig = Rig(transport=Hosts())
    rig.page.fields["compare-message"] = ""
    rig.connect(Connection("fast", "openai", "Fast", "https://fast.example/v1"))
    rig.connect(Connection("slow", "openai", "Slow", "https://slow.example/v1"))
    await rig.start()
    await rig.visit("#/compare")
    for column, model in zip(shown(rig).shown, (FAST, SLOW), strict=True):
        await rig.do("compare.model", column.id, value=model)
    return rig


def shown(rig: Rig) -> Comparison:
    """The comparison that is shown."""
    assert rig.state.comparison is not None
    return rig.state.comparison


def hosts(rig: Rig) -> Hosts:
    """The two hosts."""
    assert isinstance(rig.transport, Hosts)
    return rig.transport


def ask(rig: Rig, text: str) -> None:
    """Types a message and sends it to all."""
    rig.page.fields["compare-message"] = text
    rig.press("compare.send")


async def ask_all(rig: Rig, text: str = "Why?") -> list[Message]:
    """Sends a message to all and waits for the answers."""
    hosts(rig).open()
    ask(rig, text)
    await rig.idle()
    return answers(rig)


def answers(rig: Rig) -> list[Message]:
    """The answers to the latest message, in the order of the columns."""
    comparison = shown(rig)
    return [rig.state.compared[answer_id(comparison.rounds[-1].id, column.id)] for column in comparison.shown]


def drawn(rig: Rig, region: str = "compare-columns") -> Node:
    """A region of the page as it is now."""
    return parse(PageView().regions(rig.state)[region])


async def test_a_message_goes_to_all_columns_at_the_same_time_and_each_answers_in_its_own():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len([m for m in rig.state.comparing.values() if m.text]) == 2)
    assert [m.status for m in answers(rig)] == ["streaming", "streaming"]
    assert drawn(rig, "compare-bar").names("button") == ["Add column", "Stop all"]
    assert rig.page.fields["compare-message"] == ""
    hosts(rig).open()
    await rig.idle()
    assert [m.text for m in answers(rig)] == ["fast.example 1", "slow.example 1"]
    assert [m.went_to for m in answers(rig)] == ["fast.example", "slow.example"]
    assert rig.state.status.endswith("has answered. All answers are complete")
    assert rig.page.hash == f"#/compare/{shown(rig).id}"
    assert not rig.state.comparing and not rig.app.comparing
    assert drawn(rig, "compare-bar").names("button") == ["Add column", "Send to all"]


async def test_each_column_is_a_region_named_by_its_model_with_its_figures():
    rig = await comparing()
    rig.app.update(prices=(Price("fast.example", "quick", 1.0, 2.0, as_of="2026-11"),))
    await ask_all(rig)
    first, second = drawn(rig).all("region")
    assert (first.name, second.name) == ("quick", "steady")
    assert "$0.0020 (list price of 2026-11)" in first.text
    assert "first token after" in first.text and "500 tokens" in first.text and "1,000 prompt tokens" in first.text
    assert "$" not in second.text and "slow.example" in second.text
    assert first.one("log", "Answers of quick")["aria-live"] == "off"


async def test_an_answer_can_be_copied():
    rig = await comparing()
    await ask_all(rig)
    button = drawn(rig).one("button", "Copy the answer of steady")
    await rig.do("compare.copy", button["data-id"])
    assert rig.page.clipboard == "slow.example 1"


async def test_the_next_message_goes_on_with_each_columns_own_history():
    rig = await comparing()
    await ask_all(rig, "Why?")
    await ask_all(rig, "And then?")
    assert [m["content"] for m in hosts(rig).bodies["slow.example"][1]["messages"]] == ["Why?", "slow.example 1", "And then?"]
    assert [m.text for m in answers(rig)] == ["fast.example 2", "slow.example 2"]


async def test_one_column_can_be_stopped_while_the_other_goes_on():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len([m for m in rig.state.comparing.values() if m.text]) == 2)
    rig.press("compare.stop", shown(rig).shown[0].id)
    await rig.until(lambda: len(rig.state.comparing) == 1)
    hosts(rig).open()
    await rig.idle()
    assert [(m.status, m.text) for m in answers(rig)] == [("stopped", "fast.example"), ("done", "slow.example 1")]


async def test_stop_all_stops_every_answer_and_keeps_what_has_come():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len([m for m in rig.state.comparing.values() if m.text]) == 2)
    await rig.do("compare.stop")
    assert [(m.status, m.text) for m in answers(rig)] == [("stopped", "fast.example"), ("stopped", "slow.example")]
    assert {r["status"] for r in rig.comparisons.by_id.values()} == {"stopped"}


async def test_a_column_that_fails_says_why_and_what_to_do_and_can_try_again():
    rig = await comparing()
    hosts(rig).fails.add("fast.example")
    failed, fine = await ask_all(rig)
    assert (failed.status, fine.status) == ("error", "done")
    column = drawn(rig).one("region", "quick")
    assert "No credit is left." in column.one("alert").text
    assert not rig.alerts
    hosts(rig).fails.clear()
    await rig.do("compare.retry", column.one("button", "Retry")["data-id"])
    assert answers(rig)[0].text == "fast.example 2"
    assert [o.status for o in shown(rig).rounds[0].outcomes] == ["done", "done"]


async def test_a_model_that_is_gone_is_told_in_its_column():
    rig = await comparing()
    await rig.do("compare.model", shown(rig).shown[0].id, value="fast/lost")
    failed, fine = await ask_all(rig)
    assert failed.error is not None and failed.error.message == "lost is not there now."
    assert failed.error.advice
    assert fine.status == "done"
    assert "lost (not there now)" in drawn(rig).text


async def test_a_column_of_a_connection_that_is_gone_fails_by_itself():
    rig = await comparing()
    rig.app.set_connections(tuple(c for c in rig.state.connections if c.id != "fast"))
    failed, fine = await ask_all(rig)
    assert (failed.status, fine.status) == ("error", "done")


async def test_models_of_the_tab_answer_one_after_the_other_and_say_that_they_wait():
    rig = Rig("a.gguf", "b.gguf")
    rig.page.fields["compare-message"] = ""
    await rig.start("in-tab/a.gguf")
    await rig.visit("#/compare")
    await rig.do("compare.model", shown(rig).shown[1].id, value="in-tab/b.gguf")
    rig.engine.gate = asyncio.Event()
    ask(rig, "Why?")
    await rig.until(lambda: any("one after the other" in text for text in rig.state.compare_progress.values()))
    assert "one after the other" in drawn(rig).text
    rig.engine.gate.set()
    await rig.idle()
    assert [m.text for m in answers(rig)] == ["Hello there", "Hello there"]
    assert [entry.split(" with")[0] for entry in rig.engine.log] == ["load a.gguf", "load b.gguf"]


async def test_the_chat_waits_for_its_turn_with_the_engine_too():
    rig = Rig("a.gguf", "b.gguf")
    rig.page.fields["compare-message"] = ""
    await rig.start("in-tab/a.gguf")
    await rig.visit("#/compare")
    await rig.do("compare.model", shown(rig).shown[1].id, value="in-tab/a.gguf")
    rig.engine.gate = asyncio.Event()
    ask(rig, "Why?")
    await rig.until(lambda: bool(rig.engine.log))
    rig.page.go("#/chat")
    await rig.until(lambda: rig.state.route.page == "chat")
    rig.type("Hello?")
    rig.press("chat.send")
    await rig.until(lambda: rig.state.generation is not None and "one after the other" in rig.state.generation.progress)
    rig.engine.gate.set()
    await rig.idle()
    assert rig.texts[-1] == "Hello there"


async def test_without_a_model_in_every_column_nothing_is_sent_and_the_message_stays():
    rig = await comparing()
    await rig.do("compare.add")
    assert drawn(rig).names("region") == ["quick", "steady", "Column 3"]
    ask(rig, "Why?")
    assert rig.alerts == ["A column has no model."]
    assert rig.page.fields["compare-message"] == "Why?"
    assert not shown(rig).rounds


async def test_there_are_two_to_six_columns():
    rig = await comparing()
    assert all(button.disabled for button in drawn(rig).all("button") if button.name.startswith("Remove"))
    for _ in range(6):
        await rig.do("compare.add")
    assert len(shown(rig).shown) == 6
    assert drawn(rig, "compare-bar").one("button", "Add column").disabled
    for column in shown(rig).shown:
        await rig.do("compare.remove", column.id)
    assert len(shown(rig).shown) == 2


async def test_a_column_that_has_answered_is_only_hidden_and_can_be_brought_back():
    rig = await comparing()
    await rig.do("compare.add")
    third = shown(rig).shown[2]
    await rig.do("compare.model", third.id, value=FAST)
    await ask_all(rig)
    await rig.do("compare.remove", third.id)
    assert len(shown(rig).shown) == 2
    await rig.do("compare.restore")
    assert [m.status for m in answers(rig)] == ["done", "done", "done"]


# ---- The vote ----


async def test_a_vote_can_be_changed_and_counts_in_table_and_chart():
    rig = await comparing()
    await ask_all(rig)
    first, second = shown(rig).shown
    await rig.do("compare.vote", first.id)
    await rig.do("compare.vote", second.id)
    assert shown(rig).rounds[0].vote == second.id
    results = drawn(rig, "compare-results")
    table = results.one("table", "Results")
    assert "1 of 1" in table.one("row", "steady").text
    assert "0 of 1" in table.one("row", "quick").text
    assert results.one("img", "Voted best: steady 100%; quick 0%")


async def test_there_is_no_vote_while_answers_are_coming():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len(rig.state.comparing) == 2)
    rig.press("compare.vote", "all")
    assert shown(rig).rounds[0].vote == ""
    hosts(rig).open()
    await rig.idle()


async def test_in_blind_mode_names_and_figures_are_hidden_until_the_vote(monkeypatch):
    rig = await comparing()
    await rig.do("compare.blind")
    ids = iter(("z", "y", *(f"x{n}" for n in range(99))))
    monkeypatch.setattr(rig.app, "new_id", lambda: next(ids))  # the order that chance makes: the other one
    await ask_all(rig)
    columns = drawn(rig)
    assert columns.names("region") == ["Model A", "Model B"]
    assert "slow.example 1" in columns.one("region", "Model A").text
    for told in ("steady", "quick", "tokens", "Model A1"):
        assert told not in columns.text
    assert not columns.all("combobox")
    assert "steady" not in drawn(rig, "compare-results").text
    assert "Model" in rig.state.status
    await rig.do("compare.vote", shown(rig).shown[0].id)
    columns = drawn(rig)
    assert columns.names("region") == ["steady", "quick"]
    assert "500 tokens" in columns.text
    assert shown(rig).rounds[0].blind
    await rig.do("compare.vote", "none")
    assert shown(rig).rounds[0].vote == shown(rig).shown[0].id  # a blind vote stays as it was given


async def test_a_failure_does_not_tell_in_blind_mode_who_it_was():
    rig = await comparing()
    await rig.do("compare.blind")
    hosts(rig).fails.add("fast.example")
    await ask_all(rig)
    assert "No credit" not in drawn(rig).text
    assert "This model could not answer." in drawn(rig).text
    await rig.do("compare.vote", "none")
    assert "No credit is left." in drawn(rig).text


async def test_blind_mode_is_set_before_the_first_message():
    rig = await comparing()
    await ask_all(rig)
    await rig.do("compare.blind")
    assert not shown(rig).blind
    assert drawn(rig, "compare-head").one("switch", "Blind").disabled


# ---- What is kept ----


async def again(rig: Rig) -> Rig:
    """The page after it was loaded again, with what was kept."""
    later = Rig(transport=Hosts())
    later.comparisons = later.app.comparisons = rig.comparisons
    later.page.fields["compare-message"] = ""
    await later.start()
    return later


async def test_a_comparison_is_listed_and_can_be_opened_again():
    rig = await comparing()
    await ask_all(rig)
    await rig.do("compare.vote", "all")
    later = await again(rig)
    await later.visit("#/compare")
    assert not shown(later).rounds
    assert [column.model for column in shown(later).shown] == [FAST, SLOW]
    (item,) = drawn(later, "compare-results").one("list", "Comparisons").all("listitem")
    assert item.name == "Why?" and "1 vote" in item.text
    await later.visit(f"#/compare/{shown(rig).id}")
    assert shown(later) == shown(rig)
    assert [m.text for m in answers(later)] == ["fast.example 1", "slow.example 1"]


async def test_an_answer_is_kept_as_it_streams_and_is_marked_as_stopped_when_the_tab_was_killed():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len([m for m in rig.state.comparing.values() if m.text]) == 2)
    rig.clock.now += 5
    later = await again(rig)
    await later.visit(f"#/compare/{shown(rig).id}")
    assert [m.status for m in answers(later)] == ["stopped", "stopped"]
    hosts(rig).open()
    await rig.idle()


async def test_leaving_the_page_stops_nothing_and_the_link_leads_back_to_what_is_coming():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len(rig.state.comparing) == 2 and rig.state.route.id != "")
    id_ = shown(rig).id
    rig.page.go("#/chat")
    await rig.until(lambda: rig.state.route.page == "chat")
    rig.page.go("#/compare")
    await rig.until(lambda: rig.state.route.id == id_)
    hosts(rig).open()
    await rig.idle()
    assert [m.status for m in answers(rig)] == ["done", "done"]


async def test_a_new_comparison_leaves_the_one_before_it_going_on():
    rig = await comparing()
    ask(rig, "Why?")
    await rig.until(lambda: len(rig.state.comparing) == 2 and rig.state.route.id != "")
    old = shown(rig).id
    rig.press("compare.new")
    assert not shown(rig).rounds
    hosts(rig).open()
    await rig.idle()
    assert not shown(rig).rounds
    await rig.visit(f"#/compare/{old}")
    assert [m.status for m in answers(rig)] == ["done", "done"]
    assert len(shown(rig).rounds[0].outcomes) == 2


async def test_a_comparison_can_be_deleted_after_a_question():
    rig = await comparing()
    await ask_all(rig)
    id_ = shown(rig).id
    await rig.do("comparison.delete.ask", id_)
    assert isinstance(rig.state.dialog, Dialog)
    await rig.do("comparison.delete", id_)
    assert rig.state.comparisons == () and not rig.comparisons.comparisons and not rig.comparisons.by_id
    assert not shown(rig).rounds


async def test_an_address_of_a_comparison_that_does_not_exist_leads_to_a_new_one():
    rig = await comparing()
    await rig.visit("#/compare/none")
    assert rig.page.hash == "#/compare"
    assert rig.state.status == "That comparison does not exist in this browser"


async def test_where_the_browser_keeps_nothing_that_is_told_and_the_comparison_goes_on():
    rig = await comparing()
    rig.comparisons.failure = RuntimeError("no room")
    assert [m.status for m in await ask_all(rig)] == ["done", "done"]
    assert rig.alerts == ["This comparison cannot be kept: the browser's storage refuses it."]


async def test_what_cannot_be_read_is_left_out_of_the_list():
    rig = await comparing()
    await ask_all(rig)
    rig.comparisons.comparisons["bad"] = {"id": "bad", "updated": 1}
    later = await again(rig)
    await later.visit("#/compare")
    assert [c.title for c in later.state.comparisons] == ["Why?"]
    assert "bad" in rig.comparisons.comparisons


async def test_results_can_be_exported():
    rig = await comparing()
    await ask_all(rig, "=Why, and how?")
    await rig.do("compare.vote", shown(rig).shown[0].id)
    await rig.do("compare.export.csv")
    lines = rig.page.saved["modeltab-comparisons.csv"].splitlines()
    assert len(lines) == 3
    assert lines[1].startswith('"\'=Why, and how?",')
    assert "quick,fast.example,done,best,False" in lines[1] + lines[2]
    assert "steady,slow.example,done,other,False" in lines[1] + lines[2]
    await rig.do("compare.export.json")
    value = json.loads(rig.page.saved["modeltab-comparisons.json"])
    assert {a["text"] for a in value["answers"]} == {"fast.example 1", "slow.example 1"}
    assert value["comparisons"][0]["rounds"][0]["text"] == "=Why, and how?"


async def test_erasing_everything_erases_the_comparisons():
    rig = await comparing()
    await ask_all(rig)
    await rig.do("data.erase")
    assert not rig.comparisons.comparisons


def test_a_round_that_a_column_did_not_answer_is_not_in_its_history():
    value: Any = Comparison("c", "", 0, 0, (Column("a"), Column("b")))
    assert history(value, {}, "a") == ()

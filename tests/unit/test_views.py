"""Each page, dialog and message: the roles and names that people, screen readers and scripts find, and what is drawn anew."""

from __future__ import annotations

from typing import Any

import pytest

from modeltab.actions.completion import NUMBERS
from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.comparisons import Column, Comparison, Outcome, Round
from modeltab.domain.completions import Branch
from modeltab.domain.connections import Connection, HealthRecord
from modeltab.domain.errors import ErrorRecord
from modeltab.domain.exchange import Exchange, ImportPreview, Shared, SharedMessage
from modeltab.domain.json_schema import Problem
from modeltab.domain.messages import Conversation, Message, Stats
from modeltab.domain.models import Model
from modeltab.domain.prices import Price
from modeltab.domain.requests import Parameters
from modeltab.domain.tokens import Alternative, Token
from modeltab.domain.transfers import Transfer
from modeltab.files.inspect import inspect
from modeltab.files.values import Inspection
from modeltab.providers import in_tab, local_llm
from modeltab.providers.connection_type import ConnectionType
from modeltab.providers.in_tab import InTab
from modeltab.providers.local_llm import LocalLlm
from modeltab.snippets.call import Call
from modeltab.sources.hugging_face import Choice, RepositoryFile
from modeltab.state.code import Code, Subject
from modeltab.state.machine import Storage
from modeltab.state.palette import Item, Palette
from modeltab.state.playground import Completion, Structured
from modeltab.state.store import (
    Alert,
    Candidate,
    Choices,
    Dialog,
    Facts,
    FileDetails,
    Generation,
    Listing,
    Picker,
    Removed,
    Route,
    Settings,
    State,
)
from modeltab.state.writing import NEW_CHAT, Attachment, ContextUse, Menu, Queued, Suggestion
from modeltab.views import message as message_view
from modeltab.views.chat import PICKER_SHOWS
from modeltab.views.html import Html
from modeltab.views.message import MessageViews, streamed
from modeltab.views.page import REGIONS, PageView
from modeltab.views.parameters import FIELDS
from tests.servers.model_files import small_gguf
from tests.servers.transport import RealTransport
from tests.unit.fakes import FakeEngine, FakeModels, JinjaTemplates, MemoryFile
from tests.unit.gguf_files import run
from tests.unit.markup import Node, parse, skeleton
from tests.unit.test_html import TRICKY

TYPES = (in_tab.connection_type(FakeModels(), FakeEngine(), JinjaTemplates()), local_llm.connection_type(RealTransport()))
TAB = Connection("tab", "in-tab", "In this tab")
SERVER = Connection("server", "local-llm", "Workshop", "http://127.0.0.1:5000/api/v1")
FACTS = {
    "tab": Facts(
        "In this tab",
        InTab.capabilities,
        True,
        False,
        adds=True,
        removes=True,
        loads=True,
        unloads_one=True,
        frees=True,
        engine="tab",
        fetches=True,
    ),
    "server": Facts(
        "Local LLM API",
        LocalLlm.capabilities,
        adds=True,
        removes=True,
        max_file_bytes=10 * 1024**3,
        syncs=True,
        frees=True,
    ),
}
ERROR = ErrorRecord("It broke.", "Mend it.", "TypeError: detail")
STATE = State(
    connections=(TAB, SERVER),
    types=TYPES,
    facts=FACTS,
    health={"tab": HealthRecord("healthy", "2 models"), "server": HealthRecord("healthy", "Local LLM API 1.0.0")},
    models={
        "tab": (Model("tab", "small.gguf", 98_362_432, modified="2026-11-22T10:00:00Z", state="Loaded"),),
        "server": (
            Model("server", "big.gguf", size_text="4.1 GB", details={"Path": "./models/big.gguf"}),
            Model("server", "slow.gguf", state="Loading", progress=0.42),
            Model("server", "new.gguf", state="Downloading", progress=0.07),
        ),
    },
    conversations=(Conversation("c1", "First", 1.0, 3.0, "a"), Conversation("c2", "Second", 2.0, 2.0)),
    conversations_loaded=True,
)
QUESTION = Message("q", "c1", None, "user", "Why?", 1.0)
ANSWER = Message("a", "c1", "q", "assistant", "Because.", 2.0, model="small.gguf", connection="tab")


def at(page: str, state: State = STATE, **changes: Any) -> State:
    """The state on a page, with changes."""
    return state._replace(route=Route(page), **changes)


def region(name: str, state: State) -> Node:
    """One region of the page."""
    return parse(PageView().regions(state)[name])


def chatting(*messages: Message, **changes: Any) -> State:
    """The first conversation with these messages, the last of them its leaf."""
    conversation = STATE.conversations[0]._replace(leaf_id=messages[-1].id)
    state = STATE._replace(route=Route("chat", "c1"), conversation=conversation, messages={m.id: m for m in messages})
    return state._replace(**changes)


def article(item: Message, *others: Message, **changes: Any) -> Node:
    """One message as it is drawn on the chat page."""
    state = chatting(*others, item, **changes)
    drawn = dict(PageView().messages(state))
    return parse(drawn[f"m-{item.id}"]).one("article")


def part(node: Node, name: str) -> Node:
    """The element with that data-part."""
    return node.one(data_part=name)


# ---- Around the pages ------------------------------------------------------------------------------------------------


def test_the_navigation_links_to_every_page_and_marks_the_one_that_is_shown():
    nav = region("nav", at("models"))
    assert [(link.name, link["href"]) for link in nav.all("link")] == [
        ("Chat", "#/chat"),
        ("Models", "#/models"),
        ("Connections", "#/connections"),
        ("Compare", "#/compare"),
        ("Playground", "#/playground"),
        ("Settings", "#/settings"),
    ]
    assert [link.name for link in nav.all("link", aria_current="page")] == ["Models"]


def test_the_conversations_are_a_list_of_links_with_a_delete_button_each():
    history = region("conversation-list", chatting(QUESTION))
    listed = history.one("list", "Conversations")
    assert [(link.name, link["href"]) for link in listed.all("link")] == [("First", "#/chat/c1"), ("Second", "#/chat/c2")]
    assert listed.one("link", aria_current="page").name == "First"
    assert [name for name in listed.names("button") if name.startswith("Delete")] == ["Delete First", "Delete Second"]


@pytest.mark.parametrize("typed", ["SEC", "  second ", "Second"])
def test_the_search_keeps_the_conversations_with_the_typed_text_in_their_title(typed):
    assert region("conversation-list", at("chat", search=typed)).names("link") == ["Second"]


def test_a_search_without_a_find_says_so():
    assert "No conversation has this" in region("conversation-list", at("chat", search="x")).text


def test_an_empty_history_says_what_will_be_there_only_once_it_is_known_to_be_empty():
    state = at("chat", conversations=())
    assert "Your conversations appear here." in region("conversation-list", state).text
    assert region("conversation-list", state._replace(conversations_loaded=False)).text == ""


def test_an_error_is_an_alert_with_advice_and_the_detail_behind_details():
    alert = region("alerts", at("chat", alerts=(Alert("1", ERROR),))).one("alert")
    assert "It broke." in alert.text and "Mend it." in alert.text
    (detail,) = [node for node in alert if node.tag == "details"]
    assert "open" not in detail
    assert "TypeError: detail" in detail.text and "Details" in detail.text
    assert alert.one("button", "Close this message")["data-id"] == "1"


def test_an_alert_without_advice_or_detail_shows_neither():
    alert = region("alerts", at("chat", alerts=(Alert("1", ErrorRecord("It broke.")),))).one("alert")
    assert alert.text == "It broke."


@pytest.mark.parametrize(
    ("transfer", "text", "buttons"),
    [
        (Transfer("1", "a.gguf", "server", 2_000_000), "Waiting to go to Workshop", ["Pause a.gguf", "Cancel a.gguf"]),
        (
            Transfer("1", "a.gguf", "server", 2_000_000, 500_000, "sending", 100_000.0),
            "25% · 500 kB of 2.0 MB · 100 kB/s · 15 s left",
            ["Cancel a.gguf"],
        ),
        (Transfer("1", "a.gguf", "server", 2_000_000, 500_000, "sending"), "25% · 500 kB of 2.0 MB", ["Cancel a.gguf"]),
        (
            Transfer("1", "a.gguf", "server", 2_000_000, 2_000_000, "processing"),
            "All bytes are sent; Workshop is processing the file",
            ["Cancel a.gguf"],
        ),
        (Transfer("1", "a.gguf", "server", 2_000_000, 2_000_000, "done"), "2.0 MB added to Workshop", ["Dismiss a.gguf"]),
        (
            Transfer("1", "a.gguf", "server", 2_000_000, 1_000_000, "cancelled"),
            "Cancelled after 1.0 MB; nothing was kept",
            ["Dismiss a.gguf"],
        ),
        (
            Transfer("1", "a.gguf", "gone", 10, 5, "failed", error=ErrorRecord("Disk full.")),
            "Disk full.",
            ["Retry a.gguf", "Dismiss a.gguf"],
        ),
        (
            Transfer("1", "a.gguf", "tab", 2_000_000, 500_000, "sending", 100_000.0, resumes=True),
            "25% · 500 kB of 2.0 MB · 100 kB/s · 15 s left",
            ["Pause a.gguf", "Cancel a.gguf"],
        ),
        (
            Transfer("1", "a.gguf", "tab", 2_000_000, 500_000, "paused", resumes=True),
            "Paused · 25% · 500 kB of 2.0 MB",
            ["Resume a.gguf", "Cancel a.gguf"],
        ),
        (Transfer("1", "a.gguf", "gone", 10), "Waiting to go to gone", ["Pause a.gguf", "Cancel a.gguf"]),
    ],
)
def test_a_transfer_is_a_progress_bar_named_by_its_file_with_its_state_in_words(transfer, text, buttons):
    shown = region("transfers", at("chat", transfers=(transfer,)))
    bar = shown.one("progressbar", "a.gguf")
    assert (bar["value"], bar["max"]) == (str(int(transfer.fraction * 100)), "100")
    assert text in shown.text
    assert shown.names("button") == buttons
    assert shown.one(data_phase=transfer.phase)


# ---- Chat ------------------------------------------------------------------------------------------------------------


def test_the_model_picker_is_a_combobox_that_shows_the_chosen_model():
    picker = region("model-picker", at("chat", settings=Settings(model="server/big.gguf"))).one("combobox", "Model")
    assert (picker["value"], picker["aria-expanded"]) == ("big.gguf", "false")


def test_an_open_picker_groups_the_models_by_their_connection():
    shown = region("model-picker", at("chat", settings=Settings(model="server/big.gguf"), picker=Picker(True, "", 1)))
    box = shown.one("combobox", "Model")
    options = shown.one("listbox", "Models")
    assert (box["aria-expanded"], box["aria-controls"], box["value"]) == ("true", options["id"], "")
    assert options.names("group") == ["In this tab", "Workshop"]
    assert options.one("group", "In this tab").names("option") == ["small.gguf"]
    assert options.one("option", "big.gguf")["aria-selected"] == "true"
    assert options.one("option", data_active="true")["id"] == box["aria-activedescendant"] == "option-1"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("BIG", ["big.gguf"]),
        ("slow.gguf work", ["slow.gguf"]),
        ("this tab", ["small.gguf"]),
        ("workshop", ["big.gguf", "slow.gguf", "new.gguf"]),
    ],
)
def test_what_is_typed_keeps_the_models_whose_name_or_connection_has_it(typed, found):
    shown = region("model-picker", at("chat", picker=Picker(True, typed)))
    assert shown.names("option") == found
    assert shown.one("combobox")["value"] == typed


def test_a_picker_shows_a_hundred_of_many_models_and_the_chosen_one_among_them():
    many = {"server": tuple(Model("server", f"model-{n:03}") for n in range(150))}
    shown = region("model-picker", at("chat", models=many, settings=Settings(model="server/model-149"), picker=Picker(True)))
    assert len(shown.all("option")) == PICKER_SHOWS
    assert shown.all("option")[-1]["aria-selected"] == "true"
    assert "100 of 150 models. Type to find the others." in shown.text
    assert "Type to find" not in region("model-picker", at("chat", models=many, picker=Picker(True, "14"))).text


def test_a_picker_without_a_find_or_without_models_says_so():
    assert "No model has this" in region("model-picker", at("chat", picker=Picker(True, "zzz"))).text
    assert "No models yet" in region("model-picker", at("chat", models={}, picker=Picker(True))).text


def test_without_models_the_first_step_is_one_click():
    shown = region("chat-empty", at("chat", models={"tab": ()}))
    assert shown.names("button") == ["Get SmolLM2 135M (98.4 MB)", "Add a model file", "Add connection"]
    assert "nothing that you write leaves this machine" in shown.text


def test_before_it_is_known_whether_the_tab_has_models_nothing_is_offered():
    assert region("chat-empty", at("chat", models={})).names("button") == []


def test_with_models_the_first_step_is_to_choose_one():
    assert region("chat-empty", at("chat")).names("button") == ["Choose a model"]


def test_with_a_chosen_model_it_says_which_one_answers_and_from_where():
    shown = region("chat-empty", at("chat", settings=Settings(model="server/big.gguf")))
    assert "big.gguf answers, from Workshop." in shown.text
    assert shown.all("button") == []


def test_a_conversation_has_no_empty_page():
    assert region("chat-empty", chatting(QUESTION)).children == []


def test_the_composer_sends_attaches_and_opens_the_parameters():
    bar = region("composer-bar", at("chat"))
    assert bar.names("button") == ["Attach", "Prompts", "Parameters", "Send"]
    assert not bar.one("button", "Send").disabled
    assert bar.one("button", "Send")["type"] == "submit"


def test_while_an_answer_is_coming_it_can_be_stopped_and_the_next_message_sent():
    generation = Generation("a", "c1", 0.0, 0.0, True)
    bar = region("composer-bar", at("chat", generation=generation))
    assert bar.names("button") == ["Attach", "Prompts", "Parameters", "Stop", "Send"]


def test_an_attached_file_is_named_and_can_be_removed():
    shown = region("attachments", at("chat", attachments=(Attachment("1", "notes.txt", "…"),)))
    assert "notes.txt" in shown.text
    assert shown.one("button", "Remove notes.txt")["data-id"] == "1"


# ---- Messages --------------------------------------------------------------------------------------------------------


def test_a_persons_message_is_plain_text_with_its_buttons():
    shown = article(QUESTION)
    assert (shown["data-role"], shown["data-status"], shown.name) == ("user", "done", "You")
    assert part(shown, "text").text == "Why?"
    assert "data-markdown" not in part(shown, "text")
    assert shown.names("button") == ["Copy", "Edit", "Branch", "Copy as code", "Delete"]
    assert {node["data-id"] for node in shown.all("button")} == {"q"}


def test_an_answer_is_markdown_and_says_which_model_gave_it_and_where():
    shown = article(ANSWER, QUESTION)
    assert (shown["data-role"], shown["data-status"], shown.name) == ("assistant", "done", "small.gguf")
    assert "In this tab" in shown.text
    assert "data-markdown" in part(shown, "text")
    assert shown.names("button") == ["Copy", "Regenerate", "Branch", "Copy as code", "Delete"]


def test_an_answer_of_a_connection_that_is_gone_still_says_where_it_came_from():
    assert "lost" in article(ANSWER._replace(connection="lost"), QUESTION).text


#: What every answer's figures end with.
GIVEN_BY = " · small.gguf · stayed in this tab"


def test_an_answers_figures_are_told_in_words():
    stats = Stats(2.345, 0.4, 120, 64, 27.3)
    shown = part(article(ANSWER._replace(stats=stats), QUESTION), "stats")
    figures = "64 tokens · 2.35 s · 27.3 tokens/s · first token after 0.40 s · 120 prompt tokens"
    assert shown.text == f"{figures}{GIVEN_BY}"
    assert part(article(QUESTION), "stats").text == ""


def test_reasoning_is_there_folded_before_the_text():
    shown = article(ANSWER._replace(reasoning="Hm."), QUESTION)
    reasoning = part(shown, "reasoning")
    assert reasoning.text == "Hm."
    assert reasoning.parent is not None and reasoning.parent.tag == "details"
    assert [node["data-part"] for node in shown if "data-part" in node] == ["reasoning", "text", "stats"]


def test_an_answer_that_waits_says_what_for_and_has_no_buttons_yet():
    waiting = ANSWER._replace(status="streaming", text="")
    shown = article(waiting, QUESTION, generation=Generation("a", "c1", 10.0, 13.0, True, "Loading small.gguf: 42%"))
    assert shown["data-status"] == "streaming"
    assert "Loading small.gguf: 42%" in shown.text
    assert part(shown, "text").text == ""
    assert part(shown, "stats").text == "3 s"
    assert shown.all("button") == []


def test_an_answer_that_comes_in_one_piece_says_so_while_it_is_waited_for():
    waiting = ANSWER._replace(status="streaming", text="")
    shown = article(waiting, QUESTION, generation=Generation("a", "c1", 10.0, 75.0, False))
    assert part(shown, "stats").text == "1 min 5 s · the server answers in one piece"


def test_the_text_of_an_answer_that_streams_flows_into_an_empty_part():
    begun = ANSWER._replace(status="streaming", text="Beca")
    generation = Generation("a", "c1", 1.0, 2.0, True)
    assert part(article(begun, QUESTION, generation=generation), "text").text == ""
    assert streamed(State(messages={"a": begun}, generation=generation)) == ("m-a", "Beca")
    assert streamed(State(messages={"a": ANSWER}, generation=generation)) == ("", "")
    assert streamed(State(messages={}, generation=generation)) == ("", "")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"status": "stopped"}, "Stopped"),
        ({"finish_reason": "length"}, "Cut off at the token limit"),
        ({"status": "stopped", "stats": Stats(1.0)}, "Stopped · 1.00 s"),
    ],
)
def test_an_answer_that_ended_early_says_how(changes, text):
    assert part(article(ANSWER._replace(**changes), QUESTION), "stats").text == text + GIVEN_BY


def test_a_failed_answer_keeps_its_text_and_has_the_error_and_a_retry():
    shown = article(ANSWER._replace(status="error", error=ERROR, text="Beca"), QUESTION)
    assert part(shown, "text").text == "Beca"
    alert = shown.one("alert")
    assert "It broke." in alert.text
    assert alert.one("button", "Retry")["data-action"] == "message.regenerate"


@pytest.mark.parametrize(
    ("model", "changes", "offered"),
    [
        ("tab/small.gguf", {"status": "stopped"}, True),
        ("tab/small.gguf", {"status": "error"}, True),
        ("tab/small.gguf", {"finish_reason": "length"}, True),
        ("tab/small.gguf", {}, False),
        ("tab/small.gguf", {"status": "stopped", "text": ""}, False),
        ("server/big.gguf", {"status": "stopped"}, False),
        ("", {"status": "stopped"}, False),
    ],
)
def test_continue_is_offered_where_an_answer_was_cut_and_the_chosen_model_can_go_on(model, changes, offered):
    shown = article(ANSWER._replace(**changes), QUESTION, settings=Settings(model=model))
    assert ("Continue" in shown.names("button")) is offered


def test_a_message_with_versions_says_which_one_it_is_and_leads_to_the_others():
    versions = [ANSWER._replace(id=f"a{n}", created=float(n)) for n in (1, 2, 3)]
    shown = [article(versions[place], QUESTION, *versions) for place in range(3)]
    assert ["1 of 3" in shown[0].text, "2 of 3" in shown[1].text, "3 of 3" in shown[2].text] == [True] * 3
    middle = shown[1]
    assert middle.one("button", "Previous version")["data-id"] == "a1"
    assert middle.one("button", "Next version")["data-id"] == "a3"
    assert shown[0].one("button", "Previous version").disabled
    assert not shown[0].one("button", "Next version").disabled
    assert shown[2].one("button", "Next version").disabled


def test_a_message_without_versions_has_no_buttons_for_them():
    assert "Next version" not in article(ANSWER, QUESTION).names("button")


def test_a_message_that_is_edited_is_a_form_with_its_text():
    shown = article(QUESTION, editing="q")
    box = shown.one("textbox", "Edited message")
    assert (box.text, box["id"], box["name"]) == ("Why?", "edit-q", "text")
    assert shown.names("button") == ["Cancel", "Save and send"]


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_every_role_of_a_message_is_drawn(role):
    assert article(QUESTION._replace(role=role))["data-role"] == role


# ---- Only what has changed -------------------------------------------------------------------------------------------


class Counter:
    """Counts what is drawn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drawn: list[str] = []
        original = message_view.message

        def counted(item: Message, *rest: Any) -> Html:
            self.drawn.append(item.id)
            return original(item, *rest)

        monkeypatch.setattr(message_view, "message", counted)

    def take(self) -> list[str]:
        """The ids of the messages that were drawn since the last call."""
        drawn, self.drawn = self.drawn, []
        return drawn


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Counts the messages that are drawn."""
    return Counter(monkeypatch)


def long_conversation(length: int = 200) -> State:
    """A conversation whose last answer is streaming."""
    messages: list[Message] = []
    for place in range(length):
        role = "assistant" if place % 2 else "user"
        parent = messages[-1].id if messages else None
        messages.append(Message(f"m{place}", "c1", parent, role, f"text {place}", float(place)))  # type: ignore[arg-type]
    messages[-1] = messages[-1]._replace(status="streaming")
    return chatting(*messages, generation=Generation(messages[-1].id, "c1", 0.0, 0.0, True))


def draw(views: MessageViews, state: State) -> list[tuple[str, Html]]:
    """The messages, drawn by the same views as before."""
    shown = tuple(state.messages.values())
    return views.draw(state, shown, {c.id: c.name for c in state.connections})


def with_text(state: State, id_: str, text: str) -> State:
    """One message has another text."""
    return state._replace(messages={**state.messages, id_: state.messages[id_]._replace(text=text)})


def test_a_streamed_token_draws_one_message_of_two_hundred(counter):
    state, views = long_conversation(), MessageViews()
    before = draw(views, state)
    assert len(counter.take()) == 200
    after = draw(views, with_text(state, "m199", "text 199 and more"))
    assert counter.take() == ["m199"]
    assert after == before  # its text flows into the page beside its HTML
    assert streamed(with_text(state, "m199", "text 199 and more")) == ("m-m199", "text 199 and more")


def test_a_second_that_passes_draws_only_the_answer_that_is_coming(counter):
    state, views = long_conversation(), MessageViews()
    draw(views, state)
    counter.take()
    assert state.generation is not None
    draw(views, state._replace(generation=state.generation._replace(now=5.0)))
    assert counter.take() == ["m199"]


@pytest.mark.parametrize(
    "changes",
    [{"status": "new"}, {"search": "x"}, {"models": {}}, {"picker": Picker(True)}, {"dialog": Dialog("details")}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_message_does_not_show_draws_none(counter, changes):
    state, views = long_conversation(10), MessageViews()
    before = draw(views, state)
    counter.take()
    assert draw(views, state._replace(**changes)) == before
    assert counter.take() == []


def test_opening_the_editor_draws_that_message(counter):
    state, views = long_conversation(10), MessageViews()
    draw(views, state)
    counter.take()
    draw(views, state._replace(editing="m4"))
    assert counter.take() == ["m4"]


def test_a_new_version_draws_its_siblings_again_and_nothing_else(counter):
    state, views = long_conversation(10), MessageViews()
    draw(views, state)
    counter.take()
    version = state.messages["m3"]._replace(id="v", created=99.0)
    views.draw(state._replace(messages={**state.messages, "v": version}), tuple(state.messages.values()), {})
    assert counter.take() == ["m3"]


def test_another_chosen_model_draws_what_can_be_continued_now(counter):
    state, views = long_conversation(10), MessageViews()
    stopped = state.messages["m3"]._replace(status="stopped")
    state = state._replace(messages={**state.messages, "m3": stopped}, settings=Settings(model="server/big.gguf"))
    assert "Continue" not in dict(draw(views, state))["m-m3"]
    assert "Continue" in dict(draw(views, state._replace(settings=Settings(model="tab/small.gguf"))))["m-m3"]


def test_a_renamed_connection_is_named_anew_at_its_answers(counter):
    state, views = chatting(QUESTION, ANSWER), MessageViews()
    draw(views, state)
    counter.take()
    renamed = draw(views, state._replace(connections=(TAB._replace(name="Here"), SERVER)))
    assert counter.take() == ["a"]
    assert "Here" in renamed[1][1]


def test_a_message_that_was_out_of_sight_is_drawn_when_it_comes_back(counter):
    state, views = long_conversation(10), MessageViews()
    draw(views, state)
    views.draw(state, (), {})
    counter.take()
    assert len(draw(views, state)) == 10
    assert len(counter.take()) == 10


# ---- Models ----------------------------------------------------------------------------------------------------------


def test_the_models_are_a_table_with_its_columns():
    table = region("page-models", at("models")).one("table", "Models")
    assert table.names("columnheader") == ["Name", "Connection", "Size", "Modified", "State", "Actions"]
    assert [row.name for row in table.all("row") if "id" in row] == ["small.gguf", "big.gguf", "slow.gguf", "new.gguf"]


def test_a_row_says_what_is_known_of_its_model():
    table = region("page-models", at("models")).one("table")
    cells = [cell.text for cell in table.one("row", "small.gguf").all("cell")]
    assert cells[:3] == ["small.gguf", "In this tab", "98.4 MB"]
    assert cells[3].startswith("2026-11-2")
    assert cells[4] == "Loaded"
    assert [cell.text for cell in table.one("row", "big.gguf").all("cell")][1:5] == ["Workshop", "4.1 GB", "", "On disk"]


def test_what_is_under_way_says_how_far_it_is():
    table = region("page-models", at("models")).one("table")
    assert table.one("row", "slow.gguf").all("cell")[4].text == "Loading 42%"
    assert table.one("row", "new.gguf").all("cell")[4].text == "Downloading 7%"


def test_the_buttons_of_a_row_name_its_model_and_are_those_that_its_connection_can_do():
    table = region("page-models", at("models")).one("table")
    assert table.one("row", "small.gguf").names("button") == [
        "Use small.gguf",
        "Unload small.gguf",
        "Details of small.gguf",
        "Copy as code: small.gguf",
        "Delete small.gguf",
    ]
    big = ["Use big.gguf", "Details of big.gguf", "Copy as code: big.gguf", "Delete big.gguf"]
    assert table.one("row", "big.gguf").names("button") == big
    assert table.one("row", "new.gguf").names("button") == []
    assert table.one("row", "big.gguf").one("button", "Use big.gguf")["data-id"] == "server/big.gguf"


def test_a_model_on_disk_can_be_loaded_where_loading_is_a_step_of_its_own():
    models = {"tab": (Model("tab", "small.gguf", 5),)}
    assert "Load small.gguf" in region("page-models", at("models", models=models)).names("button")


def test_the_page_of_models_adds_syncs_and_frees():
    assert {"Add model", "Sync", "Free memory"} <= set(region("page-models", at("models")).names("button"))


def test_sync_is_there_only_where_a_connection_can():
    state = at("models", connections=(TAB,), facts={"tab": FACTS["tab"]})
    assert "Sync" not in region("page-models", state).names("button")


def test_each_connection_lists_what_it_has_in_memory():
    shown = region("page-models", at("models"))
    assert shown.one("list", "Loaded models of In this tab").text == "small.gguf"
    assert shown.one("list", "Loaded models of Workshop").text == "No model is loaded"
    assert shown.one("button", "Free memory of In this tab")["data-id"] == "tab"


def test_without_models_the_page_says_how_to_get_one():
    shown = region("page-models", at("models", models={}))
    assert shown.all("table") == []
    assert "Get the starter model" in shown.names("button")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (HealthRecord(), "Workshop has not been asked yet."),
        (HealthRecord("checking"), "Asking Workshop…"),
        (HealthRecord("unreachable", "No answer.", "Start it."), "Workshop: No answer. Start it."),
        (HealthRecord("unauthorized", "Wants a key.", ""), "Workshop: Wants a key."),
    ],
)
def test_a_connection_whose_models_are_not_known_is_told_above_the_table(record, text):
    shown = region("page-models", at("models", health={**STATE.health, "server": record}))
    assert text in shown.text
    assert ("Test Workshop" in shown.names("button")) is (record.health != "checking")


# ---- Connections and settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (None, "Not asked yet."),
        (HealthRecord("checking"), "Asking…"),
        (HealthRecord("healthy", "Local LLM API 1.0.0"), "Local LLM API 1.0.0"),
        (HealthRecord("unreachable", "No answer.", "Start it.", "ECONNREFUSED"), "No answer."),
        (HealthRecord("unauthorized"), "Wants other credentials."),
    ],
)
def test_a_connection_is_a_list_item_with_its_health_in_words(record, text):
    state = at("connections", health={"server": record} if record else {})
    item = region("page-connections", state).one("list", "Connections").one("listitem", "Workshop")
    assert item["data-health"] == (record.health if record else "unknown")
    assert text in item.text
    assert (record.advice if record else "") in item.text
    assert SERVER.base_url in item.text
    assert item.names("button") == ["Test Workshop", "Edit Workshop", "Remove Workshop"]


def test_a_connection_that_is_always_there_cannot_be_removed():
    item = region("page-connections", at("connections")).one("listitem", "In this tab")
    assert item.names("button") == ["Test In this tab", "Edit In this tab"]


def test_the_page_of_connections_adds_one():
    assert region("page-connections", at("connections")).one("button", "Add connection")["data-action"] == "connection.add"


def test_the_settings_have_their_names():
    shown = region("page-settings", at("settings", settings=Settings("dark", True), storage=Storage(1_500_000, 3_000_000_000)))
    theme = shown.one("combobox", "Theme")
    assert theme.names("option") == ["As the system", "Light", "Dark"]
    assert theme.one("option", selected="").name == "Dark"
    assert shown.one("switch", "Offline only")["aria-checked"] == "true"
    gauge = shown.one("meter", "Storage used")
    assert (gauge["value"], gauge["max"]) == ("1500000", "3000000000")
    assert "1.5 MB of at most 3.0 GB" in shown.text
    assert {"Export data", "Import data", "Erase everything"} <= set(shown.names("button"))


@pytest.mark.parametrize(("kept", "text"), [(True, "The browser keeps it."), (False, "may delete it when space runs out")])
def test_the_settings_say_whether_the_browser_keeps_the_storage(kept, text):
    shown = region("page-settings", at("settings", storage=Storage(1, 2, kept)))
    assert text in shown.text
    assert shown.one("button", "Ask the browser to keep it").disabled is kept


@pytest.mark.parametrize(("isolated", "text"), [(True, "on several threads"), (False, "on one thread")])
def test_the_settings_say_how_models_run(isolated, text):
    assert text in region("page-settings", at("settings", isolated=isolated)).text


# ---- Dialogs ---------------------------------------------------------------------------------------------------------


def opened(state: State) -> Node:
    """The open dialog."""
    return region("dialog", state).one("dialog")


def test_no_dialog_is_open_unless_the_state_says_so():
    assert region("dialog", at("chat")).children == []


def test_every_dialog_has_a_close_button():
    for name in ("add-model", "details", "connection", "parameters"):
        assert "Close dialog" in opened(at("models", dialog=Dialog(name))).names("button"), name


def test_add_model_asks_for_files_and_where_they_go():
    dialog = opened(at("models", dialog=Dialog("add-model", values={"destination": "server"})))
    assert dialog.name == "Add model"
    file = dialog.one("file", "Model file")
    assert "multiple" in file
    destination = dialog.one("combobox", "Destination")
    assert [(o["value"], o.text, "selected" in o) for o in destination.all("option")] == [
        ("tab", "In this tab", False),
        ("server", "Workshop", True),
    ]
    assert "files up to 10.7 GB" in dialog.text
    assert dialog.one("button", "Add")["type"] == "submit"


def test_add_model_tells_of_each_file_what_it_is_and_where_it_will_run():
    looked_at = Candidate("1", "a.gguf", 1000, item=inspected("a.gguf"))
    still = Candidate("2", "b.gguf", 5)
    broken = Candidate("3", "c.gguf", 5, error=ERROR)
    dialog = opened(at("models", candidates=(looked_at, still, broken), dialog=Dialog("add-model")))
    listed = dialog.one("list", "To be added")
    assert [node["aria-label"] for node in listed.all("listitem") if "aria-label" in node] == ["a.gguf", "b.gguf", "c.gguf"]
    assert "llama · 872 parameters" in listed.text
    assert "Reading its header" in listed.text
    assert "It broke." in listed.text and "Mend it." in listed.text
    verdicts = listed.one("list", "Where a.gguf will run")
    assert "In this tab: " in verdicts.text and "Workshop: " in verdicts.text
    assert listed.names("button") == ["Remove a.gguf", "Remove b.gguf", "Remove c.gguf"]


def inspected(name: str) -> Inspection:
    """What a small file of that name is."""
    file = MemoryFile(name, small_gguf())
    return run(inspect(name, file.size, file.read))


def test_a_connections_dialog_has_its_fields():
    values = {"type": "local-llm", "name": "Mine", "base_url": "http://host"}
    dialog = opened(at("connections", dialog=Dialog("connection", values=values, note="Works: yes")))
    assert dialog.name == "Add connection"
    assert dialog.one("combobox", "Type").names("option") == ["Local LLM API"]
    assert dialog.one("textbox", "Name")["value"] == "Mine"
    assert dialog.one("textbox", "Base URL")["value"] == "http://host"
    assert dialog.one("status").text == "Works: yes"
    assert not dialog.one("button", "Test").disabled
    assert dialog.one("button", "Save")["type"] == "submit"


def test_a_field_that_a_type_does_not_take_is_disabled_with_the_reason():
    dialog = opened(at("connections", dialog=Dialog("connection", values={"type": "local-llm"})))
    key, model = dialog.one("password", "API key"), dialog.one("textbox", "Model name")
    assert key.disabled and model.disabled
    hints = {node["id"]: node.text for node in dialog if node.attributes.get("id", "").endswith("-hint")}
    assert hints[key["aria-describedby"]] == "Local LLM API takes no key."
    assert hints[model["aria-describedby"]] == "Local LLM API lists its models itself."


def test_a_type_that_takes_a_key_and_lists_no_models_has_those_fields_open():
    hosted = ConnectionType("hosted", "Hosted", True, TYPES[1].build, "https://api.example", key="optional", takes_models=True)
    state = at("connections", types=(*TYPES, hosted), dialog=Dialog("connection", values={"type": "hosted", "model": "m"}))
    dialog = opened(state)
    assert not dialog.one("password", "API key").disabled
    assert dialog.one("textbox", "Model name")["value"] == "m"


def test_editing_a_connection_keeps_its_type():
    dialog = opened(at("connections", dialog=Dialog("connection", "server", {"type": "local-llm"})))
    assert dialog.name == "Edit connection"
    assert dialog.one("combobox", "Type").disabled


def test_the_tab_is_edited_without_an_address():
    dialog = opened(at("connections", dialog=Dialog("connection", "tab", {"type": "in-tab"})))
    assert dialog.all("textbox", "Base URL") == []


def test_a_dialog_shows_its_error_and_while_it_is_busy_cannot_be_tested_again():
    dialog = opened(at("connections", dialog=Dialog("connection", values={"type": "local-llm"}, error=ERROR, busy=True)))
    assert "It broke." in dialog.text and "Mend it." in dialog.text
    assert dialog.one("button", "Test").disabled


PARAMETERS = [
    "System prompt",
    "Template",
    "Temperature",
    "Max tokens",
    "Top P",
    "Top K",
    "Seed",
    "Reasoning",
    "GPU layers",
    "Batch size",
    "Context size",
    "Extra JSON",
]


def test_the_parameters_have_their_names_and_are_those_of_a_request():
    dialog = opened(at("chat", dialog=Dialog("parameters", values={"temperature": "0.5", "template": "<{question}>"})))
    controls = [node for node in dialog if node.role in ("textbox", "spinbutton", "combobox")]
    assert [node.name for node in controls] == PARAMETERS
    assert [node["name"] for node in controls] == list(Parameters._fields) == [field.name for field in FIELDS]
    assert not any(node.disabled for node in controls)
    assert dialog.one("spinbutton", "Temperature")["value"] == "0.5"
    assert dialog.one("textbox", "Template").text == "<{question}>"


@pytest.mark.parametrize(
    ("model", "taken", "defaults"),
    [
        (
            "server/big.gguf",
            {"System prompt", "Template", "Temperature", "GPU layers", "Batch size"},
            {"Temperature": "0.6", "GPU layers": "40", "Batch size": "512"},
        ),
        (
            "tab/small.gguf",
            set(PARAMETERS) - {"Template", "Reasoning", "GPU layers", "Batch size"},
            {"Temperature": "0.8", "Top P": "0.95", "Top K": "40", "Context size": "4096"},
        ),
    ],
)
def test_a_parameter_shows_its_default_and_is_disabled_with_the_reason_where_it_is_not_taken(model, taken, defaults):
    dialog = opened(at("chat", settings=Settings(model=model), dialog=Dialog("parameters")))
    controls = {node.name: node for node in dialog if node.role in ("textbox", "spinbutton", "combobox")}
    assert {name for name, node in controls.items() if not node.disabled} == taken
    hints = {node["id"]: node.text for node in dialog if node.attributes.get("id", "").endswith("-hint")}
    for name, node in controls.items():
        assert ("does not take it" in hints[node["aria-describedby"]]) is (name not in taken), name
        if name in defaults:
            assert node["placeholder"] == f"Default: {defaults[name]}"


def test_the_details_say_all_that_the_api_told():
    dialog = opened(at("models", dialog=Dialog("details", "server/big.gguf")))
    assert dialog.name == "Details"
    for text in ("big.gguf", "Workshop", "4.1 GB", "On disk", "./models/big.gguf"):
        assert text in dialog.text, text
    assert "Close" in dialog.names("button")


def test_the_details_of_a_model_that_is_gone_are_empty():
    assert "big.gguf" not in opened(at("models", models={}, dialog=Dialog("details", "server/big.gguf"))).text


def test_a_question_before_a_loss_names_what_goes_on_and_cancel():
    values = {"title": "Delete model?", "confirm": "Delete", "action": "model.delete"}
    dialog = opened(at("models", dialog=Dialog("confirm", "server/big.gguf", values, "big.gguf is deleted.")))
    assert dialog.name == "Delete model?"
    assert "big.gguf is deleted." in dialog.text
    delete = dialog.one("button", "Delete")
    assert (delete["data-action"], delete["data-id"]) == ("model.delete", "server/big.gguf")
    assert dialog.one("button", "Cancel")["data-action"] == "dialog.close"


# ---- The whole page --------------------------------------------------------------------------------------------------


#: What is on every page.
AROUND = {
    *("nav", "spoken", "conversation-tools", "conversation-list"),
    *("update", "removed", "alerts", "transfers", "palette", "dialog"),
}
CHAT = {
    *("model-picker", "conversation-earlier", "chat-empty", "composer-queue", "composer-menu", "chat-export"),
    *("attachments", "context-meter", "composer-bar"),
}


@pytest.mark.parametrize(
    ("page", "ids"),
    [
        ("chat", CHAT),
        ("models", {"page-models"}),
        ("connections", {"page-connections"}),
        ("settings", {"page-settings"}),
        ("shared", {"page-shared"}),
    ],
)
def test_only_what_can_be_seen_is_drawn(page, ids):
    assert set(PageView().regions(at(page))) == AROUND | ids


def test_a_state_with_the_same_parts_draws_nothing():
    view = PageView()
    state = at("chat")
    view.regions(state)
    assert view.regions(state._replace(status="said", isolated=not state.isolated)) == {}


def test_what_has_changed_on_a_page_that_was_not_shown_is_drawn_when_it_is_shown_again():
    view = PageView()
    view.regions(at("models"))
    elsewhere = at("chat", models={})
    view.regions(elsewhere)
    assert "No models yet" in view.regions(at("models", elsewhere))["page-models"]


@pytest.mark.parametrize(
    ("changes", "drawn"),
    [
        ({"alerts": (Alert("1", ERROR),)}, {"alerts"}),
        ({"search": "x"}, {"conversation-tools", "conversation-list"}),
        ({"picker": Picker(True)}, {"model-picker"}),
        ({"generation": Generation("a", "c1", 0.0, 0.0, True)}, {"composer-bar"}),
        ({"messages": {"q": QUESTION}}, {"conversation-earlier"}),
        ({"dialog": Dialog("details")}, {"dialog"}),
    ],
    ids=lambda value: "+".join(sorted(value)),
)
def test_a_change_draws_only_what_shows_it(changes, drawn):
    view = PageView()
    state = at("chat")
    view.regions(state)
    assert set(view.regions(state._replace(**changes))) == drawn


class Watched:
    """A state that notes which of its fields are read."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self._state, name)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.element_id)
def test_a_region_reads_what_it_says_and_no_more_or_it_would_not_be_drawn_anew(region):
    read: set[str] = set()
    first = State(connections=(TAB,), facts=FACTS, types=TYPES)
    for state in (*everywhere("text"), at("chat"), at("chat", models={"tab": ()}), first):
        watched = Watched(state)
        region.draw(watched)
        read |= watched.read
    assert read == set(region.reads)


@pytest.mark.parametrize(("page", "title"), [("models", "Models · ModelTab"), ("chat", "Chat · ModelTab")])
def test_the_title_names_the_page(page, title):
    assert PageView().title(at(page)) == title


def test_the_title_of_a_conversation_is_its_own():
    assert PageView().title(chatting(QUESTION)) == "First · ModelTab"
    assert PageView().title(chatting(QUESTION)._replace(route=Route("models"))) == "Models · ModelTab"


def everywhere(text: str) -> list[State]:
    """States of every page and dialog, with one text wherever a person, a model or a server may have put it."""
    error = ErrorRecord(text, text, text)
    health = {"tab": HealthRecord("unreachable", text, text, text), "server": HealthRecord("healthy", text)}
    server = SERVER._replace(name=text, base_url=text)
    model = Model("server", text, size_text=text, modified=text, details={text: text})
    call = Call("POST", text, {text: text}, body={text: text}, api="chat", streams=True)
    answer = ANSWER._replace(text=text, reasoning=text, model=text, connection=text, status="error", error=error)
    root = Branch("b1", model.key, text, (Token(text, -1.0, (Alternative(text, -1.0), Alternative(text, -9.0))), Token(text)))
    made = root._replace(id="b2", parent="b1", place=0, status="error", error=error)
    state = chatting(
        QUESTION._replace(text=text),
        answer,
        connections=(TAB, server),
        health=health,
        models={"server": (model,)},
        settings=Settings(model=model.key, prices=(Price(text, text, 1, 2, own=True),)),
        prices=(Price("api.example", text, 1.0, 2.0, 0.5, text),),
        conversations=(Conversation("c1", text, 1.0, 1.0, "a", True), Conversation("c2", text, 1.0, 1.0, "a", folder=text)),
        removed=(Removed("1", text),),
        conversation=Conversation("c1", text, 1.0, 1.0, "a"),
        transfers=(
            Transfer("1", text, "server", 10),
            Transfer("2", text, "server", 10, 10, "processing"),
            Transfer("3", text, "server", 10, 5, "failed", error=error),
        ),
        alerts=(Alert("1", error),),
        candidates=(Candidate("1", text, 10, text, inspected(text)), Candidate("2", text, 10, text, error=error)),
        choices=Choices(text, text, text, (Choice((RepositoryFile(text, 10, "", text),), text),)),
        catalogue=(CatalogueEntry(text, text, 10, text, (text,), why=text),),
        file_details=FileDetails(model.key, example=text, facts=inspected(text).facts, error=None),
        attachments=(Attachment("1", text, text),),
        queue=(Queued("1", "c1", text, (Attachment("2", text, text),)), Queued("2", NEW_CHAT, text, waits=text)),
        menu=Menu((Suggestion(text, text, text),), note=text),
        context=ContextUse(10, 5, dropped=2, until=text),
        new_parameters=Parameters(system_prompt=text),
        completion=Completion(model.key, dict.fromkeys(NUMBERS, text), (made, root), made.id, 0, text, False, text, error, 2),
        structured=Structured(
            model.key,
            (Problem(text, text),),
            False,
            (text, text),
            text,
            text,
            text,
            "error",
            model.key,
            (Problem(text, text),),
            True,
            error,
            text,
        ),
        picker=Picker(True, ""),
        palette=Palette(text, text, text, (Item(text, text, text, "picker.choose", text, text, "Mod+K", text),), note=text),
        exchange=Exchange(
            ImportPreview(text, text, 2, 3, 1, 1, (text,), True, True, (text,)),
            Shared(text, (SharedMessage("user", text), SharedMessage("assistant", text, text, text))),
            working=text,
        ),
        code=Code(text, (Subject(text, call, call), Subject(text, call, call)), (text,), text=text),
    )
    fields = {field.name: text for field in FIELDS}
    dialogs = [
        Dialog("add-model", note=text, values={"destination": "server"}, error=error),
        Dialog("details", model.key),
        Dialog("code", model.key),
        Dialog("connection", "server", {"type": "local-llm", "name": text, "base_url": text, "model": text}, text, error),
        Dialog("parameters", values=fields, error=error),
        Dialog("prices", values=dict.fromkeys(("host", "model", "input", "output", "cached"), text), note=text, error=error),
        Dialog("conversation", "c1", {"title": text, "folder": text, "pinned": "yes"}, text, error),
        Dialog("confirm", text, {"title": text, "confirm": text, "action": text}, text),
        Dialog("export", text, error=error),
        Dialog("import"),
        Dialog("shortcuts"),
    ]
    found = Listing(snippets={"c1": text, "c2": text})
    editing = state._replace(editing="q", search=f"{text} a", listing=found)
    selecting = editing._replace(listing=found._replace(selected=frozenset({"c1"})))
    offering = state._replace(candidates=(), choices=None, dialog=Dialog("add-model"))
    pages = [state._replace(route=Route(page)) for page in ("models", "connections", "settings", "shared")]
    compares = comparing(state, text, error)
    writing = state._replace(structured=state.structured._replace(status="streaming"), completing=made)
    pages += [s._replace(route=Route(f"playground-{name}")) for s in (state, writing) for name in ("completion", "structured")]
    return [state, editing, selecting, offering, *pages, *compares, *(state._replace(dialog=dialog) for dialog in dialogs)]


def comparing(state: State, text: str, error: ErrorRecord) -> list[State]:
    """States of the Compare page: answered, failed and coming; then blind."""
    outcome = Outcome("k1", text, text, "done", 0.5, 20.0, 10, 20, 0.1)
    round_ = Round("r", text, 1.0, "k1", outcomes=(outcome,))
    columns = (Column("k1", "server/" + text), Column("k2"), Column("k3", "lost/" + text), Column("k4", removed=True))
    comparison = Comparison("x", text, 1.0, 1.0, columns, (round_,))
    answer = Message("r.k1", "x", "r", "assistant", text, 1.0, reasoning=text, model=text, connection="server", error=error)
    others = (answer._replace(id="r.k2", status="streaming"), answer._replace(id="r.k3", status="error", went_to=text))
    state = state._replace(
        route=Route("compare"),
        comparison=comparison,
        comparisons=(comparison,),
        comparisons_loaded=True,
        compared={a.id: a for a in (answer, *others)},
        comparing={"r.k2": others[0]},
        compare_progress={"r.k2": text},
    )
    blind = comparison._replace(blind=True, rounds=(round_._replace(vote=""),))
    return [state, state._replace(comparison=blind, comparisons=(blind,)), state._replace(comparison=None, comparisons=())]


def tags(state: State) -> list[object]:
    """Every tag of the page with the names of its attributes, in order."""
    view = PageView()
    html = "".join([*view.regions(state).values(), *(html for _, html in view.messages(state))])
    return [
        (kind, [name for name, _ in found] if isinstance(found, list) else None)
        for kind, found in skeleton(html)
        if kind != "text" and not str(kind).endswith("mark")  # one for each place where a search has found what was typed
    ]


@pytest.mark.parametrize("text", TRICKY)
def test_no_text_of_a_person_a_model_or_a_server_adds_an_element_or_an_attribute_to_the_page(text):
    for plain, tricky in zip(everywhere("plain"), everywhere(text), strict=True):
        assert tags(tricky) == tags(plain)


@pytest.mark.parametrize("place", range(len(everywhere("text"))))
def test_every_page_is_well_formed_and_every_control_in_it_has_a_name(place):
    state = everywhere("text")[place]
    view = PageView()
    for html in [*view.regions(state).values(), *(html for _, html in view.messages(state))]:
        root = parse(html)
        ids = [node["id"] for node in root if "id" in node]
        assert len(ids) == len(set(ids)), "an id is there twice"
        for node in root:
            if node.tag in ("button", "input", "select", "textarea", "a", "progress", "meter", "dialog"):
                assert node.name.strip(), node.attributes

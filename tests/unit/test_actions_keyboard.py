"""The command palette, the shortcuts and Escape: what they do, from the keys that are pressed."""

from __future__ import annotations

import asyncio
import re

import pytest

from modeltab.actions import keyboard
from modeltab.actions.table import ACTIONS, perform
from modeltab.domain.prompts import Preset, Prompt
from modeltab.state.controls import CONTROLS
from modeltab.state.palette import SHOWS
from modeltab.state.shortcuts import Pressed, words
from modeltab.state.store import Dialog, Route
from modeltab.views.page import PageView
from tests.servers.scripted import ScriptedServer, json_reply
from tests.unit.fakes import words as chunks
from tests.unit.markup import Node, parse
from tests.unit.rig import SERVER, TAB, Rig
from tests.unit.test_action_table import named

MODEL = f"{TAB}/small.gguf"
#: Keys that browsers and screen readers hold, on one system or another: pages have no business with them.
HELD = re.compile(
    r"Mod\+([1-9]|[ACFGHJLNOPQRSTUVWXYZ]|Shift\+[A-Z])|App\+([1-9ABDEFHSTV]|Home|ArrowLeft|ArrowRight)|Shift\+Escape|F\d+|[A-Za-z0-9]"
)


@pytest.fixture
def rig() -> Rig:
    """An app with two models in the tab."""
    return Rig("small.gguf", "other.gguf")


def key(rig: Rig, key: str, **held: bool | str) -> bool:
    """Presses a key that nothing on the page takes; True when the app has taken it."""
    event = keyboard.event_of(rig.app, Pressed(key, **held))  # type: ignore[arg-type]
    if event is not None:
        perform(rig.app, event)
    return event is not None


async def settled(rig: Rig) -> None:
    """Waits for all that follows, a new address among it."""
    await asyncio.sleep(0)
    await rig.idle()


def pressed(rig: Rig, key: str, **held: bool | str) -> str:
    """The action of a key, empty where it is the browser's."""
    event = keyboard.event_of(rig.app, Pressed(key, **held))  # type: ignore[arg-type]
    return event.action if event else ""


def shown(rig: Rig) -> Node:
    """The palette as it is drawn."""
    return parse(PageView().regions(rig.state)["palette"]).one("dialog", "Command palette")


def offered(rig: Rig) -> list[str]:
    """The names of what the palette offers."""
    assert rig.state.palette is not None
    return [item.label for item in rig.state.palette.items]


def look_for(rig: Rig, text: str) -> list[str]:
    """Opens the palette and types into it; what it offers."""
    if rig.state.palette is None:
        rig.press("palette.toggle")
    rig.press("palette.type", value=text)
    return offered(rig)


async def take(rig: Rig, text: str) -> None:
    """Does what the palette has first for a text."""
    look_for(rig, text)
    rig.press("palette.key", key="Enter")
    await settled(rig)


# ---- The table -------------------------------------------------------------------------------------------------------


def test_every_control_names_an_action_of_the_table():
    assert {control.action for control in CONTROLS} <= set(ACTIONS)


def test_a_control_does_what_a_button_does_but_for_those_that_only_move_the_focus_or_open_a_list():
    own = {"palette.list", "page.go", "composer.focus", "conversations.find"}
    assert {control.action for control in CONTROLS} - own <= named()


def test_a_key_has_one_control_but_for_stop_of_the_two_pages():
    keys = [name for control in CONTROLS for name in control.keys if name != "Escape"]
    assert len(keys) == len(set(keys))


def test_no_shortcut_is_one_that_browsers_or_screen_readers_hold():
    assert [name for control in CONTROLS for name in control.keys if HELD.fullmatch(name)] == []


def test_no_two_controls_have_the_same_name():
    assert len({control.name for control in CONTROLS}) == len(CONTROLS)


@pytest.mark.parametrize("apple", [False, True])
async def test_the_dialog_has_every_key_of_the_table_and_each_of_them_is_heard(rig, apple):
    await rig.start(MODEL)
    for text in ("One", "Two"):
        await rig.do("chat.new")
        await rig.say(text)
    rig.app.update(apple=apple)
    rig.press("shortcuts.open")
    rows = parse(PageView().regions(rig.state)["dialog"]).one("table", "Keyboard shortcuts").all("row")
    told = {row.text for row in rows}
    rig.press("dialog.close")
    for control in CONTROLS:
        for name in control.keys:
            if name != "Escape":
                text = words(name, apple)
                assert any(row.startswith(control.name.removesuffix("…")) and text in row for row in told), control.name
                modifier, _, letter = name.rpartition("+")
                held = {
                    "App": {"ctrl": apple, "alt": not apple, "meta": apple},
                    "Mod": {"ctrl": not apple, "meta": apple},
                    "": {},
                }
                is_there = control.target(rig.state) is not None
                assert pressed(rig, letter, **held[modifier]) == (control.action if is_there else ""), name


# ---- Keys ------------------------------------------------------------------------------------------------------------


async def test_single_keys_are_text_in_a_field_and_can_be_switched_off(rig):
    await rig.start(MODEL)
    assert pressed(rig, "?") == "shortcuts.open"
    for field in ("text", "search", "choice"):
        assert pressed(rig, "?", field=field) == pressed(rig, "/", field=field) == ""
        assert pressed(rig, "k", ctrl=True, field=field) == "palette.toggle"
    rig.press("settings.single-keys")
    assert pressed(rig, "?") == pressed(rig, "/") == ""
    assert pressed(rig, "/", ctrl=True) == "shortcuts.open"
    assert rig.config.value["settings"]["single_keys"] is False


async def test_the_arrows_of_a_list_of_choices_stay_its_own(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.do("chat.new")
    assert pressed(rig, "ArrowDown", alt=True) == "page.go"
    assert pressed(rig, "ArrowDown", alt=True, field="choice") == ""


async def test_alt_with_an_arrow_goes_along_the_list_of_conversations(rig):
    await rig.start(MODEL)
    for text in ("One", "Two", "Three"):
        await rig.do("chat.new")
        await rig.say(text)
    await rig.do("chat.new")
    assert pressed(rig, "ArrowUp", alt=True) == ""
    titles = []
    for _ in range(4):
        key(rig, "ArrowDown", alt=True)
        await settled(rig)
        titles.append(rig.state.conversation.title)
    assert titles == ["Three", "Two", "One", "One"]
    key(rig, "ArrowUp", alt=True)
    await settled(rig)
    assert (rig.state.conversation.title, rig.texts, rig.page.focused) == ("Two", ["Two", "Hello there"], "message")


async def test_arrows_go_from_the_search_box_into_the_list_and_back(rig):
    await rig.start(MODEL)
    for text in ("One", "Two"):
        await rig.do("chat.new")
        await rig.say(text)
    two, one = (c.id for c in rig.state.conversations)
    places = []
    for pressed_, start in (("ArrowDown", "top"), ("ArrowDown", two), ("ArrowUp", one), ("ArrowUp", two)):
        assert rig.press("conversations.key", start, key=pressed_)
        places.append(rig.page.focused)
    assert places == [f"open-{two}", f"open-{one}", f"open-{two}", "conversation-search"]
    assert not rig.press("conversations.key", one, key="ArrowDown")  # there is no other below
    assert not rig.press("conversations.key", "top", key="ArrowUp")
    assert not rig.press("conversations.key", one, key="a")


async def test_the_message_box_is_found_from_every_page(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.visit("#/models")
    key(rig, "/")
    await settled(rig)
    assert (rig.state.route.page, rig.state.route.id, rig.page.focused) == ("chat", rig.state.conversation.id, "message")
    rig.page.focused = ""
    key(rig, "i", alt=True)
    assert rig.page.focused == "message"
    await rig.visit("#/compare")
    key(rig, "/")
    assert (rig.state.route.page, rig.page.focused) == ("compare", "compare-message")


async def test_search_goes_where_the_list_is_when_the_page_has_no_room_for_it(rig):
    await rig.start(MODEL)
    await rig.say("One")
    key(rig, "l", alt=True)
    assert (rig.page.focused, rig.shown[-1].text) == ("conversation-search", "Hello there")
    rig.page.hidden.add("conversation-search")
    key(rig, "l", alt=True)
    assert (rig.page.focused, rig.shown) == ("conversation-search", [])


# ---- Escape ----------------------------------------------------------------------------------------------------------


async def test_escape_leaves_one_thing_at_a_time_and_then_stops_the_answer(rig):
    rig.engine.steps = (*chunks("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    rig.press("conversations.select")
    question = rig.shown[0].id
    rig.press("composer", key="ArrowUp")
    rig.page.fields[f"edit-{question}"] = "Hello?"
    rig.press("parameters.open")
    assert pressed(rig, "Escape") == ""  # the browser closes the dialog
    rig.press("dialog.close")
    assert key(rig, "Escape")
    assert (rig.state.editing, rig.page.focused) == ("", "message")
    assert rig.state.listing.selected is not None
    key(rig, "Escape")
    assert rig.state.listing.selected is None
    assert rig.state.generation is not None
    assert pressed(rig, "Escape", field="search") == ""  # that empties the box
    key(rig, "Escape", field="text")
    await rig.idle()
    assert rig.shown[-1].status == "stopped"
    assert pressed(rig, "Escape") == ""


async def test_escape_stops_no_answer_whose_page_is_not_shown(rig):
    rig.engine.steps = (*chunks("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    rig.app.update(route=Route("settings"))
    assert pressed(rig, "Escape") == ""
    rig.app.update(route=Route("chat"))
    await rig.do("chat.stop")


async def test_escape_asks_before_a_changed_message_is_left(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    question = rig.shown[0].id
    rig.press("message.edit", question)
    rig.page.fields[f"edit-{question}"] = "Hello, changed"
    key(rig, "Escape")
    assert rig.state.editing == question
    asked = parse(PageView().regions(rig.state)["dialog"]).one("dialog", "Discard your changes?")
    assert asked.one("button", "Keep editing")["data-action"] == "dialog.close"
    rig.press("dialog.close")
    assert rig.state.editing == question
    key(rig, "Escape")
    discard = asked.one("button", "Discard")
    rig.press(discard["data-action"], discard["data-id"])
    assert (rig.state.editing, rig.state.dialog, rig.texts[0]) == ("", None, "Hello?")
    assert rig.page.focused == f"message.edit {question}"  # where the editor was opened


async def test_escape_asks_for_a_message_of_the_queue_as_well(rig):
    rig.engine.steps = (*chunks("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("One", "Half")
    rig.type("Two")
    rig.press("chat.send")
    (queued,) = rig.state.queue
    rig.press("queue.edit", queued.id)
    rig.page.fields[f"queued-{queued.id}"] = "Two, changed"
    key(rig, "Escape")
    assert rig.state.dialog is not None
    rig.press(rig.state.dialog.values["action"], queued.id)
    assert (rig.state.editing, rig.state.dialog, rig.state.queue[0].text) == ("", None, "Two")
    assert rig.page.focused == f"queue.edit {queued.id}"
    rig.press("queue.remove", queued.id)
    await rig.do("chat.stop")


async def test_the_focus_stays_on_the_way_through_the_versions(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    for _ in range(2):
        await rig.do("message.regenerate", rig.shown[-1].id)
    third = rig.shown[-1].id
    answers = sorted((m for m in rig.state.messages.values() if m.role == "assistant"), key=lambda m: m.created)
    first, second = (m.id for m in answers[:2])
    await rig.do("message.version", second)
    assert rig.page.focused == f"message.version {first}"  # on in the same direction
    await rig.do("message.version", first)
    assert rig.page.focused == f"message.version {second}"  # there is none before the first, so back
    await rig.do("message.version", second)
    assert rig.page.focused == f"message.version {third}"


# ---- The palette -----------------------------------------------------------------------------------------------------


async def test_the_palette_is_a_combobox_in_a_dialog_with_shortcuts_beside_the_commands(rig):
    await rig.start(MODEL)
    assert key(rig, "k", ctrl=True, field="text")
    dialog = shown(rig)
    box = dialog.one("combobox", "Command")
    options = dialog.one("listbox", "Results").all("option")
    assert (box["aria-controls"], box["aria-activedescendant"]) == ("palette-list", options[0]["id"])
    assert [option["aria-selected"] for option in options] == ["true", *["false"] * (len(options) - 1)]
    assert "Alt+N" in next(option.text for option in options if option.text.startswith("New chat"))
    assert dialog.names("group")[:2] == ["Chat", "Conversations"]
    assert key(rig, "k", ctrl=True, field="choice")
    assert rig.state.palette is None


async def test_keys_move_in_the_palette_and_nothing_else_hears_them(rig):
    await rig.start(MODEL)
    rig.press("palette.toggle")
    count = len(offered(rig))
    active = []
    for name in ("ArrowDown", "ArrowUp", "ArrowUp", "ArrowDown", "End", "Home", "PageDown", "PageUp"):
        assert rig.press("palette.key", key=name)
        active.append(rig.state.palette.active)
    assert active == [1, 0, count - 1, 0, count - 1, 0, 10, 0]
    assert not rig.press("palette.key", key="a")
    assert not rig.press("palette.key", key="")  # text is being composed
    assert pressed(rig, "Escape") == pressed(rig, "n", alt=True) == pressed(rig, "?") == ""
    rig.press("palette.close")
    assert rig.state.palette is None


async def test_only_what_is_possible_now_is_offered(rig):
    rig.engine.steps = (*chunks("Half"), asyncio.Event())
    await rig.start(MODEL)
    rig.press("palette.toggle")
    assert "Sync" not in offered(rig)  # no connection reads a folder
    absent = {
        "Stop",
        "Regenerate",
        "Copy last answer",
        "Branch",
        "Export",
        "Pin",
        "Open a conversation…",
        "Unlock keys",
        "Go to Chat",
    }
    assert absent & set(offered(rig)) == set()
    assert {"New chat", "Go to Models", "Add model", "Free memory", "Offline only: on"} <= set(offered(rig))
    rig.press("palette.close")
    await rig.begin("Hello?", "Half")
    assert look_for(rig, "stop")[0] == "Stop"
    assert "Regenerate" not in look_for(rig, "regenerate")
    await rig.do("chat.stop")
    assert "Stop" not in offered(rig)  # it follows what happens while it is open
    assert look_for(rig, "regenerate")[0] == "Regenerate"
    rig.app.update(route=Route("settings"))
    rig.press("palette.close")
    assert "Regenerate" not in look_for(rig, "regenerate")


async def test_commands_do_what_the_buttons_do(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    await take(rig, "copy last")
    assert (rig.page.clipboard, rig.state.palette) == ("Hello there", None)
    await take(rig, "regenerate")
    assert len(rig.state.messages) == 3
    await take(rig, "theme dark")
    assert (rig.state.settings.theme, rig.page.theme) == ("dark", "dark")
    await take(rig, "offline on")
    assert rig.state.settings.offline_only
    await take(rig, "pin")
    assert rig.state.conversation.pinned
    await take(rig, "branch")
    assert len(rig.state.conversations) == 2
    await take(rig, "param")
    assert rig.state.dialog.name == "parameters"
    rig.press("dialog.close")
    await take(rig, "go to models")
    assert (rig.state.route.page, rig.page.focused) == ("models", "main")
    await take(rig, "edit last")
    assert rig.state.editing == ""  # there is none on this page, and it is not offered
    rig.press("palette.close")
    await take(rig, "new chat")
    assert (rig.state.conversation, rig.page.focused) == (None, "message")


async def test_what_a_connection_cannot_do_is_not_offered():
    server = ScriptedServer({("GET", "/models"): json_reply({"models": [], "count": 0})})
    with server:
        rig = Rig("small.gguf", url=server.url)
        rig.engine.steps = (*chunks("Half"), asyncio.Event())
        await rig.start(MODEL)
        await rig.begin("Hello?", "Half")
        await rig.do("chat.stop")
        assert ("Continue" in look_for(rig, "continue")) is rig.state.facts[TAB].capabilities.continues
        assert "Sync" in look_for(rig, "sync")
        rig.app.set_setting(model=f"{SERVER}/m.gguf")  # this API cannot
        assert "Continue" not in look_for(rig, "continue")


async def test_what_is_seen_on_one_page_only_is_done_there(rig):
    await rig.start(MODEL)
    await take(rig, "free memory")
    assert rig.state.route.page == "models"
    assert rig.state.inventory_note.startswith("Memory is free")


async def test_a_model_of_any_connection_is_chosen_by_its_name(rig):
    await rig.start(MODEL)
    await take(rig, "choose a model")
    assert (offered(rig), shown(rig).one("combobox")["aria-label"]) == (["small.gguf", "other.gguf"], "Choose a model")
    await take(rig, "oth")
    assert (rig.state.settings.model, rig.state.palette, rig.page.focused) == (f"{TAB}/other.gguf", None, "message")
    await take(rig, "small")  # without the list, too
    assert rig.state.settings.model == MODEL
    key(rig, "m", alt=True)
    assert offered(rig) == ["small.gguf", "other.gguf"]
    assert rig.press("palette.key", key="Backspace")
    assert "New chat" in offered(rig)


async def test_a_conversation_is_opened_by_its_title(rig):
    await rig.start(MODEL)
    for text in ("About whales", "About tides"):
        await rig.do("chat.new")
        await rig.say(text)
    await take(rig, "open a conversation")
    assert offered(rig) == ["About tides", "About whales"]
    await take(rig, "whal")
    assert (rig.state.conversation.title, rig.page.focused) == ("About whales", "message")
    assert look_for(rig, "tides") == ["About tides"]


async def test_of_many_conversations_the_first_are_shown_and_that_there_are_more(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    (one,) = rig.state.conversations
    rig.app.update(conversations=tuple(one._replace(id=f"c{n}", title=f"Title {n}") for n in range(SHOWS + 20)))
    rig.press("palette.list", "conversations")
    assert len(offered(rig)) == SHOWS
    assert f"The first {SHOWS}. Type more to find the others." in shown(rig).text
    assert look_for(rig, "title 69") == ["Title 69"]


async def test_commands_of_the_message_box_are_in_the_palette_and_leave_the_draft_alone(rig):
    await rig.start(MODEL)
    rig.app.set_setting(prompts=(Prompt("Letter", "Dear X"),), presets=(Preset("Brief", ""),))
    rig.type("My draft")
    assert look_for(rig, "temperature")[:2] == ["Temperature…", "Parameters"]
    assert look_for(rig, "/temper") == ["Temperature…"]
    rig.press("palette.key", key="Enter")
    assert "Type it, then press Enter." in shown(rig).text
    rig.press("palette.type", value="warm")
    rig.press("palette.key", key="Enter")
    assert "Temperature" in rig.state.palette.note
    assert "Temperature" in shown(rig).text
    await take(rig, "0.5")
    assert (rig.state.new_parameters.temperature, rig.state.palette) == (0.5, None)
    await take(rig, "use a prompt")
    assert offered(rig) == ["Letter"]
    await take(rig, "letter")
    assert rig.page.fields["message"] == "My draft\n\nDear X"
    await take(rig, "use a preset")
    await take(rig, "banana")
    assert rig.state.palette is not None  # there is none of that name
    await take(rig, "brief")
    assert rig.state.status == "Brief applies to this conversation"
    await take(rig, "commands of the message box")
    assert rig.state.dialog.name == "help"


async def test_the_latest_commands_come_first_and_outlive_the_page(rig):
    await rig.start(MODEL)
    await take(rig, "theme dark")
    await take(rig, "other.gguf")
    await take(rig, "free memory")
    rig.press("palette.toggle")
    assert offered(rig)[:2] == ["Free memory", "other.gguf"]  # "Theme: dark" is not possible now
    assert shown(rig).names("group")[0] == "Recent"
    assert offered(rig).count("Free memory") == 1
    assert rig.config.value["settings"]["recent"] == ["Free memory", f"model {TAB}/other.gguf", "Theme: dark"]


async def test_while_a_dialog_is_open_only_what_leaves_it_alone_is_possible(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    rig.press("parameters.open")
    assert pressed(rig, "n", alt=True) == pressed(rig, "?") == pressed(rig, "p", alt=True) == ""
    assert key(rig, "k", ctrl=True, field="text")
    assert {"Copy last answer", "Theme: dark"} <= set(offered(rig))
    assert {"New chat", "Go to Models", "Add model", "Parameters", "Temperature…"} & set(offered(rig)) == set()
    assert "A dialog is open" in shown(rig).text
    assert look_for(rig, "small.gguf") == []
    await take(rig, "theme dark")
    assert (rig.state.settings.theme, rig.state.dialog) == ("dark", Dialog("parameters", *rig.state.dialog[1:]))


async def test_a_line_that_is_no_longer_there_is_not_taken(rig):
    await rig.start(MODEL)
    rig.press("palette.toggle")
    assert rig.press("palette.choose", "999")
    assert rig.state.palette is not None
    rig.press("palette.type", value="nothing has this")
    assert "Nothing has this in its name." in shown(rig).text
    assert rig.press("palette.key", key="Enter")
    assert rig.state.palette is not None
    rig.press("palette.type", value="theme dark")
    rig.press("palette.choose", "0")
    assert (rig.state.settings.theme, rig.state.palette) == ("dark", None)
    assert rig.press("palette.choose", "0")  # pressed twice


async def test_the_answers_of_a_comparison_are_stopped_on_their_page():
    rig = Rig("small.gguf")
    rig.engine.steps = (*chunks("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.visit("#/compare")
    assert rig.state.comparison is not None
    for column in rig.state.comparison.columns:
        rig.press("compare.model", column.id, value=MODEL)
    rig.page.fields["compare-message"] = "Hello?"
    rig.press("compare.send")
    await rig.until(lambda: any(answer.text for answer in rig.state.comparing.values()))
    assert look_for(rig, "stop all")[0] == "Stop all"
    rig.press("palette.close")
    assert key(rig, "Escape")
    await rig.idle()
    assert {answer.status for answer in rig.state.compared.values()} == {"stopped"}
    assert pressed(rig, "Escape") == ""

"""Commands in the message box, the prompt library, presets, and the parameters of one conversation."""

from __future__ import annotations

import json

import pytest

from modeltab.actions.commands import COMMANDS
from modeltab.domain.prompts import Preset, Prompt, Variable, filled, variables
from modeltab.domain.requests import Parameters
from modeltab.state.records import config_from_json, conversation_from_json
from modeltab.state.updates import parameters_of
from modeltab.views.command_menu import active_option, menu
from modeltab.views.page import PageView
from tests.servers.scripted import ScriptedServer, json_reply
from tests.unit.markup import Node, parse
from tests.unit.rig import SERVER, TAB, Rig
from tests.unit.test_exchange_archive import exported, read_in

MODEL = f"{TAB}/small.gguf"


@pytest.fixture
def rig() -> Rig:
    """An app with two models in the tab."""
    return Rig("small.gguf", "other.gguf")


def labels(rig: Rig) -> list[str]:
    """What the list offers."""
    return [item.label for item in rig.state.menu.items]


def dialog(rig: Rig) -> Node:
    """The open dialog."""
    return parse(PageView().regions(rig.state)["dialog"]).one("dialog")


async def command(rig: Rig, text: str) -> None:
    """Types a command and presses Enter, after closing the list."""
    rig.type(text)
    rig.press("composer", key="Escape")
    await rig.do("composer", key="Enter")


# ---- The list --------------------------------------------------------------------------------------------------------


async def test_a_slash_opens_the_list_and_the_keyboard_completes_from_it(rig):
    await rig.start(MODEL)
    rig.type("/")
    assert labels(rig)[:2] == ["/model name", "/system text"]
    assert len(labels(rig)) == len(COMMANDS)
    rig.type("/t")
    assert labels(rig) == ["/title text", "/template text", "/temperature n", "/top-p n", "/top-k n"]
    assert rig.press("composer", key="ArrowDown")
    assert active_option(rig.state) == "menu-1"
    options = parse(menu(rig.state)).all("option")
    assert [option["aria-selected"] for option in options] == ["false", "true", "false", "false", "false"]
    rig.press("composer", key="ArrowUp")
    rig.press("composer", key="ArrowUp")
    assert rig.press("composer", key="Tab")
    assert rig.page.fields["message"] == "/top-k "
    assert labels(rig) == []
    await rig.idle()


async def test_the_models_are_offered_and_enter_chooses_one(rig):
    await rig.start(MODEL)
    rig.type("/model oth")
    assert labels(rig) == ["other.gguf"]
    await rig.do("composer", key="Enter")
    assert rig.state.settings.model == f"{TAB}/other.gguf"
    assert (rig.page.fields["message"], rig.state.menu.items) == ("", ())


async def test_escape_closes_the_list_and_text_without_a_slash_has_none(rig):
    await rig.start(MODEL)
    rig.type("/he")
    assert rig.press("composer", key="Escape")
    assert labels(rig) == []
    assert not rig.press("composer", key="ArrowDown")
    rig.type("hello")
    assert labels(rig) == []
    await rig.idle()


# ---- The commands ----------------------------------------------------------------------------------------------------


async def test_a_parameter_is_set_for_this_conversation_and_goes_with_the_request(rig):
    await rig.start(MODEL)
    await command(rig, "/temperature 0.25")
    await command(rig, "/system Be brief.")
    assert rig.state.settings.parameters == Parameters()
    await rig.say("Hello?")
    assert rig.engine.bodies[0]["temperature"] == 0.25
    assert rig.engine.bodies[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    kept = conversation_from_json(next(iter(rig.records.conversations.values())))
    assert kept.parameters == Parameters("Be brief.", temperature=0.25)
    await rig.do("chat.new")
    assert parameters_of(rig.state) == Parameters()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/temperature hot", "Temperature is a number"),
        ("/temperature", "say which"),
        ("/model nobody", "No model has “nobody”"),
        ("/prompt nothing", "There is no prompt “nothing”"),
        ("/preset nothing", "There is no preset “nothing”"),
        ("/title Mine", "has not begun"),
    ],
)
async def test_a_command_that_cannot_be_done_says_why_and_stays(rig, text, told):
    await rig.start(MODEL)
    await command(rig, text)
    assert told in parse(menu(rig.state)).text
    assert rig.page.fields["message"] == text
    assert rig.state.conversations == ()


async def test_what_is_no_command_is_sent_only_after_that_was_told(rig):
    await rig.start(MODEL)
    await command(rig, "/frobnicate now")
    assert "“/frobnicate” is not a command" in parse(menu(rig.state)).text
    assert rig.texts == []
    await rig.do("chat.send")
    assert rig.texts == ["/frobnicate now", "Hello there"]


async def test_a_path_at_the_beginning_is_text(rig):
    await rig.start(MODEL)
    await rig.say("/usr/bin/env is what?")
    assert rig.texts[0] == "/usr/bin/env is what?"


async def test_title_new_and_help(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await command(rig, "/title On whales")
    assert rig.state.conversations[0].title == "On whales"
    assert next(iter(rig.records.conversations.values()))["title"] == "On whales"
    await command(rig, "/help")
    assert "/temperature n" in dialog(rig).text
    await rig.do("dialog.close")
    await command(rig, "/new")
    assert (rig.state.conversation, rig.page.fields["message"]) == (None, "")


# ---- Prompts ---------------------------------------------------------------------------------------------------------


def test_the_variables_of_a_prompt_and_their_defaults():
    text = "Write to {{name}} in {{language:English}}, dear {{ name }}: {{not a: {x}}}"
    assert variables(text) == (Variable("name"), Variable("language", "English"))
    assert filled(text, {"name": "Ada", "language": " "}).startswith("Write to Ada in English, dear Ada:")


async def test_a_prompt_is_added_used_edited_and_deleted(rig):
    await rig.start(MODEL)
    await rig.do("prompts.add")
    await rig.do("prompts.save", values={"name": "Letter", "text": "Write to {{who}} in {{language:English}}."})
    assert config_from_json(rig.config.value)[1].prompts == rig.state.settings.prompts
    await command(rig, "/prompt letter")
    form = dialog(rig)
    assert [(node.name, node.text) for node in form.all("textbox")] == [("who", ""), ("language", "English")]
    await rig.do("prompts.fill", values={"v:who": "Ada", "v:language": "English"})
    assert rig.page.fields["message"] == "Write to Ada in English."
    await rig.do("prompts.edit", "0")
    await rig.do("prompts.save", values={"name": "Letter", "text": "Write."})
    await rig.do("prompts.use", "0")
    assert rig.page.fields["message"] == "Write to Ada in English.\n\nWrite."
    await rig.do("prompts.delete.ask", "0")
    await rig.do("prompts.delete", "0")
    assert rig.state.settings.prompts == ()


@pytest.mark.parametrize(("name", "text"), [("", "x"), ("New", ""), ("letter", "again")])
async def test_a_prompt_has_a_name_of_its_own_and_a_text(rig, name, text):
    await rig.start(MODEL)
    rig.app.set_setting(prompts=(Prompt("Letter", "x"),))
    await rig.do("prompts.add")
    await rig.do("prompts.save", values={"name": name, "text": text})
    assert rig.state.settings.prompts == (Prompt("Letter", "x"),)
    assert dialog(rig).one("alert")


async def test_prompts_and_presets_come_along_in_an_export_and_nothing_is_overwritten(rig):
    await rig.start(MODEL)
    rig.app.set_setting(prompts=(Prompt("A", "theirs"), Prompt("B", "b")), presets=(Preset("P", MODEL, Parameters(seed=1)),))
    archive = await exported(rig)
    other = Rig()
    await other.start()
    other.app.set_setting(prompts=(Prompt("A", "mine"),))
    await read_in(other, archive)
    assert other.state.settings.prompts == (Prompt("A", "mine"), Prompt("A (imported)", "theirs"), Prompt("B", "b"))
    assert other.state.settings.presets == (Preset("P", MODEL, Parameters(seed=1)),)


# ---- Presets and parameters ------------------------------------------------------------------------------------------


async def test_a_preset_keeps_what_applies_now_and_brings_it_back(rig):
    await rig.start(MODEL)
    await command(rig, "/temperature 0.5")
    await rig.do("presets.save", values={"name": "Cool"})
    assert rig.state.settings.presets == (Preset("Cool", MODEL, Parameters(temperature=0.5)),)
    json.dumps(rig.config.value)
    await rig.do("chat.new")
    rig.app.update(new_parameters=None)
    rig.app.set_setting(model=f"{TAB}/other.gguf")
    await command(rig, "/preset cool")
    assert (rig.state.settings.model, parameters_of(rig.state).temperature) == (MODEL, 0.5)
    await rig.do("presets.edit", "0")
    assert dialog(rig).one("spinbutton", "Temperature")["value"] == "0.5"
    await rig.do("presets.change", "0", values={"name": "Cooler", "model": "", "temperature": "0.1"})
    assert rig.state.settings.presets == (Preset("Cooler", "", Parameters(temperature=0.1)),)
    await rig.do("presets.delete.ask", "0")
    await rig.do("presets.delete", "0")
    assert rig.state.settings.presets == ()


async def test_the_form_says_whether_it_changes_this_conversation_or_the_defaults(rig):
    await rig.start(MODEL)
    rig.app.set_setting(parameters=Parameters(temperature=0.7, top_k=5))
    await rig.say("One")
    await rig.do("parameters.open")
    form = dialog(rig)
    pressed = {node.name: node["aria-pressed"] for node in form.all("button") if "aria-pressed" in node}
    assert pressed == {"This conversation": "true", "Every conversation (the defaults)": "false"}
    assert form.one("spinbutton", "Temperature")["placeholder"] == "Default: 0.7"
    await rig.do("parameters.scope", "defaults", values={"temperature": "0.1"})
    assert dialog(rig).one("spinbutton", "Temperature")["value"] == "0.7"
    await rig.do("parameters.save", values={"temperature": "0.9", "top_k": "5"})
    assert rig.state.settings.parameters == Parameters(temperature=0.9, top_k=5)
    assert parameters_of(rig.state) == Parameters(temperature=0.1, top_k=5)
    await rig.say("Two")
    assert rig.engine.bodies[-1]["temperature"] == 0.1


# ---- The template ----------------------------------------------------------------------------------------------------


async def test_the_form_shows_while_the_template_is_typed_what_will_be_sent():
    listed = {"models": [{"name": "a.gguf", "path": "a", "size": "1 GB", "modified": ""}], "count": 1}
    health = {"status": "healthy", "service": "s", "version": "1"}
    replies = {("GET", "/models"): json_reply(listed), ("GET", "/health"): json_reply(health)}
    with ScriptedServer(replies) as server:
        rig = Rig(url=server.url)
        await rig.start(f"{SERVER}/a.gguf")
        rig.type("Is it so?")
        await rig.do("parameters.open")
        shown = dialog(rig).one(aria_label="What will be sent")
        assert "Is it so?" in shown.text and "the model's own" in shown.text
        await rig.do("parameters.input", values={"template": "Q: {question}\nA:", "system_prompt": "Be brief."})
        assert "Q: Be brief.\n\nIs it so?\nA:" in dialog(rig).one(aria_label="What will be sent").text
        assert dialog(rig).one("textbox", "Template").text == "Q: {question}\nA:"
        await rig.do("parameters.input", values={"template": "Nothing"})
        assert "has no {question}" in dialog(rig).text
        await rig.do("parameters.save", values={"template": "<{question}>", "system_prompt": ""})
        await rig.do("preview.open")
        assert dialog(rig).one(aria_label="Prompt").text == "<Is it so?>"
        assert "about 3 tokens" in dialog(rig).text


async def test_a_model_that_takes_no_template_shows_none(rig):
    await rig.start(MODEL)
    await rig.do("parameters.open")
    assert "What will be sent" not in dialog(rig).text


async def test_what_was_told_of_is_sent_also_when_the_models_were_still_on_their_way(rig):
    rig.watch()
    rig.app.set_setting(model=MODEL)
    rig.type("/frobnicate")
    rig.press("chat.send")
    assert rig.texts == []
    await rig.do("chat.send")
    assert rig.texts == ["/frobnicate", "Hello there"]
    assert rig.state.menu.note == ""


async def test_what_was_typed_as_parameters_is_saved_before_the_presets_are_shown(rig):
    await rig.start(MODEL)
    await rig.do("parameters.open")
    await rig.do("presets.open", values={"temperature": "hot"})
    assert dialog(rig).name == "Parameters"
    await rig.do("presets.open", values={"temperature": "0.5"})
    assert (dialog(rig).name, rig.state.settings.parameters.temperature) == ("Presets", 0.5)

"""Settings and parameters; what is erased; where an address leads."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions import navigation
from modeltab.actions.parameters import read
from modeltab.domain.errors import BadRequest
from modeltab.domain.requests import Parameters
from modeltab.state.store import Route
from tests.servers.model_files import small_gguf
from tests.unit.fakes import MemoryFile, words
from tests.unit.rig import TAB, Rig

MODEL = f"{TAB}/a.gguf"
NOTHING = "http://127.0.0.1:1/api/v1"


# ---- Parameters ------------------------------------------------------------------------------------------------------


def test_an_empty_form_sets_nothing():
    assert read({}) == Parameters()
    assert read(dict.fromkeys(Parameters._fields, "  ")) == Parameters()


def test_every_field_is_read_as_what_it_is():
    values = {
        "system_prompt": " Be brief. ",
        "template": "<{question}>",
        "temperature": "0.7",
        "max_tokens": "100",
        "top_p": "0.5",
        "top_k": "0",
        "seed": "0",
        "reasoning": "high",
        "n_gpu_layers": "0",
        "n_batch": "1",
        "n_ctx": "256",
        "extra_json": '{"min_p": 0.1}',
    }
    assert read(values) == Parameters("Be brief.", "<{question}>", 0.7, 100, 0.5, 0, 0, "high", 0, 1, 256, '{"min_p": 0.1}')


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        ("temperature", "warm", "Temperature"),
        ("temperature", "0,7", "Temperature"),
        ("temperature", "-0.1", "Temperature"),
        ("temperature", "2.1", "Temperature"),
        ("temperature", "inf", "Temperature"),
        ("top_p", "1.01", "Top P"),
        ("max_tokens", "0", "Max tokens"),
        ("max_tokens", "1.5", "Max tokens"),
        ("top_k", "-1", "Top K"),
        ("seed", "1e3", "Seed"),
        ("n_gpu_layers", "all", "GPU layers"),
        ("n_batch", "0", "Batch size"),
        ("n_ctx", "255", "Context size"),
        pytest.param("temperature", "nan", "Temperature"),
    ],
)
def test_a_number_that_is_none_or_out_of_bounds_is_refused_by_its_name(name, text, label):
    with pytest.raises(BadRequest, match=f"^{label} is ") as caught:
        read({name: text})
    assert caught.value.advice


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_wrong_extra_json_is_refused_in_the_form(text):
    with pytest.raises(BadRequest, match="extra JSON"):
        read({"extra_json": text})


async def test_parameters_are_saved_kept_and_shown_again():
    rig = Rig()
    await rig.start()
    await rig.do("parameters.open")
    assert rig.state.dialog is not None and rig.state.dialog.values == {}
    await rig.do("parameters.save", values={"temperature": "0.5", "system_prompt": "Be brief."})
    assert rig.state.dialog is None
    assert rig.state.settings.parameters == Parameters("Be brief.", temperature=0.5)
    assert rig.config.value["settings"]["parameters"] == {"system_prompt": "Be brief.", "temperature": 0.5}
    await rig.do("parameters.open")
    assert rig.state.dialog is not None
    assert rig.state.dialog.values == {"system_prompt": "Be brief.", "temperature": "0.5"}


async def test_a_wrong_parameter_keeps_the_form_with_what_was_typed():
    rig = Rig()
    await rig.start()
    await rig.do("parameters.open")
    await rig.do("parameters.save", values={"temperature": "9", "seed": "1"})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert dialog.error.message == "Temperature is from 0 to 2."
    assert dialog.values == {"temperature": "9", "seed": "1"}
    assert rig.state.settings.parameters == Parameters()


async def test_a_parameter_whose_field_is_disabled_keeps_its_value():
    rig = Rig()
    await rig.start()
    rig.app.set_setting(parameters=Parameters(template="{question}", temperature=1.0))
    await rig.do("parameters.open")
    await rig.do("parameters.save", values={"temperature": "0.5"})
    assert rig.state.settings.parameters == Parameters(template="{question}", temperature=0.5)


async def test_the_defaults_apply_again_once_the_emptied_form_is_saved():
    rig = Rig()
    await rig.start()
    rig.app.set_setting(parameters=Parameters(temperature=1.0, template="x"))
    await rig.do("parameters.open")
    await rig.do("parameters.reset")
    assert rig.state.settings.parameters.temperature == 1.0
    await rig.do("parameters.save", values={"temperature": ""})
    assert rig.state.settings.parameters == Parameters()


async def test_a_field_that_is_emptied_goes_back_to_its_default():
    rig = Rig()
    await rig.start()
    rig.app.set_setting(parameters=Parameters(temperature=1.0))
    await rig.do("parameters.open")
    await rig.do("parameters.save", values={"temperature": ""})
    assert rig.state.settings.parameters == Parameters()


# ---- Settings --------------------------------------------------------------------------------------------------------


async def test_a_theme_is_applied_and_kept():
    rig = Rig()
    await rig.start()
    await rig.do("settings.theme", value="dark")
    assert (rig.page.theme, rig.state.settings.theme, rig.config.value["settings"]["theme"]) == ("dark", "dark", "dark")


async def test_offline_only_is_switched_on_and_off_and_kept():
    rig = Rig()
    await rig.start()
    await rig.do("settings.offline")
    assert rig.config.value["settings"]["offline_only"] is True
    await rig.do("settings.offline")
    assert rig.config.value["settings"]["offline_only"] is False


async def test_the_storage_is_measured_when_the_settings_are_shown():
    rig = Rig()
    await rig.start()
    await rig.visit("#/settings")
    assert rig.state.storage == (1_500_000, 3_000_000_000, False)


@pytest.mark.parametrize(("agrees", "text"), [(True, "keeps the storage"), (False, "did not agree")])
async def test_the_browser_is_asked_to_keep_the_storage(agrees, text):
    rig = Rig()
    await rig.start()
    rig.page.keeps_storage = agrees
    await rig.do("storage.persist")
    assert text in rig.state.status
    assert rig.state.storage.persisted is agrees


async def test_an_alert_is_shown_once_and_can_be_closed():
    rig = Rig()
    await rig.start()
    for _ in range(2):
        rig.type("Hi")
        await rig.do("chat.send")
    assert rig.alerts == ["No model is chosen."]
    await rig.do("alert.close", rig.state.alerts[0].id)
    assert rig.alerts == []


# ---- Erase -----------------------------------------------------------------------------------------------------------


async def talked() -> Rig:
    """An app with two conversations."""
    rig = Rig("a.gguf", url=NOTHING)
    await rig.start(MODEL)
    await rig.say("One ❤")
    await rig.say("Two")
    await rig.do("chat.new")
    await rig.say("Three")
    return rig


async def test_erasing_asks_first_and_then_leaves_nothing():
    rig = Rig("a.gguf", url=NOTHING)
    await rig.start(MODEL)
    await rig.say("One")
    await rig.do("data.erase.ask")
    assert rig.state.dialog is not None and rig.state.dialog.values["action"] == "data.erase"
    assert rig.records.conversations
    await rig.do("data.erase")
    assert (rig.records.conversations, rig.records.by_id, rig.files.files, rig.config.value) == ({}, {}, {}, None)
    assert (rig.page.reloads, rig.page.hash) == (1, "#/chat")


async def test_erasing_ends_the_answer_and_the_transfers_that_are_under_way():
    rig = Rig("a.gguf")
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("Hi", "Half")
    rig.files.gate = asyncio.Event()
    rig.press("models.add")
    rig.press("models.add.save", files=(MemoryFile("b.gguf", small_gguf(1000)),), values={"destination": TAB})
    await rig.until(lambda: any(transfer.sent == 500 for transfer in rig.state.transfers))
    rig.press("data.erase")
    await rig.until(lambda: "cancelled b.gguf" in rig.files.log)
    rig.files.gate.set()
    await rig.idle()
    assert rig.engine.log.index("stopped") < rig.engine.log.index("unload")
    assert (rig.files.files, rig.records.by_id, rig.page.reloads) == ({}, {}, 1)


# ---- Where an address leads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hash_", "route"),
    [
        ("", Route("chat")),
        ("#", Route("chat")),
        ("#/", Route("chat")),
        ("#/chat", Route("chat")),
        ("#/chat/", Route("chat")),
        ("#/chat/abc", Route("chat", "abc")),
        ("#chat/abc", Route("chat", "abc")),
        ("#/models", Route("models")),
        ("#/models/abc", Route("models")),
        ("#/connections", Route("connections")),
        ("#/settings", Route("settings")),
        ("#/shared/abc", Route("shared", "abc")),
        ("#/nonsense", Route("chat")),
        ("#/nonsense/abc", Route("chat")),
        ("#main", Route("chat")),
        ("#/Models", Route("chat")),
    ],
)
def test_an_address_leads_to_its_page_and_one_that_is_not_known_to_the_chat(hash_, route):
    assert navigation.parse(hash_) == route


async def test_back_and_forward_show_what_the_address_names():
    rig = await talked()
    three, one = rig.state.conversations
    await rig.visit(f"#/chat/{one.id}")
    assert rig.texts[0] == "One ❤"
    await rig.visit("#/settings")
    assert rig.state.route.page == "settings"
    await rig.visit(f"#/chat/{three.id}")
    assert rig.texts[0] == "Three"
    await rig.visit("#/chat")
    assert rig.texts == []

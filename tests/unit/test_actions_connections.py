"""Connections and their models: asked, added, tested, edited, removed; what happens when a server goes away."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions import connections
from modeltab.domain.errors import Unreachable
from modeltab.domain.messages import Message
from modeltab.domain.models import Model
from modeltab.state.store import Generation
from tests.servers.scripted import Reply, ScriptedServer, json_reply
from tests.unit.fakes import stop, words
from tests.unit.rig import SERVER, TAB, Rig

HEALTHY = json_reply({"status": "healthy", "service": "S", "version": "1"})
NOTHING = "http://127.0.0.1:1/api/v1"


def script(server: ScriptedServer, *models: str) -> None:
    """The scripted server is well and has these models."""
    server.on("GET", "/health", HEALTHY)
    server.on("GET", "/models", json_reply({"models": [{"name": name} for name in models], "count": len(models)}))
    server.on("GET", "/cache/status", json_reply({"cached_models": [], "count": 0}))
    server.on("POST", "/cache/clear", json_reply({"message": ""}))
    server.on("POST", "/models/sync", json_reply({"data": {"models": [], "count": 0}}))


def calls(server: ScriptedServer) -> list[str]:
    """What was asked, in order."""
    return [f"{request.method} {request.path}" for request in server.requests]


# ---- Asking ----------------------------------------------------------------------------------------------------------


async def test_a_connection_that_answers_is_healthy_and_lists_its_models_and_what_is_in_memory(echo):
    (echo.folder / "a.gguf").write_bytes(b"GGUF")
    rig = Rig("t.gguf", url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    assert (rig.health(SERVER), rig.state.health[SERVER].text) == ("healthy", "Local LLM API 1.0.0")
    await rig.do("model.use", f"{SERVER}/a.gguf")
    await rig.say("Hi")
    await rig.do("connection.test", SERVER)
    assert [(model.name, model.state) for model in rig.state.models[SERVER]] == [("a.gguf", "Loaded")]
    assert rig.state.status.startswith("Workshop: Local LLM API 1.0.0, in ")
    assert (rig.health(TAB), rig.models(TAB)) == ("healthy", ["t.gguf"])


async def test_while_it_is_asked_its_health_is_checking(scripted):
    script(scripted)
    rig = Rig(url=scripted.url)
    await rig.start()
    rig.press("connection.test", SERVER)
    await asyncio.sleep(0)
    assert rig.health(SERVER) == "checking"
    await rig.idle()
    assert rig.health(SERVER) == "healthy"


async def test_a_server_that_is_not_there_is_unreachable_with_the_reason_and_advice_and_no_alert():
    rig = Rig(url=NOTHING)
    await rig.start()
    record = rig.state.health[SERVER]
    assert record.health == "unreachable"
    assert record.text and record.advice and record.detail
    assert (rig.models(SERVER), rig.alerts) == ([], [])


async def test_a_server_that_wants_credentials_is_unauthorized(scripted):
    scripted.on("GET", "/health", json_reply({"error": "Who are you?"}, status=401))
    rig = Rig(url=scripted.url)
    await rig.start()
    assert (rig.health(SERVER), rig.state.health[SERVER].text) == ("unauthorized", "Who are you?")


async def test_the_models_of_a_server_that_goes_away_are_not_listed_until_it_is_back(scripted):
    script(scripted, "a.gguf")
    rig = Rig("t.gguf", url=scripted.url)
    await rig.start()
    assert rig.models(SERVER) == ["a.gguf"]
    scripted.on("GET", "/health", Reply(status=503))
    await rig.do("connection.test", SERVER)
    assert (rig.health(SERVER), rig.models(SERVER), rig.models(TAB)) == ("unreachable", [], ["t.gguf"])
    script(scripted, "a.gguf", "b.gguf")
    await rig.do("connection.test", SERVER)
    assert (rig.health(SERVER), rig.models(SERVER)) == ("healthy", ["a.gguf", "b.gguf"])


async def test_one_connection_that_fails_does_not_keep_the_others_from_being_asked(echo):
    rig = Rig("t.gguf", url=NOTHING)
    rig.add_server("other", echo.url)
    await rig.start()
    assert [rig.health(id_) for id_ in (TAB, SERVER, "other")] == ["healthy", "unreachable", "healthy"]


@pytest.mark.parametrize("page", ["models", "connections"])
async def test_going_to_the_models_or_the_connections_asks_anew(scripted, page):
    script(scripted)
    rig = Rig(url=scripted.url)
    await rig.start()
    script(scripted, "new.gguf")
    await rig.visit(f"#/{page}")
    assert rig.state.route.page == page
    assert rig.models(SERVER) == ["new.gguf"]


async def test_a_page_from_elsewhere_asks_no_server_before_a_click(scripted):
    script(scripted, "a.gguf")
    rig = Rig("t.gguf", url=scripted.url, loopback=False)
    await rig.start()
    await rig.visit("#/models")
    await rig.visit("#/connections")
    await rig.do("settings.offline")
    assert calls(scripted) == []
    assert (rig.health(SERVER), rig.health(TAB)) == ("unknown", "healthy")


async def test_after_the_click_a_page_from_elsewhere_asks_that_server_like_any_other(scripted):
    script(scripted, "a.gguf")
    rig = Rig(url=scripted.url, loopback=False)
    await rig.start()
    await rig.do("connection.test", SERVER)
    assert (rig.health(SERVER), rig.models(SERVER)) == ("healthy", ["a.gguf"])
    before = len(scripted.requests)
    await rig.visit("#/models")
    assert len(scripted.requests) > before


async def test_a_server_that_was_asked_in_vain_is_not_asked_again_by_a_page_from_elsewhere(scripted):
    scripted.on("GET", "/health", Reply(status=503))
    rig = Rig(url=scripted.url, loopback=False)
    await rig.start()
    await rig.do("connection.test", SERVER)
    before = len(scripted.requests)
    await rig.visit("#/models")
    assert len(scripted.requests) == before


@pytest.fixture
def quick(monkeypatch):
    """Looks at servers without a pause."""
    for name in ("WATCH_HEALTHY", "WATCH_LOST", "WATCH_LOST_LONGEST"):
        monkeypatch.setattr(connections, name, 0.0)


async def test_a_server_that_goes_away_and_comes_back_is_noticed_without_a_click(scripted, quick):
    script(scripted, "a.gguf")
    rig = Rig(url=scripted.url)
    await rig.start()
    visible = asyncio.Event()
    visible.set()
    watch = asyncio.ensure_future(connections.watch(rig.app, visible))
    scripted.on("GET", "/health", Reply(status=503))
    await rig.until(lambda: rig.health(SERVER) == "unreachable")
    script(scripted, "a.gguf")
    await rig.until(lambda: rig.health(SERVER) == "healthy")
    watch.cancel()


async def test_a_page_that_is_not_seen_asks_nothing(scripted, quick):
    script(scripted)
    rig = Rig(url=scripted.url)
    await rig.start()
    before = len(scripted.requests)
    watch = asyncio.ensure_future(connections.watch(rig.app, asyncio.Event()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(scripted.requests) == before
    watch.cancel()


async def test_a_server_that_has_never_answered_is_not_watched(scripted, quick):
    scripted.on("GET", "/health", Reply(status=503))
    rig = Rig(url=scripted.url)
    await rig.start()
    before = len(scripted.requests)
    visible = asyncio.Event()
    visible.set()
    watch = asyncio.ensure_future(connections.watch(rig.app, visible))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(scripted.requests) == before
    watch.cancel()


# ---- Adding, testing, editing, removing ------------------------------------------------------------------------------


async def test_a_new_connection_is_kept_and_asked(echo):
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    dialog = rig.state.dialog
    assert dialog is not None
    assert dialog.values == {
        "preset": "local-llm/local-llm",
        "type": "local-llm",
        "base_url": "http://127.0.0.1:5000/api/v1",
    }
    await rig.do("connection.save", values={"type": "local-llm", "name": " Mine ", "base_url": echo.url + "/"})
    assert rig.state.dialog is None
    _, added = rig.state.connections
    assert (added.type, added.name, added.base_url) == ("local-llm", "Mine", echo.url)
    assert rig.health(added.id) == "healthy"
    assert rig.config.value["connections"][1] == added._asdict()
    assert rig.state.facts[added.id].syncs


async def test_a_connection_without_a_name_or_an_address_gets_those_of_its_type():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.save", values={"type": "local-llm", "name": "", "base_url": ""})
    added = rig.state.connections[1]
    assert (added.name, added.base_url) == ("Local LLM API", "http://127.0.0.1:5000/api/v1")


async def test_no_two_connections_have_the_same_name():
    rig = Rig()
    await rig.start()
    for _ in range(3):
        await rig.do("connection.add")
        await rig.do("connection.save", values={"type": "local-llm", "name": "Mine", "base_url": NOTHING})
    assert [connection.name for connection in rig.state.connections[1:]] == ["Mine", "Mine 2", "Mine 3"]


async def test_an_address_that_is_none_keeps_the_dialog_with_what_was_typed():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.save", values={"type": "local-llm", "name": "Mine", "base_url": "ftp://host"})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert "ftp://host" in dialog.error.message
    assert (dialog.values["name"], dialog.values["base_url"]) == ("Mine", "ftp://host")
    assert len(rig.state.connections) == 1


async def test_a_connection_is_tested_before_it_is_saved(echo):
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.try", values={"type": "local-llm", "base_url": echo.url})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.diagnosis is not None
    assert (dialog.diagnosis.kind, dialog.error, dialog.busy) == ("no-models", None, False)
    assert dialog.diagnosis.title == "Local LLM API 1.0.0 answers, but has no models"
    assert len(rig.state.connections) == 1


async def test_a_test_that_fails_says_why_in_the_dialog():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.try", values={"type": "local-llm", "name": "Mine", "base_url": NOTHING})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.diagnosis is not None
    assert (dialog.diagnosis.kind, dialog.diagnosis.title) == ("not-listening", "Nothing listens at http://127.0.0.1:1.")
    assert (dialog.note, dialog.busy, dialog.values["name"]) == ("", False, "Mine")


async def test_a_test_of_what_is_no_address_says_so_in_the_dialog():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.try", values={"type": "local-llm", "name": "Mine", "base_url": "http://ho st"})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert "not an http address" in dialog.error.message
    assert (dialog.note, dialog.busy, dialog.values["name"]) == ("", False, "Mine")


async def test_a_test_whose_dialog_was_closed_meanwhile_ends_in_silence(scripted):
    script(scripted)
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    rig.press("connection.try", values={"type": "local-llm", "base_url": scripted.url})
    await asyncio.sleep(0)
    rig.press("dialog.close")
    await rig.idle()
    assert (rig.state.dialog, rig.alerts) == (None, [])


async def test_a_test_that_ends_late_changes_nothing_in_the_dialog_of_another_connection():
    gate = asyncio.Event()

    class Slow:
        """Nothing answers before the gate opens."""

        async def send(self, request: object) -> object:
            await gate.wait()
            raise Unreachable("too late")

        upload = send

    rig = Rig(url="http://mine.example/api", transport=Slow())  # type: ignore[arg-type]
    rig.watch()
    await rig.do("connection.add")
    rig.press("connection.try", values={"type": "local-llm", "name": "Other", "base_url": "http://other.example"})
    await asyncio.sleep(0)
    rig.press("dialog.close")
    rig.press("connection.edit", SERVER)
    gate.set()
    await rig.idle()
    dialog = rig.state.dialog
    assert dialog is not None and dialog.subject == SERVER
    assert dialog.values["base_url"] == "http://mine.example/api"


async def test_an_edited_connection_is_asked_at_its_new_address(echo):
    (echo.folder / "a.gguf").write_bytes(b"GGUF")
    rig = Rig(url=NOTHING)
    await rig.start()
    await rig.do("connection.edit", SERVER)
    dialog = rig.state.dialog
    assert dialog is not None
    assert dialog.values == {"type": "local-llm", "name": "Workshop", "base_url": NOTHING, "model": ""}
    await rig.do("connection.save", values={"name": "Moved", "base_url": echo.url})
    assert [connection.id for connection in rig.state.connections] == [TAB, SERVER]
    assert (rig.state.connections[1].name, rig.health(SERVER)) == ("Moved", "healthy")


async def test_a_connection_that_keeps_its_name_in_an_edit_is_not_renamed(echo):
    rig = Rig(url=NOTHING)
    await rig.start()
    await rig.do("connection.edit", SERVER)
    await rig.do("connection.save", values={"name": "Workshop", "base_url": echo.url})
    assert rig.state.connections[1].name == "Workshop"


async def test_the_tab_can_be_renamed_and_keeps_its_models():
    rig = Rig("t.gguf")
    await rig.start()
    await rig.do("connection.edit", TAB)
    await rig.do("connection.save", values={"name": "Here"})
    assert (rig.state.connections[0].name, rig.state.connections[0].type, rig.models(TAB)) == ("Here", "in-tab", ["t.gguf"])


async def test_a_removed_connection_is_gone_with_its_models_and_is_no_longer_chosen(echo):
    rig = Rig(url=echo.url)
    await rig.start(f"{SERVER}/a.gguf")
    await rig.do("connection.remove.ask", SERVER)
    assert rig.state.dialog is not None and "Workshop" in rig.state.dialog.note
    await rig.do("connection.remove", SERVER)
    assert [connection.id for connection in rig.state.connections] == [TAB]
    assert (rig.models(SERVER), rig.state.settings.model) == ([], "")
    assert [entry["id"] for entry in rig.config.value["connections"]] == [TAB]


async def test_an_answer_from_a_connection_that_was_removed_meanwhile_is_not_listed(scripted):
    script(scripted, "a.gguf")
    rig = Rig(url=scripted.url)
    await rig.start()
    rig.press("connection.test", SERVER)
    rig.press("connection.remove", SERVER)
    await rig.idle()
    assert (rig.models(SERVER), rig.alerts) == ([], [])


async def test_another_type_in_the_dialog_brings_its_address():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.type", value="local-llm", values={"type": "local-llm", "name": "Mine", "base_url": "x"})
    dialog = rig.state.dialog
    assert dialog is not None
    assert (dialog.values["name"], dialog.values["base_url"]) == ("Mine", "http://127.0.0.1:5000/api/v1")


async def test_settings_that_cannot_be_kept_are_told_once(echo):
    rig = Rig(url=echo.url)
    rig.config.problem = "The storage is full."
    await rig.start(f"{TAB}/x")
    rig.app.set_setting(theme="dark")
    assert rig.alerts == ["The storage is full."]
    assert rig.state.settings.theme == "dark"


# ---- Models ----------------------------------------------------------------------------------------------------------


async def test_using_a_model_chooses_it_and_leads_to_the_message_box():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.visit("#/models")
    await rig.do("model.use", f"{TAB}/a.gguf")
    assert (rig.state.settings.model, rig.page.hash, rig.page.focused) == (f"{TAB}/a.gguf", "#/chat", "message")
    assert rig.config.value["settings"]["model"] == f"{TAB}/a.gguf"


async def test_using_a_model_leads_back_to_the_conversation_that_is_open():
    rig = Rig("a.gguf")
    await rig.start(f"{TAB}/a.gguf")
    await rig.say("Hi")
    there = rig.page.hash
    rig.app.page.hash = "#/models"  # type: ignore[attr-defined]
    await rig.do("model.use", f"{TAB}/a.gguf")
    assert rig.page.hash == there


async def test_a_model_is_loaded_and_unloaded_by_hand():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.do("model.load", f"{TAB}/a.gguf")
    assert (rig.state.models[TAB][0].state, rig.state.status) == ("Loaded", "a.gguf is loaded")
    await rig.do("model.unload", f"{TAB}/a.gguf")
    assert (rig.state.models[TAB][0].state, rig.state.status) == ("On disk", "a.gguf is unloaded")


@pytest.mark.parametrize("action", ["model.unload", "model.delete", "models.free", "connection.free"])
async def test_what_takes_an_answers_model_away_stops_the_answer_first(action):
    rig = Rig("a.gguf")
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(f"{TAB}/a.gguf")
    await rig.begin("Hi", "Half")
    await rig.do(action, {"models.free": "", "connection.free": TAB}.get(action, f"{TAB}/a.gguf"))
    assert (rig.texts, rig.shown[-1].status) == (["Hi", "Half"], "stopped")
    assert rig.engine.log.index("stopped") < rig.engine.log.index("unload")
    assert rig.alerts == []


async def test_a_deleted_model_is_gone_from_the_list_and_no_longer_chosen():
    rig = Rig("a.gguf", "b.gguf")
    await rig.start(f"{TAB}/a.gguf")
    await rig.do("model.delete.ask", f"{TAB}/a.gguf")
    assert rig.state.dialog is not None and "a.gguf is deleted from In this tab" in rig.state.dialog.note
    await rig.do("model.delete", f"{TAB}/a.gguf")
    assert (rig.models(TAB), rig.state.settings.model) == (["b.gguf"], "")


async def test_a_model_is_deleted_on_the_server(echo):
    (echo.folder / "a.gguf").write_bytes(b"GGUF")
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    await rig.do("model.delete", f"{SERVER}/a.gguf")
    assert (rig.models(SERVER), list(echo.folder.iterdir())) == ([], [])


async def test_a_model_that_cannot_be_deleted_is_told_and_the_list_is_read_again(echo):
    (echo.folder / "a.gguf").write_bytes(b"GGUF")
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    (echo.folder / "a.gguf").unlink()
    await rig.do("model.delete", f"{SERVER}/a.gguf")
    assert rig.alerts == ["Model not found."]
    assert rig.models(SERVER) == []


async def test_sync_reads_the_folders_of_all_servers_and_says_nothing_of_those_that_are_gone(echo):
    rig = Rig(url=echo.url)
    rig.add_server("gone", NOTHING)
    await rig.start()
    (echo.folder / "by-hand.gguf").write_bytes(b"GGUF")
    await rig.do("models.sync")
    assert rig.models(SERVER) == ["by-hand.gguf"]
    assert (rig.health("gone"), rig.alerts) == ("unreachable", [])


async def test_memory_is_freed_everywhere_or_at_one_place(echo):
    (echo.folder / "a.gguf").write_bytes(b"GGUF")
    rig = Rig("t.gguf", url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    for key in (f"{SERVER}/a.gguf", f"{TAB}/t.gguf"):
        await rig.do("model.use", key)
        await rig.say("Hi")
    await rig.do("connection.test", SERVER)
    await rig.do("connection.free", SERVER)
    assert (rig.state.models[SERVER][0].state, rig.state.models[TAB][0].state) == ("On disk", "Loaded")
    await rig.do("models.free")
    assert rig.state.models[TAB][0].state == "On disk"


async def test_the_details_of_a_model_are_a_dialog():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.do("model.details", f"{TAB}/a.gguf")
    assert rig.state.dialog is not None
    assert (rig.state.dialog.name, rig.state.dialog.subject) == ("details", f"{TAB}/a.gguf")
    await rig.do("dialog.close")
    assert rig.state.dialog is None


async def test_a_model_is_not_loaded_while_another_one_answers():
    rig = Rig("a.gguf")
    await rig.start()
    rig.app.update(generation=Generation("m", "c", 0.0, 0.0, True))
    await rig.do("model.load", f"{TAB}/a.gguf")
    assert rig.engine.log == []


async def test_what_becomes_known_of_a_server_while_a_model_loads_is_not_forgotten(scripted):
    script(scripted)
    rig = Rig("a.gguf", url=scripted.url)
    await rig.start()
    rig.engine.gate = asyncio.Event()
    rig.press("model.load", f"{TAB}/a.gguf")
    await rig.until(lambda: bool(rig.engine.log))
    rig.files.gate = asyncio.Event()
    rig.engine.gate.set()
    await rig.until(lambda: rig.engine.info is not None)
    await asyncio.sleep(0.01)
    rig.app.update(models={**rig.state.models, SERVER: (Model(SERVER, "new.gguf"),)})
    rig.files.gate.set()
    await rig.idle()
    assert rig.models(SERVER) == ["new.gguf"]


# ---- The picker ------------------------------------------------------------------------------------------------------


async def test_the_picker_is_used_with_the_keyboard_alone():
    rig = Rig("a.gguf", "b.gguf", "c.gguf")
    await rig.start(f"{TAB}/b.gguf")
    assert rig.press("picker.key", key="ArrowDown")
    assert (rig.state.picker.open, rig.state.picker.active) == (True, 1)
    for key, active in (("ArrowDown", 2), ("ArrowDown", 0), ("ArrowUp", 2)):
        assert rig.press("picker.key", key=key)
        assert rig.state.picker.active == active
    assert rig.press("picker.key", key="Enter")
    assert (rig.state.settings.model, rig.state.picker.open, rig.page.focused) == (f"{TAB}/c.gguf", False, "message")
    assert rig.state.status == "c.gguf is chosen"


async def test_the_picker_is_typed_into_and_enter_takes_the_first_find():
    rig = Rig("a.gguf", "b.gguf")
    await rig.start()
    rig.press("picker.open")
    rig.press("picker.type", value="B.g")
    rig.press("picker.key", key="Enter")
    assert rig.state.settings.model == f"{TAB}/b.gguf"


async def test_escape_closes_the_picker_and_keeps_the_choice():
    rig = Rig("a.gguf")
    await rig.start(f"{TAB}/a.gguf")
    rig.press("picker.open")
    rig.press("picker.type", value="zzz")
    assert rig.press("picker.key", key="Enter")
    assert rig.press("picker.key", key="Escape")
    assert (rig.state.picker.open, rig.state.picker.query, rig.state.settings.model) == (False, "", f"{TAB}/a.gguf")


@pytest.mark.parametrize("key", ["Escape", "Enter", "a", "Tab"])
async def test_a_closed_picker_leaves_other_keys_to_the_browser(key):
    rig = Rig("a.gguf")
    await rig.start()
    assert not rig.press("picker.key", key=key)


async def test_a_model_is_chosen_by_a_press_and_the_picker_by_its_button():
    rig = Rig("a.gguf")
    await rig.start()
    await rig.do("picker.focus")
    assert rig.page.focused == "model-input"
    rig.press("picker.open")
    assert rig.press("picker.choose", f"{TAB}/a.gguf")
    rig.press("picker.close")
    assert rig.state.settings.model == f"{TAB}/a.gguf"


async def test_an_answer_says_which_model_gave_it_after_another_one_is_chosen():
    rig = Rig("a.gguf", "b.gguf")
    await rig.start(f"{TAB}/a.gguf")
    first: Message = await rig.say("One")
    rig.engine.steps = (*words("Two"), stop())
    await rig.do("picker.choose", f"{TAB}/b.gguf")
    second = await rig.say("Two")
    assert (first.model, second.model) == ("a.gguf", "b.gguf")
    assert rig.state.messages[first.id].model == "a.gguf"

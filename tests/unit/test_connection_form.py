"""The dialog that adds or edits a connection, and what becomes of the secrets that are typed into it."""

from __future__ import annotations

import asyncio
import json

import pytest

from modeltab.domain.connections import Connection
from modeltab.views import connection_form
from modeltab.views import connections as connections_view
from tests.servers.scripted import ScriptedServer, json_reply
from tests.unit.exchange_files import unzipped
from tests.unit.fakes import CannedTransport, canned
from tests.unit.markup import parse
from tests.unit.rig import SERVER, TAB, Rig

KEY = "sk-secret-0123456789abcdef"
NEW_KEY = "sk-newer-0123456789abcdef"
PASSPHRASE = "correct horse battery"
SECRETS = (KEY, NEW_KEY, PASSPHRASE)
MODELS = {"object": "list", "data": [{"id": "m1"}]}


class Watched(Rig):
    """A rig in which no secret may enter the state, at any step."""

    def __init__(self) -> None:
        super().__init__()
        self.leaks: list[str] = []
        self.app.store.subscribe(lambda state: self.leaks.extend(secret for secret in SECRETS if secret in repr(state)))

    async def idle(self) -> None:
        """As ever, and then nothing has been seen."""
        await super().idle()
        assert self.leaks == []


@pytest.fixture
def api(scripted: ScriptedServer) -> ScriptedServer:
    """A server that lists one model to everybody."""
    scripted.on("GET", "/v1/models", json_reply(MODELS))
    return scripted


def fields(api: ScriptedServer, **changes: str) -> dict[str, str]:
    """What stands in the form."""
    return {"type": "openai", "name": "Mine", "base_url": f"{api.url}/v1", "key": KEY, "model": "", **changes}


def keys_sent(api: ScriptedServer) -> list[str | None]:
    """The keys of all requests."""
    return [request.headers.get("authorization") for request in api.requests]


async def added(api: ScriptedServer, **changes: str) -> Watched:
    """An app with a connection to the API and its key."""
    rig = Watched()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.save", values=fields(api, **changes))
    return rig


# ---- Presets ---------------------------------------------------------------------------------------------------------


async def test_a_preset_fills_in_its_type_and_address_and_keeps_the_name_that_was_typed():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.preset", value="openai/groq", values={"name": "Quick", "base_url": "http://127.0.0.1:5000"})
    dialog = rig.state.dialog
    assert dialog is not None
    assert dict(dialog.values) == {
        "preset": "openai/groq",
        "type": "openai",
        "name": "Quick",
        "base_url": "https://api.groq.com/openai/v1",
    }
    assert dialog.revision == 1


async def test_every_preset_that_the_dialog_offers_fills_the_address():
    rig = Rig()
    await rig.start()
    for type_ in rig.state.types:
        for preset in type_.presets:
            await rig.do("connection.add")
            await rig.do("connection.preset", value=f"{type_.name}/{preset.name}")
            dialog = rig.state.dialog
            assert dialog is not None
            assert (dialog.values["type"], dialog.values["base_url"]) == (type_.name, preset.base_url)


async def test_a_preset_that_there_is_not_changes_nothing():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    before = rig.state.dialog
    await rig.do("connection.preset", value="openai/nonsense")
    assert rig.state.dialog is before


async def test_an_address_that_is_only_an_example_is_not_saved():
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.preset", value="openai/azure", values={})
    await rig.do("connection.save", values={"name": "", "key": ""})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert dialog.error.message == "The base URL is only an example."
    assert "your resource" in dialog.error.advice
    assert len(rig.state.connections) == 1


async def test_a_connection_without_a_name_is_called_as_its_preset(api):
    rig = Rig(transport=CannedTransport(canned(MODELS)))
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.preset", value="openai/mistral", values={})
    await rig.do("connection.save", values={"key": KEY})
    assert [c.name for c in rig.state.connections] == ["In this tab", "Mistral"]
    assert rig.keys.origin(rig.state.connections[1].id) == "https://api.mistral.ai"


# ---- A new connection with a key -------------------------------------------------------------------------------------


async def test_a_key_is_kept_for_the_origin_of_its_address_and_sent_there(api):
    rig = await added(api)
    connection = rig.state.connections[1]
    assert rig.state.dialog is None
    assert (rig.health(connection.id), rig.models(connection.id)) == ("healthy", ["m1"])
    assert set(keys_sent(api)) == {f"Bearer {KEY}"}
    assert rig.state.keys.hints[connection.id] == (api.url, "••••••••cdef")
    assert KEY not in json.dumps(rig.config.value)


async def test_a_key_is_tested_before_it_is_saved_and_is_then_nowhere(api):
    rig = Watched()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.try", values=fields(api))
    dialog = rig.state.dialog
    assert dialog is not None and dialog.diagnosis is not None
    assert dialog.diagnosis.kind == "healthy"
    assert set(keys_sent(api)) == {f"Bearer {KEY}"}
    assert (rig.key_record.value, len(rig.state.connections)) == (None, 1)


async def test_no_secret_is_in_the_state_whatever_is_pressed_in_the_dialog(api):
    rig = Watched()
    await rig.start()
    await rig.do("connection.add")
    typed = fields(api, passphrase=PASSPHRASE, repeat=PASSPHRASE, protection="passphrase")
    await rig.do("connection.type", value="openai", values=typed)
    await rig.do("connection.preset", value="openai/groq", values=typed)
    await rig.do("connection.protection", value="passphrase", values=typed)
    await rig.do("connection.try", values=typed)
    await rig.do("connection.save", values={**typed, "base_url": "no address!"})
    await rig.do("connection.save", values={**typed, "repeat": "another one"})
    await rig.do("connection.save", values=typed)
    await rig.do("connection.edit", rig.state.connections[1].id)
    await rig.do("connection.save", values={**typed, "key": NEW_KEY})
    assert (rig.alerts, len(rig.state.connections)) == ([], 2)
    assert rig.keys.key(rig.state.connections[1]) == NEW_KEY


async def test_an_export_has_no_key(api):
    rig = await added(api)
    await rig.do("data.export")
    (archive,) = rig.page.saved.values()
    saved = "".join(content.decode() for content in unzipped(archive).values())
    assert "Mine" in saved
    assert KEY not in saved and "0123456789" not in saved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "sk-…"}, "This is not a key: it has characters that no key has."),
        ({"base_url": "ftp://host"}, "“ftp://host” is not an http address."),
        ({"base_url": "http://me:word@host"}, "An address must not contain a user name or password."),
        ({"base_url": "https://host/v1?key=1"}, "A base URL ends before any ? or #."),
        ({"type": "local-llm"}, "This API takes no key."),
        ({"protection": "rot13"}, "Keys cannot be kept like this: rot13."),
        ({"protection": "passphrase", "passphrase": "short", "repeat": "short"}, "The passphrase is too short"),
        ({"protection": "passphrase", "passphrase": PASSPHRASE, "repeat": "x"}, "The two passphrases differ."),
    ],
)
async def test_what_is_wrong_is_told_in_the_dialog_and_nothing_is_kept(api, changes, message):
    rig = Watched()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.save", values=fields(api, **changes))
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert dialog.error.message.startswith(message) and dialog.error.advice
    assert (dialog.busy, dialog.note, dialog.values["name"]) == (False, "", "Mine")
    assert (len(rig.state.connections), rig.key_record.value, api.requests) == (1, None, [])


async def test_a_key_in_front_of_which_its_header_was_copied_is_sent_once_and_right(api):
    await added(api, key=f" Authorization: Bearer {KEY}\n")
    assert set(keys_sent(api)) == {f"Bearer {KEY}"}


async def test_where_the_browser_keeps_nothing_a_key_works_until_the_page_is_closed(api):
    rig = Watched()
    await rig.start()
    rig.key_record.problem = "Refused."
    await rig.do("connection.add")
    await rig.do("connection.save", values=fields(api))
    assert rig.alerts == ["Refused."]
    assert set(keys_sent(api)) == {f"Bearer {KEY}"}
    assert (rig.state.dialog, len(rig.state.connections)) == (None, 2)


# ---- How keys are kept -----------------------------------------------------------------------------------------------


async def test_a_passphrase_is_set_with_the_first_key(api):
    rig = await added(api, protection="passphrase", passphrase=PASSPHRASE, repeat=PASSPHRASE)
    assert rig.state.dialog is None
    assert (rig.state.keys.protection, rig.key_record.value["protection"]) == ("passphrase", "passphrase")
    assert KEY not in repr(rig.key_record.value)
    assert rig.health(rig.state.connections[1].id) == "healthy"


async def test_a_key_for_this_session_is_not_written(api):
    rig = await added(api, protection="session")
    assert rig.key_record.value == {"version": 1, "protection": "session"}
    assert rig.health(rig.state.connections[1].id) == "healthy"


async def test_another_way_to_keep_keys_counts_without_a_new_key_too(api):
    rig = await added(api)
    await rig.do("connection.edit", rig.state.connections[1].id)
    typed = fields(api, key="", protection="passphrase", passphrase=PASSPHRASE, repeat=PASSPHRASE)
    await rig.do("connection.save", values=typed)
    assert rig.state.keys.protection == "passphrase"
    assert KEY not in repr(rig.key_record.value)
    assert rig.keys.key(rig.state.connections[1]) == KEY


async def test_a_choice_for_keys_does_not_hinder_a_type_that_takes_none(api):
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.type", value="local-llm", values={"type": "openai", "protection": "passphrase"})
    await rig.do("connection.save", values={"type": "local-llm", "base_url": api.url, "name": "Local"})
    assert (rig.state.dialog, [c.name for c in rig.state.connections]) == (None, ["In this tab", "Local"])
    assert rig.keys.protection == "browser"


async def test_a_new_key_while_they_are_locked_needs_the_passphrase(api):
    rig = await added(api, protection="passphrase", passphrase=PASSPHRASE, repeat=PASSPHRASE)
    await rig.do("keys.lock")
    await rig.do("connection.edit", rig.state.connections[1].id)
    await rig.do("connection.save", values=fields(api, key=NEW_KEY, passphrase="wrong wrong"))
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert dialog.error.message == "This is not the passphrase."
    assert rig.keys.locked
    await rig.do("connection.save", values=fields(api, key=NEW_KEY, passphrase=PASSPHRASE))
    assert (rig.keys.locked, rig.keys.key(rig.state.connections[1])) == (False, NEW_KEY)


async def test_while_they_are_locked_a_name_is_changed_without_the_passphrase(api):
    rig = await added(api, protection="passphrase", passphrase=PASSPHRASE, repeat=PASSPHRASE)
    await rig.do("keys.lock")
    await rig.do("connection.edit", rig.state.connections[1].id)
    await rig.do("connection.save", values=fields(api, key="", name="Renamed", passphrase=""))
    assert (rig.state.connections[1].name, rig.keys.locked, rig.state.dialog) == ("Renamed", True, None)


async def test_save_pressed_twice_while_the_passphrase_becomes_a_key_adds_one_connection(api):
    rig = Watched()
    await rig.start()
    await rig.do("connection.add")
    typed = fields(api, protection="passphrase", passphrase=PASSPHRASE, repeat=PASSPHRASE)
    derive, gate = rig.keys._vault.derive, asyncio.Event()

    async def slow(*arguments):
        await gate.wait()
        return await derive(*arguments)

    rig.keys._vault.derive = slow  # type: ignore[method-assign]
    rig.press("connection.save", values=typed)
    await asyncio.sleep(0)
    assert rig.state.dialog is not None
    assert (rig.state.dialog.busy, rig.state.dialog.note) == (True, "Saving…")
    rig.press("connection.save", values=typed)
    await asyncio.sleep(0)
    gate.set()
    await rig.idle()
    assert [c.name for c in rig.state.connections] == ["In this tab", "Mine"]
    assert len(rig.key_record.value["keys"]) == 1


# ---- Another address -------------------------------------------------------------------------------------------------


async def test_another_origin_asks_for_the_key_again_and_gets_only_the_new_one(api):
    rig = await added(api)
    id_ = rig.state.connections[1].id
    with ScriptedServer({("GET", "/v1/models"): json_reply(MODELS)}) as other:
        await rig.do("connection.edit", id_)
        await rig.do("connection.save", values=fields(other, key=""))
        dialog = rig.state.dialog
        assert dialog is not None and dialog.error is not None
        assert dialog.error.message == f"The saved key is for {api.url} and is not sent to {other.url}."
        assert rig.state.connections[1].base_url == f"{api.url}/v1"
        await rig.do("connection.try", values=fields(other, key=""))
        assert rig.state.dialog is not None and rig.state.dialog.diagnosis is not None
        assert rig.state.dialog.diagnosis.kind == "key-missing"
        assert other.requests == []
        await rig.do("connection.save", values=fields(other, key=NEW_KEY))
        assert set(keys_sent(other)) == {f"Bearer {NEW_KEY}"}
    assert rig.state.keys.hints[id_].origin == other.url
    assert KEY not in repr(rig.key_record.value)


async def test_another_origin_is_saved_without_a_key_once_the_saved_one_is_erased(api):
    rig = await added(api)
    id_ = rig.state.connections[1].id
    with ScriptedServer({("GET", "/v1/models"): json_reply(MODELS)}) as other:
        await rig.do("connection.edit", id_)
        await rig.do("key.erase", id_)
        await rig.do("connection.save", values=fields(other, key=""))
        assert (rig.health(id_), set(keys_sent(other))) == ("healthy", {None})


async def test_another_path_of_the_same_origin_keeps_the_key(api):
    api.on("GET", "/v2/models", json_reply(MODELS))
    rig = await added(api)
    await rig.do("connection.edit", rig.state.connections[1].id)
    await rig.do("connection.save", values=fields(api, key="", base_url=f"{api.url}/v2"))
    assert (rig.health(rig.state.connections[1].id), set(keys_sent(api))) == ("healthy", {f"Bearer {KEY}"})


async def test_a_connection_that_is_imported_gets_no_key_of_another_origin(api):
    """An export is only a file: one that somebody made must not lead a key elsewhere."""
    rig = await added(api)
    id_ = rig.state.connections[1].id
    with ScriptedServer({("GET", "/v1/models"): json_reply(MODELS)}) as thief:
        rig.app.set_connections((rig.state.connections[0], Connection(id_, "openai", "Mine", f"{thief.url}/v1")))
        await rig.do("connection.test", id_)
        assert thief.requests == []
    assert rig.state.diagnoses[id_].kind == "key-missing"


# ---- What is shown ---------------------------------------------------------------------------------------------------


async def test_the_dialog_shows_a_saved_key_masked_and_in_no_field(api):
    rig = await added(api)
    await rig.do("connection.edit", rig.state.connections[1].id)
    assert rig.state.dialog is not None
    html = str(connection_form.form(rig.state, rig.state.dialog))
    page = parse(html)
    (field,) = [e for e in page.all() if e.attributes.get("id") == "connection-key"]
    assert (field.attributes["type"], field.attributes.get("value", "")) == ("password", "")
    assert field.attributes["placeholder"] == "••••••••cdef"
    assert f"The saved key is for {api.url} and is sent nowhere else." in html
    assert KEY not in html


@pytest.mark.parametrize(("url", "warns"), [("http://192.168.1.7:8000/v1", True), ("http://127.0.0.1:8000/v1", False)])
async def test_a_key_that_would_go_unencrypted_through_a_network_is_warned_of(url, warns):
    rig = Rig()
    await rig.start()
    await rig.do("connection.add")
    await rig.do("connection.protection", values={"type": "openai", "base_url": url})
    assert rig.state.dialog is not None
    assert ("is not encrypted" in str(connection_form.form(rig.state, rig.state.dialog))) is warns
    rig.connect(Connection("c", "openai", "C", url))
    await rig.keys.set("c", url, KEY)
    rig.app.show_keys()
    assert ("is not encrypted" in str(connections_view.page(rig.state))) is warns


async def test_the_list_says_of_a_key_whether_it_is_locked_unreadable_or_for_another_address(api):
    rig = await added(api, protection="passphrase", passphrase=PASSPHRASE, repeat=PASSPHRASE)
    item = rig.state.connections[1]
    assert "Key ••••••••cdef" in str(connections_view.page(rig.state))
    await rig.do("keys.lock")
    assert "Key, locked" in str(connections_view.page(rig.state))
    rig.key_record.value["keys"][item.id]["data"] = "AAAA"
    await rig.keys.reload()
    await rig.keys.unlock(PASSPHRASE)
    rig.app.show_keys()
    assert "Key, unreadable: paste it again" in str(connections_view.page(rig.state))
    rig.app.update(connections=(rig.state.connections[0], item._replace(base_url="https://other.example")))
    assert f"for {api.url}: not sent to this address" in str(connections_view.page(rig.state))


async def test_a_page_that_cannot_encrypt_does_not_offer_a_passphrase():
    rig = Rig()
    await rig.start()
    rig.app.update(keys=rig.state.keys._replace(can_encrypt=False))
    await rig.do("connection.add")
    await rig.do("connection.preset", value="openai/openai", values={})
    assert rig.state.dialog is not None
    html = str(connection_form.form(rig.state, rig.state.dialog))
    assert "This session only" in html and "Encrypted with a passphrase" not in html


async def test_the_tab_takes_no_key():
    rig = Rig(url="http://127.0.0.1:1/api/v1")
    await rig.start()
    for id_ in (TAB, SERVER):
        await rig.do("connection.edit", id_)
        assert rig.state.dialog is not None
        html = str(connection_form.form(rig.state, rig.state.dialog))
        assert "takes no key." in html and "Keep keys" not in html

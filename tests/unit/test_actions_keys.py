"""The keys as a person has them: kept in another way, locked, unlocked, erased; a question that waits for the passphrase."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions import keys
from modeltab.domain.connections import Connection
from tests.servers.scripted import Reply, ScriptedServer, json_reply
from tests.unit.rig import TAB, Rig

KEY = "sk-secret-0123456789abcdef"
PASSPHRASE = "correct horse battery"
TYPED = {"passphrase": PASSPHRASE, "repeat": PASSPHRASE}
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}]}


def serve(server: ScriptedServer) -> None:
    """An OpenAI-compatible API that answers whoever has the key."""

    def only_with_the_key(reply: Reply):
        refused = json_reply({"error": {"message": "Who are you?"}}, status=401)
        return lambda request: reply if request.headers.get("authorization") == f"Bearer {KEY}" else refused

    server.on("GET", "/v1/models", only_with_the_key(json_reply({"object": "list", "data": [{"id": "m1"}]})))
    server.on("POST", "/v1/chat/completions", only_with_the_key(json_reply(ANSWER)))


async def with_key(server: ScriptedServer, passphrase: bool = False) -> Rig:
    """An app with a connection to the API, its key, and its model chosen."""
    serve(server)
    rig = Rig("t.gguf")
    rig.connect(Connection("c", "openai", "Mine", f"{server.url}/v1"))
    await rig.keys.set("c", server.url, KEY)
    if passphrase:
        await rig.keys.protect("passphrase", PASSPHRASE)
    rig.app.show_keys()
    await rig.start("c/m1")
    return rig


async def locked(server: ScriptedServer) -> Rig:
    """The same, whose model is known and whose keys are locked."""
    rig = await with_key(server, passphrase=True)
    await rig.do("keys.lock")
    return rig


# ---- How they are kept -----------------------------------------------------------------------------------------------


async def test_keys_are_kept_for_this_session_from_the_choice_on(scripted):
    rig = await with_key(scripted)
    await rig.do("keys.protect", value="session")
    assert rig.state.keys.protection == "session"
    assert rig.key_record.value == {"version": 1, "protection": "session"}
    assert rig.state.status == "Keys are kept: This session only"
    assert rig.state.dialog is None


async def test_a_passphrase_is_asked_for_before_anything_changes(scripted):
    rig = await with_key(scripted)
    await rig.do("keys.protect", value="passphrase")
    assert rig.state.dialog is not None and rig.state.dialog.name == "passphrase"
    assert (rig.state.keys.protection, rig.key_record.value["protection"]) == ("browser", "browser")
    await rig.do("dialog.close")
    assert rig.state.keys.protection == "browser"


async def test_the_passphrase_encrypts_and_is_nowhere_in_the_state_or_on_record(scripted):
    rig = await with_key(scripted)
    seen: list[str] = []
    rig.app.store.subscribe(lambda state: seen.append(repr(state)))
    await rig.do("keys.protect", value="passphrase")
    await rig.do("keys.passphrase.save", values=TYPED)
    assert (rig.state.dialog, rig.state.keys.protection, rig.state.keys.locked) == (None, "passphrase", False)
    assert rig.state.status == "Keys are encrypted"
    for text in (*seen, repr(rig.key_record.value), repr(rig.config.value)):
        assert KEY not in text and PASSPHRASE not in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"passphrase": PASSPHRASE, "repeat": "correct horse"}, "The two passphrases differ."),
        ({"passphrase": "short", "repeat": "short"}, "The passphrase is too short: 8 characters at least."),
        ({}, "The passphrase is too short: 8 characters at least."),
    ],
)
async def test_a_passphrase_that_will_not_do_is_refused_in_the_dialog(scripted, values, message):
    rig = await with_key(scripted)
    await rig.do("keys.protect", value="passphrase")
    await rig.do("keys.passphrase.save", values=values)
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert (dialog.error.message, dialog.busy, dict(dialog.values)) == (message, False, {})
    assert rig.state.keys.protection == "browser"


async def test_a_protection_that_the_browser_refuses_is_told_and_the_page_shows_what_is_so(scripted):
    rig = await with_key(scripted)
    rig.key_record.problem = "No room."
    await rig.do("keys.protect", value="session")
    assert rig.alerts == ["No room."]
    assert rig.state.keys.protection == "browser"


async def test_encrypt_pressed_twice_encrypts_once(scripted):
    rig = await with_key(scripted)
    await rig.do("keys.protect", value="passphrase")
    written: list[str] = []
    write = rig.key_record.write

    def count(value):
        written.append(value["protection"])
        return write(value)

    rig.key_record.write = count  # type: ignore[method-assign]
    rig.press("keys.passphrase.save", values=TYPED)
    rig.press("keys.passphrase.save", values=TYPED)
    await rig.idle()
    assert written == ["passphrase"]
    assert rig.alerts == []


async def test_a_way_to_keep_keys_that_there_is_not_is_refused(scripted):
    rig = await with_key(scripted)
    await rig.do("keys.protect", value="rot13")
    assert rig.alerts == ["Keys cannot be kept like this: rot13."]
    assert rig.state.keys.protection == "browser"


async def test_locked_keys_are_unlocked_before_they_are_kept_in_another_way(scripted):
    rig = await locked(scripted)
    await rig.do("keys.protect", value="browser")
    assert rig.state.dialog is not None and rig.state.dialog.name == "unlock"
    assert rig.state.keys.protection == "passphrase"


# ---- Locking and unlocking -------------------------------------------------------------------------------------------


async def test_lock_hides_the_keys_and_unlock_brings_their_connections_back(scripted):
    rig = await locked(scripted)
    assert (rig.state.keys.locked, rig.state.status) == (True, "Keys are locked")
    assert rig.state.keys.hints["c"].masked == ""
    await rig.do("connection.test", "c")
    assert (rig.health("c"), rig.models("c")) == ("unauthorized", [])
    assert rig.state.diagnoses["c"].kind == "keys-locked"
    await rig.do("keys.unlock")
    await rig.do("keys.unlock.save", values={"passphrase": PASSPHRASE})
    assert (rig.state.dialog, rig.state.keys.locked, rig.state.keys.hints["c"].masked) == (None, False, "••••••••cdef")
    assert (rig.health("c"), rig.models("c"), rig.state.status) == ("healthy", ["m1"], "Keys are unlocked")


async def test_a_wrong_passphrase_is_told_in_the_dialog_and_the_keys_stay_locked(scripted):
    rig = await locked(scripted)
    await rig.do("keys.unlock")
    await rig.do("keys.unlock.save", values={"passphrase": "wrong wrong"})
    dialog = rig.state.dialog
    assert dialog is not None and dialog.error is not None
    assert (dialog.error.message, dialog.busy) == ("This is not the passphrase.", False)
    assert rig.state.keys.locked
    assert "wrong wrong" not in repr(rig.state)


async def test_an_unlock_that_ends_after_its_dialog_was_closed_closes_no_other(scripted):
    rig = await locked(scripted)
    await rig.do("keys.unlock")
    gate = asyncio.Event()
    derive = rig.keys._vault.derive

    async def slow(*arguments):
        await gate.wait()
        return await derive(*arguments)

    rig.keys._vault.derive = slow  # type: ignore[method-assign]
    rig.press("keys.unlock.save", values={"passphrase": PASSPHRASE})
    await asyncio.sleep(0)
    rig.press("dialog.close")
    rig.press("connection.edit", "c")
    gate.set()
    await rig.idle()
    assert rig.state.dialog is not None and rig.state.dialog.name == "connection"
    assert not rig.state.keys.locked


async def test_a_page_from_elsewhere_asks_after_unlock_only_what_it_had_asked_before(scripted):
    rig = await locked(scripted)
    rig.page.is_loopback = False
    rig.app.met.clear()
    before = len(scripted.requests)
    await rig.do("keys.unlock")
    await rig.do("keys.unlock.save", values={"passphrase": PASSPHRASE})
    assert len(scripted.requests) == before


# ---- Locked when unused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "after", "is_locked"), [(5, 4.9, False), (5, 5.1, True), (60, 59, False), (0, 9999, False)]
)
async def test_keys_are_locked_after_as_many_minutes_without_use_as_were_chosen(scripted, minutes, after, is_locked):
    rig = await with_key(scripted, passphrase=True)
    await rig.do("keys.auto-lock", value=str(minutes))
    assert rig.config.value["settings"]["auto_lock"] == minutes
    rig.clock.now += after * 60
    keys.lock_if_unused(rig.app)
    assert (rig.keys.locked, rig.state.keys.locked) == (is_locked, is_locked)


async def test_whatever_a_person_does_counts_as_use(scripted):
    rig = await with_key(scripted, passphrase=True)
    await rig.do("keys.auto-lock", value="5")
    rig.clock.now += 4 * 60
    rig.press("picker.type", value="m")
    rig.clock.now += 4 * 60
    keys.lock_if_unused(rig.app)
    assert not rig.keys.locked


async def test_keys_without_a_passphrase_are_never_locked(scripted):
    rig = await with_key(scripted)
    rig.clock.now += 1e6
    keys.lock_if_unused(rig.app)
    assert (rig.keys.locked, rig.state.keys.hints["c"].masked) == (False, "••••••••cdef")


async def test_an_answer_that_comes_counts_as_use_and_the_watch_locks_afterwards(scripted, monkeypatch):
    monkeypatch.setattr(keys, "WATCH_EVERY", 0.0)
    rig = await with_key(scripted, passphrase=True)
    rig.engine.steps = (gate := asyncio.Event(),)
    await rig.do("picker.choose", f"{TAB}/t.gguf")
    rig.type("Hello?")
    rig.press("chat.send")
    await rig.until(lambda: bool(rig.engine.bodies))
    rig.clock.now += 3600
    watch = asyncio.ensure_future(keys.watch(rig.app))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not rig.keys.locked
    gate.set()
    await rig.until(lambda: rig.state.generation is None)
    rig.clock.now += 3600
    await rig.until(lambda: rig.keys.locked)
    watch.cancel()


# ---- A question while they are locked --------------------------------------------------------------------------------


async def ask(rig: Rig) -> None:
    """Sends a message and waits for the question for the passphrase."""
    rig.type("Hello?")
    rig.press("chat.send")
    await rig.until(lambda: rig.state.dialog is not None)
    assert rig.state.dialog is not None
    assert (rig.state.dialog.name, rig.state.dialog.note) == ("unlock", "Mine needs its key.")


async def test_a_question_waits_for_the_passphrase_and_goes_on_after_a_wrong_one_too(scripted):
    rig = await locked(scripted)
    before = len(scripted.requests)
    await ask(rig)
    rig.press("keys.unlock.save", values={"passphrase": "wrong wrong"})
    await rig.until(lambda: rig.state.dialog is not None and rig.state.dialog.error is not None)
    assert len(scripted.requests) == before
    await rig.do("keys.unlock.save", values={"passphrase": PASSPHRASE})
    assert (rig.texts, rig.shown[-1].status, rig.state.dialog) == (["Hello?", "Hello there"], "done", None)


async def test_a_question_whose_passphrase_is_not_typed_keeps_the_prompt_and_can_be_asked_again(scripted):
    rig = await locked(scripted)
    before = len(scripted.requests)
    await ask(rig)
    await rig.do("dialog.close")
    failed = rig.shown[-1]
    assert (rig.texts, failed.status) == (["Hello?", ""], "error")
    assert failed.error is not None and failed.error.message == "The keys are locked."
    assert (len(scripted.requests), rig.state.generation) == (before, None)
    rig.press("message.regenerate", failed.id)
    await rig.until(lambda: rig.state.dialog is not None)
    await rig.do("keys.unlock.save", values={"passphrase": PASSPHRASE})
    assert rig.texts == ["Hello?", "Hello there"]


async def test_a_question_goes_on_without_a_key_when_all_are_erased_instead(scripted):
    rig = await locked(scripted)
    await ask(rig)
    rig.press("keys.erase.ask")
    assert rig.state.dialog is not None and rig.state.dialog.name == "confirm"
    rig.press("keys.erase")
    await rig.until(lambda: rig.state.generation is None)
    assert rig.shown[-1].error is not None and rig.shown[-1].error.message == "Who are you?"
    assert scripted.wait_for_request("POST", "/v1/chat/completions").headers.get("authorization") is None


async def test_a_question_that_waits_can_be_stopped(scripted):
    rig = await locked(scripted)
    await ask(rig)
    await rig.do("chat.stop")
    assert (rig.texts, rig.shown[-1].status) == (["Hello?", ""], "stopped")
    await rig.do("keys.unlock.save", values={"passphrase": PASSPHRASE})
    assert (rig.alerts, rig.state.dialog) == ([], None)


async def test_a_question_to_a_connection_without_a_key_waits_for_nothing(scripted):
    rig = await locked(scripted)
    await rig.do("picker.choose", f"{TAB}/t.gguf")
    assert (await rig.say("Hello?")).status == "done"
    assert rig.state.dialog is None


async def test_a_key_that_is_locked_while_its_answer_comes_is_hidden_in_the_rest_of_it_too(scripted):
    rig = await with_key(scripted, passphrase=True)
    chunk = '{"choices": [{"index": 0, "delta": {"content": "%s"}}]}'
    chunks = [f"data: {chunk % text}\n\n".encode() for text in ("Half. ", KEY)] + [b"data: [DONE]\n\n"]
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly():
        yield chunks[0]
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)
        yield from chunks[1:]

    reply = Reply(chunks=slowly(), content_type="text/event-stream")
    scripted.on("POST", "/v1/chat/completions", reply)
    await rig.begin("What is my key?", "Half. ")
    rig.press("keys.lock")
    gate.set()
    await rig.idle()
    assert rig.texts[-1] == "Half. [key]"


# ---- Erasing ---------------------------------------------------------------------------------------------------------


async def test_one_key_is_erased_at_once_and_its_connection_stays(scripted):
    rig = await with_key(scripted)
    await rig.do("key.erase", "c")
    assert (dict(rig.state.keys.hints), rig.key_record.value["keys"]) == ({}, {})
    assert rig.state.status == "The key of Mine is erased"
    assert [c.id for c in rig.state.connections] == [TAB, "c"]
    await rig.do("connection.test", "c")
    assert rig.state.diagnoses["c"].kind == "unauthorized"


async def test_all_keys_are_erased_after_a_question(scripted):
    rig = await locked(scripted)
    await rig.do("keys.erase.ask")
    assert rig.state.dialog is not None and rig.state.dialog.values["action"] == "keys.erase"
    assert rig.key_record.value["keys"]
    await rig.do("keys.erase")
    assert not rig.state.dialog
    assert (rig.state.keys.locked, dict(rig.state.keys.hints)) == (False, {})
    assert rig.key_record.value == {"version": 1, "protection": "browser", "keys": {}}


async def test_a_key_that_stays_in_storage_is_told(scripted):
    rig = await with_key(scripted)
    rig.key_record.problem = "Refused."
    await rig.do("key.erase", "c")
    assert rig.alerts == ["Refused."] and "may still be there" in rig.state.alerts[0].error.advice
    assert dict(rig.state.keys.hints) == {}


async def test_a_removed_connection_takes_its_key_and_its_verdict_along_and_the_question_says_so(scripted):
    rig = await with_key(scripted)
    await rig.do("connection.test", "c")
    await rig.do("connection.remove.ask", "c")
    assert rig.state.dialog is not None and "its key is erased" in rig.state.dialog.note
    await rig.do("connection.remove", "c")
    assert (rig.key_record.value["keys"], dict(rig.state.keys.hints), dict(rig.state.diagnoses)) == ({}, {}, {})


async def test_a_connection_is_removed_even_where_the_browser_keeps_nothing(scripted):
    rig = await with_key(scripted)
    rig.key_record.problem = "Refused."
    await rig.do("connection.remove", "c")
    assert [c.id for c in rig.state.connections] == [TAB]
    assert (dict(rig.state.keys.hints), rig.alerts) == ({}, ["Refused."])


async def test_erasing_everything_erases_the_keys(scripted):
    rig = await with_key(scripted, passphrase=True)
    rig.key_record.aside = {"keys": KEY}
    await rig.do("data.erase")
    assert (rig.key_record.value, rig.key_record.aside) == (None, None)
    assert rig.keys.origin("c") == ""
    assert rig.page.reloads == 1

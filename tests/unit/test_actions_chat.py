"""A conversation, as a person has it: send, stop, ask again, edit, continue, branch, delete."""

from __future__ import annotations

import asyncio

import pytest

from modeltab.actions.attachments import MAX_ATTACHMENT_BYTES
from modeltab.domain.errors import EngineFailed, StorageFull
from modeltab.domain.messages import versions
from modeltab.state.writing import Attachment
from tests.servers.scripted import Reply, json_reply
from tests.unit.conftest import EchoServer
from tests.unit.fakes import MemoryFile, stop, words
from tests.unit.rig import SERVER, TAB, Rig

MODEL = f"{TAB}/a.gguf"


@pytest.fixture
def rig() -> Rig:
    """An app with one model in the tab."""
    return Rig("a.gguf", "b.gguf")


# ---- Send ------------------------------------------------------------------------------------------------------------


async def test_a_message_and_its_answer_are_a_conversation_that_is_shown_listed_and_kept(rig):
    await rig.start(MODEL)
    await rig.say("  Hello?\nYou there?  ")
    assert rig.texts == ["Hello?\nYou there?", "Hello there"]
    question, answer = rig.shown
    assert (question.role, question.parent_id) == ("user", None)
    assert (answer.role, answer.parent_id, answer.status) == ("assistant", question.id, "done")
    assert (answer.model, answer.connection) == ("a.gguf", TAB)
    (listed,) = rig.state.conversations
    assert listed == rig.state.conversation
    assert (listed.title, rig.page.hash) == ("Hello?", f"#/chat/{listed.id}")
    assert set(rig.records.conversations) == {listed.id}
    assert rig.records.conversations[listed.id]["leaf_id"] == answer.id
    assert {id_: (record["text"], record["status"]) for id_, record in rig.records.by_id.items()} == {
        question.id: ("Hello?\nYou there?", "done"),
        answer.id: ("Hello there", "done"),
    }
    assert rig.alerts == []


async def test_the_message_box_is_emptied_and_the_end_is_said(rig):
    await rig.start(MODEL)
    rig.type("Hello?")
    rig.press("chat.send")
    assert rig.page.fields["message"] == ""
    assert rig.state.status == "The answer is coming"
    await rig.idle()
    assert rig.state.status == "Answer complete"
    assert rig.state.generation is None


async def test_the_next_message_goes_into_the_same_conversation_with_all_that_was_said(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.say("Two")
    assert rig.texts == ["One", "Hello there", "Two", "Hello there"]
    assert len(rig.state.conversations) == 1
    assert [message["content"] for message in rig.engine.bodies[-1]["messages"]] == ["One", "Hello there", "Two"]


@pytest.mark.parametrize("text", ["", "  \n\t "])
async def test_nothing_is_not_sent(rig, text):
    await rig.start(MODEL)
    rig.type(text)
    await rig.do("chat.send")
    assert (rig.state.conversations, rig.engine.bodies) == ((), [])


async def test_enter_sends_and_other_keys_stay_the_browsers(rig):
    await rig.start(MODEL)
    rig.type("Hello?")
    for key in ("Shift+Enter", "a", "", "Ctrl+Enter"):
        assert not rig.press("composer", key=key)
    assert rig.state.conversation is None
    assert rig.press("composer", key="Enter")
    await rig.idle()
    assert rig.texts == ["Hello?", "Hello there"]


async def test_without_a_model_the_message_is_kept_and_the_person_is_told(rig):
    await rig.start()
    rig.type("My long message")
    await rig.do("chat.send")
    assert rig.page.fields["message"] == "My long message"
    assert rig.alerts == ["No model is chosen."]
    assert (rig.state.conversations, rig.records.by_id) == ((), {})


async def test_with_a_model_that_is_gone_the_message_is_kept_and_the_model_is_named(rig):
    await rig.start(f"{TAB}/gone.gguf")
    rig.type("My long message")
    await rig.do("chat.send")
    assert rig.page.fields["message"] == "My long message"
    assert rig.alerts == ["gone.gguf is not there now."]
    assert "In this tab" in rig.state.alerts[0].error.advice


async def test_the_model_is_loaded_first_and_its_progress_is_seen_at_the_answer(rig):
    seen: list[str] = []
    rig.app.store.subscribe(lambda state: seen.append(state.generation.progress if state.generation else ""))
    await rig.start(MODEL)
    await rig.say("Hello?")
    assert [text for text in dict.fromkeys(seen) if text] == [
        "Loading a.gguf: 50%",
        "Loading a.gguf: 100%",
        "Reading the prompt",
    ]
    assert [(model.name, model.state) for model in rig.state.models[TAB]] == [("a.gguf", "Loaded"), ("b.gguf", "On disk")]
    assert len(rig.engine.log) == 1


async def test_a_model_that_cannot_be_loaded_is_an_error_at_the_answer_and_no_longer_loading(rig):
    rig.engine.fails_to_load = EngineFailed("It does not fit.", "Take a smaller one.")
    await rig.start(MODEL)
    answer = await rig.say("Hello?")
    assert answer.error is not None and answer.error.message == "It does not fit."
    assert {model.state for model in rig.state.models[TAB]} == {"On disk"}


async def test_the_parameters_that_are_set_go_with_the_request(rig):
    await rig.start(MODEL)
    rig.app.set_setting(parameters=rig.state.settings.parameters._replace(system_prompt="Be brief.", top_k=3))
    await rig.say("Hello?")
    assert rig.engine.bodies[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert rig.engine.bodies[0]["top_k"] == 3


async def test_an_answer_is_kept_about_every_second_while_it_comes(rig):
    rig.engine.steps = (*words("One"), first := asyncio.Event(), *words(" two"), second := asyncio.Event(), stop())
    await rig.start(MODEL)
    answer = await rig.begin("Hello?", "One")
    rig.clock.now += 2
    first.set()
    await rig.until(lambda: rig.records.by_id[answer.id]["text"] == "One two")
    assert rig.records.by_id[answer.id]["status"] == "streaming"
    second.set()
    await rig.idle()
    assert rig.records.by_id[answer.id]["status"] == "done"


async def test_the_figures_of_an_answer_are_kept_with_it(rig):
    timings = {"prompt_n": 7, "predicted_n": 2, "prompt_ms": 100, "predicted_ms": 400, "predicted_per_second": 5.0}
    rig.engine.steps = (*words("Hi"), {"choices": [], "timings": timings}, stop())
    await rig.start(MODEL)
    stats = (await rig.say("Hello?")).stats
    assert (stats.seconds, stats.prompt_tokens, stats.completion_tokens, stats.tokens_per_second) == (0.5, 7, 2, 5.0)
    assert stats.first_token_seconds is not None and stats.first_token_seconds < 1
    assert rig.records.by_id[rig.shown[-1].id]["stats"]["completion_tokens"] == 2


async def test_without_figures_of_the_api_the_time_is_measured(rig):
    rig.engine.steps = (gate := asyncio.Event(), *words("Hi"), stop())
    await rig.start(MODEL)
    rig.type("Hello?")
    rig.press("chat.send")
    await rig.until(lambda: bool(rig.engine.bodies))
    rig.clock.now += 3
    gate.set()
    await rig.idle()
    assert rig.shown[-1].stats.seconds == pytest.approx(3, abs=0.5)


# ---- Over the wire ---------------------------------------------------------------------------------------------------


def model_file(echo: EchoServer, name: str = "m.gguf") -> None:
    """Puts a model into the server's folder."""
    (echo.folder / name).write_bytes(b"GGUF")


async def test_a_server_answers_in_one_piece_and_its_figures_are_shown(echo):
    model_file(echo)
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    await rig.do("model.use", f"{SERVER}/m.gguf")
    answer = await rig.say("Good morning")
    assert (answer.text, answer.status, answer.connection) == ("You said: Good morning", "done", SERVER)
    assert (answer.stats.completion_tokens, answer.stats.first_token_seconds) == (4, None)


async def test_a_server_is_told_the_whole_conversation(echo):
    model_file(echo)
    rig = Rig(url=echo.url)
    await rig.start()
    await rig.do("models.sync")
    await rig.do("model.use", f"{SERVER}/m.gguf")
    await rig.say("Good morning")
    answer = await rig.say("And now?")
    assert "User: Good morning\n\nAssistant: You said: Good morning\n\nUser: And now?" in answer.text


def scripted_rig(scripted) -> Rig:
    """An app whose server is scripted and has the model m.gguf."""
    scripted.on("GET", "/health", json_reply({"status": "healthy", "service": "S", "version": "1"}))
    scripted.on("GET", "/models", json_reply({"models": [{"name": "m.gguf"}], "count": 1}))
    scripted.on("GET", "/cache/status", json_reply({"cached_models": [], "count": 0}))
    return Rig(url=scripted.url)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (json_reply({"success": False, "error": "Failed to generate response: out of memory"}, status=500), "out of memory"),
        (json_reply({"error": "Model not found"}, status=404), "Model not found"),
        (Reply(body=b"<h1>Hi</h1>", content_type="text/html"), "not with JSON"),
        (Reply(body=b'{"success": true}', cut_after=4), "broke before"),
        (json_reply({"success": True}), "without an answer"),
    ],
)
async def test_a_failure_of_the_server_keeps_the_prompt_and_is_told_at_the_answer(scripted, reply, message):
    rig = scripted_rig(scripted)
    scripted.on("POST", "/generate", reply)
    await rig.start(f"{SERVER}/m.gguf")
    answer = await rig.say("Hello?")
    assert (rig.texts, answer.status) == (["Hello?", ""], "error")
    assert answer.error is not None and message in answer.error.message and answer.error.advice
    assert rig.records.by_id[answer.id]["error"]["message"] == answer.error.message
    assert rig.records.by_id[answer.parent_id or ""]["text"] == "Hello?"
    assert (rig.alerts, rig.state.status) == ([], "The answer failed")


async def test_stopping_ends_the_request_to_the_server(scripted):
    rig = scripted_rig(scripted)
    scripted.on("POST", "/generate", json_reply({}, delay_s=60))
    await rig.start(f"{SERVER}/m.gguf")
    rig.type("Hello?")
    rig.press("chat.send")
    await asyncio.to_thread(scripted.wait_for_request, "POST", "/generate")
    await rig.do("chat.stop")
    request = scripted.wait_for_request("POST", "/generate")
    assert await asyncio.to_thread(request.finished.wait, 10)
    assert request.client_left
    assert (rig.texts, rig.shown[-1].status) == (["Hello?", ""], "stopped")


# ---- Failures in the tab, and what can be done about them --------------------------------------------------------------


async def test_a_failure_keeps_the_prompt_and_the_partial_text_with_the_error(rig):
    rig.engine.steps = (*words("Half an"), EngineFailed("It stopped.", "Try again."))
    await rig.start(MODEL)
    answer = await rig.say("Hello?")
    assert (rig.texts, answer.status) == (["Hello?", "Half an"], "error")
    assert answer.error == ("It stopped.", "Try again.", "")
    assert rig.records.by_id[answer.id]["text"] == "Half an"
    assert rig.state.generation is None


async def test_an_answer_without_an_end_is_cut_off(rig):
    rig.engine.steps = words("Half an")
    await rig.start(MODEL)
    answer = await rig.say("Hello?")
    assert answer.error is not None and "before its end" in answer.error.message
    assert answer.text == "Half an"


async def test_a_defect_is_told_at_the_answer_and_as_an_alert(rig, capsys):
    rig.engine.steps = (*words("Half"), ZeroDivisionError("a defect"))
    await rig.start(MODEL)
    answer = await rig.say("Hello?")
    assert answer.error is not None and "ZeroDivisionError" in answer.error.detail
    assert rig.alerts == ["ModelTab met an error that it did not expect."]
    assert "ZeroDivisionError: a defect" in capsys.readouterr().err


async def test_retry_makes_a_new_version_beside_the_failed_one(rig):
    rig.engine.steps = (*words("Half"), EngineFailed("It stopped."))
    await rig.start(MODEL)
    failed = await rig.say("Hello?")
    rig.engine.steps = (*words("Whole"), stop())
    await rig.do("message.regenerate", failed.id)
    assert rig.texts == ["Hello?", "Whole"]
    assert [message.text for message in versions(rig.state.messages, rig.shown[-1])] == ["Half", "Whole"]
    assert set(rig.records.by_id) == set(rig.state.messages)


async def test_a_conversation_that_cannot_be_kept_says_so_once_and_goes_on(rig):
    await rig.start(MODEL)
    rig.records.failure = StorageFull("The storage is full.", "Delete something.")
    answer = await rig.say("Hello?")
    assert (rig.texts, answer.status) == (["Hello?", "Hello there"], "done")
    assert rig.alerts == ["This conversation cannot be kept: the browser's storage refuses it."]
    assert rig.state.generation is None


async def test_while_an_answer_comes_what_would_disturb_it_is_refused_in_words(rig):
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("One", "Half")
    for action in ("message.regenerate", "message.continue"):
        rig.press("alert.close", rig.state.alerts[0].id if rig.state.alerts else "")
        rig.press(action, rig.shown[-1].id)
        assert rig.alerts == ["An answer is still coming."]
    assert rig.texts == ["One", "Half"]
    await rig.do("chat.stop")


async def test_a_message_that_is_sent_before_the_models_are_known_waits_for_them(rig):
    rig.watch()
    rig.app.set_setting(model=MODEL)
    assert rig.state.models == {}
    rig.type("Early")
    rig.press("chat.send")
    await rig.idle()
    assert rig.texts == ["Early", "Hello there"]
    assert rig.alerts == []


# ---- Stop ------------------------------------------------------------------------------------------------------------


async def test_stop_keeps_the_text_and_the_engine_stops(rig):
    rig.engine.steps = (*words("Half an"), asyncio.Event())
    await rig.start(MODEL)
    answer = await rig.begin("Hello?", "Half an")
    await rig.do("chat.stop")
    assert (rig.texts, rig.shown[-1].status) == (["Hello?", "Half an"], "stopped")
    assert rig.engine.log[-1] == "stopped"
    assert (rig.records.by_id[answer.id]["text"], rig.records.by_id[answer.id]["status"]) == ("Half an", "stopped")
    assert (rig.state.generation, rig.state.status) == (None, "Answer stopped")


async def test_after_a_stop_the_next_message_is_answered(rig):
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("One", "Half")
    await rig.do("chat.stop")
    rig.engine.steps = (*words("Whole"), stop())
    await rig.say("Two")
    assert rig.texts == ["One", "Half", "Two", "Whole"]


async def test_stop_without_an_answer_does_nothing(rig):
    await rig.start(MODEL)
    await rig.do("chat.stop")
    assert rig.alerts == []


async def test_a_stop_in_the_same_moment_as_the_send_ends_the_answer(rig):
    await rig.start(MODEL)
    rig.type("Hello?")
    rig.press("chat.send")
    rig.press("chat.stop")
    await rig.idle()
    assert rig.state.generation is None
    assert rig.shown[-1].status == "stopped"


# ---- Versions --------------------------------------------------------------------------------------------------------


async def test_regenerate_keeps_the_answer_that_was_there(rig):
    await rig.start(MODEL)
    first = await rig.say("Hello?")
    rig.engine.steps = (*words("Again"), stop())
    await rig.do("message.regenerate", first.id)
    assert rig.texts == ["Hello?", "Again"]
    assert rig.state.messages[first.id] == first
    assert [message["content"] for message in rig.engine.bodies[-1]["messages"]] == ["Hello?"]


async def test_the_other_version_is_shown_with_what_followed_it_and_stays_after_a_reload(rig):
    await rig.start(MODEL)
    first = await rig.say("One")
    await rig.say("Two")
    await rig.do("message.regenerate", first.id)
    assert len(rig.texts) == 2
    await rig.do("message.version", first.id)
    assert rig.texts == ["One", "Hello there", "Two", "Hello there"]
    conversation = rig.state.conversation
    assert conversation is not None
    assert rig.records.conversations[conversation.id]["leaf_id"] == rig.shown[-1].id


async def test_an_edited_message_is_a_version_beside_the_old_one_and_is_answered(rig):
    await rig.start(MODEL)
    await rig.say("Helo?")
    question = rig.shown[0]
    await rig.do("message.edit", question.id)
    assert (rig.state.editing, rig.page.focused) == (question.id, f"edit-{question.id}")
    await rig.do("message.edit.save", question.id, values={"text": " Hello? "})
    assert rig.texts == ["Hello?", "Hello there"]
    assert rig.state.editing == ""
    assert [message.text for message in versions(rig.state.messages, rig.shown[0])] == ["Helo?", "Hello?"]
    assert len(rig.records.by_id) == 4


async def test_an_edit_that_is_cancelled_or_empty_changes_nothing(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    question = rig.shown[0]
    before = rig.state.messages
    await rig.do("message.edit", question.id)
    await rig.do("message.edit.save", question.id, values={"text": "  "})
    assert rig.state.editing == question.id
    await rig.do("message.edit.cancel", question.id)
    assert rig.state.editing == ""
    assert rig.state.messages == before


async def test_an_edit_without_a_model_stays_open_with_its_message(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    rig.app.set_setting(model="")
    await rig.do("message.edit", rig.shown[0].id)
    await rig.do("message.edit.save", rig.shown[0].id, values={"text": "Better"})
    assert rig.state.editing == rig.shown[0].id
    assert rig.alerts == ["No model is chosen."]


async def test_continue_goes_on_where_the_answer_was_cut_off_in_a_version_beside_it(rig):
    rig.engine.steps = (*words("One, two,"), stop("length"))
    await rig.start(MODEL)
    cut = await rig.say("Count!")
    assert cut.finish_reason == "length"
    rig.engine.steps = (*words(" three."), stop())
    await rig.do("message.continue", cut.id)
    assert rig.texts == ["Count!", "One, two, three."]
    assert rig.engine.bodies[-1]["messages"][-1] == {"role": "assistant", "content": "One, two,"}
    assert rig.state.messages[cut.id] == cut


async def test_continue_is_not_asked_of_an_api_that_cannot(scripted):
    rig = scripted_rig(scripted)
    scripted.on("POST", "/generate", json_reply({"success": True, "response": "Yes"}))
    await rig.start(f"{SERVER}/m.gguf")
    answer = await rig.say("Hello?")
    await rig.do("message.continue", answer.id)
    assert len(rig.state.messages) == 2


@pytest.mark.parametrize("action", ["message.regenerate", "message.continue", "message.branch", "message.edit.save"])
async def test_while_an_answer_comes_no_other_is_begun(rig, action):
    rig.engine.steps = (*words("Half"), gate := asyncio.Event(), stop())
    await rig.start(MODEL)
    answer = await rig.begin("Hello?", "Half")
    rig.press(action, answer.id, values={"text": "x"})
    await asyncio.sleep(0)
    assert len(rig.state.messages) == 2
    assert len(rig.state.conversations) == 1
    gate.set()
    await rig.idle()
    assert len(rig.engine.bodies) == 1


@pytest.mark.parametrize("action", ["regenerate", "continue", "branch", "edit.save", "version", "copy", "delete"])
async def test_a_message_that_is_gone_is_not_acted_on(rig, action):
    await rig.start(MODEL)
    await rig.say("Hello?")
    before = rig.state.messages
    await rig.do(f"message.{action}", "gone", values={"text": "x"})
    assert (rig.state.messages, rig.alerts) == (before, [])


# ---- Branch, copy, delete --------------------------------------------------------------------------------------------


async def test_a_branch_is_a_conversation_of_its_own_up_to_that_message(rig):
    await rig.start(MODEL)
    first = await rig.say("One")
    await rig.say("Two")
    original = rig.state.conversation
    await rig.do("message.branch", first.id)
    branch = rig.state.conversation
    assert branch is not None and original is not None
    assert branch.id != original.id
    assert rig.page.hash == f"#/chat/{branch.id}"
    assert rig.texts == ["One", "Hello there"]
    kept = [message["id"] for message in await rig.records.messages(original.id)]
    assert len(kept) == 4
    assert not set(kept) & {message.id for message in rig.shown}
    await rig.say("Three")
    assert rig.texts == ["One", "Hello there", "Three", "Hello there"]
    await rig.visit(f"#/chat/{original.id}")
    assert rig.texts == ["One", "Hello there", "Two", "Hello there"]


async def test_copy_takes_the_text_of_the_message(rig):
    await rig.start(MODEL)
    answer = await rig.say("Hello?")
    await rig.do("message.copy", answer.id)
    assert (rig.page.clipboard, rig.state.status) == ("Hello there", "Copied")


async def test_a_deleted_message_takes_what_follows_from_it_along(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.say("Two")
    await rig.do("message.delete", rig.shown[2].id)
    assert rig.texts == ["One", "Hello there"]
    assert set(rig.records.by_id) == set(rig.state.messages) == {message.id for message in rig.shown}
    assert rig.state.dialog is None
    conversation = rig.state.conversation
    assert conversation is not None and rig.records.conversations[conversation.id]["leaf_id"] == rig.shown[-1].id


async def test_when_a_version_is_deleted_another_one_is_shown(rig):
    await rig.start(MODEL)
    first = await rig.say("One")
    await rig.do("message.regenerate", first.id)
    second = rig.shown[-1]
    await rig.do("message.delete", second.id)
    assert rig.shown[-1] == first


async def test_when_the_first_message_is_deleted_the_conversation_is_empty_and_can_go_on(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.do("message.delete", rig.shown[0].id)
    assert (rig.texts, rig.records.by_id) == ([], {})
    await rig.say("Two")
    assert rig.texts == ["Two", "Hello there"]
    assert len(rig.state.conversations) == 1


async def test_a_deleted_message_takes_along_the_answer_that_is_still_coming(rig):
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    await rig.do("message.delete", rig.shown[0].id)
    assert rig.texts == []
    assert rig.engine.log[-1] == "stopped"
    assert (rig.state.messages, rig.records.by_id) == ({}, {})


# ---- Attachments -----------------------------------------------------------------------------------------------------


async def test_text_files_go_with_the_next_message(rig):
    await rig.start(MODEL)
    await rig.do("attach.pick")
    assert rig.page.clicked == ["attach-input"]
    await rig.do("attach.files", files=(MemoryFile("a.txt", "one\n"), MemoryFile("b.csv", "1,2")))
    assert [item.name for item in rig.state.attachments] == ["a.txt", "b.csv"]
    await rig.say("Sum up")
    assert rig.texts[0] == "a.txt:\n```\none\n```\n\nb.csv:\n```\n1,2\n```\n\nSum up"
    assert rig.state.attachments == ()


async def test_a_file_alone_is_a_message_and_names_the_conversation(rig):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("a.txt", "one"),))
    await rig.say("")
    assert rig.texts[0] == "a.txt:\n```\none\n```"
    assert rig.state.conversations[0].title == "a.txt"


async def test_an_attached_file_can_be_taken_away_again(rig):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(MemoryFile("a.txt", "one"), MemoryFile("b.txt", "two")))
    await rig.do("attach.remove", rig.state.attachments[0].id)
    assert [item.name for item in rig.state.attachments] == ["b.txt"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (MemoryFile("big.txt", b"x" * (MAX_ATTACHMENT_BYTES + 1)), "big.txt is too large to go with a message."),
        (MemoryFile("photo.png", b"\x89PNG\0\0"), "photo.png is neither text nor an image."),
    ],
)
async def test_a_file_that_cannot_go_with_a_message_is_refused_by_name(rig, file, message):
    await rig.start(MODEL)
    await rig.do("attach.files", files=(file,))
    assert (rig.alerts, rig.state.attachments) == ([message], ())


async def test_without_a_model_attached_files_are_kept_too(rig):
    await rig.start()
    rig.app.update(attachments=(Attachment("1", "a.txt", "one"),))
    await rig.do("chat.send")
    assert [item.name for item in rig.state.attachments] == ["a.txt"]


# ---- Conversations ---------------------------------------------------------------------------------------------------


async def test_a_new_chat_is_empty_and_is_kept_only_from_its_first_message_on(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.do("chat.new")
    await rig.idle()
    assert (rig.texts, rig.page.hash, rig.page.focused) == ([], "#/chat", "message")
    assert len(rig.records.conversations) == 1
    await rig.say("Two")
    assert [conversation.title for conversation in rig.state.conversations] == ["Two", "One"]


async def test_the_conversation_that_was_answered_last_comes_first(rig):
    await rig.start(MODEL)
    await rig.say("One")
    first = rig.page.hash
    await rig.do("chat.new")
    await rig.say("Two")
    await rig.visit(first)
    await rig.say("Three")
    assert [conversation.title for conversation in rig.state.conversations] == ["One", "Two"]


async def test_an_answer_goes_on_while_another_conversation_is_shown_and_is_there_on_return(rig):
    rig.engine.steps = (*words("Half"), gate := asyncio.Event(), *words(" and whole"), last := asyncio.Event(), stop())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    there = rig.page.hash
    rig.press("chat.new")
    await rig.until(lambda: rig.state.conversation is None)
    gate.set()
    await rig.until(lambda: rig.app.live is not None and rig.app.live.text == "Half and whole")
    assert rig.texts == []
    rig.page.go(there)
    await rig.until(lambda: rig.texts == ["Hello?", "Half and whole"])
    assert rig.shown[-1].status == "streaming"
    last.set()
    await rig.idle()
    assert rig.shown[-1].status == "done"


async def test_an_answer_that_ends_while_its_conversation_is_being_read_is_shown_with_its_end(rig):
    rig.engine.steps = (*words("Half"), gate := asyncio.Event(), *words(" and whole"), stop())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    there = rig.page.hash
    rig.press("chat.new")
    await rig.until(lambda: rig.state.conversation is None)
    rig.records.reading = asyncio.Event()
    rig.page.go(there)
    await asyncio.sleep(0.01)
    gate.set()
    await rig.until(lambda: rig.state.generation is None)
    rig.records.reading.set()
    await rig.idle()
    assert (rig.shown[-1].text, rig.shown[-1].status) == ("Half and whole", "done")


async def test_conversations_are_there_after_a_reload(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    again = Rig("a.gguf")
    again.records = again.app.conversations = rig.records
    await again.start(MODEL)
    assert [conversation.title for conversation in again.state.conversations] == ["Hello?"]
    await again.visit(rig.page.hash)
    assert again.texts == ["Hello?", "Hello there"]
    await again.say("More")
    assert len(again.texts) == 4


async def test_an_answer_that_was_coming_when_the_page_was_closed_is_stopped(rig):
    await rig.start(MODEL)
    answer = await rig.say("Hello?")
    rig.records.by_id[answer.id]["status"] = "streaming"
    again = Rig("a.gguf")
    again.records = again.app.conversations = rig.records
    await again.start()
    await again.visit(rig.page.hash)
    assert again.shown[-1].status == "stopped"


async def test_a_record_that_cannot_be_read_is_left_where_it_is_and_hides_no_other(rig):
    await rig.start(MODEL)
    await rig.say("Hello?")
    rig.records.conversations["odd"] = {"id": "odd", "updated": 5, "from": "the future"}
    again = Rig()
    again.records = again.app.conversations = rig.records
    await again.start()
    assert [conversation.title for conversation in again.state.conversations] == ["Hello?"]
    assert "odd" in rig.records.conversations


async def test_conversations_that_cannot_be_read_are_told_with_what_to_do(rig):
    rig.records.failure = RuntimeError("InvalidStateError")
    with pytest.raises(Exception, match="could not be read"):
        await rig.start()
    assert rig.state.conversations_loaded


async def test_an_address_of_a_conversation_that_is_not_here_leads_to_an_empty_chat(rig):
    await rig.start()
    await rig.visit("#/chat/none")
    assert (rig.page.hash, rig.state.status) == ("#/chat", "That conversation does not exist in this browser")


async def test_a_conversation_is_deleted_with_all_its_messages(rig):
    await rig.start(MODEL)
    await rig.say("One")
    await rig.do("chat.new")
    await rig.say("Two")
    two, one = rig.state.conversations
    await rig.do("conversation.delete", two.id)
    assert rig.state.conversations == (one,)
    assert (rig.state.conversation, rig.page.hash, rig.state.dialog) == (None, "#/chat", None)
    assert set(rig.records.conversations) == {one.id}
    assert {record["conversation_id"] for record in rig.records.by_id.values()} == {one.id}


async def test_a_conversation_that_is_deleted_while_it_is_answered_leaves_nothing(rig):
    rig.engine.steps = (*words("Half"), asyncio.Event())
    await rig.start(MODEL)
    await rig.begin("Hello?", "Half")
    conversation = rig.state.conversation
    assert conversation is not None
    await rig.do("conversation.delete", conversation.id)
    assert rig.engine.log[-1] == "stopped"
    assert (rig.records.conversations, rig.records.by_id) == ({}, {})
    assert (rig.state.conversations, rig.state.messages) == ((), {})

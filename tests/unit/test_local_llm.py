"""The Local LLM provider against the reference server and against servers with faults, over real HTTP."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.domain.messages import Message
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, Event, Finished, Parameters, TextDelta, Usage
from modeltab.providers.local_llm import ADVICE, LocalLlm, render_question
from tests.servers.processes import local_llm_api
from tests.servers.scripted import Reply, ScriptedServer, html_reply, json_reply
from tests.servers.transport import PathFile, RealTransport, run
from tests.unit.conftest import EchoServer, echo_server

REAL_MODEL = Path(__file__).parents[2] / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ANSWER = {"success": True, "response": "Yes", "model_used": "m.gguf", "processing_time": 0.5, "token_count": 4}


def provider_of(url: str) -> LocalLlm:
    """The provider of a connection named "c"."""
    return LocalLlm(Connection("c", "local-llm", "C", url), RealTransport())


def say(text: str, role: str = "user") -> Message:
    """A message with nothing but a text."""
    return Message("", "", None, role, text, 0.0)  # type: ignore[arg-type]


def ask(*texts: str, model: str = "m.gguf", **parameters: Any) -> ChatRequest:
    """A request with messages of the person and the model in turn, the person's first."""
    messages = tuple(say(text, ("user", "assistant")[place % 2]) for place, text in enumerate(texts))
    return ChatRequest(model, messages, Parameters(**parameters))


async def all_of(events: AsyncIterator[Event]) -> list[Event]:
    """Every event."""
    return [event async for event in events]


def answer(provider: LocalLlm, request: ChatRequest) -> list[Event]:
    """The events of an answer."""
    return run(all_of(provider.generate(request)))


def names(models: tuple[Model, ...]) -> list[str]:
    """The models' names."""
    return [model.name for model in models]


def gguf(folder: Path, name: str, size: int = 100) -> PathFile:
    """A file that begins as a model does."""
    path = folder / name
    path.write_bytes(b"GGUF" + bytes(size - 4))
    return PathFile(path)


@pytest.fixture
def local(echo: EchoServer) -> LocalLlm:
    """The provider of the reference server."""
    return provider_of(echo.url)


@pytest.fixture
def faulty(scripted: ScriptedServer) -> LocalLlm:
    """The provider of the scripted server."""
    return provider_of(scripted.url)


# ---- The eight endpoints ---------------------------------------------------------------------------------------------


def test_a_healthy_server_says_its_name_and_version(local):
    assert run(local.check()) == "Local LLM API 1.0.0"


def test_a_slash_at_the_end_of_the_address_does_not_matter(echo):
    assert run(provider_of(echo.url + "/").check()) == "Local LLM API 1.0.0"


def test_an_empty_server_lists_no_models(local):
    assert run(local.models()) == ()


def test_the_list_says_what_the_api_says_of_each_model(local, echo):
    gguf(echo.folder, "big.gguf", 3000)
    (model,) = run(local.sync())
    assert (model.connection_id, model.name, model.key) == ("c", "big.gguf", "c/big.gguf")
    assert (model.size, model.size_text, model.state) == (None, "2.9 KB", "On disk")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", model.modified)
    assert model.details == {"Path": "./server-models/big.gguf"}
    assert run(local.models()) == (model,)


def test_a_file_that_was_copied_by_hand_is_listed_after_a_sync(local, echo):
    gguf(echo.folder, "by-hand.gguf")
    assert names(run(local.models())) == []
    assert names(run(local.sync())) == ["by-hand.gguf"]
    assert names(run(local.models())) == ["by-hand.gguf"]


def test_a_file_goes_up_whole_and_tells_how_far_it_is(local, echo, tmp_path):
    file = gguf(tmp_path, "chosen.gguf", 200_000)
    told: list[int] = []
    run(local.add(file, "stored.gguf", lambda step, sent: told.append(sent)))
    assert names(run(local.models())) == ["stored.gguf"]
    assert (echo.folder / "stored.gguf").read_bytes() == file.path.read_bytes()
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == file.size


def test_the_file_is_the_multipart_part_named_file(faulty, scripted, tmp_path):
    scripted.on("POST", "/models", json_reply({"message": "", "filename": "a.gguf", "model_info": {}}))
    run(faulty.add(gguf(tmp_path, "a.gguf"), "a.gguf", lambda step, sent: None))
    request = scripted.wait_for_request("POST", "/models")
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="a.gguf"' in request.body


@pytest.mark.parametrize("name", ["a.gguf", "a"])
def test_a_model_is_deleted_by_its_name_with_and_without_the_suffix(local, echo, name):
    gguf(echo.folder, "a.gguf")
    gguf(echo.folder, "b.gguf")
    run(local.sync())
    run(local.remove(name))
    assert names(run(local.models())) == ["b.gguf"]
    assert not (echo.folder / "a.gguf").exists()


@pytest.mark.parametrize("name", ["with space.gguf", "50%.gguf", "é?#&+.gguf", "日本語.gguf"])
def test_a_model_with_an_awkward_name_is_asked_and_deleted(local, echo, name):
    gguf(echo.folder, name)
    run(local.sync())
    assert answer(local, ask("Hi", model=name))[0] == TextDelta("You said: Hi")
    assert run(local.loaded()) == (name,)
    run(local.remove(name))
    assert run(local.models()) == ()


def test_a_model_that_has_answered_is_in_memory_until_memory_is_freed(local, echo):
    gguf(echo.folder, "a.gguf")
    run(local.sync())
    assert run(local.loaded()) == ()
    answer(local, ask("Hi", model="a"))
    assert run(local.loaded()) == ("a.gguf",)
    run(local.free())
    assert run(local.loaded()) == ()


def test_unloading_one_model_frees_all_for_the_api_can_do_no_less(local, echo):
    gguf(echo.folder, "a.gguf")
    gguf(echo.folder, "b.gguf")
    run(local.sync())
    for name in ("a", "b"):
        answer(local, ask("Hi", model=name))
    run(local.unload("a.gguf"))
    assert run(local.loaded()) == ()


def test_a_cache_that_names_models_without_the_suffix_names_the_same_models(faulty, scripted):
    scripted.on("GET", "/cache/status", json_reply({"cached_models": ["a", "b.gguf", "C.GGUF"], "count": 3}))
    assert run(faulty.loaded()) == ("a.gguf", "b.gguf", "C.GGUF")


def test_loading_asks_nothing_of_the_server(faulty, scripted):
    run(faulty.load("a.gguf", Parameters(), lambda fraction: None))
    assert scripted.requests == []


def test_an_answer_is_one_text_its_figures_and_its_end(local, echo):
    gguf(echo.folder, "a.gguf")
    run(local.sync())
    text, usage, finished = answer(local, ask("Good morning", model="a.gguf"))
    assert text == TextDelta("You said: Good morning")
    assert isinstance(usage, Usage)
    assert usage.completion_tokens == 4
    assert usage.seconds is not None and usage.seconds >= 0
    assert finished == Finished("stop")


def test_the_speed_follows_from_the_time_and_the_tokens(faulty, scripted):
    scripted.on("POST", "/generate", json_reply(ANSWER))
    assert answer(faulty, ask("Hi"))[1] == Usage(completion_tokens=4, seconds=0.5, tokens_per_second=8.0)


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        ({"processing_time": 0, "token_count": 4}, Usage(completion_tokens=4, seconds=0.0)),
        ({"processing_time": 2, "token_count": 0}, Usage(completion_tokens=0, seconds=2.0)),
        ({"processing_time": None, "token_count": "many"}, Usage()),
    ],
)
def test_figures_that_are_missing_or_odd_do_not_spoil_an_answer(faulty, scripted, given, usage):
    scripted.on("POST", "/generate", json_reply({**ANSWER, **given}))
    assert answer(faulty, ask("Hi")) == [TextDelta("Yes"), usage, Finished("stop")]


@pytest.mark.model
def test_a_real_model_is_listed_asked_and_unloaded(tmp_path):
    if not REAL_MODEL.exists():
        pytest.skip(f"{REAL_MODEL.name} is made by set-up, which has not run here")
    (tmp_path / "real.gguf").symlink_to(REAL_MODEL)
    with local_llm_api(tmp_path, "--max-tokens", "24") as server:
        provider = provider_of(server.url)
        assert names(run(provider.models())) == ["real.gguf"]
        text, usage, finished = answer(provider, ask("What color is the sky?", model="real", temperature=0))
        assert isinstance(text, TextDelta)
        assert "blue" in text.text
        assert isinstance(usage, Usage)
        assert usage.tokens_per_second and 1 <= (usage.completion_tokens or 0) <= 24
        assert finished == Finished("stop")
        assert run(provider.loaded()) == ("real.gguf",)
        run(provider.free())
        assert run(provider.loaded()) == ()


# ---- What is sent ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(faulty: LocalLlm, scripted: ScriptedServer) -> Iterator[object]:
    """A function that makes a request and returns the JSON that arrived."""
    scripted.on("POST", "/generate", json_reply(ANSWER))

    def send(request: ChatRequest) -> object:
        answer(faulty, request)
        arrived = scripted.wait_for_request("POST", "/generate")
        assert arrived.headers["content-type"] == "application/json"
        return arrived.json()

    yield send


def test_every_parameter_of_the_api_is_sent(sent):
    request = ask("Hi", template="<{question}>", n_gpu_layers=20, n_batch=256, temperature=0.7)
    assert sent(request) == {
        "question": "Hi",
        "model_name": "m.gguf",
        "template": "<{question}>",
        "n_gpu_layers": 20,
        "n_batch": 256,
        "temperature": 0.7,
    }


def test_a_parameter_that_is_not_set_is_not_sent(sent):
    assert sent(ask("Hi")) == {"question": "Hi", "model_name": "m.gguf"}


def test_zero_is_a_value_and_is_sent(sent):
    body = sent(ask("Hi", temperature=0.0, n_gpu_layers=0))
    assert (body["temperature"], body["n_gpu_layers"]) == (0.0, 0)


def test_a_parameter_that_the_api_does_not_know_is_not_sent(sent):
    body = sent(ask("Hi", max_tokens=5, top_p=0.5, top_k=3, seed=1, n_ctx=512, extra_json='{"a": 1}'))
    assert set(body) == {"question", "model_name"}


def test_what_the_provider_says_that_it_takes_is_what_it_sends(sent):
    fields: dict[str, Any] = {"template": "{question}", "temperature": 1.0, "n_gpu_layers": 1, "n_batch": 2}
    assert {*fields, "system_prompt"} == LocalLlm.capabilities.parameters
    body = sent(ask("Hi", system_prompt="Be brief.", **fields))
    assert body == {"question": "Be brief.\n\nHi", "model_name": "m.gguf", **fields}


def test_a_template_reaches_the_model_with_the_question_in_its_place(local, echo):
    gguf(echo.folder, "a.gguf")
    run(local.sync())
    events = answer(local, ask("Hi", model="a", template="### {question} ###", temperature=0.0, n_batch=8, n_gpu_layers=0))
    assert events[0] == TextDelta("You said: Hi")


# ---- A conversation as one question ----------------------------------------------------------------------------------


def test_a_first_message_is_the_question_as_it_is():
    assert render_question(ask("  Hi\n{there}  ")) == "  Hi\n{there}  "


def test_a_system_prompt_comes_before_the_question():
    assert render_question(ask("Hi", system_prompt="Be brief.")) == "Be brief.\n\nHi"


def test_earlier_messages_are_told_as_a_conversation_that_goes_on():
    request = ask("Hi", "Hello!", "Who are you?", system_prompt="Be brief.")
    assert render_question(request) == (
        "Be brief.\n\nContinue this conversation.\n\nUser: Hi\n\nAssistant: Hello!\n\nUser: Who are you?\n\nAssistant:"
    )


def test_messages_without_text_and_system_messages_are_left_out():
    messages = (say("Obey.", "system"), say("Hi"), say("", "assistant"))
    assert render_question(ChatRequest("m.gguf", messages)) == "Hi"


# ---- Errors ----------------------------------------------------------------------------------------------------------

DOCUMENTED = [
    (400, "No file part in the request", errors.BadRequest),
    (400, "No file selected", errors.BadRequest),
    (400, "Invalid file type. Only gguf files are allowed", errors.BadRequest),
    (400, "Request body is required", errors.BadRequest),
    (400, "Question is required", errors.BadRequest),
    (400, "Model name is required", errors.BadRequest),
    (404, "Model not found", errors.NotFound),
    (409, "File already exists", errors.Conflict),
    (500, "Failed to list models: disk on fire", errors.ServerFailed),
    (500, "Failed to generate response: out of memory", errors.ServerFailed),
]


@pytest.mark.parametrize(("status", "words", "kind"), DOCUMENTED, ids=[words for _, words, _ in DOCUMENTED])
def test_a_documented_error_is_told_in_the_servers_words_with_advice_of_its_own(faulty, scripted, status, words, kind):
    scripted.on("POST", "/generate", json_reply({"success": False, "error": words}, status=status))
    with pytest.raises(kind) as caught:
        answer(faulty, ask("Hi"))
    assert type(caught.value) is kind
    assert caught.value.message == words + "."
    assert caught.value.advice
    assert caught.value.advice != ADVICE[""]
    assert f"{status} from {scripted.url}/generate" in caught.value.detail


def test_another_error_of_the_server_has_its_words_and_points_to_its_log(faulty, scripted):
    scripted.on("GET", "/models", json_reply({"error": "Cosmic rays!"}, status=500))
    with pytest.raises(errors.ServerFailed) as caught:
        run(faulty.models())
    assert (caught.value.message, caught.value.advice) == ("Cosmic rays!", ADVICE[""])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Unauthorized),
        (404, errors.NotFound),
        (405, errors.BadRequest),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (422, errors.BadRequest),
        (429, errors.RateLimited),
        (500, errors.ServerFailed),
        (503, errors.ServerFailed),
    ],
)
def test_a_status_without_words_is_named_by_its_number(faulty, scripted, status, kind):
    scripted.on("GET", "/health", Reply(status=status))
    with pytest.raises(kind) as caught:
        run(faulty.check())
    assert type(caught.value) is kind
    assert caught.value.message == f"The server answered with status {status}."


def test_the_reference_server_refuses_a_model_that_it_does_not_have(local):
    with pytest.raises(errors.NotFound, match="Model not found"):
        answer(local, ask("Hi", model="none"))
    with pytest.raises(errors.NotFound, match="Model not found"):
        run(local.remove("none"))


def test_the_reference_server_refuses_an_empty_question(local):
    with pytest.raises(errors.BadRequest, match="Question is required"):
        answer(local, ask("   "))


def test_the_reference_server_refuses_a_name_twice(local, tmp_path):
    file = gguf(tmp_path, "a.gguf")
    run(local.add(file, "a.gguf", lambda step, sent: None))
    with pytest.raises(errors.Conflict, match="File already exists") as caught:
        run(local.add(file, "a.gguf", lambda step, sent: None))
    assert "Delete the model of that name" in caught.value.advice


@pytest.mark.parametrize(("name", "words"), [("a.txt", "Invalid file type"), ("", "No file selected")])
def test_the_reference_server_refuses_a_file_that_is_not_named_as_a_model(local, tmp_path, name, words):
    with pytest.raises(errors.BadRequest, match=words):
        run(local.add(gguf(tmp_path, "a.gguf"), name, lambda step, sent: None))


def test_a_file_above_the_servers_limit_is_refused_with_the_limit_and_its_name(tmp_path):
    with echo_server(tmp_path / "models", max_content_length=2048) as server:
        with pytest.raises(errors.TooLarge) as caught:
            run(provider_of(server.url).add(gguf(tmp_path, "a.gguf", 5000), "a.gguf", lambda step, sent: None))
        assert caught.value.message == "Request is too large. The limit is 2.0 KB."
        assert "MAX_CONTENT_LENGTH" in caught.value.advice
        assert run(provider_of(server.url).models()) == ()


# ---- Servers with faults ---------------------------------------------------------------------------------------------

CALLS = {
    "check": ("GET", "/health", lambda provider: provider.check()),
    "models": ("GET", "/models", lambda provider: provider.models()),
    "sync": ("POST", "/models/sync", lambda provider: provider.sync()),
    "remove": ("DELETE", "/models/a.gguf", lambda provider: provider.remove("a.gguf")),
    "loaded": ("GET", "/cache/status", lambda provider: provider.loaded()),
    "free": ("POST", "/cache/clear", lambda provider: provider.free()),
    "generate": ("POST", "/generate", lambda provider: all_of(provider.generate(ask("Hi")))),
}


@pytest.fixture(params=list(CALLS.values()), ids=list(CALLS))
def endpoint(request):
    """Method, path and call of each endpoint that takes no file."""
    return request.param


def test_html_in_place_of_json_means_another_program(faulty, scripted, endpoint):
    method, path, call = endpoint
    scripted.on(method, path, html_reply("<h1>It works!</h1>", status=200))
    with pytest.raises(errors.BadReply, match="not with JSON") as caught:
        run(call(faulty))
    assert "Check the base URL" in caught.value.advice
    assert "<h1>It works!</h1>" in caught.value.detail


def test_a_failure_in_html_keeps_its_status_and_shows_the_page_as_a_detail(faulty, scripted, endpoint):
    method, path, call = endpoint
    scripted.on(method, path, html_reply("<h1>Bad Gateway</h1>", status=502))
    with pytest.raises(errors.ServerFailed, match="status 502") as caught:
        run(call(faulty))
    assert "<h1>Bad Gateway</h1>" in caught.value.detail


def test_a_reply_that_breaks_off_is_cut_off(faulty, scripted, endpoint):
    method, path, call = endpoint
    scripted.on(method, path, Reply(body=b'{"status": "healthy", "models": []}', cut_after=10))
    with pytest.raises(errors.CutOff):
        run(call(faulty))


def test_a_reply_in_pieces_that_breaks_off_is_cut_off(faulty, scripted, endpoint):
    method, path, call = endpoint
    scripted.on(method, path, Reply(chunks=[b'{"models":', b" []}"], cut_after=12))
    with pytest.raises(errors.CutOff):
        run(call(faulty))


def test_a_request_that_is_cancelled_closes_its_connection(faulty, scripted, endpoint):
    method, path, call = endpoint
    scripted.on(method, path, json_reply({}, delay_s=60))

    async def cancel() -> None:
        task = asyncio.ensure_future(call(faulty))
        await asyncio.to_thread(scripted.wait_for_request, method, path)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel())
    request = scripted.wait_for_request(method, path)
    assert request.finished.wait(10)
    assert request.client_left


def test_without_a_server_nothing_is_reachable(endpoint, tmp_path):
    _, _, call = endpoint
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: whoever connects is refused
        provider = provider_of(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(errors.Unreachable):
            run(call(provider))
        with pytest.raises(errors.Unreachable):
            run(provider.add(gguf(tmp_path, "a.gguf"), "a.gguf", lambda step, sent: None))


@pytest.mark.parametrize("reply", [None, [], "text", 5, {}, {"error": None}], ids=repr)
@pytest.mark.parametrize("call", ["check", "models", "sync", "loaded", "generate"])
def test_json_of_another_shape_means_another_program(faulty, scripted, call, reply):
    method, path, function = CALLS[call]
    scripted.on(method, path, json_reply(reply))
    with pytest.raises(errors.BadReply, match="may not be a Local LLM API") as caught:
        run(function(faulty))
    assert "Check the base URL" in caught.value.advice


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        ("check", {"status": "healthy"}),
        ("check", {"status": "healthy", "service": "S", "version": 1}),
        ("models", {"models": "none"}),
        ("models", {"models": ["a.gguf"]}),
        ("models", {"models": [{"name": 5}]}),
        ("sync", {"models": []}),
        ("sync", {"data": {"models": {}}}),
        ("loaded", {"cached_models": "a.gguf"}),
        ("generate", {"success": False, "response": "text"}),
        ("generate", {"success": "true", "response": "text"}),
        ("generate", {"success": True, "response": None}),
    ],
)
def test_a_field_of_another_kind_means_another_program(faulty, scripted, call, reply):
    method, path, function = CALLS[call]
    scripted.on(method, path, json_reply(reply))
    with pytest.raises(errors.BadReply):
        run(function(faulty))


def test_a_model_about_which_the_server_says_only_its_name_is_listed(faulty, scripted):
    scripted.on("GET", "/models", json_reply({"models": [{"name": "a.gguf"}], "count": 1}))
    assert run(faulty.models()) == (Model("c", "a.gguf"),)


def test_a_server_that_is_not_well_is_not_healthy(faulty, scripted):
    scripted.on("GET", "/health", json_reply({"status": "starting", "service": "S", "version": "1"}))
    with pytest.raises(errors.BadReply, match="“starting”"):
        run(faulty.check())


def test_an_upload_that_the_server_drops_is_unreachable_and_has_told_how_far_it_got(faulty, scripted, tmp_path):
    scripted.on("POST", "/models", Reply(drop_upload_after=1000))
    told: list[int] = []
    with pytest.raises(errors.Unreachable):
        run(faulty.add(gguf(tmp_path, "a.gguf", 8_000_000), "a.gguf", lambda step, sent: told.append(sent)))
    assert told and told == sorted(told)
    assert told[-1] < 8_000_000


def test_an_upload_that_is_cancelled_leaves_nothing_on_the_server(local, echo, tmp_path):
    file = gguf(tmp_path, "a.gguf", 50_000_000)

    async def cancel_half_way() -> None:
        started = asyncio.Event()
        task = asyncio.ensure_future(local.add(file, "a.gguf", lambda step, sent: started.set()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while any(echo.folder.iterdir()):  # run() ends this when it never comes true
            await asyncio.sleep(0.01)

    run(cancel_half_way())
    assert run(local.sync()) == ()


def test_an_upload_that_is_answered_with_another_shape_is_not_taken_for_stored(faulty, scripted, tmp_path):
    scripted.on("POST", "/models", json_reply({"ok": True}))
    with pytest.raises(errors.BadReply):
        run(faulty.add(gguf(tmp_path, "a.gguf"), "a.gguf", lambda step, sent: None))


def test_an_answer_that_is_closed_early_closes_its_connection(faulty, scripted):
    scripted.on("POST", "/generate", json_reply(ANSWER, delay_s=60))

    async def close() -> None:
        async with aclosing(faulty.generate(ask("Hi"))) as events:
            first = asyncio.ensure_future(anext(events))
            await asyncio.to_thread(scripted.wait_for_request, "POST", "/generate")
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    run(close())
    request = scripted.wait_for_request("POST", "/generate")
    assert request.finished.wait(10)
    assert request.client_left

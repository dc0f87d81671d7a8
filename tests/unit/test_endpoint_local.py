"""The Local LLM API in the tab: as its document says, and as the app's own client of that API takes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, Conflict, NotFound
from modeltab.domain.messages import Message
from modeltab.domain.requests import ChatRequest, Finished, Parameters, TextDelta, Usage
from modeltab.endpoint.multipart import WINDOW, file_part
from modeltab.providers.base import ModelFile, OnStep
from modeltab.providers.local_llm import LocalLlm
from tests.servers.model_files import small_gguf
from tests.servers.openapi import Exchange, OpenApi
from tests.unit.calling import BASE, BOUNDARY, Beside, LoopTransport, field_part, form, opened
from tests.unit.fakes import FakeModels, MemoryFile

SPEC = OpenApi.read(Path(__file__).parents[2] / "docs/local-llm-api.openapi.yaml", closed=True)
JSON = "application/json"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


async def asked(
    page: Beside, method: str, path: str, body: object = None, upload: MemoryFile | None = None
) -> tuple[int, dict]:
    """A call whose reply has to be as the document says: status and JSON."""
    reply = await page.call(method, "api/v1" + path, body, upload)
    exchange = Exchange(method, path, status=reply.status, reply_type=reply.headers["content-type"], reply=reply.text.encode())
    assert SPEC.reply_problems(exchange) == []
    assert reply.ended
    return reply.status, reply.json()


async def test_all_eight_endpoints_answer_as_the_document_says():
    rig, page = await opened()
    assert await asked(page, "GET", "/health") == (200, {"status": "healthy", "service": "Local LLM API", "version": "1.0.0"})
    status, value = await asked(page, "POST", "/models", upload=form("a.gguf", small_gguf()))
    assert (status, value["filename"], value["model_info"]["size"]) == (200, "a.gguf", "1.0 kB")
    assert rig.transfer("a.gguf").phase == "done"  # it was seen as any other transfer
    status, value = await asked(page, "GET", "/models")
    assert (status, value["count"], value["models"][0]["path"]) == (200, 1, "./models/a.gguf")
    assert (await asked(page, "POST", "/models/sync"))[1]["data"] == value
    status, answer = await asked(page, "POST", "/generate", {"question": "Hello?", "model_name": "a"})
    assert (status, answer["response"], answer["model_used"], answer["token_count"]) == (200, "Hello there", "a.gguf", 3)
    assert await asked(page, "GET", "/cache/status") == (200, {"cached_models": ["a.gguf"], "count": 1})
    assert (await asked(page, "POST", "/cache/clear"))[0] == 200
    assert (await asked(page, "GET", "/cache/status"))[1]["count"] == 0
    gone = {"message": "Model deleted successfully", "filename": "a.gguf", "remaining_models": 0}
    assert await asked(page, "DELETE", "/models/a") == (200, gone)
    assert rig.state.deleted == ("in-tab/a.gguf",)  # the person can have it again


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/models", b"", 400, "No file part in the request"),
        ("POST", "/generate", b"", 400, "Request body is required"),
        ("POST", "/generate", b"null", 400, "Request body is required"),
        ("POST", "/generate", {}, 400, "Question is required"),
        ("POST", "/generate", {"question": " ", "model_name": "a"}, 400, "Question is required"),
        ("POST", "/generate", {"question": "?"}, 400, "Model name is required"),
        ("POST", "/generate", {"question": "?", "model_name": "b"}, 404, "Model not found"),
        (
            "POST",
            "/generate",
            {"question": "?", "model_name": "a", "temperature": "warm"},
            400,
            "“temperature” has to be a number.",
        ),
        ("POST", "/generate", {"question": "?", "model_name": "a", "temperature": -1}, 400, "temperature must be 0 or more"),
        ("POST", "/generate", {"question": "?", "model_name": "a", "n_batch": 1.5}, 400, "“n_batch” has to be a whole number."),
        ("DELETE", "/models/b.gguf", None, 404, "Model not found"),
    ],
)
async def test_what_is_wrong_is_told_in_the_documents_words(method, path, body, status, words):
    _, page = await opened("a.gguf")
    assert await asked(page, method, path, body) == (status, {"error": words})


@pytest.mark.parametrize(
    ("upload", "status", "words"),
    [
        (form("", b"GGUF"), 400, "No file selected"),
        (form("notes.txt", b"GGUF"), 400, "Invalid file type. Only gguf files are allowed"),
        (form(".gguf", b"GGUF"), 400, "Invalid file type. Only gguf files are allowed"),
        (form("a.gguf", b"GGUF"), 409, "File already exists"),
        (form("b.gguf", b"GGUF", field="model"), 400, "No file part in the request"),
        (MemoryFile("form", field_part("file", "text") + f"--{BOUNDARY}--".encode()), 400, "No file part in the request"),
        (form("b.gguf", b"no model"), 400, "Invalid file type. Only gguf files are allowed"),
    ],
)
async def test_a_file_that_cannot_be_taken_is_refused(upload, status, words):
    rig, page = await opened("a.gguf")
    assert await asked(page, "POST", "/models", upload=upload) == (status, {"error": words})
    assert list(rig.files.files) == ["a.gguf"]


async def test_a_generation_that_fails_has_the_documents_own_shape():
    rig, page = await opened("a.gguf")
    rig.engine.fails_to_load = ValueError("out of memory")
    status, value = await asked(page, "POST", "/generate", {"question": "?", "model_name": "a"})
    assert (status, value["success"]) == (500, False)
    assert value["error"].startswith("Failed to generate response: ")


async def test_the_template_is_completed_as_it_is_and_the_parameters_arrive():
    rig, page = await opened("a.gguf")
    body = {"question": "Why?", "model_name": "a.gguf", "template": "Q: {question} {x}\nA:", "n_gpu_layers": 0, "n_batch": 8}
    _, answer = await asked(page, "POST", "/generate", body)
    assert answer["response"] == " Paris."
    assert rig.engine.bodies[-1]["prompt"] == "Q: Why? {x}\nA:"
    assert rig.engine.bodies[-1]["temperature"] == 0.6


class EndlessModels(FakeModels):
    """A store into which nothing gets to its end."""

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Begins."""
        self.log.append(f"add {name}")
        await asyncio.Event().wait()


async def test_an_upload_whose_caller_leaves_is_cancelled_and_leaves_nothing():
    rig, page = await opened(files=EndlessModels())
    _, task = page.begin("POST", "api/v1/models", form=form("a.gguf", small_gguf()))
    await rig.until(lambda: "add a.gguf" in rig.files.log)
    task.cancel()
    await rig.idle()
    assert rig.files.log == ["add a.gguf", "discard a.gguf"]
    assert rig.transfer("a.gguf").phase == "cancelled"
    assert rig.state.api_calls[0].status == 499


async def test_a_transfer_that_the_person_cancels_is_told_to_the_caller():
    rig, page = await opened(files=EndlessModels())
    out, _ = page.begin("POST", "api/v1/models", form=form("a.gguf", small_gguf()))
    await rig.until(lambda: "add a.gguf" in rig.files.log)
    await rig.do("transfer.cancel", rig.transfer("a.gguf").id)
    assert (out.status, out.json()) == (500, {"error": "The transfer of a.gguf was stopped in ModelTab."})


# ---- The app's own client of that API --------------------------------------------------------------------------------


async def test_the_apps_own_client_of_that_api_finds_a_local_llm_api():
    rig, page = await opened("a.gguf")
    client = LocalLlm(Connection("c", "local-llm", "Tab", BASE + "api/v1"), LoopTransport(page))
    assert await client.check() == "Local LLM API 1.0.0"
    assert [model.name for model in await client.models()] == ["a.gguf"]
    await client.add(MemoryFile("b.gguf", small_gguf()), "b.gguf", lambda step, sent: None)
    with pytest.raises(Conflict):
        await client.add(MemoryFile("b.gguf", small_gguf()), "b.gguf", lambda step, sent: None)
    with pytest.raises(BadRequest):
        await client.add(MemoryFile("b.txt", small_gguf()), "b.txt", lambda step, sent: None)
    assert [model.name for model in await client.sync()] == ["a.gguf", "b.gguf"]
    question = Message("1", "", None, "user", "Hello?", 0.0)
    events = [event async for event in client.generate(ChatRequest("b", (question,), Parameters(temperature=0.1)))]
    assert [type(event) for event in events] == [TextDelta, Usage, Finished]
    assert rig.engine.bodies[-1]["temperature"] == 0.1
    assert await client.loaded() == ("b.gguf",)
    await client.free()
    assert await client.loaded() == ()
    await client.remove("b.gguf")
    with pytest.raises(NotFound):
        await client.remove("b.gguf")


# ---- Where in a form its file is -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3000, WINDOW - 200, WINDOW, WINDOW + 1, 3 * WINDOW])
@pytest.mark.parametrize("after", [b"", field_part("note", "kept"), field_part("note", "x" * 40_000)])
async def test_the_files_place_in_a_form_of_any_size(size, after):
    content = b"GGUF" + bytes(size)
    upload = form("a.gguf", content, before=field_part("note", "before"), after=after)
    part = await file_part(upload, KIND, "file")
    assert part is not None
    assert (part.name, upload.data[part.start : part.end]) == ("a.gguf", content)


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/json", f"multipart/form-data; boundary={BOUNDARY}x"])
async def test_a_form_without_its_boundary_has_no_file(kind):
    assert await file_part(form("a.gguf", b"GGUF"), kind, "file") is None


@pytest.mark.parametrize("cut", [10, 80, 200])
async def test_a_form_that_breaks_off_has_no_file(cut):
    whole = form("a.gguf", bytes(100))
    assert await file_part(MemoryFile("form", whole.data[:cut]), KIND, "file") is None


async def test_a_name_is_unescaped_as_browsers_escape_it():
    part = await file_part(form("a%22b%0D%0A100%25.gguf", b"GGUF"), f'multipart/form-data; boundary="{BOUNDARY}"', "file")
    assert part is not None
    assert part.name == 'a"b\r\n100%25.gguf'

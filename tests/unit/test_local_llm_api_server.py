"""The reference Local LLM API server keeps to docs/local-llm-api.openapi.yaml, over real HTTP."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import CHECKS, load_all_checks
from werkzeug.serving import make_server

from tests.servers.local_llm_api import API_PREFIX, create_app, human_size, safe_file_name
from tests.servers.processes import local_llm_api

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "docs" / "local-llm-api.openapi.yaml"
SHARED_CONTRACT = ROOT.parent / "shared" / "api" / CONTRACT.name
REAL_MODEL = ROOT / "static" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"

ORIGIN = "http://app.test"
BOUNDARY = "----boundary"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FORM_END = f"\r\n--{BOUNDARY}--\r\n".encode()
MIB = 1024**2
NO_PART = "No file part in the request"
WRONG_TYPE = "Invalid file type. Only gguf files are allowed"


@dataclass(frozen=True)
class HttpReply:
    """A whole reply."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, after a check that it says to be that."""
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Talks to one server as a page of another origin would."""

    url: str

    def connect(self) -> http.client.HTTPConnection:
        """A connection for those tests that need to send a request in pieces."""
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpReply:
        """One request. ``body`` is bytes or an iterable of them; ``_`` in a header's name stands for ``-``."""
        connection = self.connect()
        sent = {"Origin": ORIGIN} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, urlsplit(self.url).path + path, body, sent)
        return self.read(connection)

    @staticmethod
    def read(connection: http.client.HTTPConnection) -> HttpReply:
        """Reads a connection's reply and closes it."""
        response = connection.getresponse()
        reply = HttpReply(response.status, response.headers, response.read())
        connection.close()
        return reply

    def upload(self, name: str, content: bytes = b"GGUF") -> HttpReply:
        """Uploads a small file."""
        return self.call("POST", "/models", form(part_head(name) + content), Content_Type=FORM_TYPE)

    def generate(self, **fields: Any) -> HttpReply:
        """Asks a model."""
        return self.call("POST", "/generate", json.dumps(fields), Content_Type="application/json")

    def begin_upload(self, name: str, length: int) -> http.client.HTTPConnection:
        """Sends an upload's headers, which promise ``length`` bytes of body, and the start of its form."""
        connection = self.connect()
        connection.putrequest("POST", urlsplit(self.url).path + "/models")
        connection.putheader("Content-Type", FORM_TYPE)
        connection.putheader("Content-Length", str(length))
        connection.endheaders(part_head(name))
        return connection

    def names(self) -> list[str]:
        """The names of the models in the list."""
        return [model["name"] for model in self.call("GET", "/models").json["models"]]

    def loaded(self) -> list[str]:
        """The names of the models in memory."""
        return self.call("GET", "/cache/status").json["cached_models"]


def part_head(name: str, field: str = "file") -> bytes:
    """A form's first part up to its content."""
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()


def form(parts: bytes) -> bytes:
    """A complete form of these parts."""
    return parts + FORM_END


def wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Returns as soon as the condition holds, and fails when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def serving(models: Path, **options: Any) -> Iterator[Client]:
    """The server in a thread, with the echo engine unless the options say otherwise."""
    server = make_server("127.0.0.1", 0, create_app(models, **{"engine": "echo"} | options), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Client(f"http://127.0.0.1:{server.server_port}{API_PREFIX}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The models folder, which the server makes."""
    return tmp_path / "models"


@pytest.fixture
def api(models: Path) -> Iterator[Client]:
    """A server with the echo engine and an empty models folder."""
    with serving(models) as client:
        yield client


# ---- The contract ----------------------------------------------------------------------------------------------------


def test_the_contract_is_the_shared_one() -> None:
    if not SHARED_CONTRACT.exists():
        pytest.skip("only the project's own workplace has the shared contract")
    assert CONTRACT.read_bytes() == SHARED_CONTRACT.read_bytes()


load_all_checks()
SCHEMA = schemathesis.openapi.from_path(CONTRACT)
OPERATIONS = [operation for path in SCHEMA.values() for operation in path.values()]
REPLY_CHECKS = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


@pytest.fixture(scope="module")
def contract_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for all generated requests, with one model to ask."""
    with serving(tmp_path_factory.mktemp("contract")) as client:
        client.upload("known.gguf")
        yield client


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_generated_requests_get_replies_of_the_contract(contract_api: Client, operation: Any) -> None:
    _check_operation(contract_api, operation, schemathesis.GenerationMode.POSITIVE)


# Only a body can break the contract: every path is a valid name, and no operation has other parameters.
@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.body], ids=lambda operation: operation.label)
def test_generated_wrong_requests_get_replies_of_the_contract(contract_api: Client, operation: Any) -> None:
    _check_operation(contract_api, operation, schemathesis.GenerationMode.NEGATIVE)


def _check_operation(api: Client, operation: Any, mode: schemathesis.GenerationMode) -> None:
    @seed(1)
    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(base_url=api.url, checks=REPLY_CHECKS)

    check()


def test_health(api: Client) -> None:
    reply = api.call("GET", "/health")
    assert reply.json == {"status": "healthy", "service": "Local LLM API", "version": "1.0.0"}


# ---- Models ----------------------------------------------------------------------------------------------------------


def test_an_upload_is_stored_and_listed(api: Client, models: Path) -> None:
    assert api.call("GET", "/models").json == {"models": [], "count": 0}
    content = bytes(range(256)) * 4096
    before = datetime.now().timestamp()
    reply = api.upload("new.gguf", content)
    assert reply.status == 200
    info = reply.json["model_info"]
    assert reply.json == {"message": "File uploaded successfully", "filename": "new.gguf", "model_info": info}
    assert info == {"name": "new.gguf", "path": "./models/new.gguf", "size": "1.0 MB", "modified": info["modified"]}
    assert info["modified"].endswith("Z")
    assert datetime.fromisoformat(info["modified"]).timestamp() == pytest.approx(before, abs=5)
    assert api.call("GET", "/models").json == {"models": [info], "count": 1}
    assert (models / "new.gguf").read_bytes() == content
    assert [file.name for file in models.iterdir()] == ["new.gguf"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("UPPER.GGUF", "UPPER.GGUF"),
        ("with space (1).gguf", "with space (1).gguf"),
        ("模型.gguf", "模型.gguf"),
        ("../../out.gguf", "out.gguf"),
        ("C:\\\\models\\\\win.gguf", "win.gguf"),
        ("/etc/abs.gguf", "abs.gguf"),
    ],
)
def test_an_uploaded_name_is_made_safe(api: Client, models: Path, sent: str, stored: str) -> None:
    assert api.upload(sent).json["filename"] == stored
    assert [file.name for file in models.iterdir()] == [stored]
    assert api.call("DELETE", f"/models/{quote(stored)}").json["filename"] == stored


def test_other_parts_of_a_form_are_ignored(api: Client, models: Path) -> None:
    note = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'.encode()
    other = part_head("other.gguf", "attachment") + b"other\r\n"
    body = form(note + other + part_head("wanted.gguf") + b"wanted\r\n" + note.rstrip())
    assert api.call("POST", "/models", body, Content_Type=FORM_TYPE).json["filename"] == "wanted.gguf"
    assert api.names() == ["wanted.gguf"]
    assert (models / "wanted.gguf").read_bytes() == b"wanted"


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", FORM_TYPE, NO_PART),
        (FORM_END, FORM_TYPE, NO_PART),
        (b"no form", FORM_TYPE, NO_PART),
        (form(part_head("a.gguf", "model")), FORM_TYPE, NO_PART),
        (form(part_head("a.gguf").replace(b'; filename="a.gguf"', b"")), FORM_TYPE, NO_PART),
        (part_head("a.gguf") + b"never ends", FORM_TYPE, NO_PART),
        (form(part_head("a.gguf")), "multipart/form-data", NO_PART),
        (b"{}", "application/json", NO_PART),
        (form(part_head("")), FORM_TYPE, "No file selected"),
        (form(part_head("folder/")), FORM_TYPE, "No file selected"),
        (form(part_head("model.bin")), FORM_TYPE, WRONG_TYPE),
        (form(part_head("gguf")), FORM_TYPE, WRONG_TYPE),
        (form(part_head(".gguf")), FORM_TYPE, WRONG_TYPE),
        (form(part_head("model.gguf.txt")), FORM_TYPE, WRONG_TYPE),
    ],
)
def test_a_bad_upload_is_refused(api: Client, models: Path, body: bytes, content_type: str, message: str) -> None:
    reply = api.call("POST", "/models", body, Content_Type=content_type)
    assert (reply.status, reply.json) == (400, {"error": message})
    assert list(models.iterdir()) == []


def test_an_existing_name_is_refused_before_the_content(api: Client, models: Path) -> None:
    api.upload("taken.gguf", b"first")
    rest = bytes(20 * MIB)
    connection = api.begin_upload("taken.gguf", len(form(part_head("taken.gguf") + rest)))
    # The connection lets go of its socket when it reads a reply that closes it.
    with connection.sock.dup() as sender:
        reply = api.read(connection)
        assert (reply.status, reply.json) == (409, {"error": "File already exists"})
        # A client that sends on all the same is heard out, not cut off.
        sender.sendall(rest + FORM_END)
    assert (models / "taken.gguf").read_bytes() == b"first"


def test_of_two_uploads_of_one_name_one_wins(api: Client, models: Path) -> None:
    contents = [bytes([digit]) * MIB for digit in (1, 2)]
    length = len(form(part_head("same.gguf") + contents[0]))
    uploads = [api.begin_upload("same.gguf", length) for _ in contents]
    wait_until(lambda: len(list(models.iterdir())) == 2)

    def finish(upload: http.client.HTTPConnection, content: bytes) -> int:
        upload.send(content + FORM_END)
        return api.read(upload).status

    with ThreadPoolExecutor() as pool:
        statuses = list(pool.map(finish, uploads, contents))
    assert sorted(statuses) == [200, 409]
    assert (models / "same.gguf").read_bytes() == contents[statuses.index(200)]
    assert [file.name for file in models.iterdir()] == ["same.gguf"]


def test_a_broken_upload_leaves_nothing(api: Client, models: Path) -> None:
    upload = api.begin_upload("broken.gguf", 10 * MIB)
    upload.send(bytes(2 * MIB))
    wait_until(lambda: sum(file.stat().st_size for file in models.iterdir()) >= MIB)
    assert api.call("POST", "/models/sync").json["data"]["count"] == 0
    upload.close()
    wait_until(lambda: not list(models.iterdir()))
    assert api.names() == []
    assert api.upload("broken.gguf").status == 200


def test_what_a_killed_server_left_is_removed(models: Path) -> None:
    models.mkdir()
    (models / ".upload-abc").write_bytes(b"half")
    with serving(models) as api:
        assert api.names() == []
    assert list(models.iterdir()) == []


def test_a_body_over_the_limit_is_refused(models: Path) -> None:
    with serving(models, max_content_length=MIB) as api:
        reply = api.upload("big.gguf", bytes(30 * MIB))
        assert (reply.status, reply.json) == (413, {"error": "Request is too large. The limit is 1.0 MB"})
        assert api.generate(question="x" * MIB, model_name="m").status == 413
        assert api.names() == []
        assert api.upload("small.gguf", bytes(MIB // 2)).status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
def test_a_big_upload_is_never_in_memory(models: Path) -> None:
    size = 300 * MIB
    head = part_head("big.gguf")

    def body() -> Iterable[bytes]:
        yield head
        block = bytes(range(256)) * (MIB // 256)
        for _ in range(size // MIB):
            yield block
        yield FORM_END

    with local_llm_api(models, "--engine", "echo") as server:
        api = Client(server.url)
        api.upload("warm.gguf", bytes(MIB))
        before = _peak_memory(server.pid)
        length = str(len(head) + size + len(FORM_END))
        reply = api.call("POST", "/models", body(), Content_Type=FORM_TYPE, Content_Length=length)
        grown = _peak_memory(server.pid) - before
    assert reply.json["model_info"]["size"] == "300.0 MB"
    assert (models / "big.gguf").stat().st_size == size
    assert grown < 16 * MIB


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    return int(peak[1]) * 1024


@pytest.mark.parametrize("name", ["a.gguf", "a"])
def test_a_model_is_deleted_by_either_name(api: Client, models: Path, name: str) -> None:
    api.upload("a.gguf")
    api.upload("b.gguf")
    reply = api.call("DELETE", f"/models/{name}")
    assert reply.json == {
        "message": "Model deleted successfully",
        "filename": "a.gguf",
        "remaining_models": 1,
    }
    assert [file.name for file in models.iterdir()] == ["b.gguf"]
    assert api.call("DELETE", f"/models/{name}").status == 404


@pytest.mark.parametrize("name", ["missing", "..%2Foutside", "%2e%2e%2Foutside.gguf", "..%5Coutside", "x" * 300, "%00"])
def test_no_name_leads_out_of_the_folder(api: Client, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside.gguf"
    outside.touch()
    reply = api.call("DELETE", f"/models/{name}")
    assert reply.status == 404
    assert reply.json["error"]
    assert outside.exists()


def test_a_file_deleted_by_hand_is_not_found(api: Client, models: Path) -> None:
    api.upload("a.gguf")
    (models / "a.gguf").unlink()
    reply = api.call("DELETE", "/models/a")
    assert (reply.status, reply.json) == (404, {"error": "Model not found"})
    assert api.names() == []


def test_sync_finds_what_was_copied_by_hand(api: Client, models: Path) -> None:
    api.upload("old.gguf")
    (models / "old.gguf").unlink()
    (models / "copied.gguf").write_bytes(b"GGUF")
    (models / "notes.txt").touch()
    (models / "folder.gguf").mkdir()
    assert api.names() == ["old.gguf"]
    assert api.generate(question="hi", model_name="copied").status == 404
    reply = api.call("POST", "/models/sync").json
    assert reply["message"] == "Models list synchronized successfully"
    assert reply["data"] == api.call("GET", "/models").json
    assert api.names() == ["copied.gguf"]
    assert api.generate(question="hi", model_name="copied").status == 200


def test_a_lost_folder_is_a_failure_that_names_no_path(api: Client, models: Path) -> None:
    api.upload("a.gguf")
    shutil.rmtree(models)
    lost = "No such file or directory"
    for method, path, doing in [("GET", "/models", "list models"), ("POST", "/models/sync", "sync models")]:
        reply = api.call(method, path)
        assert (reply.status, reply.json) == (500, {"error": f"Failed to {doing}: {lost}"})
    reply = api.upload("b.gguf")
    assert (reply.status, reply.json) == (500, {"error": f"Failed to upload file: {lost}"})


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (MIB - 1, "1.0 MB"),
        (98 * MIB + 200_000, "98.2 MB"),
        (4_402_341_478, "4.1 GB"),
        (2**41, "2.0 TB"),
    ],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert human_size(size) == text


def test_control_characters_leave_a_name() -> None:
    assert safe_file_name("a\0b\n.gguf ") == "ab.gguf"


# ---- Answers and the cache -------------------------------------------------------------------------------------------


def test_a_question_is_answered(api: Client) -> None:
    api.upload("m.gguf")
    reply = api.generate(
        question="Why is it so?", model_name="m", template="Q: {question}", n_gpu_layers=40.0, n_batch=1, temperature=0
    )
    assert reply.status == 200
    assert reply.json == {
        "success": True,
        "response": "You said: Why is it so?",
        "model_used": "m.gguf",
        "processing_time": reply.json["processing_time"],
        "token_count": 6,
    }
    assert 0 <= reply.json["processing_time"] < 5


def test_the_echo_engine_takes_its_time(models: Path) -> None:
    with serving(models, delay_s=0.3) as api:
        api.upload("m.gguf")
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(api.generate, question="hi", model_name="m")
            wait_until(lambda: api.loaded() == ["m.gguf"])
            assert not asked.done()
        assert asked.result().json["processing_time"] >= 0.3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Question is required"),
        ({"model_name": "m"}, "Question is required"),
        ({"question": " ", "model_name": "m"}, "Question is required"),
        ({"question": "hi"}, "Model name is required"),
        ({"question": "hi", "model_name": ""}, "Model name is required"),
        ({"question": ["hi"], "model_name": "m"}, "question must be a string"),
        ({"question": "hi", "model_name": 1}, "model_name must be a string"),
        ({"question": "hi", "model_name": "m", "template": None}, "template must be a string"),
        ({"question": "hi", "model_name": "m", "n_gpu_layers": "40"}, "n_gpu_layers must be a number"),
        ({"question": "hi", "model_name": "m", "n_gpu_layers": True}, "n_gpu_layers must be a number"),
        ({"question": "hi", "model_name": "m", "n_batch": 1.5}, "n_batch must be an integer"),
        ({"question": "hi", "model_name": "m", "n_batch": 0}, "n_batch must be between 1 and 2147483647"),
        ({"question": "hi", "model_name": "m", "n_batch": 10**400}, "n_batch must be between 1 and 2147483647"),
        ({"question": "hi", "model_name": "m", "temperature": "hot"}, "temperature must be a number"),
        ({"question": "hi", "model_name": "m", "temperature": -1}, "temperature must be between 0 and 2147483647"),
        (
            {"question": "hi", "model_name": "m", "temperature": float("nan")},
            "temperature must be between 0 and 2147483647",
        ),
    ],
)
def test_a_bad_question_is_refused(api: Client, fields: dict[str, Any], message: str) -> None:
    api.upload("m.gguf")
    reply = api.generate(**fields)
    assert (reply.status, reply.json) == (400, {"error": message})


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (None, "application/json", "Request body is required"),
        (b"", "application/json", "Request body is required"),
        (b"null", "application/json", "Request body is required"),
        (b'{"question": "hi", "model_name": "m"}', "text/plain", "Request body is required"),
        (b"{", "application/json", "Request body must be JSON"),
        (b"\xff", "application/json", "Request body must be JSON"),
        (b"[" * 100_000, "application/json", "Request body must be JSON"),
        (b"[]", "application/json", "Request body must be a JSON object"),
    ],
)
def test_a_bad_body_is_refused(api: Client, body: bytes | None, content_type: str, message: str) -> None:
    reply = api.call("POST", "/generate", body, Content_Type=content_type)
    assert (reply.status, reply.json) == (400, {"error": message})


def test_an_unknown_model_is_not_found(api: Client) -> None:
    reply = api.generate(question="hi", model_name="missing")
    assert (reply.status, reply.json) == (404, {"error": "Model not found"})


def test_models_stay_loaded_until_the_cache_is_cleared(api: Client) -> None:
    for name in ("b.gguf", "a.gguf"):
        api.upload(name)
        api.generate(question="hi", model_name=name)
    assert api.call("GET", "/cache/status").json == {"cached_models": ["a.gguf", "b.gguf"], "count": 2}
    assert api.call("POST", "/cache/clear").json == {"message": "Cache cleared successfully"}
    assert api.call("GET", "/cache/status").json == {"cached_models": [], "count": 0}


def test_deleting_a_loaded_model_unloads_it(api: Client) -> None:
    api.upload("m.gguf")
    api.generate(question="hi", model_name="m")
    api.call("DELETE", "/models/m")
    assert api.loaded() == []


# ---- Cross-origin access ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/models"),
        ("POST", "/models"),
        ("DELETE", "/models/m.gguf"),
        ("POST", "/models/sync"),
        ("POST", "/generate"),
        ("POST", "/cache/clear"),
        ("GET", "/cache/status"),
    ],
)
def test_every_route_answers_a_preflight(api: Client, method: str, path: str) -> None:
    reply = api.call("OPTIONS", path, Access_Control_Request_Method=method, Access_Control_Request_Headers="content-type")
    assert reply.status == 200
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    assert method in reply.headers["Access-Control-Allow-Methods"]
    assert reply.headers["Access-Control-Allow-Headers"].lower() == "content-type"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("POST", "/generate", 400),
        ("GET", "/nothing", 404),
        ("GET", "//models", 404),
        ("GET", "/models/", 404),
        ("PUT", "/models", 405),
        ("POST", "/models", 413),
        ("POST", "/models/sync", 500),
    ],
)
def test_every_reply_is_json_that_any_origin_may_read(models: Path, method: str, path: str, status: int) -> None:
    with serving(models, max_content_length=10) as api:
        if status == 500:
            models.rmdir()
        reply = api.call(method, path, bytes(20) if status == 413 else None, Content_Type=FORM_TYPE)
        assert reply.status == status
        assert reply.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
        assert status == 200 or list(reply.json) == ["error"]
        assert status != 405 or "POST" in reply.headers["Allow"]


# ---- llama.cpp -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """The server with llama.cpp as a process, so that what that does to memory stays there; and its models folder."""
    models = tmp_path_factory.mktemp("llama")
    with local_llm_api(models, "--max-tokens", "24") as server:
        yield Client(server.url), models


@pytest.fixture
def real_model() -> Path:
    """The small model that set-up makes."""
    if not REAL_MODEL.exists():
        pytest.skip(f"{REAL_MODEL.name} is made by set-up, which has not run here")
    return REAL_MODEL


def test_a_file_that_is_no_model_fails_to_generate(llama_api: tuple[Client, Path]) -> None:
    api, _ = llama_api
    api.upload("bad.gguf", b"GGUF" + bytes(100))
    reply = api.generate(question="hi", model_name="bad")
    assert reply.status == 500
    assert list(reply.json) == ["error", "success"]
    assert reply.json["success"] is False
    assert re.match("Failed to generate response: .+", reply.json["error"])
    assert api.loaded() == []


@pytest.mark.model
def test_a_real_model_answers(llama_api: tuple[Client, Path], real_model: Path) -> None:
    api, models = llama_api
    (models / "real.gguf").symlink_to(real_model)
    api.call("POST", "/models/sync")

    chat = api.generate(question="What color is the sky?", model_name="real", temperature=0).json
    assert (chat["success"], chat["model_used"]) == (True, "real.gguf")
    assert "blue" in chat["response"]
    assert 1 <= chat["token_count"] <= 24
    assert api.loaded() == ["real.gguf"]

    completion = api.generate(
        question="France", model_name="real", template="The capital of {question} is the city of", temperature=0
    ).json
    assert completion["response"].startswith(" Paris")
    # The template goes to the model as it is and runs on to the bound; its tokens are counted, not its words.
    assert completion["token_count"] == 24

    # With the least batch, which llama.cpp itself would not survive, the model is loaded anew.
    assert api.generate(question="hi", model_name="real", n_batch=1).status == 200
    assert api.loaded() == ["real.gguf"]

    too_long = api.generate(question="word " * 5000, model_name="real")
    assert too_long.status == 500
    assert "context size" in too_long.json["error"]

    assert api.call("POST", "/cache/clear").status == 200
    assert api.loaded() == []

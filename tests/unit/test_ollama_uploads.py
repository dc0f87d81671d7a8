"""Files into a scripted Ollama, and that one against Ollama's own client; what is told of a model's header."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Any

import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ollama._types import CreateRequest

from modeltab.domain import errors
from modeltab.domain.connections import Connection
from modeltab.files.values import Array, Tensor
from modeltab.providers.ollama import Ollama, connection_type
from modeltab.providers.ollama_models import Layers, file_digest, header_of
from modeltab.providers.ollama_uploads import Uploads, model_name
from tests.servers.ollama import NAME, TOKENS, OllamaModel, OllamaServer, ollama_server
from tests.servers.scripted import Reply, json_reply
from tests.servers.transport import PathFile, RealTransport, run

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "smollm2-135m-instruct:q4_1"
CONTENT = b"GGUF" + bytes(range(256)) * 1000
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
KEY = "ollama-0123456789abcdef"


@pytest.fixture
def server():
    """An Ollama with nothing in it."""
    with ollama_server() as running:
        yield running


@pytest.fixture
def file(tmp_path) -> PathFile:
    """A file."""
    return file_of(tmp_path)


def file_of(folder: Path, content: bytes = CONTENT) -> PathFile:
    """A file with this content."""
    path = folder / FILE
    path.write_bytes(content)
    return PathFile(path)


def provider_of(server: OllamaServer, key: str = "", digests: Any = None) -> Ollama:
    """A provider of a server."""
    return Ollama(Connection("c", "ollama", "C", server.url), lambda: key, RealTransport(), digests)


def add(provider: Ollama, file: PathFile, name: str = FILE) -> list[tuple[str, int]]:
    """Add a file; the steps that were told."""
    steps: list[tuple[str, int]] = []
    assert provider.uploads is not None
    run(provider.uploads.add(file, name, lambda step, done: steps.append((step, done))))
    return steps


def asked(server: OllamaServer) -> list[tuple[str, str]]:
    """Every request so far, digests shortened."""
    return [(request.method, request.path.replace(DIGEST, "…")) for request in server.requests]


# ---- Adding a file ---------------------------------------------------------------------------------------------------


def test_a_file_is_hashed_sent_and_made_into_a_model(server, file):
    provider = provider_of(server)
    steps = add(provider, file)
    assert asked(server) == [
        ("GET", "/api/tags"),
        ("HEAD", "/api/blobs/…"),
        ("POST", "/api/blobs/…"),
        ("POST", "/api/create"),
    ]
    assert server.blobs[DIGEST] == CONTENT
    assert server.requests[-1].json() == {"model": MODEL, "files": {FILE: DIGEST}, "stream": True}
    assert [model.name for model in run(provider.models())] == [MODEL]
    words = list(dict.fromkeys(step for step, _ in steps))
    assert words == ["hashing", "", "parsing GGUF", f"using existing layer {DIGEST[:19]}", "writing manifest"]
    assert ("hashing", file.size) in steps and ("", 0) in steps and ("", file.size) in steps


def test_a_newer_ollama_tells_how_far_its_check_is(file):
    with ollama_server(version="0.33.0") as server:
        steps = add(provider_of(server), file)
    checks = [done for step, done in steps if step == "validating GGUF model"]
    assert checks == sorted(checks) and checks[-1] == file.size and checks[0] < file.size


def test_a_blob_that_is_there_is_not_sent_again(server, file):
    server.blobs[DIGEST] = CONTENT
    steps = add(provider_of(server), file)
    assert ("already there", file.size) in steps
    assert "" not in [step for step, _ in steps]
    assert ("POST", "/api/blobs/…") not in asked(server)
    assert MODEL in server.models


def test_a_retry_does_not_hash_again_for_as_long_as_the_file_is_the_same(server, file):
    digests: Any = {}
    server.on("POST", f"/api/blobs/{DIGEST}", Reply(drop_upload_after=1000))
    with pytest.raises(errors.Unreachable):
        add(provider_of(server, digests=digests), file)
    server._scripts.clear()
    steps = add(provider_of(server, digests=digests), file)
    assert "hashing" not in [step for step, _ in steps]
    assert MODEL in server.models
    file.stamp = "later"
    assert "hashing" in [step for step, _ in add(provider_of(server, digests=digests), file, "other.gguf")]
    file.stamp = ""
    for name in ("third.gguf", "fourth.gguf"):
        assert "hashing" in [step for step, _ in add(provider_of(server, digests=digests), file, name)]


def test_the_connections_of_one_session_share_what_was_hashed(server, file):
    type_ = connection_type(RealTransport())
    for name in ("One", "Two"):
        built = type_.build(Connection(name, "ollama", name, server.url), lambda: "")
        assert isinstance(built, Ollama)
        steps = add(built, file, f"{name}.gguf")
        assert ("hashing" in [step for step, _ in steps]) is (name == "One")


def test_a_file_that_changes_while_it_is_sent_is_told_and_hashed_anew(server, tmp_path, file):
    digests: Any = {(file.name, file.size, file.stamp): "0" * 64}
    with pytest.raises(errors.BadRequest, match="changed while it was sent") as caught:
        add(provider_of(server, digests=digests), file)
    assert caught.value.advice == "Add it again."
    assert digests == {}
    assert server.models == {}
    add(provider_of(server, digests=digests), file)
    assert MODEL in server.models


@pytest.mark.parametrize("there", [MODEL, MODEL.upper()])
def test_no_model_is_replaced_without_a_word(file, there):
    with ollama_server({there: OllamaModel()}) as server:
        with pytest.raises(errors.Conflict, match="already") as caught:
            add(provider_of(server), file)
        assert "Delete" in caught.value.advice
        assert asked(server) == [("GET", "/api/tags")]


def test_a_projector_alone_is_refused_before_anything_is_asked(server, file):
    with pytest.raises(errors.NotAModel, match="projector"):
        add(provider_of(server), file, "mmproj-model-f16.gguf")
    assert server.requests == []


def test_what_is_no_gguf_is_refused_in_ollamas_words(server, tmp_path):
    with pytest.raises(errors.BadRequest, match="supplied file was not in GGUF format") as caught:
        add(provider_of(server), file_of(tmp_path, b"not a model"))
    assert "newer version" in caught.value.advice


def test_an_error_in_the_midst_of_making_it_is_one(server, file):
    lines = b'{"status": "parsing GGUF"}\n{"error": "failed to validate GGUF: unknown model architecture"}\n'
    server.on("POST", "/api/create", Reply(content_type="application/x-ndjson", chunks=[lines]))
    with pytest.raises(errors.ServerFailed, match="unknown model architecture") as caught:
        add(provider_of(server), file)
    assert not caught.value.transient
    assert "newer version" in caught.value.advice


@pytest.mark.parametrize("path", [f"/api/blobs/{DIGEST}", "/api/create"])
def test_a_full_disk_says_what_to_do(server, file, path):
    server.on("POST", path, json_reply({"error": "write /root/.ollama/models/blobs/x: no space left on device"}, 500))
    with pytest.raises(errors.ServerFailed) as caught:
        add(provider_of(server), file)
    assert "Free space" in caught.value.advice
    assert not caught.value.transient


def test_a_stream_without_its_end_is_cut_off(server, file):
    server.on("POST", "/api/create", Reply(content_type="application/x-ndjson", chunks=[b'{"status": "parsing GGUF"}\n']))
    with pytest.raises(errors.CutOff, match="before the model was made"):
        add(provider_of(server), file)
    server.on("POST", "/api/create", Reply(content_type="application/x-ndjson", chunks=[b'"what?"\n']))
    with pytest.raises(errors.ServerFailed, match="broke off"):
        add(provider_of(server), file)


def test_an_upload_that_is_cancelled_closes_its_connection(server, tmp_path):
    content = b"GGUF" + bytes(64 * 1024 * 1024)
    digest = hashlib.sha256(content).hexdigest()
    file = file_of(tmp_path, content)
    sent: list[int] = []

    async def cancelled():
        uploads = provider_of(server).uploads
        assert uploads is not None
        task = asyncio.ensure_future(uploads.add(file, FILE, lambda step, done: sent.append(done) if not step else None))
        while not any(sent):
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(cancelled())
    request = server.wait_for_request("POST", f"/api/blobs/sha256:{digest}")
    assert request.finished.wait(5)
    assert len(request.body) < len(content)
    assert server.blobs == {} and server.models == {}


def test_the_key_goes_with_every_request_and_into_no_error(file):
    with ollama_server(key=KEY) as server:
        add(provider_of(server, KEY), file)
        assert {request.headers.get("authorization") for request in server.requests} == {f"Bearer {KEY}"}
        server.blobs.clear()
        server.on("POST", f"/api/blobs/{DIGEST}", json_reply({"error": f"bad key {KEY}"}, 500))
        with pytest.raises(errors.ServerFailed) as caught:
            add(provider_of(server, KEY), file, "other.gguf")
        assert KEY not in repr((caught.value.args, caught.value.record()))


@pytest.mark.parametrize("url", ["https://ollama.com", "https://www.ollama.com/api"])
def test_the_hosted_ollama_takes_no_files(url):
    assert Ollama(Connection("c", "ollama", "C", url), lambda: "", RealTransport()).uploads is None


# ---- Names -----------------------------------------------------------------------------------------------------------

NAMES = {
    FILE: MODEL,
    "Llama-3.2-1B-Instruct-Q4_K_M.gguf": "llama-3.2-1b-instruct:q4_k_m",
    "Qwen3-0.6B-UD-Q4_K_XL.gguf": "qwen3-0.6b:ud-q4_k_xl",
    "gpt-oss-20b-MXFP4.GGUF": "gpt-oss-20b:mxfp4",
    "model.gguf": "model:latest",
    "Modèle français (1).f16.gguf": "mod-le-fran-ais-1:f16",
    "Mistral-Q4_K_M-imat.gguf": "mistral-imat:q4_k_m",
    "Q8_0.gguf": "model:q8_0",
    "....gguf": "model:latest",
    "_private.gguf": "_private:latest",
    "mine:v1": "mine:v1",
    f"{'x' * 200}.gguf": f"{'x' * 80}:latest",
}


@pytest.mark.parametrize(("file_name", "expected"), NAMES.items())
def test_a_model_is_called_as_the_library_would_call_it(file_name, expected):
    assert model_name(file_name) == expected


@given(st.text(max_size=200))
def test_every_name_is_one_that_ollama_takes(text):
    assert NAME.fullmatch(model_name(text))
    assert model_name(model_name(text)) == model_name(text)


def test_what_it_will_be_called_can_be_shown_before(server):
    uploads = provider_of(server).uploads
    assert isinstance(uploads, Uploads) and uploads.stored_name(FILE) == MODEL


def test_an_odd_file_name_is_still_a_path_for_ollama(server, file):
    for name in ("../../x y.gguf", ".gguf", "Ünïcode.gguf"):
        add(provider_of(server), file, name)
        (path,) = server.requests[-1].json()["files"]
        assert re.fullmatch(r"[\w.-]*\.gguf", path) and not path.startswith(".."), path


# ---- Headers ---------------------------------------------------------------------------------------------------------


def test_a_header_is_told_as_far_as_the_api_tells_it():
    with ollama_server({"m:1b": OllamaModel(template="{% for message in messages %}…{% endfor %}")}) as server:
        provider = provider_of(server)
        assert provider.headers is not None
        header = run(provider.headers.header("m:1b"))
        assert server.requests[-1].json() == {"model": "m:1b", "verbose": True}
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["tokenizer.ggml.tokens"] == Array("STRING", 256, tuple(TOKENS[:8]))
    assert header.metadata["tokenizer.chat_template"] == "{% for message in messages %}…{% endfor %}"
    assert header.tensors == (
        Tensor("token_embd.weight", (64, 256), "Q8_0", 0, 64 * 256 // 32 * 34),
        Tensor("output_norm.weight", (64,), "F32", 0, 256),
    )
    assert header.end == sum(tensor.size for tensor in header.tensors)


def test_a_cloud_model_and_an_old_version_tell_less():
    with ollama_server({"far:cloud": OllamaModel(remote_host="https://ollama.com:443", remote_model="far")}) as server:
        provider = provider_of(server)
        header = run(provider.header("far:cloud"))
    assert header.tensors == () and header.metadata["general.architecture"] == "llama"
    assert "tokenizer.chat_template" not in header.metadata  # "{{ .Prompt }}" is Ollama's own


def test_odd_headers_do_no_harm():
    header = header_of(
        {
            "model_info": {"a": [1, 2.5], "b": None, "c": [], "d": [[1], ["x"]], "e": {}, "f": [True], "g": list(range(2000))},
            "tensors": [{}, {"name": "x", "type": "Q99", "shape": [1]}, 5, {"shape": "?"}],
        }
    )
    assert header.metadata == {
        "a": Array("FLOAT64", 2, (1, 2.5)),
        "c": Array("", 0, ()),
        "d": Array("ARRAY", 2, (Array("INT64", 1, (1,)), Array("STRING", 1, ("x",)))),
        "f": Array("BOOL", 1, (True,)),
        "g": Array("INT64", 2000, tuple(range(8))),
    }
    assert [(tensor.name, tensor.size) for tensor in header.tensors] == [("", 0), ("x", 0), ("", 0)]
    assert header_of({}).metadata == {} and header_of({"model_info": 5, "tensors": 5}).tensors == ()
    with pytest.raises(errors.BadReply):
        header_of([])


def test_the_digest_of_a_models_file_is_in_its_modelfile():
    with ollama_server({"m:1b": OllamaModel()}) as server:
        reply = ollama.Client(host=server.url).show("m:1b").model_dump()
    assert file_digest(reply) == OllamaModel().file_digest
    assert file_digest({"modelfile": f"FROM C:\\Users\\x\\.ollama\\models\\blobs\\sha256-{'a' * 64}\r\nTEMPLATE x"}) == "a" * 64
    assert file_digest({"modelfile": "FROM llama3.2:1b"}) == file_digest({}) == file_digest(None) == ""


def test_the_layers_of_a_download_are_counted_as_they_come():
    layers = Layers()
    assert layers.read({"status": "pulling manifest"}).text == "pulling manifest"
    first = layers.read({"status": "pulling a", "digest": "a", "total": 4_000_000_000, "completed": 1_000_000_000})
    assert first == ("pulling a (layer 1: 1.0 of 4.0 GB)", 1_000_000_000, 4_000_000_000)
    second = layers.read({"status": "pulling b", "digest": "b", "total": 2000})
    assert second == ("pulling b (layer 2: 0.0 of 2.0 kB)", 1_000_000_000, 4_000_002_000)
    assert layers.read({"status": "pulling a", "digest": "a", "total": 4_000_000_000, "completed": 4_000_000_000}).done == 4e9


# ---- The stand-in is right -------------------------------------------------------------------------------------------


def test_ollamas_own_client_sends_files_to_the_stand_in(server, file):
    client = ollama.Client(host=server.url)
    digest = client.create_blob(file.path)
    assert digest == DIGEST and server.blobs[DIGEST] == CONTENT
    assert client.create_blob(file.path) == DIGEST
    assert client.create("mine", files={FILE: digest}).status == "success"
    statuses = [step.status for step in client.create("mine:two", files={FILE: digest}, stream=True)]
    assert statuses == ["parsing GGUF", f"using existing layer {DIGEST}", "writing manifest", "success"]
    assert set(server.models) == {"mine:latest", "mine:two"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": "a b", "files": {"x.gguf": DIGEST}}, "invalid model name"),
    ({"model": "m", "files": {"/x.gguf": DIGEST}}, "file path must be relative"),
    ({"model": "m", "files": {"a/../x.gguf": DIGEST}}, "file path must be relative"),
    ({"model": "m", "files": {"x.gguf": ""}}, "invalid digest format"),
    ({"model": "m"}, "neither 'from' or 'files' was specified"),
    ({"model": "m", "files": {"x.gguf": "sha256:" + "0" * 64}}, "no such file or directory"),
]


@pytest.mark.parametrize(("body", "words"), WRONG)
def test_the_stand_in_refuses_what_ollama_refuses(server, body, words):
    with pytest.raises(ollama.ResponseError, match=re.escape(words)):
        ollama.Client(host=server.url).create(**body)


def test_what_is_sent_is_what_ollamas_own_client_would_send(server, file):
    """Its OpenAPI document has neither blobs nor `files`, so that the client's own types have to do."""
    add(provider_of(server), file)
    body = server.requests[-1].json()
    assert CreateRequest(**body).model_dump(exclude_none=True) == body
    upload = server.wait_for_request("POST", f"/api/blobs/{DIGEST}")
    assert upload.body == CONTENT and upload.headers["content-length"] == str(len(CONTENT))

"""Every piece of code that "Copy as code" writes is run: the server gets the very request that the app sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.requests import TextDelta
from modeltab.providers.base import Transport
from modeltab.providers.local_llm import LocalLlm
from modeltab.snippets.forms import forms_of
from tests.servers.model_files import small_gguf
from tests.servers.recording import RecordingServer
from tests.servers.transport import PathFile, RealTransport, run
from tests.unit.conftest import echo_server
from tests.unit.fakes import CannedResponse, CannedTransport
from tests.unit.snippet_runs import BY_ID, KEY, MODEL, SERVICES, Bench, run_code

#: The type of a reply, by whether it comes in pieces.
KINDS = {True: "text/event-stream", False: "application/json"}
RUN = [
    (name, form_id, stream)
    for name, service in SERVICES.items()
    for form_id in service.forms
    if form_id != "powershell"
    for stream in ((True, False) if service.streams and BY_ID[form_id].streams else (False,))
]


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service, for as long as its forms are tried."""
    if SERVICES[request.param].is_real and not MODEL.is_file():
        pytest.skip("needs the starter model")
    with SERVICES[request.param].open(tmp_path_factory.mktemp(request.param)) as found:
        yield found


def answer_of(bench: Bench, transport: Transport | None = None) -> str:
    """What the app itself gets for the request, or reads in a reply."""
    provider = bench.make(transport) if transport else bench.provider

    async def take() -> str:
        async with aclosing(provider.generate(bench.request)) as events:
            return "".join([event.text async for event in events if isinstance(event, TextDelta)])

    return run(take())


@pytest.mark.parametrize("bench", SERVICES, indirect=True)
def test_a_call_is_the_request_that_the_app_sends(bench: Bench):
    call = bench.call(stream=True)
    if call.in_page:
        pytest.skip("the app asks its engine, not a server")
    answer_of(bench)
    sent = bench.server.requests[-1]
    assert (sent.method, bench.server.url + sent.path + (f"?{sent.query}" if sent.query else "")) == (call.method, call.url)
    assert sent.json() == call.body
    assert {name.lower(): value for name, value in call.headers.items()}.items() <= sent.headers.items()
    if call.key:
        assert sent.headers[call.key.header.lower()] == call.key.prefix + KEY


@pytest.mark.parametrize(("bench", "service"), [(name, name) for name in SERVICES], indirect=["bench"])
def test_the_forms_that_fit(bench: Bench, service: str):
    assert tuple(form.id for form in forms_of(bench.call(stream=True))) == SERVICES[service].forms


@pytest.mark.parametrize(("bench", "form_id", "stream"), RUN, indirect=["bench"])
def test_code_sends_the_same_request_and_prints_the_answer(bench: Bench, form_id: str, stream: bool, tmp_path: Path):
    form, call = BY_ID[form_id], bench.call(stream)
    code = form.code(call)
    assert KEY not in code
    before = len(bench.server.requests)
    printed = run_code(form, code, tmp_path, bench.environment, call.in_page)
    if form_id.startswith("modeltab"):
        assert json.loads(printed) == [call.model, list(call.messages)]
        return
    (sent,) = bench.server.requests[before:]
    body = sent.json()
    if form_id == "python-ollama":
        assert body.pop("tools") == []  # its package says that there are none
    assert body == call.body
    expected = bench.answer or answer_of(bench)
    if form_id == "curl":
        assert answer_of(bench, CannedTransport(CannedResponse(printed.encode(), content_type=KINDS[call.streams]))) == expected
    else:
        assert printed.rstrip("\n") == expected.rstrip("\n")


# ---- What the Local LLM API does besides answering ----

OPERATIONS = (
    "Health",
    "List models",
    "Upload a model",
    "Delete a model",
    "Read the models folder again",
    "Loaded models",
    "Free memory",
)
NAME = "it's a $MODEL.gguf"
#: What the server answers with, each in its own words.
SAYS = ("healthy", "count", "uploaded", "deleted", "synchronized", "cached_models", "cleared")


@pytest.mark.parametrize("form_id", ["curl", "python-requests", "javascript-fetch"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_code_for_every_operation_does_it(operation: str, form_id: str, tmp_path: Path):
    folder = tmp_path / "models"
    content = small_gguf()
    (tmp_path / NAME).write_bytes(content)
    with echo_server(folder) as real, RecordingServer(real.url) as server:
        if operation == "Delete a model":
            (folder / NAME).write_bytes(content)
        provider = LocalLlm(Connection("c", "local-llm", "C", server.url + "/api/v1"), RealTransport())
        run(provider.sync())
        calls = dict(provider.examples(NAME))
        assert tuple(calls) == OPERATIONS
        printed = run_code(BY_ID[form_id], BY_ID[form_id].code(calls[operation]), tmp_path, {})
        assert SAYS[OPERATIONS.index(operation)] in printed
        sent = server.requests[-1]
        assert (sent.method, server.url + sent.path) == (calls[operation].method, calls[operation].url)
        if operation == "Upload a model":
            assert (folder / NAME).read_bytes() == content
        if operation == "Delete a model":
            assert not (folder / NAME).exists()


def test_the_operations_are_the_providers_own_requests(tmp_path: Path):
    with echo_server(tmp_path / "models") as real, RecordingServer(real.url) as server:
        provider = LocalLlm(Connection("c", "local-llm", "C", server.url + "/api/v1"), RealTransport())
        file = tmp_path / NAME
        file.write_bytes(small_gguf())
        run(provider.check())
        run(provider.models())
        run(provider.add(PathFile(file), NAME, lambda step, done: None))
        run(provider.remove(NAME))
        run(provider.sync())
        run(provider.loaded())
        run(provider.free())
        sent = [(request.method, server.url + request.path) for request in server.requests]
        assert sent == [(call.method, call.url) for _, call in provider.examples(NAME)]

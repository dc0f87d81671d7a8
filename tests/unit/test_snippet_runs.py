"""Every piece of code that "Copy as code" writes is run: the server gets the very request that the app sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modeltab.domain.connections import Connection
from modeltab.providers.local_llm import LocalLlm
from modeltab.snippets.forms import forms_of
from tests.servers.model_files import small_gguf
from tests.servers.recording import RecordingServer
from tests.servers.transport import PathFile, RealTransport, run
from tests.unit.conftest import echo_server
from tests.unit.snippet_runs import (
    BY_ID,
    CASES,
    KEY,
    MODEL,
    NAME,
    OPERATION_FORMS,
    OPERATIONS,
    SERVICES,
    Bench,
    answer_of,
    check,
    check_operation,
)


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service, for as long as its forms are tried."""
    if SERVICES[request.param].is_real and not MODEL.is_file():
        pytest.skip("needs the starter model")
    with SERVICES[request.param].open(tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.mark.parametrize("bench", [name for name in SERVICES if name != "tab"], indirect=True)
def test_a_call_is_the_request_that_the_app_sends(bench: Bench):
    call = bench.call(stream=True)
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


@pytest.mark.parametrize(("bench", "form_id", "stream"), CASES, indirect=["bench"])
def test_code_sends_the_same_request_and_prints_the_answer(bench: Bench, form_id: str, stream: bool, tmp_path: Path):
    check(bench, BY_ID[form_id], stream, tmp_path)


# ---- What the Local LLM API does besides answering ----


@pytest.mark.parametrize("form_id", OPERATION_FORMS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_code_for_every_operation_does_it(operation: str, form_id: str, tmp_path: Path):
    check_operation(operation, BY_ID[form_id], tmp_path)


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

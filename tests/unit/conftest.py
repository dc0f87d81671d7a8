"""Servers that more than one file of tests talks to, and how a test that is a coroutine is run."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from werkzeug.serving import make_server

from tests.servers.local_llm_api import API_PREFIX, create_app
from tests.servers.scripted import ScriptedServer
from tests.servers.transport import run

# The same examples each time, and no test fails for a busy computer's sake.
settings.register_profile("modeltab", deadline=None, derandomize=True)
settings.load_profile("modeltab")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine, in an event loop and a thread of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    wanted = inspect.signature(pyfuncitem.function).parameters
    run(pyfuncitem.function(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@dataclass(frozen=True)
class EchoServer:
    """A reference server whose models say what they were asked. `url` is the API's, `folder` has its model files."""

    url: str
    folder: Path


@contextmanager
def echo_server(folder: Path, **options: Any) -> Iterator[EchoServer]:
    """The reference server in a thread of this process, on real HTTP; `options` are those of `create_app`."""
    app = create_app(folder, engine="echo", **options)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield EchoServer(f"http://127.0.0.1:{server.server_port}{API_PREFIX}", folder)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[EchoServer]:
    """A reference server with an empty models folder."""
    with echo_server(tmp_path / "server-models") as server:
        yield server


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that does what the test says."""
    with ScriptedServer() as server:
        yield server

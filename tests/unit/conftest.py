"""Servers that more than one file of tests talks to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests.servers.local_llm_api import API_PREFIX, create_app
from tests.servers.scripted import ScriptedServer


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

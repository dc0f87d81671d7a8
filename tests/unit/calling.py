"""Pages that call the API in the tab, without a browser between: what they send arrives as it would from the service worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from modeltab.actions import endpoint
from modeltab.actions.endpoint import Caller
from modeltab.domain.errors import CutOff
from modeltab.endpoint.values import Request
from modeltab.providers.base import HttpRequest, Json, ModelFile, OnBytes
from tests.unit.fakes import MemoryFile
from tests.unit.rig import Rig

BASE = "http://host.example/modeltab/"
PAGE = BASE + "beside.html"
BRIDGE = BASE + "bridge.html"
BOUNDARY = "----boundary"


class Received:
    """An answer as it comes to the page: `pieces` of its body, "" at the end and None where it is broken off."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.text = ""
        self.ended = False
        self.broken = ""
        self.came = asyncio.Event()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The head; there is one."""
        assert not self.status
        self.status, self.headers = status, headers
        self.came.set()

    def write(self, text: str) -> None:
        """A piece; it comes after the head and before the end."""
        assert self.status and not self.ended
        self.text += text
        self._pieces.put_nowait(text)

    def end(self) -> None:
        """The end."""
        self.ended = True
        self._pieces.put_nowait("")

    def break_off(self, reason: str) -> None:
        """The end before the end."""
        self.broken = reason
        self._pieces.put_nowait(None)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    def events(self) -> list[Any]:
        """The events' values, and "[DONE]"."""
        lines = [line.removeprefix("data: ") for line in self.text.split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body as a transport gives it."""
        while text := await self._pieces.get():
            yield text.encode()
        if text is None:
            raise CutOff("The connection broke.")

    async def aclose(self) -> None:
        """Nothing is open here."""


class Beside:
    """A page beside the app, or the bridge's."""

    def __init__(self, rig: Rig, url: str = PAGE, client: str = "page-1", **headers: str) -> None:
        self._rig = rig
        self._caller = Caller(url, client)
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def begin(
        self, method: str, path: str, body: Json = None, form: ModelFile | None = None
    ) -> tuple[Received, asyncio.Task[None]]:
        """A call that goes on by itself; cancelling its task is leaving."""
        out = Received()
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}" if form else "application/json"
        request = Request(method, path, {**self._headers, "content-type": kind}, content, form)
        return out, endpoint.take(self._rig.app, request, self._caller, out)

    async def call(self, method: str, path: str, body: Json = None, form: ModelFile | None = None) -> Received:
        """A call to its end."""
        out, task = self.begin(method, path, body, form)
        await asyncio.wait([task])
        return out

    async def get(self, path: str) -> Any:
        """The JSON that a path answers with, which has to be no error."""
        reply = await self.call("GET", path)
        assert reply.status == 200, reply.text
        return reply.json()


class LoopTransport:
    """The app's own transport, leading to the API in the tab: so that the app's providers are its clients."""

    def __init__(self, page: Beside) -> None:
        self._page = page

    async def send(self, request: HttpRequest) -> Received:
        """Send a request; the reply as soon as its head is there."""
        out, _ = self._page.begin(request.method, _path(request.url), request.body)
        await out.came.wait()
        return out

    async def upload(
        self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes, headers: Mapping[str, str] = {}
    ) -> Received:
        """Post a file as a form."""
        out, _ = self._page.begin("POST", _path(url), form=form(name, await file.read(0, file.size), field))
        await out.came.wait()
        on_bytes(file.size)
        return out


def _path(url: str) -> str:
    return urlsplit(url).path.removeprefix("/modeltab/")


def form(name: str, content: bytes, field: str = "file", before: bytes = b"", after: bytes = b"") -> MemoryFile:
    """A form with a file, as browsers write it; `before` and `after` are other parts, whole."""
    line = f"--{BOUNDARY}\r\n".encode()
    head = (
        f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    )
    body = before + line + head.encode() + content + b"\r\n" + after + f"--{BOUNDARY}--\r\n".encode()
    return MemoryFile("form", body)


def field_part(name: str, value: str) -> bytes:
    """A part of a form that is no file."""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


async def opened(*models: str, **rig: Any) -> tuple[Rig, Beside]:
    """An app whose API is on, and a page beside it."""
    app = Rig(*models, **rig)
    app.app.update(api_base=BASE)
    endpoint.begin(app.app)
    await app.start()
    app.app.set_setting(api=True)
    return app, Beside(app)

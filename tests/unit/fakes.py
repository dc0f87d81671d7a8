"""Plain stand-ins for what only a browser has: they keep their protocols, and let a test see and steer what happens."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import jinja2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jsonschema import Draft202012Validator

from modeltab.domain.connections import AddressSpace
from modeltab.domain.diagnosis import PageFacts, Permission
from modeltab.domain.errors import BadReply, BadRequest, Conflict, NotAModel, NotFound, WrongPassphrase
from modeltab.domain.json_schema import Problem
from modeltab.domain.prices import Price
from modeltab.files.values import Parts
from modeltab.providers.base import HttpRequest, Json, ModelFile, OnBytes, OnFraction, OnStep, Unfinished
from modeltab.providers.in_tab import StoredFile
from modeltab.providers.tab_engines import EngineInfo
from modeltab.state.keyring import Sealed
from modeltab.state.machine import Storage


class MemoryFile:
    """A file that a person chose, with its content."""

    def __init__(self, name: str, content: bytes | str) -> None:
        self.name = name
        self.data = content.encode() if isinstance(content, str) else content
        self.size = len(self.data)
        self.stamp = ""

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""
        return self.data[start:end]

    async def sha256(self, on_bytes: OnBytes) -> str:
        """The SHA-256 of the whole."""
        on_bytes(self.size)
        return hashlib.sha256(self.data).hexdigest()

    async def text(self) -> str:
        """The whole of it."""
        return self.data.decode("utf-8", "replace")

    async def content(self) -> bytes:
        """The whole of it."""
        return self.data


def compose(parts: Parts, files: Sequence[ModelFile], name: str) -> MemoryFile:
    """A file that is put together from pieces of others."""
    contents = [file.data for file in files if isinstance(file, MemoryFile)]
    pieces = [part if isinstance(part, bytes) else contents[part.file][part.start : part.end] for part in parts]
    return MemoryFile(name, b"".join(pieces))


class FakeModels:
    """The tab's model files. `gate`, when it is given, holds every `add` and `list` until it is set."""

    def __init__(self, *names: str) -> None:
        self.files: dict[str, int] = dict.fromkeys(names, 1000)
        self.gate: asyncio.Event | None = None
        self.log: list[str] = []
        self.parts: dict[str, Unfinished] = {}
        self.sources: tuple[str, ...] = ()
        self.deleted: dict[str, int] = {}
        self.contents: dict[str, ModelFile] = {}

    async def list(self) -> tuple[StoredFile, ...]:
        """The complete files."""
        await self._pass()
        return tuple(StoredFile(name, size, "2026-11-22T10:00:00+00:00") for name, size in self.files.items())

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Takes the file in two halves; the first is kept when it is told to stop."""
        self.log.append(f"add {name}")
        if name in self.files:
            raise Conflict(f"{name} is in this tab already.", "Delete it first.")
        on_step("", file.size // 2)
        self.parts[name] = Unfinished(name, file.size, file.size // 2, self.sources, file.stamp)
        try:
            await self._pass()
        except asyncio.CancelledError:
            self.log.append(f"cancelled {name}")
            raise
        del self.parts[name]
        if await file.read(0, 4) != b"GGUF":
            raise NotAModel(f"{name} is not a GGUF file.", "Choose a .gguf file.")
        on_step("", file.size)
        self.files[name] = file.size
        self.contents[name] = file
        self.log.append(f"added {name}")

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """The first halves."""
        return tuple(self.parts.values())

    async def discard(self, name: str) -> None:
        """Forgets a first half."""
        self.log.append(f"discard {name}")
        self.parts.pop(name, None)

    async def remove(self, name: str) -> None:
        """Deletes a file."""
        self.log.append(f"remove {name}")
        size = self.files.pop(name, None)
        if size is None:
            raise NotFound(f"{name} is not in this tab.")
        self.deleted[name] = size

    async def restore(self, name: str) -> None:
        """Brings a deleted file back."""
        self.log.append(f"restore {name}")
        self.files[name] = self.deleted.pop(name)

    async def empty(self) -> None:
        """Forgets the deleted files."""
        self.log.append("empty")
        self.deleted.clear()

    async def open(self, name: str) -> ModelFile:
        """What was added under that name, or as many zeros as it has bytes."""
        return self.contents.get(name) or MemoryFile(name, bytes(self.files[name]))

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.gate:
            await self.gate.wait()


class JinjaTemplates:
    """Renders chat templates with Python's own Jinja."""

    async def render(self, template: str, context: dict[str, Any]) -> str:
        """The text that a template makes."""
        try:
            return jinja2.Environment().from_string(template).render(context)
        except jinja2.TemplateError as error:
            raise BadReply("The chat template could not be rendered here.", "", str(error)) from None


class PythonSchemas:
    """Holds values against JSON schemas with Python's own validator."""

    async def problems(self, schema: Mapping[str, Any], value: Any) -> tuple[Problem, ...]:
        """What of a value does not keep to a schema."""
        try:
            found = list(Draft202012Validator(schema).iter_errors(value))
        except Exception as error:  # it knows many kinds for references that lead nowhere
            raise BadRequest("The answer could not be held against the schema.", "", str(error)) from None
        return tuple(Problem("".join(f"/{part}" for part in error.path), error.message) for error in found)


class FakePdfs:
    """Takes what follows a PDF's first line as its text, with a form feed between pages."""

    async def pages(self, name: str, content: bytes) -> tuple[str, ...]:
        """The text of each page."""
        _, _, text = content.decode().partition("\n")
        if text == "damaged":
            raise BadRequest(f"{name} could not be read as a PDF.")
        return tuple(text.split("\f"))


class CannedResponse:
    """A reply that is there already. `closed` tells that it was."""

    headers: Mapping[str, str]

    def __init__(self, body: bytes = b"", status: int = 200, content_type: str = "application/json", **headers: str) -> None:
        self.status = status
        self.headers = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.body = body
        self.closed = False

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces that split lines and characters."""
        for place in range(0, len(self.body), 7):
            yield self.body[place : place + 7]

    async def aclose(self) -> None:
        """Notes it."""
        self.closed = True


class CannedTransport:
    """Answers from a list, the last reply again and again, and remembers the requests: for addresses that are not here."""

    def __init__(self, *replies: CannedResponse | Exception) -> None:
        self.replies = list(replies)
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> CannedResponse:
        """The next reply."""
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def upload(
        self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes, headers: Mapping[str, str] = {}
    ) -> CannedResponse:
        """Not part of what is tested with it."""
        raise NotImplementedError

    @property
    def body(self) -> Json:
        """The last request's JSON."""
        return json.loads(self.requests[-1].body or b"null")


def sse(*values: Json, done: bool = True) -> CannedResponse:
    """A reply with each value as a server-sent event."""
    lines = [f"data: {json.dumps(value, ensure_ascii=False)}\n\n" for value in values] + ["data: [DONE]\n\n"] * done
    return CannedResponse("".join(lines).encode(), content_type="text/event-stream; charset=utf-8")


def canned(value: Json, status: int = 200, **headers: str) -> CannedResponse:
    """A reply with a value as JSON."""
    return CannedResponse(json.dumps(value).encode(), status, **headers)


#: One step of a scripted answer: a chunk, an error to raise, or an event to wait for.
Step = Json | Exception | asyncio.Event


class FakeEngine:
    """Says what it is told to. `steps` are the chunks of the next answer, and what comes between them.

    `gate`, when it is given, holds `load` until it is set.
    """

    def __init__(self) -> None:
        self.info: EngineInfo | None = None
        self.gone = "", ""
        self.trained_for = 8192
        self.steps: Sequence[Step] = (*words("Hello", " there"), stop())
        self.completion: Sequence[Step] = (*tokens(" Paris", "."), ended())
        self.fails_to_load: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.bodies: list[Json] = []
        self.log: list[str] = []

    async def load(self, files: Sequence[ModelFile], name: str, n_ctx: int, on_fraction: OnFraction) -> None:
        """Loads in two steps."""
        self.log.append(f"load {name} with {n_ctx} from {', '.join(file.name for file in files)}")
        self.info = None
        on_fraction(0.5)
        await asyncio.sleep(0)
        if self.gate:
            await self.gate.wait()
        if self.fails_to_load:
            raise self.fails_to_load
        on_fraction(1.0)
        self.info = EngineInfo(name, min(n_ctx, self.trained_for), self.trained_for, 4, False)

    async def unload(self) -> None:
        """Forgets the model."""
        self.log.append("unload")
        self.info = None

    async def measure(self, on_fraction: OnFraction) -> None:
        """Says that it did."""
        self.log.append("measure")
        on_fraction(1.0)

    async def chat(self, body: Json) -> AsyncGenerator[Json, None]:
        """The scripted answer; the log tells when it is closed before its end."""
        async with aclosing(self._say(body, self.steps)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, body: Json) -> AsyncGenerator[Json, None]:
        """The scripted completion."""
        async with aclosing(self._say(body, self.completion)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _say(self, body: Json, steps: Sequence[Step]) -> AsyncGenerator[Json, None]:
        self.bodies.append(body)
        try:
            for step in steps:
                await asyncio.sleep(0)
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.log.append("stopped")
            raise


def words(*texts: str) -> list[Json]:
    """Chunks of a streamed answer, one a text."""
    return [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]


def tokens(*texts: str) -> list[Json]:
    """Chunks of a streamed completion as llama.cpp's, one a token. Each came by 3 in 4; its capitals would have by 1 in 4."""
    return [{"choices": [{"index": 0, "text": text, "logprobs": {"content": [told(text)]}}]} for text in texts]


def told(text: str) -> Json:
    """What is told of a token."""
    likely, unlikely = {"token": text, "logprob": math.log(0.75)}, {"token": text.upper() + "?", "logprob": math.log(0.25)}
    return {**likely, "top_logprobs": [likely, unlikely]}


def ended(reason: str = "stop") -> Json:
    """The chunk that ends a streamed completion."""
    return {"choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": reason}]}


def stop(reason: str = "stop") -> Json:
    """The chunk that ends a streamed answer."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


class MemoryFolder:
    """A folder of a person's machine. What is written is in `files` once its file is closed."""

    name = "Backups"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._open: tuple[str, list[bytes]] = ("", [])

    async def write(self, name: str, content: bytes) -> None:
        """Adds to a file; another name closes the one before."""
        if name != self._open[0]:
            await self.finish()
            self._open = (name, [])
        self._open[1].append(content)

    async def finish(self) -> None:
        """Closes the file that is open."""
        name, pieces = self._open
        if name:
            self.files[name] = b"".join(pieces)
        self._open = ("", [])


#: The fields that are always in the page.
FIELDS = (
    "message",
    *("completion-prompt", "completion-system", "completion-message"),
    *("structured-schema", "structured-prompt"),
)


class FakePage:
    """The page's fields and address. A new address is told to `on_hash` a moment later, as a browser does."""

    def __init__(self, is_loopback: bool = True) -> None:
        self.is_loopback = is_loopback
        self.fields: dict[str, str] = dict.fromkeys(FIELDS, "")
        self.hash = "#/chat"
        self.on_hash: Callable[[str], object] = lambda hash_: None
        self.focused = ""
        self.hidden: set[str] = set()
        self.clicked: list[str] = []
        self.theme = "auto"
        self.clipboard = ""
        self.saved: dict[str, Any] = {}
        self.folder: MemoryFolder | None = None
        self.reloads = 0
        self.keeps_storage = False
        self.prices: tuple[Price, ...] = ()

    def value(self, element_id: str) -> str:
        """A field's text."""
        return self.fields[element_id]

    def set_value(self, element_id: str, value: str) -> None:
        """Changes a field's text."""
        self.fields[element_id] = value

    def focus(self, element_id: str) -> None:
        """Remembers the focus."""
        self.focused = element_id

    def focus_control(self, action: str, id_: str) -> None:
        """Remembers the focus."""
        self.focused = f"{action} {id_}"

    def is_shown(self, element_id: str) -> bool:
        """Whether a test has it shown."""
        return element_id not in self.hidden

    def click(self, element_id: str) -> None:
        """Remembers what was pressed."""
        self.clicked.append(element_id)

    def go(self, route: str) -> None:
        """Changes the address."""
        if route != self.hash:
            self.hash = route
            asyncio.get_running_loop().call_soon(self.on_hash, route)

    def replace_route(self, route: str) -> None:
        """Changes the address without a step back."""
        self.go(route)

    def set_theme(self, theme: str) -> None:
        """Remembers the theme."""
        self.theme = theme

    async def copy(self, text: str) -> None:
        """To the clipboard."""
        self.clipboard = text

    def save_file(self, name: str, content: str | Sequence[bytes], media_type: str = "application/json") -> None:
        """Keeps the file, a text as text."""
        self.saved[name] = content if isinstance(content, str) else b"".join(content)

    def address(self, route: str) -> str:
        """The page's address with another hash."""
        return f"https://modeltab.test/{route}"

    def has_folders(self) -> bool:
        """Whether there is a folder to choose."""
        return self.folder is not None

    async def pick_folder(self) -> MemoryFolder | None:
        """The folder that a test has put there."""
        return self.folder

    def reload(self) -> None:
        """Counts it."""
        self.reloads += 1

    async def storage(self) -> Storage:
        """Some figures."""
        return Storage(1_500_000, 3_000_000_000, self.keeps_storage)

    async def read_prices(self) -> tuple[Price, ...]:
        """As the test says."""
        return self.prices

    async def persist(self) -> bool:
        """Agrees or not, as the test says."""
        return self.keeps_storage


Record = dict[str, Any]


class DictRecords:
    """Conversations and messages in dictionaries, copied as JSON on their way in and out, as a database does.

    `failure`, when it is set, is what every method raises. `reading`, when it is set, holds `messages` after it has read.
    `tell` hears of what has changed.
    """

    def __init__(self) -> None:
        self.tell: Callable[[Record], object] = lambda news: None
        self.conversations: dict[str, Record] = {}
        self.by_id: dict[str, Record] = {}
        self.failure: Exception | None = None
        self.reading: asyncio.Event | None = None

    async def all(self) -> list[Record]:
        """Every conversation, the latest first."""
        await self._pass()
        return copied(sorted(self.conversations.values(), key=lambda record: -record["updated"]))

    async def messages(self, conversation_id: str) -> list[Record]:
        """Every message of a conversation."""
        await self._pass()
        found = copied([record for record in self.by_id.values() if record["conversation_id"] == conversation_id])
        if self.reading:
            await self.reading.wait()
        return found

    async def taken(self, ids: list[str]) -> list[str]:
        """Those of the ids that messages have."""
        await self._pass()
        return [id_ for id_ in ids if id_ in self.by_id]

    async def save(self, conversation: Record | None, *messages: Record) -> None:
        """Writes records."""
        await self._pass()
        self.by_id.update({record["id"]: copied(record) for record in messages})
        if conversation:
            self.conversations[conversation["id"]] = copied(conversation)
        self.tell(copied({"kind": "saved", "conversation": conversation, "messages": messages}))

    async def take(self, conversation_ids: list[str]) -> Any:
        """Deletes conversations with their messages, and gives them."""
        await self._pass()
        conversations = [self.conversations.pop(id_) for id_ in conversation_ids if id_ in self.conversations]
        ids = [key for key, record in self.by_id.items() if record["conversation_id"] in conversation_ids]
        for id_ in conversation_ids:
            self.tell({"kind": "conversation-deleted", "id": id_})
        return conversations, [self.by_id.pop(id_) for id_ in ids]

    async def take_messages(self, ids: list[str]) -> Any:
        """Deletes messages, and gives them."""
        await self._pass()
        self.tell({"kind": "messages-deleted", "ids": ids})
        return [], [self.by_id.pop(id_) for id_ in ids if id_ in self.by_id]

    async def put_back(self, taken: Any) -> None:
        """Adds them again, where nothing is by now."""
        await self._pass()
        for records, found in zip((self.conversations, self.by_id), taken, strict=True):
            records.update({record["id"]: record for record in found if record["id"] not in records})
        self.tell({"kind": "changed"})

    async def read_texts(self) -> None:
        """Has nothing to do but to wait until `reading` is set."""
        await self._pass()
        if self.reading:
            await self.reading.wait()

    async def find(self, words: tuple[str, ...]) -> dict[str, str]:
        """The conversations with all of the words, and the first message that has one of them."""
        await self._pass()
        found = {}
        for id_, conversation in self.conversations.items():
            texts = [record["text"] for record in self.by_id.values() if record["conversation_id"] == id_]
            whole = "\n".join([conversation["title"], *texts]).lower()
            if all(word in whole for word in words):
                found[id_] = next((text for text in texts if any(word in text.lower() for word in words)), "")
        return found

    async def clear(self) -> None:
        """Deletes everything."""
        await self._pass()
        self.conversations.clear()
        self.by_id.clear()

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure


def copied(value: Any) -> Any:
    """The value as it comes back from a database. TypeError when it is not JSON-like."""
    return json.loads(json.dumps(value, allow_nan=False))


class DictDrafts:
    """Drafts in a dictionary, copied as JSON on their way in and out. `problem` is what every write answers."""

    def __init__(self) -> None:
        self.by_place: dict[str, Any] = {}
        self.problem = ""

    def read(self, place: str) -> Any:
        """A copy."""
        return copied(self.by_place.get(place))

    def write(self, place: str, value: Any) -> str:
        """Keeps a copy."""
        if not self.problem:
            self.by_place[place] = copied(value)
        return self.problem

    def remove(self, place: str) -> str:
        """Forgets it."""
        self.by_place.pop(place, None)
        return ""

    def clear(self) -> None:
        """Forgets all."""
        self.by_place.clear()


class DictImages:
    """The images of messages in a dictionary."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    async def add(self, digest: str, content: bytes) -> None:
        """Keeps an image."""
        self.content[digest] = content

    async def read(self, digest: str) -> bytes | None:
        """An image's bytes."""
        return self.content.get(digest)

    async def clear(self) -> None:
        """Deletes all."""
        self.content.clear()


class RealVault:
    """The browser's vault on CPython: the same algorithms, from the package `cryptography`."""

    def __init__(self) -> None:
        self.available = True

    def random(self, count: int) -> bytes:
        """Random bytes."""
        return os.urandom(count)

    async def derive(self, passphrase: str, salt: bytes, rounds: int) -> Any:
        """PBKDF2 with SHA-256."""
        return AESGCM(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, rounds, 32))

    async def seal(self, key: Any, text: bytes, context: str) -> Sealed:
        """AES-GCM under a new nonce."""
        nonce = os.urandom(12)
        return Sealed(nonce, key.encrypt(nonce, text, context.encode()))

    async def open(self, key: Any, sealed: Sealed, context: str) -> bytes:
        """AES-GCM."""
        try:
            return key.decrypt(sealed.nonce, sealed.data, context.encode())
        except InvalidTag:
            raise WrongPassphrase("This is not the passphrase.") from None


class FakeSurroundings:
    """The page's circumstances as the test says them; whether anything listens is looked at for real."""

    def __init__(self) -> None:
        self.facts = PageFacts("http://127.0.0.1:8000")
        self.permissions: dict[AddressSpace, Permission] = {}
        self.looked: list[str] = []

    def page(self) -> PageFacts:
        """The page's own."""
        return self.facts

    async def permission(self, space: AddressSpace) -> Permission:
        """As the test says."""
        return self.permissions.get(space, "unknown")

    async def answers_without_cors(self, url: str, seconds: float) -> bool | None:
        """Whether a connection is accepted."""
        self.looked.append(url)
        parts = urlsplit(url)
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port or 80), seconds)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True


class DictConfig:
    """An entry of storage as it was last written. `problem` is what every write answers."""

    def __init__(self) -> None:
        self.value: Any = None
        self.problem = ""
        self.aside: Any = None

    def read(self) -> tuple[Any, str]:
        """A copy."""
        return copied(self.value), ""

    def set_aside(self, reason: str) -> str:
        """Moves it out of the way."""
        self.aside, self.value = self.value, None
        return f"The saved keys could not be read ({reason})."

    def write(self, value: Any) -> str:
        """Keeps a copy."""
        if not self.problem:
            self.value = copied(value)
        return self.problem

    def drop_aside(self) -> None:
        """Forgets what was moved."""
        self.aside = None

    def clear(self) -> None:
        """Forgets it."""
        self.value = self.aside = None

"""The whole app but for its edge: real store, registry, providers and actions; plain fakes where a browser would be.

async def test_something(rig):
    await rig.start()
    await rig.do("connection.add")
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from modeltab.actions import (
    commands,
    completion,
    connections,
    context,
    conversations,
    drafts,
    navigation,
    palette,
    structured,
)
from modeltab.actions.app import App, UiEvent, facts_of
from modeltab.actions.code_ports import CodeParts
from modeltab.actions.table import perform
from modeltab.domain.catalogue import STARTER, CatalogueEntry
from modeltab.domain.connections import Connection
from modeltab.domain.errors import NotFound
from modeltab.domain.messages import Message, path
from modeltab.domain.transfers import Transfer
from modeltab.providers import in_tab, llama_server, local_llm, ollama, openai
from modeltab.providers.base import Transport
from modeltab.providers.registry import Registry
from modeltab.state.keyring import KeyRing
from modeltab.state.store import State, Store
from tests.servers.transport import RealTransport
from tests.unit.code_fakes import DictRuns, FakeEditor, FakeSandboxes
from tests.unit.comparison_records import DictComparisons
from tests.unit.fakes import (
    DictConfig,
    DictDrafts,
    DictImages,
    DictRecords,
    FakeEngine,
    FakeModels,
    FakePage,
    FakePdfs,
    FakeSurroundings,
    JinjaTemplates,
    MemoryFile,
    PythonSchemas,
    RealVault,
    compose,
)

TAB = "in-tab"
drafts.KEEP_AFTER = 0.001  # tests wait for the end of all that goes on
#: The id of the connection to the server that a test names.
SERVER = "server"
#: Across all rigs, for one may read what another has kept.
_IDS = itertools.count(1)


class Clock:
    """Seconds since 1970: a little later each time it is asked, and as much later as a test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


class Rig:
    """An app with the tab's models and, when `url` is given, a connection to a Local LLM API."""

    def __init__(
        self,
        *models: str,
        url: str = "",
        loopback: bool = True,
        transport: Transport | None = None,
        files: FakeModels | None = None,
    ) -> None:
        self.files = files or FakeModels(*models)
        self.engine = FakeEngine()
        self.page = FakePage(loopback)
        self.records = DictRecords()
        self.comparisons = DictComparisons()
        self.images = DictImages()
        self.drafts = DictDrafts()
        self.config = DictConfig()
        self.call_log = DictConfig()
        self.key_record = DictConfig()
        self.keys = KeyRing(self.key_record, RealVault())
        self.transport = transport or RealTransport()
        self.surroundings = FakeSurroundings()
        self.editor = FakeEditor()
        self.sandboxes = FakeSandboxes()
        self.code_runs = DictRuns()
        self.clock = Clock()
        self.starter = MemoryFile(STARTER.name, b"GGUF starter")
        self.web: dict[str, MemoryFile] = {}
        self.catalogue: tuple[CatalogueEntry, ...] = ()
        self._others: set[asyncio.Task[Any]] = set()
        registry = Registry(
            (
                in_tab.connection_type(self.files, self.engine, JinjaTemplates()),
                local_llm.connection_type(self.transport),
                ollama.connection_type(self.transport),
                llama_server.connection_type(self.transport),
                openai.connection_type(self.transport),
            ),
            self.keys.key,
        )
        self.app = App(
            Store(State()),
            registry,
            self.page,
            self.records,
            self.comparisons,
            self.images,
            self.drafts,
            self.config,
            self.call_log,
            self.keys,
            self.transport,
            self.surroundings,
            lambda: self.starter,
            self.remote_file,
            self.read_catalogue,
            compose,
            self.open_url,
            JinjaTemplates(),
            FakePdfs(),
            PythonSchemas(),
            CodeParts(self.editor, self.sandboxes, self.code_runs),
            self.clock,
            self._new_id,
        )
        kept: tuple[Connection, ...] = (Connection(TAB, TAB, "In this tab"),)
        if url:
            kept = (*kept, Connection(SERVER, "local-llm", "Workshop", url))
        self.app.update(connections=kept, facts=facts_of(registry, kept), types=registry.types)
        drafts.begin(self.app)
        context.begin(self.app)
        commands.begin(self.app)
        palette.begin(self.app)
        completion.begin(self.app)
        structured.begin(self.app)
        self.page.on_hash = lambda hash_: self.app.spawn(navigation.go(self.app, hash_))

    def remote_file(self, name: str, size: int, sources: tuple[str, ...], sha256: str, stamp: str) -> MemoryFile:
        """The file that a test has put at the first of its addresses; without one, as many zeros."""
        return self.web.get(sources[0] if sources else "") or MemoryFile(name, bytes(size))

    async def read_catalogue(self) -> tuple[CatalogueEntry, ...]:
        """What a test has put into the catalogue."""
        return self.catalogue

    async def open_url(self, url: str) -> MemoryFile:
        """The file that a test has put at an address."""
        if url not in self.web:
            raise NotFound(f"There is no file at {url}.", "Check the address.")
        return self.web[url]

    def _new_id(self) -> str:
        return f"id{next(_IDS)}"

    async def start(self, model: str = "") -> None:
        """What `main` does at the start; then `model` is chosen."""
        self.watch()
        await conversations.load_list(self.app)
        await connections.refresh_all(self.app)
        if model:
            self.app.set_setting(model=model)

    def watch(self) -> None:
        """From now on, what is begun in this loop is the app's work."""
        self._others = asyncio.all_tasks()

    def add_server(self, id_: str, url: str) -> None:
        """One more connection to a Local LLM API."""
        self.connect(Connection(id_, "local-llm", id_, url))

    def connect(self, connection: Connection) -> None:
        """One more connection."""
        self.app.set_connections((*self.state.connections, connection))

    # ---- What a person does ----

    def press(self, action: str, id: str = "", **fields: Any) -> bool:
        """Something happens on the page; its work goes on by itself."""
        return perform(self.app, UiEvent(action, id, **fields))

    async def do(self, action: str, id: str = "", **fields: Any) -> None:
        """Something happens on the page, and all that follows from it."""
        self.press(action, id, **fields)
        await self.idle()

    def type(self, text: str) -> None:
        """Types into the message box."""
        self.page.fields["message"] = text
        self.press("composer.input", value=text)

    async def say(self, text: str) -> Message:
        """Sends a message and waits for the answer."""
        self.type(text)
        await self.do("chat.send")
        return self.shown[-1]

    async def begin(self, text: str, shows: str) -> Message:
        """Sends a message and waits until the answer that is coming has that text."""
        self.type(text)
        self.press("chat.send")
        await self.until(lambda: self.app.live is not None and self.app.live.text == shows)
        assert self.app.live is not None
        return self.app.live

    async def visit(self, hash_: str) -> None:
        """Goes to an address in the page, and waits for all that follows from it."""
        self.page.go(hash_)
        await asyncio.sleep(0)
        await self.idle()

    # ---- Waiting ----

    async def idle(self) -> None:
        """Waits until the app has nothing more to do."""
        while tasks := asyncio.all_tasks() - self._others:
            await asyncio.wait(tasks)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until it is so. TimeoutError when that does not come."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    # ---- What there is ----

    @property
    def state(self) -> State:
        """The state now."""
        return self.app.state

    @property
    def shown(self) -> list[Message]:
        """The messages that are shown, in order."""
        conversation = self.state.conversation
        return list(path(self.state.messages, conversation.leaf_id)) if conversation else []

    @property
    def texts(self) -> list[str]:
        """Their texts."""
        return [message.text for message in self.shown]

    @property
    def alerts(self) -> list[str]:
        """The errors that are shown."""
        return [alert.error.message for alert in self.state.alerts]

    def models(self, connection_id: str) -> list[str]:
        """The names of a connection's models."""
        return [model.name for model in self.state.models.get(connection_id, ())]

    def health(self, connection_id: str) -> str:
        """A connection's health."""
        record = self.state.health.get(connection_id)
        return record.health if record else "unknown"

    def transfer(self, name: str) -> Transfer:
        """The transfer of that file."""
        (found,) = [transfer for transfer in self.state.transfers if transfer.name == name]
        return found

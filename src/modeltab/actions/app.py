"""The app's parts, as actions see them, and how an action's failure reaches the person."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from modeltab.actions.code_ports import CodeParts
from modeltab.actions.door import Door, NoDoor, RunningCall
from modeltab.actions.offline_copy import OfflineCopy
from modeltab.actions.ports import (
    ComparisonRecords,
    ConfigRecord,
    ConversationRecords,
    DraftRecords,
    ImageStore,
    Page,
    PdfReader,
    SchemaValidator,
    Surroundings,
    TextFile,
)
from modeltab.actions.tabs import Alone, Tabs
from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.connections import Connection
from modeltab.domain.errors import ModelTabError, record_of
from modeltab.domain.messages import Message
from modeltab.exchange.values import Reading
from modeltab.files.values import Parts
from modeltab.providers.base import ModelFile, Provider, TemplateRenderer, Transport
from modeltab.providers.registry import Registry
from modeltab.state.drafts import Draft
from modeltab.state.keyring import KeyRing
from modeltab.state.records import config_to_json
from modeltab.state.store import Alert, Facts, State, Store
from modeltab.state.unkept import Unkept
from modeltab.state.updates import connection


class UiEvent(NamedTuple):
    """What happened on the page.

    :param action: the name in the element's data attribute.
    :param id: its data-id.
    :param value: the control's value.
    :param values: the values of its form, by name.
    :param key: for a key press: its name, with "Shift+", "Alt+", "Ctrl+" before it; empty while text is composed.
    :param files: files that were chosen or dropped.
    """

    action: str
    id: str = ""
    value: str = ""
    values: Mapping[str, str] = {}
    key: str = ""
    files: tuple[TextFile, ...] = ()


class App:
    """The parts, handed to each other by `main`, and the work that is under way.

    :param remote_file: a file on the web: name, size, addresses, SHA-256, stamp; `open_url`, one of which only that is known.
    :param compose: a file that is put together from pieces of others, under a name.
    :ivar live: the answer that is coming, as it is now, also while another conversation is shown; after its end, as it
        was then, until the next one begins.
    :ivar comparing: the answers of comparisons that are coming, by their ids.
    :ivar completing: the completion of the Playground that is coming; `structuring`, its answer that keeps to a schema.
    :ivar engines: who has the turn with an engine that runs one model at a time, by the id of its connection.
    :ivar removed: conversations and messages that were deleted here and can be had again, by the id of their notice.
    :ivar query: what stands in the search box of the conversations; `state.search` is what the list shows.
    :ivar transfers: those that are going on, by their ids; `jobs`, what each one sends, None for a download; `pausing`,
        those that were told to pause; `awaited`, those whose end somebody waits for.
    :ivar candidates: the files of what waits in the dialog "Add model", by its id; `looking`, those that are looked at now.
    :ivar foreign: connections of types that this version does not know, kept for the version that does.
    :ivar met: connections that have answered since the page was loaded.
    :ivar found: what was read from the files that are about to be imported.
    :ivar waiting_for_unlock: told whether the keys were unlocked.
    :ivar box: the conversation whose draft stands in the message box; `touched`, whether that has still to be kept.
    :ivar unkept: drafts that have still to be written, by their conversations; `told_of_drafts`, whether the browser refuses.
    :ivar deleted_branches: the ids of the completions that were deleted here.
    :ivar unkept_pages: what makes the records that have still to be written of pages that keep what is on them.
    :ivar working_queue: sees to the messages that wait for an answer's end.
    :ivar door: where calls of other pages come in; `calls`, those that are being answered, by their ids in the log;
        `allowed_once`, the origins that may call until the bridge's page is closed, with the id of that page.
    :ivar copy: the copy of the app that it starts from without a network.
    :ivar tabs: the app's other tabs; `watched`, the answers whose end there is waited for.
    :ivar unwritten: what of conversations could not be written yet.
    :ivar edits_from_box: whether the message that is being edited was called for in the message box.
    :ivar last_used: when a person last did something, in seconds since 1970.
    :ivar looks: the latest look at each connection: only what that finds counts.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        page: Page,
        conversations: ConversationRecords,
        comparisons: ComparisonRecords,
        images: ImageStore,
        drafts: DraftRecords,
        config: ConfigRecord,
        call_log: ConfigRecord,
        keys: KeyRing,
        transport: Transport,
        surroundings: Surroundings,
        starter: Callable[[], ModelFile],
        remote_file: Callable[[str, int, tuple[str, ...], str, str], ModelFile],
        read_catalogue: Callable[[], Awaitable[tuple[CatalogueEntry, ...]]],
        compose: Callable[[Parts, Sequence[ModelFile], str], ModelFile],
        open_url: Callable[[str], Awaitable[ModelFile]],
        templates: TemplateRenderer,
        pdfs: PdfReader,
        schemas: SchemaValidator,
        code: CodeParts,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self.store = store
        self.registry = registry
        self.page = page
        self.conversations = conversations
        self.comparisons = comparisons
        self.images = images
        self.drafts = drafts
        self.config = config
        self.call_log = call_log
        self.keys = keys
        self.transport = transport
        self.surroundings = surroundings
        self.starter = starter
        self.remote_file = remote_file
        self.compose = compose
        self.open_url = open_url
        self.read_catalogue = read_catalogue
        self.templates = templates
        self.pdfs = pdfs
        self.schemas = schemas
        self.code = code
        self.clock = clock
        self.new_id = new_id
        self.live: Message | None = None
        self.answering: asyncio.Task[None] | None = None
        self.comparing: dict[str, asyncio.Task[None]] = {}
        self.completing: asyncio.Task[None] | None = None
        self.structuring: asyncio.Task[None] | None = None
        self.engines: dict[str, asyncio.Lock] = {}
        self.removed: dict[str, Any] = {}
        self.query = ""
        self.transfers: dict[str, asyncio.Task[None]] = {}
        self.jobs: dict[str, ModelFile | None] = {}
        self.pausing: set[str] = set()
        self.awaited: dict[str, asyncio.Future[None]] = {}
        self.candidates: dict[str, tuple[ModelFile, ...]] = {}
        self.looking: set[asyncio.Task[None]] = set()
        self.foreign: tuple[Connection, ...] = ()
        self.met: set[str] = set()
        self.looks: dict[str, asyncio.Task[None]] = {}
        self.box = ""
        self.unkept: dict[str, Draft] = {}
        self.touched = False
        self.told_of_drafts = False
        self.keeping_drafts: asyncio.Task[None] | None = None
        self.deleted_branches: set[str] = set()
        self.unkept_pages: dict[str, Callable[[], Any]] = {}
        self.keeping_pages: asyncio.Task[None] | None = None
        self.working_queue: asyncio.Task[None] | None = None
        self.found: Reading | None = None
        self.waiting_for_unlock: list[asyncio.Future[bool]] = []
        self.tabs: Tabs = Alone()
        self.door: Door = NoDoor()
        self.copy = OfflineCopy()
        self.calls: dict[str, RunningCall] = {}
        self.allowed_once: set[tuple[str, str]] = set()
        self.watched: set[str] = set()
        self.unwritten = Unkept()
        self.edits_from_box = False
        self.last_used = clock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> State:
        """The state as it is now."""
        return self.store.state

    def update(self, **changes: Any) -> None:
        """Replace fields of the state."""
        self.store.update(**changes)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let work go on by itself; a failure becomes an alert."""
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self, task: asyncio.Task[Any] | None) -> None:
        """Cancel work, but not before its first step: what never began never runs its own clean-up."""
        if task is not None:
            asyncio.get_running_loop().call_soon(task.cancel)

    async def cancel_and_wait(self, task: asyncio.Task[Any] | None) -> None:
        """Cancel work and wait for its end."""
        self.cancel(task)
        if task is not None:
            await asyncio.wait([task])

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.alert(error)

    def alert(self, error: BaseException) -> None:
        """Show an error. One that nobody foresaw is written to the console too, with its traceback."""
        if not isinstance(error, ModelTabError):
            traceback.print_exception(error)
        record = record_of(error)
        if all(alert.error != record for alert in self.state.alerts):
            self.update(alerts=(*self.state.alerts, Alert(self.new_id(), record)))

    def say(self, text: str) -> None:
        """Say what changed in the live region."""
        self.update(status=text)

    def connection(self, connection_id: str) -> Connection:
        """A connection that exists. :raises ModelTabError: when it is gone."""
        found = connection(self.state, connection_id)
        if found is None:
            raise ModelTabError("That connection no longer exists.", "Choose another model.")
        return found

    def provider(self, connection_id: str) -> Provider:
        """The provider of a connection."""
        return self.registry.provider(self.connection(connection_id))

    def save_config(self) -> None:
        """Keep connections and settings."""
        problem = self.config.write(config_to_json((*self.state.connections, *self.foreign), self.state.settings))
        if problem:
            self.alert(ModelTabError(problem, "Settings last until the page is closed. Allow site data for this page."))

    def set_setting(self, **changes: Any) -> None:
        """Change settings and keep them."""
        self.update(settings=self.state.settings._replace(**changes))
        self.save_config()

    def show_keys(self) -> None:
        """Let the page show the keys as they are kept now."""
        self.update(keys=self.keys.status())

    def set_connections(self, connections: tuple[Connection, ...]) -> None:
        """Replace the connections, with what views know of them, and keep them."""
        self.update(connections=connections, facts=facts_of(self.registry, connections))
        self.save_config()


def facts_of(registry: Registry, connections: tuple[Connection, ...]) -> dict[str, Facts]:
    """What each connection can do, by its id."""
    return {connection.id: _facts(registry, connection) for connection in connections}


def _facts(registry: Registry, connection: Connection) -> Facts:
    type_ = registry.type_of(connection.type)
    provider = registry.provider(connection)
    host, memory, uploads, downloads = provider.host, provider.memory, provider.uploads, provider.downloads
    return Facts(
        type_.label,
        provider.capabilities,
        permanent=type_.permanent,
        takes_url=type_.takes_url,
        key=type_.key,
        adds=uploads is not None,
        engine=uploads.engine if uploads else "unknown",
        resumes=provider.partials is not None,
        takes_shards=uploads is not None and uploads.takes_shards,
        fetches=uploads is not None and uploads.fetches,
        max_file_bytes=uploads.max_file_bytes if uploads else None,
        downloads=downloads.names_hint if downloads else "",
        hub_prefix=downloads.hub_prefix if downloads else "",
        has_library=downloads is not None and downloads.has_library,
        gives=provider.files is not None,
        removes=host is not None,
        undoes=provider.trash is not None,
        copies=provider.copies is not None,
        syncs=host is not None and host.syncs,
        loads=memory is not None and memory.loads,
        unloads_one=memory is not None and memory.unloads_one,
        frees=memory is not None and memory.frees,
        measures=provider.speed is not None,
        previews=provider.preview is not None,
        operations=provider.operations is not None,
        completion=provider.completes.completion if provider.completes else None,
    )

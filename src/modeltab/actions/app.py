"""The app's parts, as actions see them, and how an action's failure reaches the person."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from modeltab.actions.tabs import Alone, Tabs
from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.connections import AddressSpace, Connection
from modeltab.domain.diagnosis import PageFacts, Permission
from modeltab.domain.errors import ModelTabError, record_of
from modeltab.domain.messages import Message
from modeltab.files.values import Parts
from modeltab.providers.base import ModelFile, Provider, Transport
from modeltab.providers.registry import Registry
from modeltab.state.keyring import KeyRing
from modeltab.state.records import config_to_json
from modeltab.state.store import Alert, Facts, State, Storage, Store
from modeltab.state.unkept import Unkept
from modeltab.state.updates import connection


class TextFile(ModelFile, Protocol):
    """A file that can be read as a whole."""

    async def text(self) -> str:
        """The whole of it, as text."""
        ...

    async def content(self) -> bytes:
        """The whole of it."""
        ...


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


class Page(Protocol):
    """What actions may do to the page besides changing the state."""

    is_loopback: bool

    def value(self, element_id: str) -> str:
        """A field's text."""
        ...

    def set_value(self, element_id: str, value: str) -> None:
        """Change a field's text."""
        ...

    def focus(self, element_id: str) -> None:
        """Put the focus there, after the next drawing."""
        ...

    def click(self, element_id: str) -> None:
        """Press it, as a person would: opens a file picker."""
        ...

    def go(self, route: str) -> None:
        """Change the address's hash."""
        ...

    def replace_route(self, route: str) -> None:
        """Change the address's hash without a step back."""
        ...

    def set_theme(self, theme: str) -> None:
        """Apply "light", "dark" or "auto"."""
        ...

    async def copy(self, text: str) -> None:
        """To the clipboard."""
        ...

    def save_file(self, name: str, text: str) -> None:
        """Let the browser save a file."""
        ...

    def reload(self) -> None:
        """Load the page again."""
        ...

    async def storage(self) -> Storage:
        """How full the browser's storage is."""
        ...

    async def persist(self) -> bool:
        """Ask the browser to keep the storage."""
        ...


class Surroundings(Protocol):
    """What the browser tells of the page's circumstances."""

    def page(self) -> PageFacts:
        """The page's own."""
        ...

    async def permission(self, space: AddressSpace) -> Permission:
        """Whether the page may reach servers there."""
        ...

    async def answers_without_cors(self, url: str, seconds: float) -> bool | None:
        """Whether anything answers there, within so many seconds."""
        ...


class ImageStore(Protocol):
    """Where the images of messages are kept, by the SHA-256 of their bytes."""

    async def add(self, digest: str, content: bytes) -> None:
        """Keep an image. :raises StorageFailed: when the browser refuses."""
        ...

    async def read(self, digest: str) -> bytes | None:
        """An image's bytes, None when it is gone."""
        ...

    async def clear(self) -> None:
        """Delete all."""
        ...


class TemplateRenderer(Protocol):
    """Renders chat templates."""

    async def render(self, template: str, context: dict[str, Any]) -> str:
        """The text that a template makes. :raises BadReply: when it cannot be rendered."""
        ...


class ConversationRecords(Protocol):
    """Where conversations are kept, as records."""

    async def all(self) -> list[dict[str, Any]]: ...
    async def messages(self, conversation_id: str) -> list[dict[str, Any]]: ...
    async def save(self, conversation: dict[str, Any] | None, *messages: dict[str, Any]) -> None: ...
    async def delete_messages(self, ids: list[str]) -> None: ...
    async def delete(self, conversation_id: str) -> None: ...
    async def clear(self) -> None: ...


class ConfigRecord(Protocol):
    """Where the configuration is kept."""

    def write(self, value: Any) -> str: ...
    def clear(self) -> None: ...


class App:
    """The parts, handed to each other by `main`, and the work that is under way.

    :param remote_file: a file on the web: name, size, addresses, SHA-256, stamp; `open_url`, one of which only that is known.
    :param compose: a file that is put together from pieces of others, under a name.
    :ivar live: the answer that is coming, as it is now, also while another conversation is shown; after its end, as it
        was then, until the next one begins.
    :ivar transfers: those that are going on, by their ids; `jobs`, what each one sends, None for a download; `pausing`,
        those that were told to pause.
    :ivar candidates: the files of what waits in the dialog "Add model", by its id; `looking`, those that are looked at now.
    :ivar foreign: connections of types that this version does not know, kept for the version that does.
    :ivar met: connections that have answered since the page was loaded.
    :ivar waiting_for_unlock: told whether the keys were unlocked.
    :ivar tabs: the app's other tabs; `watched`, the answers whose end there is waited for.
    :ivar unkept: what of conversations could not be written yet.
    :ivar last_used: when a person last did something, in seconds since 1970.
    :ivar looks: the latest look at each connection: only what that finds counts.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        page: Page,
        conversations: ConversationRecords,
        images: ImageStore,
        config: ConfigRecord,
        keys: KeyRing,
        transport: Transport,
        surroundings: Surroundings,
        starter: Callable[[], ModelFile],
        remote_file: Callable[[str, int, tuple[str, ...], str, str], ModelFile],
        read_catalogue: Callable[[], Awaitable[tuple[CatalogueEntry, ...]]],
        compose: Callable[[Parts, Sequence[ModelFile], str], ModelFile],
        open_url: Callable[[str], Awaitable[ModelFile]],
        templates: TemplateRenderer,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self.store = store
        self.registry = registry
        self.page = page
        self.conversations = conversations
        self.images = images
        self.config = config
        self.keys = keys
        self.transport = transport
        self.surroundings = surroundings
        self.starter = starter
        self.remote_file = remote_file
        self.compose = compose
        self.open_url = open_url
        self.read_catalogue = read_catalogue
        self.templates = templates
        self.clock = clock
        self.new_id = new_id
        self.live: Message | None = None
        self.answering: asyncio.Task[None] | None = None
        self.transfers: dict[str, asyncio.Task[None]] = {}
        self.jobs: dict[str, ModelFile | None] = {}
        self.pausing: set[str] = set()
        self.candidates: dict[str, tuple[ModelFile, ...]] = {}
        self.looking: set[asyncio.Task[None]] = set()
        self.foreign: tuple[Connection, ...] = ()
        self.met: set[str] = set()
        self.looks: dict[str, asyncio.Task[None]] = {}
        self.waiting_for_unlock: list[asyncio.Future[bool]] = []
        self.tabs: Tabs = Alone()
        self.watched: set[str] = set()
        self.unkept = Unkept()
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
        previews=provider.preview is not None,
    )

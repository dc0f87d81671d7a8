"""The store: one immutable state, replaced as a whole; those who listen are told once for each replacement."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from modeltab.domain.calls import Call
from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.code_runs import Part
from modeltab.domain.comparisons import Comparison
from modeltab.domain.completions import Branch
from modeltab.domain.connections import Connection, HealthRecord
from modeltab.domain.diagnosis import Diagnosis
from modeltab.domain.errors import ErrorRecord
from modeltab.domain.exchange import Exchange
from modeltab.domain.keys import KeysStatus
from modeltab.domain.messages import Conversation, Message
from modeltab.domain.models import Model
from modeltab.domain.prices import Price
from modeltab.domain.prompts import Preset, Prompt
from modeltab.domain.requests import Parameters
from modeltab.domain.transfers import Transfer
from modeltab.files.fit import EngineKind
from modeltab.files.shards import ShardSet
from modeltab.files.values import Header, Inspection, ModelFacts
from modeltab.providers.base import Capabilities
from modeltab.providers.connection_type import ConnectionType
from modeltab.sources.hugging_face import Choice
from modeltab.state.code import Code
from modeltab.state.code_page import CodePage
from modeltab.state.machine import Device, Offline, Storage
from modeltab.state.palette import Palette
from modeltab.state.playground import Completion, Structured
from modeltab.state.writing import Attachment, ContextUse, Menu, Queued

#: The orders of the list of conversations.
SORTS = ("newest", "oldest", "title")


class Settings(NamedTuple):
    """What a person set, kept in localStorage.

    :param theme: "auto", "light" or "dark".
    :param auto_lock: minutes without use until encrypted keys are locked, 0 for never.
    :param prices: of models, as the person set them.
    :param api: whether other pages may use the models; `api_origins`, the other origins that may, for good.
    :param conversation_sort: one of `SORTS`; `folded_folders`, the folders of conversations that are folded up.
    :param recent: the commands of the palette that were used last, the latest first.
    :param single_keys: whether a single character, outside text fields, may be a shortcut.
    :param code_uses_models: whether code in the Playground may ask models without asking the person first.
    :param work_offline: whether a copy of the app is kept, to start from without a network.
    :param code_form: the form that code was copied in last; `code_streams`, whether that takes an answer in pieces.
    """

    theme: str = "auto"
    offline_only: bool = False
    model: str = ""
    parameters: Parameters = Parameters()
    auto_lock: int = 15
    prices: tuple[Price, ...] = ()
    conversation_sort: str = "newest"
    folded_folders: tuple[str, ...] = ()
    code_uses_models: bool = False
    prompts: tuple[Prompt, ...] = ()
    presets: tuple[Preset, ...] = ()
    recent: tuple[str, ...] = ()
    single_keys: bool = True
    code_form: str = ""
    code_streams: bool = True
    api: bool = False
    api_origins: tuple[str, ...] = ()
    work_offline: bool = True


class Facts(NamedTuple):
    """What a connection can do, for views: they see facts, not providers.

    :param adds: whether it takes model files; `downloads`, how a model is named that it brings by itself, or empty.
    :param hub_prefix: what it wants before the name of a repository; `has_library`: whether it brings Ollama's library.
    :param gives: whether its models' files can be had back; `resumes`, whether what has arrived of one is kept when it stops.
    :param takes_shards: whether a model may come in several files; `fetches`, whether a file may come from the web.
    :param engine: what runs the files that it takes.
    :param undoes: whether a deleted model can be had again for a while.
    :param loads: whether a model can be loaded before the first prompt; `measures`, whether its speed here can be measured.
    :param operations: whether its API has more for code to call than questions to a model.
    :param completion: what completing a text takes; None where it cannot be done.
    """

    type_label: str
    capabilities: Capabilities
    permanent: bool = False
    takes_url: bool = True
    key: str = "none"
    adds: bool = False
    engine: EngineKind = "unknown"
    resumes: bool = False
    takes_shards: bool = False
    fetches: bool = False
    max_file_bytes: int | None = None
    downloads: str = ""
    hub_prefix: str = ""
    has_library: bool = False
    gives: bool = False
    removes: bool = False
    undoes: bool = False
    copies: bool = False
    syncs: bool = False
    loads: bool = False
    unloads_one: bool = False
    frees: bool = False
    measures: bool = False
    previews: bool = False
    operations: bool = False
    completion: Capabilities | None = None


class Route(NamedTuple):
    """Where the person is: a page, and on the chat page a conversation's id."""

    page: str = "chat"
    id: str = ""


class Picker(NamedTuple):
    """The model picker: whether it is open, what is typed, which option is active."""

    open: bool = False
    query: str = ""
    active: int = 0


class Dialog(NamedTuple):
    """The dialog that is open.

    :param values: its fields as the app fills them.
    :param diagnosis: what a test in it has found.
    :param found: the servers that a search has found.
    :param revision: counts how often the app has filled them; in between, they are the person's, and a redraw keeps them.
    """

    name: str
    subject: str = ""
    values: Mapping[str, str] = {}
    note: str = ""
    error: ErrorRecord | None = None
    busy: bool = False
    diagnosis: Diagnosis | None = None
    found: tuple["FoundServer", ...] = ()
    revision: int = 0


class FoundServer(NamedTuple):
    """A server on this machine.

    :param type: the type of a connection to it; `words` is what it says of itself.
    :param allows: whether it answers this page; if not, `type` is what usually listens on its port.
    """

    type: str
    base_url: str
    words: str
    allows: bool = True


class Candidate(NamedTuple):
    """What waits in the dialog "Add model": a file, or the parts of one model.

    :param size: bytes.
    :param source: where it is from, as the person typed it; empty for their own disk.
    :param item: what it is; None while that is being found out, or when it could not be read.
    :param error: why it could not be read.
    """

    id: str
    name: str
    size: int
    source: str = ""
    item: Inspection | ShardSet | None = None
    error: ErrorRecord | None = None

    @property
    def reason(self) -> ErrorRecord | None:
        """Why it cannot be used at all; None when it can, or while that is unknown."""
        return self.error or (self.item.error if self.item else None)


class Choices(NamedTuple):
    """The models of a repository, to choose one from.

    :param address: as the person typed it; `title`, the repository's name.
    :param notes: what there is to know of the repository: licence, terms.
    """

    address: str
    title: str = ""
    notes: str = ""
    models: tuple[Choice, ...] = ()
    busy: bool = False


class Inventory(NamedTuple):
    """How the table of models is shown.

    :param sort: the column that it is sorted by; empty for the order of the connections.
    :param place: the id of the only connection that is shown, empty for all.
    :param group: "", "connection" or "model".
    :param first: the first row that is seen, of a long list; `row_height`: of one row, in pixels.
    """

    sort: str = ""
    descending: bool = False
    query: str = ""
    place: str = ""
    group: str = ""
    first: int = 0
    row_height: int = 48


class Listing(NamedTuple):
    """How the list of conversations is shown.

    :param selected: the ids that are selected, of all that are to be deleted or moved at once; None while nothing is chosen.
    :param first: the first row that is seen, of a long list; `row_height`: of one row, in pixels.
    :param snippets: what was found in the text of messages: conversation id → the text around it, empty where only the title
        has it; None before a search.
    :param reading: whether the texts are still being read for the search; `ready`, whether they have been.
    """

    selected: frozenset[str] | None = None
    first: int = 0
    row_height: int = 36
    snippets: Mapping[str, str] | None = None
    reading: bool = False
    ready: bool = False


class Removed(NamedTuple):
    """What was deleted and can be had again. `text` says what it was."""

    id: str
    text: str


class FileDetails(NamedTuple):
    """What the file of a model says, for the dialog "Details".

    :param subject: the model's key.
    :param example: its chat template on an example; `example_error`, why there is none.
    :param error: why its header is not known.
    :param busy: whether it is still being read.
    """

    subject: str
    header: Header | None = None
    facts: ModelFacts | None = None
    example: str = ""
    example_error: ErrorRecord | None = None
    error: ErrorRecord | None = None
    busy: bool = False


class Alert(NamedTuple):
    """An error that needs the person, shown until it is closed."""

    id: str
    error: ErrorRecord


class Generation(NamedTuple):
    """An answer that is coming. `started` and `now` in seconds since 1970; `progress` is what comes before tokens."""

    message_id: str
    conversation_id: str
    started: float
    now: float
    streaming: bool
    progress: str = ""


class State(NamedTuple):
    """Everything that the page shows.

    :param inventory_note: what "Sync" or "Free memory" has done, until it is closed.
    :param elsewhere: the id of a message of the conversation that is shown, which comes in another tab; else empty.
    :param spoken: (id, text) of the latest that is read out of the answer that is coming.
    :param deleted: the keys of the models whose deletion can still be undone.
    :param comparison: the one that is shown; `compared`, its answers by their ids, without what is still flowing in.
    :param comparing: the answers that are coming, of all comparisons, as they are now; `compare_progress`, what goes on
        with each before its text comes.
    :param completion: the Playground's page Completion; `completing`, the completion that is coming, as it is now.
    :param structured: the Playground's page Structured output.
    :param code_page: the Playground's page Code; `code_output`, what has come out of the code that runs, or ran last.
    :param first_shown: the id of the message from which on a long conversation is drawn; empty for its last ones.
    :param typed: how many characters stand in the message box, as of a moment ago.
    :param new_parameters: what the conversation that has not begun will have of its own over the defaults.
    :param api_base: the address of the app's folder, where the API in this tab is; `api_calls`, its calls, the latest first.
    :param image_hosts: the hosts that images in answers may be fetched from while this tab is open.
    :param palette: None while it is closed.
    :param apple: whether this is a system of Apple's, which has keys of its own.
    """

    route: Route = Route()
    settings: Settings = Settings()
    connections: tuple[Connection, ...] = ()
    types: tuple[ConnectionType, ...] = ()
    facts: Mapping[str, Facts] = {}
    health: Mapping[str, HealthRecord] = {}
    diagnoses: Mapping[str, Diagnosis] = {}
    keys: KeysStatus = KeysStatus()
    models: Mapping[str, tuple[Model, ...]] = {}
    inventory: Inventory = Inventory()
    inventory_note: str = ""
    deleted: tuple[str, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    conversations: tuple[Conversation, ...] = ()
    conversations_loaded: bool = False
    search: str = ""
    listing: Listing = Listing()
    removed: tuple[Removed, ...] = ()
    conversation: Conversation | None = None
    messages: Mapping[str, Message] = {}
    first_shown: str = ""
    editing: str = ""
    generation: Generation | None = None
    comparisons: tuple[Comparison, ...] = ()
    comparisons_loaded: bool = False
    comparison: Comparison | None = None
    compared: Mapping[str, Message] = {}
    comparing: Mapping[str, Message] = {}
    compare_progress: Mapping[str, str] = {}
    completion: Completion = Completion()
    completing: Branch | None = None
    structured: Structured = Structured()
    code_page: CodePage = CodePage()
    code_output: tuple[Part, ...] = ()
    elsewhere: str = ""
    spoken: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    queue: tuple[Queued, ...] = ()
    typed: int = 0
    menu: Menu = Menu()
    context: ContextUse = ContextUse()
    new_parameters: Parameters | None = None
    image_hosts: tuple[str, ...] = ()
    picker: Picker = Picker()
    palette: Palette | None = None
    dialog: Dialog | None = None
    candidates: tuple[Candidate, ...] = ()
    choices: Choices | None = None
    catalogue: tuple[CatalogueEntry, ...] = ()
    prices: tuple[Price, ...] = ()
    file_details: FileDetails | None = None
    exchange: Exchange = Exchange()
    code: Code | None = None
    api_base: str = ""
    api_calls: tuple[Call, ...] = ()
    alerts: tuple[Alert, ...] = ()
    status: str = ""
    storage: Storage = Storage()
    offline: Offline = Offline()
    isolated: bool = False
    apple: bool = False
    device: Device = Device()


Listener = Callable[[State], None]


class Store:
    """Holds the state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Tell `listener` of every new state."""
        self._listeners.append(listener)

    def update(self, **changes: Any) -> None:
        """Replace fields of the state."""
        self.state = self.state._replace(**changes)
        for listener in self._listeners:
            listener(self.state)

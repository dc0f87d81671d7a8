"""The protocols that every provider and every transport keeps.

A provider is asked for what it can do, never for what it is: `capabilities` says what `generate` takes, and each of the
other parts (`host`, `memory`, `downloads`, …) is None where an API has nothing like it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event, Parameters, ParameterValue
from modeltab.files.fit import EngineKind
from modeltab.files.values import Header
from modeltab.snippets.call import Call

Json = Any
#: Called with the bytes that have gone so far.
OnBytes = Callable[[int], None]
#: Called with the word for what is being done with a file ("" while it is sent) and how many of its bytes are done.
OnStep = Callable[[str, int], None]
#: Called with a fraction, 0 to 1.
OnFraction = Callable[[float], None]
#: The key of a connection at the moment of a request, empty when there is none. Raises KeysLocked, KeyMissing.
KeySource = Callable[[], str]


class HttpRequest(NamedTuple):
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class HttpResponse(Protocol):
    """The answer to one: the status is there, the body is read as it comes.

    :ivar headers: by lower-case name; from another origin, only those that the server lets a page read.
    """

    status: int
    headers: Mapping[str, str]

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces. Raises CutOff when it breaks off."""
        ...

    async def aclose(self) -> None:
        """End it: the server sees the connection close if the body was not read to its end."""
        ...


class ModelFile(Protocol):
    """A file. Its bytes stay where they are; only the edge knows how to send them.

    :ivar stamp: differs where the content may differ: a file's time of change, a server's ETag.
    """

    name: str
    size: int
    stamp: str

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`; fewer where the file ends before that."""
        ...

    async def sha256(self, on_bytes: OnBytes) -> str:
        """The SHA-256 of its content, in hexadecimal, never holding it in memory."""
        ...


class Transport(Protocol):
    """How requests leave."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request. Cancelling the task aborts it.

        :raises Unreachable: when no answer comes.
        :raises Redirected: when the answer leads to another address: neither a key nor a prompt goes there.
        """
        ...

    async def upload(
        self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes, headers: Mapping[str, str] = {}
    ) -> HttpResponse:
        """Post a file as the one part `field` of multipart/form-data, under `name`, never holding it in memory.

        Without a `field` the file is the whole body.

        :raises Unreachable: when no answer comes; `on_bytes` has told how far it got.
        """
        ...


class Capabilities(NamedTuple):
    """What `generate` takes.

    :param parameters: names of fields of `Parameters`.
    :param defaults: what applies where a person sets nothing, as far as the API documents it.
    :param reasons: why a parameter is not taken, by its name, where there is more to say than that it is not; also why
        there is no "schema" and no "completion".
    :param continues: whether it goes on where an answer of its own was cut off.
    :param images: whether a message may have images.
    :param schema: whether an answer can be held to a JSON schema.
    :param alternatives: of how many tokens it tells at most, for each place, how likely they were; 0 for none.
    :param passes_through: whether what the extra JSON has of OpenAI's chat completions goes out as it is, and is understood.
    """

    streaming: bool
    parameters: frozenset[str]
    defaults: Mapping[str, ParameterValue] = {}
    reasons: Mapping[str, str] = {}
    continues: bool = False
    images: bool = False
    schema: bool = False
    alternatives: int = 0
    passes_through: bool = False


class ModelHost(Protocol):
    """Keeps models.

    :ivar syncs: whether it can be told to read its folder again.
    """

    syncs: bool

    async def remove(self, name: str) -> None:
        """Delete a model."""
        ...

    async def sync(self) -> tuple[Model, ...]:
        """Read the folder again; the list afterwards."""
        ...


class ModelUploads(Protocol):
    """Takes model files.

    :ivar max_file_bytes: the largest file that it takes by default, None for no limit.
    :ivar takes_shards: whether a model may come in several files.
    :ivar engine: what runs the files.
    :ivar fetches: whether `add` takes a file that is at an address on the web.
    """

    max_file_bytes: int | None
    takes_shards: bool
    fetches: bool
    engine: EngineKind

    def stored_name(self, name: str) -> str:
        """What a file of this name is called as a model there."""
        ...

    async def add(self, file: ModelFile, name: str, on_step: OnStep) -> None:
        """Store a file as the model `stored_name(name)`."""
        ...


class Unfinished(NamedTuple):
    """A file of which a part is stored.

    :param size: bytes of the whole, `received` of the part.
    :param sources: the addresses that it comes from; empty when it came from a person's own disk.
    :param stamp: of the file that it is a part of.
    :param sha256: of the whole, empty while unknown.
    """

    name: str
    size: int
    received: int
    sources: tuple[str, ...] = ()
    stamp: str = ""
    sha256: str = ""


class PartialFiles(Protocol):
    """Keeps what has arrived of a file when its transfer stops: `add` of the same file goes on from there."""

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """The parts that nobody is writing to now."""
        ...

    async def discard(self, name: str) -> None:
        """Delete the part of a file."""
        ...


class ModelFiles(Protocol):
    """Gives the files of its models back."""

    async def open_files(self, name: str) -> tuple[ModelFile, ...]:
        """The files of a model: one, or its shards in order."""
        ...


class Trash(Protocol):
    """Keeps deleted models for a while."""

    async def restore(self, name: str) -> None:
        """Have a deleted model again."""
        ...

    async def empty(self) -> None:
        """Give the room of deleted models back."""
        ...


class ModelDownloads(Protocol):
    """Brings models by itself, from where its API brings them.

    :ivar names_hint: how such a name is written, for a person.
    :ivar hub_prefix: what comes before user/repo:tag for a repository on Hugging Face.
    :ivar has_library: whether it also brings models of the Ollama library, by their names there.
    """

    names_hint: str
    hub_prefix: str
    has_library: bool

    def download(self, name: str) -> AsyncGenerator["DownloadProgress", None]:
        """Bring a model, until it is there. Cancelling the task stops it."""
        ...


class DownloadProgress(NamedTuple):
    """How far a download is, in bytes; `total` is 0 while it is unknown. `text` is the server's own word for the step."""

    text: str
    done: int = 0
    total: int = 0


class ModelCopies(Protocol):
    """Keeps a model under a second name."""

    async def copy(self, name: str, new_name: str) -> None:
        """Give a model another name beside its own."""
        ...


class ModelMemory(Protocol):
    """Loads and unloads models.

    :ivar loads: whether `load` does something now, rather than at the first prompt.
    :ivar loads_first: whether a model has to be loaded before it is asked.
    :ivar unloads_one: whether a single model can be unloaded.
    :ivar frees: whether a page can have models unloaded at all.
    """

    loads: bool
    loads_first: bool
    unloads_one: bool
    frees: bool

    async def loaded(self) -> tuple[str, ...]:
        """The names of the models in memory."""
        ...

    async def load(self, name: str, parameters: Parameters, on_fraction: OnFraction) -> None:
        """Load a model."""
        ...

    async def unload(self, name: str) -> None:
        """Unload a model."""
        ...

    async def free(self) -> None:
        """Unload every model."""
        ...


class ModelDetails(Protocol):
    """Tells more of a model than its list does."""

    async def details(self, name: str) -> Mapping[str, str]:
        """What it tells, in words for a person."""
        ...


class ModelHeaders(Protocol):
    """Tells what stands in the header of a model's file."""

    async def header(self, name: str) -> Header:
        """The header, as far as the API tells it."""
        ...


class RenderedPrompt(NamedTuple):
    """A request as the model reads it: the text that the template makes, and how many tokens that is, None where unknown."""

    text: str
    tokens: int | None = None
    n_ctx: int | None = None


class PromptPreview(Protocol):
    """Shows what a model will read."""

    async def render(self, request: ChatRequest) -> RenderedPrompt:
        """The request as the model reads it; nothing is generated."""
        ...


class ApiOperations(Protocol):
    """Has more for code to call than questions to a model."""

    def examples(self, model: str) -> tuple[tuple[str, Call], ...]:
        """What each does, in words, and its request; those that are about one model are about `model`."""
        ...


class TemplateRenderer(Protocol):
    """Renders chat templates."""

    async def render(self, template: str, context: dict[str, Any]) -> str:
        """The text that a template makes. :raises BadReply: when it cannot be rendered."""
        ...


class ModelSpeed(Protocol):
    """Measures how quick a model that is loaded is on this machine, and has it run accordingly."""

    async def measure(self, name: str, on_fraction: OnFraction) -> None:
        """Measure it anew."""
        ...


class TextCompletion(Protocol):
    """Completes text as it is, without a chat template.

    :ivar completion: what of it `complete` takes: parameters and, as `alternatives`, how many it tells of.
    """

    completion: Capabilities

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Go on with a text. Closing the iterator, or cancelling the task, stops the work."""
        ...


class Embedded(NamedTuple):
    """Texts as vectors, in the texts' order. `tokens`: how many they had, None where the API does not tell."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int | None = None


class Embedder(Protocol):
    """Makes vectors of texts."""

    async def embed(self, model: str, texts: tuple[str, ...]) -> Embedded:
        """A vector for each text."""
        ...


class Provider(Protocol):
    """One API, bound to one connection."""

    capabilities: Capabilities
    host: ModelHost | None = None
    uploads: ModelUploads | None = None
    partials: PartialFiles | None = None
    files: ModelFiles | None = None
    trash: Trash | None = None
    downloads: ModelDownloads | None = None
    copies: ModelCopies | None = None
    memory: ModelMemory | None = None
    model_details: ModelDetails | None = None
    headers: ModelHeaders | None = None
    preview: PromptPreview | None = None
    operations: ApiOperations | None = None
    completes: TextCompletion | None = None
    embedder: Embedder | None = None
    speed: ModelSpeed | None = None

    async def check(self) -> str:
        """Whether the API answers and takes the key, in words for a person: its name and version, as far as it tells.

        What the parts above are may depend on what it finds.

        :raises ModelTabError: when it does not, with the reason.
        """
        ...

    async def models(self) -> tuple[Model, ...]:
        """Every model of the connection."""
        ...

    def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer. Closing the iterator, or cancelling the task, stops the work."""
        ...

    def call(self, request: ChatRequest, stream: bool = True) -> Call:
        """The request that `generate` sends, told and not sent; without `stream`, the same for an answer in one piece.

        :raises BadRequest: when `generate` would refuse it.
        """
        ...

"""The protocols that every provider and every transport keeps.

A provider is asked for what it can do, never for what it is: `capabilities` says what `generate` takes, and `host` and
`memory` are None where an API manages no models.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, Event, Parameters, ParameterValue

#: Called with the bytes that have gone so far.
OnBytes = Callable[[int], None]
#: Called with a fraction, 0 to 1.
OnFraction = Callable[[float], None]


class HttpRequest(NamedTuple):
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class HttpResponse(Protocol):
    """The answer to one: the status is there, the body is read as it comes."""

    status: int

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces. Raises CutOff when it breaks off."""
        ...

    async def aclose(self) -> None:
        """End it: the server sees the connection close if the body was not read to its end."""
        ...


class ModelFile(Protocol):
    """A file that a person chose. Its bytes stay where they are; only the edge knows how to send them."""

    name: str
    size: int

    async def head(self, count: int) -> bytes:
        """The first `count` bytes."""
        ...


class Transport(Protocol):
    """How requests leave."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request. Cancelling the task aborts it.

        :raises Unreachable: when no answer comes.
        """
        ...

    async def upload(self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes) -> HttpResponse:
        """Post a file as the one part `field` of multipart/form-data, under `name`, never holding it in memory.

        :raises Unreachable: when no answer comes; `on_bytes` has told how far it got.
        """
        ...


class Capabilities(NamedTuple):
    """What `generate` takes.

    :param parameters: names of fields of `Parameters`.
    :param defaults: what applies where a person sets nothing, as far as the API documents it.
    :param continues: whether it goes on where an answer of its own was cut off.
    """

    streaming: bool
    parameters: frozenset[str]
    defaults: Mapping[str, ParameterValue] = {}
    continues: bool = False


class ModelHost(Protocol):
    """Adds and removes models.

    :ivar max_file_bytes: the largest file that it takes by default, None for no limit.
    :ivar syncs: whether it can be told to read its folder again.
    """

    max_file_bytes: int | None
    syncs: bool

    async def add(self, file: ModelFile, name: str, on_bytes: OnBytes) -> None:
        """Store a file as the model `name`."""
        ...

    async def remove(self, name: str) -> None:
        """Delete a model."""
        ...

    async def sync(self) -> tuple[Model, ...]:
        """Read the folder again; the list afterwards."""
        ...


class ModelMemory(Protocol):
    """Loads and unloads models.

    :ivar loads: whether `load` does something now, rather than at the first prompt.
    :ivar unloads_one: whether a single model can be unloaded.
    """

    loads: bool
    unloads_one: bool

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


class Provider(Protocol):
    """One API, bound to one connection."""

    capabilities: Capabilities
    host: ModelHost | None
    memory: ModelMemory | None

    async def check(self) -> str:
        """Whether the API answers, in words for a person.

        :raises ModelTabError: when it does not, with the reason.
        """
        ...

    async def models(self) -> tuple[Model, ...]:
        """Every model of the connection."""
        ...

    def generate(self, request: ChatRequest) -> AsyncIterator[Event]:
        """Answer. Closing the iterator, or cancelling the task, stops the work."""
        ...


class ConnectionType(NamedTuple):
    """A kind of connection: what a person chooses in "Type".

    :param takes_url: whether it has an address.
    :param default_url: the address that is filled in.
    :param takes_key: whether it authenticates with a key.
    :param lists_models: whether its API lists models, so that none has to be named.
    :param permanent: whether it exists from the start, once, and cannot be removed.
    :param build: makes the provider from the connection's id and base URL.
    """

    name: str
    label: str
    takes_url: bool
    build: Callable[[str, str], Provider]
    default_url: str = ""
    permanent: bool = False
    about: str = ""
    takes_key: bool = False
    lists_models: bool = True


Json = Any

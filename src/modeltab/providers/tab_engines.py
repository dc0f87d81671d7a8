"""What runs models in the tab, as protocols: the engine that the provider sees, and the builds of llama.cpp behind it."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple, Protocol

from modeltab.domain.errors import EngineFailed
from modeltab.files.fit import HEAP_LIMIT
from modeltab.providers.base import Json, ModelFile, OnFraction
from modeltab.providers.tab_threads import Speed


class EngineInfo(NamedTuple):
    """What runs: shown in the model's details.

    :param asked_ctx: the context that was asked for; `n_ctx` is what the engine made of it.
    :param n_cores: what the browser tells of the machine; 0 when it is not known.
    :param build: which build runs the model; `why`, what keeps the quicker one from it.
    :param speed: as it was measured when this model was first loaded on this machine.
    """

    name: str
    n_ctx: int
    n_ctx_train: int
    n_threads: int
    gpu: bool
    asked_ctx: int = 0
    n_cores: int = 0
    build: str = ""
    why: str = ""
    speed: Speed | None = None


class EngineDied(EngineFailed):
    """What ran a model broke, mostly for want of memory: it is of no more use, and whatever it has goes with it."""


class Engine(Protocol):
    """What runs a model: one at a time.

    :ivar gone: the model that it has unloaded by itself, and why; of the last one only.
    """

    info: EngineInfo | None
    gone: tuple[str, str]

    async def load(self, files: Sequence[ModelFile], name: str, n_ctx: int, on_fraction: OnFraction) -> None:
        """Load a model of one file or of several in their order, unloading the one before."""
        ...

    async def unload(self) -> None:
        """Free the memory."""
        ...

    async def measure(self, on_fraction: OnFraction) -> None:
        """Find anew how many threads are best for what is loaded, and how quick it then is."""
        ...

    def chat(self, body: Json) -> AsyncGenerator[Json, None]:
        """An OpenAI chat completion's chunks. Closing the iterator stops the generation."""
        ...

    def complete(self, body: Json) -> AsyncGenerator[Json, None]:
        """The chunks of an OpenAI completion, `/completions`. Closing the iterator stops the generation."""
        ...


class Machine(NamedTuple):
    """What the engine has to run on.

    :param cores: as the browser tells it, which may be more than there are.
    :param memory: bytes, as coarse as the browser tells it; None where it does not.
    :param memory64: whether WebAssembly has 64-bit memories here.
    """

    cores: int = 1
    gpu: bool = False
    memory: int | None = None
    memory64: bool = True
    heap_limit: int = HEAP_LIMIT


class Setup(NamedTuple):
    """How a build is to load a model. `seed`: of all its answers; None for a new one each time."""

    n_ctx: int
    n_threads: int
    gpu: bool = False
    seed: int | None = None


class Context(NamedTuple):
    """What a build made of it."""

    n_ctx: int
    n_ctx_train: int
    n_threads: int


class Build(Protocol):
    """One build of llama.cpp, running at most one model.

    :ivar name: what it is called in a model's details, its version included: what is measured counts for that one only.
    """

    name: str

    async def load(self, files: Sequence[ModelFile], name: str, setup: Setup, on_fraction: OnFraction) -> Context:
        """Load a model, unloading the one before. :raises ModelTabError: when it cannot, or is unloaded meanwhile."""
        ...

    async def unload(self) -> None:
        """End its worker, which frees all of its memory; whatever waits for it fails."""
        ...

    async def measure(self, limit: float) -> Speed | None:
        """How quick it is now; None when it has not said so after `limit` seconds, and then it is of no more use."""
        ...


class MainBuild(Build, Protocol):
    """The build that does all that llama.cpp's server does."""

    def chat(self, body: Json) -> AsyncGenerator[Json, None]:
        """A chat completion's chunks."""
        ...

    def complete(self, body: Json) -> AsyncGenerator[Json, None]:
        """A completion's chunks."""
        ...


class Reading(NamedTuple):
    """How far a prompt is read: of `total` tokens, `cached` were there already, and `processed` are there now."""

    total: int
    cached: int
    processed: int
    milliseconds: float


class Written(NamedTuple):
    """What was written since the last step: its text, and the tokens and milliseconds so far.

    :param end: why it is the last step, as OpenAI calls it; "" for more to come.
    """

    text: str
    n_tokens: int
    milliseconds: float
    end: str = ""


class Limits(NamedTuple):
    """What a quick build has not.

    :param lacks: architectures that the main build knows and this one does not, or not well enough.
    :param lacks_types: types of tensors, likewise.
    :param memory64: whether it needs 64-bit memories; `heap`, what its heap can be used up to, in bytes.
    """

    lacks: frozenset[str]
    lacks_types: frozenset[str] = frozenset()
    memory64: bool = False
    heap: int = HEAP_LIMIT


class QuickBuild(Build, Protocol):
    """A build that generates quickly, and only does that: a text goes in, what follows it comes out.

    :ivar limits: what it has not.
    :ivar special_tokens: the texts of the tokens that begin and that end a text, as the model that is loaded has them.
    """

    limits: Limits
    special_tokens: tuple[str, str]

    def write(self, prompt: str, sampling: dict[str, Any], max_tokens: int | None) -> AsyncGenerator[Reading | Written, None]:
        """Go on with a text. What of it the last answer's context begins with is not read again."""
        ...

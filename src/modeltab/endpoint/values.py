"""A call and its answer as values, and what the API wants of the app behind it."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import NamedTuple, Protocol

from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, CompletionRequest, Event, Usage
from modeltab.providers.base import Capabilities, Embedded, Json, ModelFile

JSON, EVENTS = "application/json", "text/event-stream"
#: Seconds without a piece after which a caller who has left is looked for: only a piece that cannot be given tells.
QUIET = 1.0


class Request(NamedTuple):
    """What a page asks.

    :param path: below the app's folder: "v1/models", "api/v1/health".
    :param headers: by lower-case name.
    :param form: the body of multipart/form-data, which stays where it is; None for every other.
    """

    method: str
    path: str
    headers: Mapping[str, str] = {}
    content: bytes = b""
    form: ModelFile | None = None


class Out(Protocol):
    """Where an answer goes, piece by piece. After a caller has left, nothing more arrives, and nothing fails."""

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The status and the headers, once, before everything else."""
        ...

    def write(self, text: str) -> None:
        """More of the body."""
        ...

    def end(self) -> None:
        """The answer is complete."""
        ...

    def break_off(self, reason: str) -> None:
        """The answer will not become complete."""
        ...


class Exchange:
    """A call while it is answered.

    :param clock: seconds.
    :ivar status: of the answer, 0 before its head is out.
    :ivar model: as the caller names it; `usage`, the tokens that it took; `streams`, whether it is
        answered with events.
    """

    def __init__(self, request: Request, out: Out, clock: Callable[[], float]) -> None:
        self.request = request
        self.clock = clock
        self.status = 0
        self.model = ""
        self.usage = Usage()
        self.streams = False
        self._out = out
        self._written = clock()

    def answer(self, value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with JSON, as a whole; blanks may have gone before it."""
        self.begin(JSON, status, headers)
        self.write(json.dumps(value))
        self.end()

    def begin(self, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the head, unless it is out."""
        if not self.status:
            self.status = status
            self.streams = media_type == EVENTS
            self._out.head(status, {"content-type": media_type, "cache-control": "no-store", **(headers or {})})

    def write(self, text: str) -> None:
        """Send more of the body."""
        self._written = self.clock()
        self._out.write(text)

    def event(self, value: Json) -> None:
        """Send a server-sent event."""
        self.write(f"data: {json.dumps(value)}\n\n")

    def still_there(self, nothing: str) -> None:
        """Send `nothing`, which means nothing where the answer stands, when nothing else has gone for a while.

        A browser tells that a caller has left only when there is something to give to it.
        """
        if self.clock() - self._written >= QUIET:
            self.write(nothing)

    def end(self) -> None:
        """The answer is complete."""
        self._out.end()

    def break_off(self, reason: str) -> None:
        """The answer will not become complete."""
        self._out.break_off(reason)


class Host(Protocol):
    """The app, as the API sees it. What fails raises a ModelTabError."""

    def clock(self) -> float:
        """Seconds since 1970."""
        ...

    def new_id(self) -> str:
        """An id that nothing else has."""
        ...

    def max_tokens(self) -> int | None:
        """How long an answer may be where a caller cannot say it, None where the person has not said it either."""
        ...

    async def models(self) -> Mapping[str, Model]:
        """Every model of every connection that may be asked, by the name that the API gives it."""
        ...

    async def find(self, name: str) -> Model:
        """The model that a caller names."""
        ...

    def capabilities(self, model: Model) -> Capabilities:
        """What a model's provider takes."""
        ...

    def completion(self, model: Model) -> Capabilities | None:
        """What it takes for text without a template, None where it has nothing like it."""
        ...

    def generate(self, model: Model, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answer, after those that have the engine before; a model of the tab is loaded first."""
        ...

    def complete(self, model: Model, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Go on with a text, in the same way."""
        ...

    async def embed(self, model: Model, texts: tuple[str, ...]) -> Embedded:
        """A vector for each text."""
        ...

    async def stored(self) -> tuple[Model, ...]:
        """The models of this tab."""
        ...

    async def add(self, file: ModelFile, name: str) -> None:
        """Take a file into this tab, as any other transfer; until it is there. Cancelling the task cancels it."""
        ...

    async def remove(self, model: Model) -> None:
        """Delete a model of this tab."""
        ...

    async def loaded(self) -> tuple[str, ...]:
        """The models of this tab that are in memory."""
        ...

    async def free(self) -> None:
        """Take them out of memory."""
        ...

    def cut(self, form: ModelFile, start: int, end: int, name: str) -> ModelFile:
        """A piece of a form as a file; nothing is copied."""
        ...

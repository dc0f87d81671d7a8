"""What the Playground's page Code wants of the browser: an editor, sandboxes, and a place for what ran."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Hear = Callable[[Mapping[str, Any]], None]


class CodeEditor(Protocol):
    """The editor in the page; what is typed in it comes back as the action "playground.edit"."""

    async def show(self, text: str, language: str) -> None:
        """Show another text. Editing, and undoing, begins anew."""
        ...


class Sandbox(Protocol):
    """A place for one run of code, out of reach of all that is the app's.

    :ivar hear: is given each message of it; none is trusted to be in shape.
    """

    hear: Hear

    async def ready(self) -> None:
        """Wait until it takes code. :raises ModelTabError: when it cannot be made."""
        ...

    def run(self, code: str) -> None:
        """Run code, once."""
        ...

    def answer(self, event: Mapping[str, Any]) -> None:
        """Answer what the code asked."""
        ...

    def kill(self) -> None:
        """End it at once, whatever it does."""
        ...


class Sandboxes(Protocol):
    """Makes sandboxes."""

    def create(self, language: str, offline: bool) -> Sandbox:
        """A new one, which begins to load. `offline`: it reaches nothing but this machine."""
        ...


class CodeRunRecords(Protocol):
    """Where runs are kept, as records."""

    async def all(self) -> list[dict[str, Any]]: ...
    async def save(self, run: dict[str, Any]) -> None: ...
    async def delete(self, ids: list[str]) -> None: ...
    async def clear(self) -> None: ...


class CodeParts:
    """The parts of the page Code, and the work that is under way.

    :ivar edits: the code that a person has changed, by language and model; kept through reloads.
    :ivar warm: the sandbox that waits for the next run, with what it was made for: language, offline.
    :ivar running: the run that goes on; `sandbox`, where it does.
    :ivar calls: the questions to models that the code waits for, by their numbers.
    :ivar allowed: whether the run may use the models; None before it has asked. `consent`, what is waited for by those who ask.
    """

    def __init__(self, editor: CodeEditor, sandboxes: Sandboxes, records: CodeRunRecords) -> None:
        self.editor = editor
        self.sandboxes = sandboxes
        self.records = records
        self.edits: dict[str, str] = {}
        self.warm: tuple[tuple[str, bool], Sandbox] | None = None
        self.running: asyncio.Task[None] | None = None
        self.sandbox: Sandbox | None = None
        self.calls: dict[int, asyncio.Task[None]] = {}
        self.allowed: bool | None = None
        self.consent: asyncio.Future[bool] | None = None

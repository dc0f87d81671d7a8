"""The playground's edge without a browser: an editor that remembers, sandboxes that a test speaks for, records in a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from modeltab.actions.code_ports import Hear
from modeltab.domain.errors import ModelTabError
from tests.unit.fakes import copied


class FakeEditor:
    """`shown`: the text and language that were shown last."""

    def __init__(self) -> None:
        self.shown = ("", "")

    async def show(self, text: str, language: str) -> None:
        """Remembers it."""
        self.shown = (text, language)


class FakeSandbox:
    """What the code says, a test says, by `hear`."""

    def __init__(self, language: str, offline: bool) -> None:
        self.language = language
        self.offline = offline
        self.hear: Hear = lambda message: None
        self.code: str | None = None
        self.answers: list[Mapping[str, Any]] = []
        self.killed = False
        self.failure: ModelTabError | None = None

    async def ready(self) -> None:
        """At once."""
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure

    def run(self, code: str) -> None:
        """Remembers it."""
        self.code = code

    def answer(self, event: Mapping[str, Any]) -> None:
        """Remembers it."""
        self.answers.append(event)

    def kill(self) -> None:
        """Remembers it."""
        self.killed = True


class FakeSandboxes:
    """`made`: all of them."""

    def __init__(self) -> None:
        self.made: list[FakeSandbox] = []

    def create(self, language: str, offline: bool) -> FakeSandbox:
        """One more."""
        self.made.append(FakeSandbox(language, offline))
        return self.made[-1]


class DictRuns:
    """`failure`, when it is set, is what reading raises."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.failure: Exception | None = None

    async def all(self) -> list[dict[str, Any]]:
        """Every run, the latest first."""
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return copied(sorted(self.runs.values(), key=lambda record: -record["created"]))

    async def save(self, run: dict[str, Any]) -> None:
        """Keeps a run."""
        self.runs[run["id"]] = copied(run)

    async def delete(self, ids: list[str]) -> None:
        """Deletes runs."""
        for id_ in ids:
            self.runs.pop(id_, None)

    async def clear(self) -> None:
        """Deletes all."""
        self.runs.clear()

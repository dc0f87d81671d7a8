"""The search in the text of all conversations: a worker, static/js/conversation_search.js."""

import asyncio
from typing import Any

import js
from pyodide.ffi import create_proxy

from modeltab.browser.interop import absolute, to_object

SEARCHER = "./static/js/conversation_search.js"


class ConversationSearch:
    """Keeps the texts of the conversations ready, outside the page's thread."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._read: asyncio.Future[None] | None = None
        self._searches: dict[int, asyncio.Future[dict[str, str]]] = {}
        self._count = 0

    async def read(self) -> None:
        """Read what is new since it was last read.

        :raises RuntimeError: when the browser refuses.
        """
        if self._read is None or self._read.done():
            self._read = asyncio.get_running_loop().create_future()
            self._started().postMessage(to_object({"read": True}))
        await asyncio.shield(self._read)

    async def find(self, words: tuple[str, ...]) -> dict[str, str]:
        """The ids of the conversations that have all of these words, with the text around the first, empty when no message
        has any.
        """
        self._count += 1
        answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._searches[self._count] = answer
        self._started().postMessage(to_object({"find": words, "id": self._count}))
        return await answer

    def stop(self) -> None:
        """Forget all texts."""
        if self._worker is not None:
            self._worker.terminate()
            self._worker = None
        self._fail("the search was stopped")

    def _started(self) -> Any:
        if self._worker is None:
            self._worker = js.Worker.new(absolute(SEARCHER))
            self._worker.onmessage = create_proxy(self._receive)  # for as long as the page lives
            self._worker.onerror = create_proxy(lambda event: self._fail(str(event.message)))
        return self._worker

    def _receive(self, event: Any) -> None:
        data = event.data
        if hasattr(data, "found"):
            answer = self._searches.pop(int(data.id), None)
            if answer and not answer.done():
                ids, snippets = str(data.found), str(data.snippets)
                answer.set_result(dict(zip(ids.split("\n"), snippets.split("\n"), strict=True)) if ids else {})
        elif hasattr(data, "error"):
            self._fail(str(data.error))
        elif self._read and not self._read.done():
            self._read.set_result(None)

    def _fail(self, reason: str) -> None:
        waiting: list[asyncio.Future[Any]] = [*self._searches.values(), *([self._read] if self._read else [])]
        self._searches.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(RuntimeError(reason))

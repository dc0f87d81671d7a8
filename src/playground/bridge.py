"""Messages between the code in the sandbox and the page: a question goes out, its answers come in as events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

Event = Mapping[str, Any]


class Bridge:
    """Sends to the page and hands out what it answers.

    :param post: hands a text to the page.
    """

    def __init__(self, post: Callable[[str], object]) -> None:
        self._post = post
        self._waiting: dict[int, asyncio.Queue[Event]] = {}
        self._asked = 0

    def send(self, message: Event) -> None:
        """Tell the page something."""
        self._post(json.dumps(message))

    def receive(self, text: str) -> None:
        """The page answers. What nobody waits for any more is dropped."""
        event = json.loads(text)
        queue = self._waiting.get(event["id"])
        if queue:
            queue.put_nowait(event)

    async def ask(self, method: str, **given: Any) -> AsyncGenerator[Event, None]:
        """Ask the page; its events, up to and with the last, which is "done" or "error"."""
        self._asked += 1
        number = self._asked
        queue = self._waiting[number] = asyncio.Queue()
        self.send({"kind": "ask", "id": number, "method": method, **given})
        ended = False
        try:
            while not ended:
                event = await queue.get()
                ended = event["event"] in ("done", "error")
                yield event
        finally:
            del self._waiting[number]
            if not ended:
                self.send({"kind": "cancel", "id": number})

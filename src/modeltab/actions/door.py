"""Where calls of other pages come in, and what is known of one that is being answered."""

import asyncio
from typing import Protocol


class Door(Protocol):
    """Where calls of other pages come in. `browser.door` keeps this protocol."""

    def exists(self) -> bool:
        """Whether the browser has such a thing for this page."""
        ...

    async def open(self) -> None:
        """Take calls, as soon as no other tab does. :raises ModelTabError: when the browser refuses."""
        ...

    def close(self) -> None:
        """Leave calls to the other tabs; one that comes all the same is told that it is not answered."""
        ...


class NoDoor:
    """For a page that no other page can call."""

    def exists(self) -> bool:
        """It does not."""
        return False

    async def open(self) -> None:
        """Nothing comes."""

    def close(self) -> None:
        """Nothing came."""


class RunningCall:
    """A call that is being answered.

    :ivar origin: who calls.
    :ivar connection_id: the connection that it uses, empty while it uses none.
    :ivar stopped: whether it was stopped here.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.connection_id = ""
        self.stopped = False
        self.task: asyncio.Task[None] | None = None

    def uses(self, connection_id: str) -> None:
        """It uses this connection from now on."""
        self.connection_id = connection_id

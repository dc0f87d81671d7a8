"""What an action may know of the app's other tabs: they are told what changes, and see which answers are coming where."""

from collections.abc import Mapping
from typing import Any, Protocol

#: What a tab tells the others: its "kind", and what belongs to that. `actions.live` knows the kinds.
News = Mapping[str, Any]


class Tabs(Protocol):
    """The app's tabs in this browser."""

    def tell(self, news: News) -> None:
        """Tell every other tab."""
        ...

    def claim(self, name: str) -> None:
        """Let the others see that this tab does something, until it releases it or is gone, however it goes."""
        ...

    def release(self, name: str) -> None:
        """It is done."""
        ...

    async def claimed(self) -> frozenset[str]:
        """The names that any tab claims."""
        ...

    async def when_free(self, name: str) -> None:
        """Wait until no tab claims it any more."""
        ...


class Alone:
    """No other tab: for a browser that cannot tell of them."""

    def tell(self, news: News) -> None:
        """Nobody hears it."""

    def claim(self, name: str) -> None:
        """Nobody sees it."""

    def release(self, name: str) -> None:
        """Nobody sees it."""

    async def claimed(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    async def when_free(self, name: str) -> None:
        """At once."""


def claim_of(message_id: str) -> str:
    """The name under which a tab claims an answer that it takes in."""
    return f"modeltab.answer.{message_id}"

"""What ran in the Playground, in IndexedDB, through Dexie, in a database of its own: one record a run."""

from typing import Any

from modeltab.browser.database import done, opened
from modeltab.browser.interop import from_object, to_object

DATABASE = "modeltab-playground"

Record = dict[str, Any]


class CodeRuns:
    """The records, as JSON-like values. What they mean is `domain.code_runs`' business."""

    def __init__(self) -> None:
        self._opened: Any = None

    async def _table(self) -> Any:
        if self._opened is None:
            self._opened = await opened(DATABASE, {"runs": "id, created"})
        return self._opened.table("runs")

    async def all(self) -> list[Record]:
        """Every run, the latest first."""
        query = (await self._table()).orderBy("created").reverse()
        return from_object(await done(query, "toArray"))  # type: ignore[no-any-return]

    async def save(self, run: Record) -> None:
        """Keep a run."""
        await done(await self._table(), "put", to_object(run))

    async def delete(self, ids: list[str]) -> None:
        """Delete runs."""
        await done(await self._table(), "bulkDelete", to_object(ids))

    async def clear(self) -> None:
        """Delete everything."""
        await self._table()
        await done(self._opened, "delete")
        self._opened = None

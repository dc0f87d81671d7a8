"""Comparisons in IndexedDB, through Dexie, in a database of their own: one record a comparison, and one an answer."""

from typing import Any

from modeltab.browser.database import done, opened
from modeltab.browser.interop import from_object, to_object

DATABASE = "modeltab-comparisons"

Record = dict[str, Any]


class Comparisons:
    """The records, as JSON-like values. What they mean is `state.comparisons`' business."""

    def __init__(self) -> None:
        self._opened: Any = None

    async def _table(self, name: str) -> Any:
        if self._opened is None:
            self._opened = await opened(DATABASE, {"comparisons": "id, updated", "answers": "id, conversation_id"})
        return self._opened.table(name)

    async def all(self) -> list[Record]:
        """Every comparison, the latest first."""
        query = (await self._table("comparisons")).orderBy("updated").reverse()
        return from_object(await done(query, "toArray"))  # type: ignore[no-any-return]

    async def answers(self, comparison_id: str) -> list[Record]:
        """Every answer of a comparison."""
        query = (await self._table("answers")).where(to_object({"conversation_id": comparison_id}))
        return from_object(await done(query, "toArray"))  # type: ignore[no-any-return]

    async def save(self, comparison: Record | None, *answers: Record) -> None:
        """Write a comparison's record and some answers, new or changed."""
        if answers:
            await done((await self._table("answers")), "bulkPut", to_object(answers))
        if comparison:
            await done((await self._table("comparisons")), "put", to_object(comparison))

    async def delete(self, comparison_id: str) -> None:
        """Delete a comparison with its answers."""
        await done((await self._table("answers")).where(to_object({"conversation_id": comparison_id})), "delete")
        await done((await self._table("comparisons")), "delete", comparison_id)

    async def clear(self) -> None:
        """Delete everything."""
        await self._table("comparisons")
        await done(self._opened, "delete")
        self._opened = None

"""Comparisons in IndexedDB, through Dexie, in a database of their own: one record a comparison, and one an answer."""

from typing import Any

from modeltab.browser.interop import from_object, module, to_object

DEXIE = "./static/vendor/dexie/dexie.mjs"
DATABASE = "modeltab-comparisons"

Record = dict[str, Any]


class Comparisons:
    """The records, as JSON-like values. What they mean is `state.comparisons`' business."""

    def __init__(self) -> None:
        self._opened: Any = None

    async def _table(self, name: str) -> Any:
        if self._opened is None:
            dexie = (await module(DEXIE)).Dexie
            opened = dexie.new(DATABASE)
            opened.version(1).stores(to_object({"comparisons": "id, updated", "answers": "id, conversation_id"}))
            self._opened = opened
        return self._opened.table(name)

    async def all(self) -> list[Record]:
        """Every comparison, the latest first."""
        return from_object(await (await self._table("comparisons")).orderBy("updated").reverse().toArray())  # type: ignore[no-any-return]

    async def answers(self, comparison_id: str) -> list[Record]:
        """Every answer of a comparison."""
        query = (await self._table("answers")).where(to_object({"conversation_id": comparison_id}))
        return from_object(await query.toArray())  # type: ignore[no-any-return]

    async def save(self, comparison: Record | None, *answers: Record) -> None:
        """Write a comparison's record and some answers, new or changed."""
        if answers:
            await (await self._table("answers")).bulkPut(to_object(answers))
        if comparison:
            await (await self._table("comparisons")).put(to_object(comparison))

    async def delete(self, comparison_id: str) -> None:
        """Delete a comparison with its answers."""
        await (await self._table("answers")).where(to_object({"conversation_id": comparison_id})).delete()
        await (await self._table("comparisons")).delete(comparison_id)

    async def clear(self) -> None:
        """Delete everything."""
        await self._table("comparisons")
        await self._opened.delete()
        self._opened = None

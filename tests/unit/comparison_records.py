"""Comparisons in dictionaries, copied as JSON on their way in and out, as a database does."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.fakes import copied

Record = dict[str, Any]


class DictComparisons:
    """`failure`, when it is set, is what every method raises."""

    def __init__(self) -> None:
        self.comparisons: dict[str, Record] = {}
        self.by_id: dict[str, Record] = {}
        self.failure: Exception | None = None

    async def all(self) -> list[Record]:
        """Every comparison, the latest first."""
        await self._pass()
        return copied(sorted(self.comparisons.values(), key=lambda record: -record["updated"]))

    async def answers(self, comparison_id: str) -> list[Record]:
        """Every answer of a comparison."""
        await self._pass()
        return copied([r for r in self.by_id.values() if r["conversation_id"] == comparison_id])

    async def save(self, comparison: Record | None, *answers: Record) -> None:
        """Writes records."""
        await self._pass()
        self.by_id.update({record["id"]: copied(record) for record in answers})
        if comparison:
            self.comparisons[comparison["id"]] = copied(comparison)

    async def delete(self, comparison_id: str) -> None:
        """Deletes a comparison with its answers."""
        await self._pass()
        self.comparisons.pop(comparison_id, None)
        self.by_id = {key: record for key, record in self.by_id.items() if record["conversation_id"] != comparison_id}

    async def clear(self) -> None:
        """Deletes everything."""
        await self._pass()
        self.comparisons.clear()
        self.by_id.clear()

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure

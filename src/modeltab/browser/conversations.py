"""Conversations and messages in IndexedDB, through Dexie: one record a message."""

from collections.abc import Callable
from typing import Any

from modeltab.browser.interop import from_object, module, to_object

DEXIE = "./static/vendor/dexie/dexie.mjs"
DATABASE = "modeltab"

Record = dict[str, Any]


#: More messages than this are not told one by one: the other tabs read again.
MANY = 200


class Conversations:
    """The records, as JSON-like values. What they mean is `state.records`' business.

    :param tell: called with what has changed, for the other tabs; `actions.live` hears it there.
    """

    def __init__(self, tell: Callable[[Record], object]) -> None:
        self._tell = tell
        self._opened: Any = None

    async def _database(self) -> Any:
        if self._opened is None:
            dexie = (await module(DEXIE)).Dexie
            self._opened = dexie.new(DATABASE)
            self._opened.version(1).stores(to_object({"conversations": "id, updated", "messages": "id, conversation_id"}))
        return self._opened

    async def all(self) -> list[Record]:
        """Every conversation, the latest first."""
        database = await self._database()
        return from_object(await database.table("conversations").orderBy("updated").reverse().toArray())  # type: ignore[no-any-return]

    async def messages(self, conversation_id: str) -> list[Record]:
        """Every message of a conversation."""
        database = await self._database()
        query = database.table("messages").where(to_object({"conversation_id": conversation_id}))
        return from_object(await query.toArray())  # type: ignore[no-any-return]

    async def save(self, conversation: Record | None, *messages: Record) -> None:
        """Write a conversation's record and some messages, new or changed."""
        database = await self._database()
        if messages:
            await database.table("messages").bulkPut(to_object(messages))
        if conversation:
            await database.table("conversations").put(to_object(conversation))
        if len(messages) > MANY:
            self._tell({"kind": "changed"})
        else:
            self._tell({"kind": "saved", "conversation": conversation, "messages": messages})

    async def delete_messages(self, ids: list[str]) -> None:
        """Delete messages."""
        database = await self._database()
        await database.table("messages").bulkDelete(to_object(ids))
        self._tell({"kind": "messages-deleted", "ids": ids})

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its messages."""
        database = await self._database()
        await database.table("messages").where(to_object({"conversation_id": conversation_id})).delete()
        await database.table("conversations").delete(conversation_id)
        self._tell({"kind": "conversation-deleted", "id": conversation_id})

    async def clear(self) -> None:
        """Delete everything."""
        await (await self._database()).delete()
        self._opened = None
        self._tell({"kind": "erased"})

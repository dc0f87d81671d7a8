"""Conversations and messages in IndexedDB, through Dexie: one record a message."""

import asyncio
from typing import Any

import js

from modeltab.browser.conversation_search import ConversationSearch
from modeltab.browser.interop import from_object, module, to_object

DEXIE = "./static/vendor/dexie/dexie.mjs"
DATABASE = "modeltab"

Record = dict[str, Any]


class Conversations:
    """The records, as JSON-like values. What they mean is `state.records`' business."""

    def __init__(self) -> None:
        self._opened: Any = None
        self._search = ConversationSearch()

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

    async def taken(self, ids: list[str]) -> list[str]:
        """Those ids that messages of any conversation have already."""
        database = await self._database()
        return from_object(await database.table("messages").where("id").anyOf(to_object(ids)).primaryKeys())  # type: ignore[no-any-return]

    async def save(self, conversation: Record | None, *messages: Record) -> None:
        """Write a conversation's record and some messages, new or changed."""
        database = await self._database()
        if messages:
            await database.table("messages").bulkPut(to_object(messages))
        if conversation:
            await database.table("conversations").put(to_object(conversation))

    async def take(self, conversation_ids: list[str]) -> Any:
        """Delete conversations with their messages; what `put_back` takes.

        The conversations go first: cut off in between, messages stay that nothing shows.
        """
        database = await self._database()
        conversations, messages = database.table("conversations"), database.table("messages")
        taken = await conversations.bulkGet(to_object(conversation_ids))
        await conversations.bulkDelete(to_object(conversation_ids))
        reading = (messages.where(to_object({"conversation_id": id_})).toArray() for id_ in conversation_ids)
        found: Any = js.Array.new()
        for records in await asyncio.gather(*reading):
            found = found.concat(records)
        await messages.bulkDelete(_ids(found))
        return taken, found

    async def take_messages(self, ids: list[str]) -> Any:
        """Delete messages; what `put_back` takes."""
        messages = (await self._database()).table("messages")
        found = await messages.bulkGet(to_object(ids))
        await messages.bulkDelete(to_object(ids))
        return js.Array.new(), found

    async def put_back(self, taken: Any) -> None:
        """Have again what was taken, messages first; a record that is there by now stays as it is."""
        database = await self._database()
        conversations, messages = taken
        await _add(database.table("messages"), messages)
        await _add(database.table("conversations"), conversations)

    async def read_texts(self) -> None:
        """Read the texts that are new, for `find`."""
        await self._search.read()

    async def find(self, words: tuple[str, ...]) -> dict[str, str]:
        """The conversations that have all of these words, with the text around the first."""
        return await self._search.find(words)

    async def clear(self) -> None:
        """Delete everything."""
        self._search.stop()
        await (await self._database()).delete()
        self._opened = None


async def _add(table: Any, records: Any) -> None:
    """Add those of the records that are not in the table."""
    found = records.filter(js.Boolean)  # one that was not there when it was taken is undefined
    there = {str(record.id) for record in await table.bulkGet(_ids(found)) if record}
    missing: Any = js.Array.new()
    for record in found:
        if str(record.id) not in there:
            missing.push(record)
    await table.bulkAdd(missing)


def _ids(records: Any) -> Any:
    return to_object([str(record.id) for record in records])

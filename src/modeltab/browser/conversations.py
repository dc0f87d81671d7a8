"""Conversations and messages in IndexedDB, through Dexie: one record a message."""

import asyncio
from collections.abc import Callable
from typing import Any

import js

from modeltab.browser.conversation_search import ConversationSearch
from modeltab.browser.database import done, opened
from modeltab.browser.interop import from_object, to_object

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
        self._search = ConversationSearch()

    async def _database(self) -> Any:
        if self._opened is None:
            self._opened = await opened(DATABASE, {"conversations": "id, updated", "messages": "id, conversation_id"})
        return self._opened

    async def all(self) -> list[Record]:
        """Every conversation, the latest first."""
        database = await self._database()
        return from_object(await done(database.table("conversations").orderBy("updated").reverse(), "toArray"))  # type: ignore[no-any-return]

    async def messages(self, conversation_id: str) -> list[Record]:
        """Every message of a conversation."""
        database = await self._database()
        query = database.table("messages").where(to_object({"conversation_id": conversation_id}))
        return from_object(await done(query, "toArray"))  # type: ignore[no-any-return]

    async def taken(self, ids: list[str]) -> list[str]:
        """Those ids that messages of any conversation have already."""
        database = await self._database()
        return from_object(await done(database.table("messages").where("id").anyOf(to_object(ids)), "primaryKeys"))  # type: ignore[no-any-return]

    async def save(self, conversation: Record | None, *messages: Record) -> None:
        """Write a conversation's record and some messages, new or changed."""
        database = await self._database()
        if messages:
            await done(database.table("messages"), "bulkPut", to_object(messages))
        if conversation:
            await done(database.table("conversations"), "put", to_object(conversation))
        if len(messages) > MANY:
            self._tell({"kind": "changed"})
        else:
            self._tell({"kind": "saved", "conversation": conversation, "messages": messages})

    async def take(self, conversation_ids: list[str]) -> Any:
        """Delete conversations with their messages; what `put_back` takes.

        The conversations go first: cut off in between, messages stay that nothing shows.
        """
        database = await self._database()
        conversations, messages = database.table("conversations"), database.table("messages")
        taken = await done(conversations, "bulkGet", to_object(conversation_ids))
        await done(conversations, "bulkDelete", to_object(conversation_ids))
        reading = (done(messages.where(to_object({"conversation_id": id_})), "toArray") for id_ in conversation_ids)
        found: Any = js.Array.new()
        for records in await asyncio.gather(*reading):
            found = found.concat(records)
        await done(messages, "bulkDelete", _ids(found))
        for id_ in conversation_ids:
            self._tell({"kind": "conversation-deleted", "id": id_})
        return taken, found

    async def take_messages(self, ids: list[str]) -> Any:
        """Delete messages; what `put_back` takes."""
        messages = (await self._database()).table("messages")
        found = await done(messages, "bulkGet", to_object(ids))
        await done(messages, "bulkDelete", to_object(ids))
        self._tell({"kind": "messages-deleted", "ids": ids})
        return js.Array.new(), found

    async def put_back(self, taken: Any) -> None:
        """Have again what was taken, messages first; a record that is there by now stays as it is."""
        database = await self._database()
        conversations, messages = taken
        await _add(database.table("messages"), messages)
        await _add(database.table("conversations"), conversations)
        few = messages.length <= MANY
        self._tell({"kind": "saved", "conversation": None, "messages": from_object(messages) if few else []})
        self._tell({"kind": "changed"})

    async def read_texts(self) -> None:
        """Read the texts that are new, for `find`."""
        await self._search.read()

    async def find(self, words: tuple[str, ...]) -> dict[str, str]:
        """The conversations that have all of these words, with the text around the first."""
        return await self._search.find(words)

    async def clear(self) -> None:
        """Delete everything."""
        self._search.stop()
        await done((await self._database()), "delete")
        self._opened = None
        self._tell({"kind": "erased"})


async def _add(table: Any, records: Any) -> None:
    """Add those of the records that are not in the table."""
    found = records.filter(js.Boolean)  # one that was not there when it was taken is undefined
    there = {str(record.id) for record in await done(table, "bulkGet", _ids(found)) if record}
    missing: Any = js.Array.new()
    for record in found:
        if str(record.id) not in there:
            missing.push(record)
    await done(table, "bulkAdd", missing)


def _ids(records: Any) -> Any:
    return to_object([str(record.id) for record in records])

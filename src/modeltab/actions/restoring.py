"""A conversation's messages from their records, each as what it has become since."""

from modeltab.actions.app import App
from modeltab.actions.tabs import claim_of
from modeltab.domain.messages import INTERRUPTED, Message
from modeltab.state.records import UnreadableError, message_from_json


async def messages_of(app: App, conversation_id: str) -> dict[str, Message]:
    """The messages by their ids. One that cannot be read is left where it is: a newer version may read it.

    An answer that was still coming when it was written comes here, or in another tab, or was interrupted.
    """
    records = [*await app.conversations.messages(conversation_id), *_unkept(app, conversation_id)]
    messages = {message.id: message for message in map(readable, records) if message}
    own = app.live
    if own and own.id in messages:
        messages[own.id] = own  # newer than its record
    open_ = [m for m in messages.values() if m.status == "streaming" and not (own and own.id == m.id)]
    claimed = await app.tabs.claimed() if open_ else frozenset()
    for message in open_:
        if claim_of(message.id) not in claimed:
            messages[message.id] = interrupted(message)
    return messages


def _unkept(app: App, conversation_id: str) -> list[object]:
    """What the storage has refused so far."""
    return [record for record in app.unwritten.messages.values() if record["conversation_id"] == conversation_id]


def readable(record: object) -> Message | None:
    """A message from its record, None when it is none that this version can read."""
    try:
        return message_from_json(record)
    except UnreadableError:
        return None


def interrupted(message: Message) -> Message:
    """An answer that nothing writes any more: its tab was closed, or has crashed."""
    return message._replace(status="stopped", finish_reason=INTERRUPTED)

"""Conversations on record: what the browser refuses to keep waits, and is written as soon as it can be."""

import asyncio

from modeltab.actions.app import App
from modeltab.domain.errors import StorageFailed
from modeltab.domain.messages import Conversation, Message
from modeltab.state.records import Record, conversation_to_json, message_to_json

#: What could not be kept is tried again this often, in seconds.
TRY_EVERY = 2.0
_ADVICE = (
    "Free disk space, or allow site data for this page and leave private browsing. It is tried again all the time; "
    "until then the text is in this tab alone, so copy what you need before you close it."
)


async def keep(app: App, conversation: Conversation | None, *messages: Message) -> None:
    """Write a conversation and messages on record. Where the browser keeps nothing, that is told once, and the chat goes on."""
    unkept = app.unwritten
    if conversation:
        unkept.conversations[conversation.id] = conversation_to_json(conversation)
    unkept.messages.update({message.id: message_to_json(message) for message in messages})
    await _write(app)


async def _write(app: App) -> None:
    """Write all that waits. What is changed meanwhile waits for the next time."""
    unkept = app.unwritten
    conversations, messages = dict(unkept.conversations), dict(unkept.messages)
    try:
        for record in [*conversations.values()][:-1]:
            await app.conversations.save(record)
        last = [*conversations.values()][-1] if conversations else None
        await app.conversations.save(last, *messages.values())
    except Exception as error:
        if unkept.trouble is None:
            message = "This conversation cannot be kept: the browser's storage refuses it."
            trouble = StorageFailed(message, _ADVICE, str(error))
            unkept.trouble = trouble.record()
            app.alert(trouble)
        return
    unkept.conversations = _without(unkept.conversations, conversations)
    unkept.messages = _without(unkept.messages, messages)
    if unkept.trouble is not None:
        told, unkept.trouble = unkept.trouble, None
        app.update(alerts=tuple(alert for alert in app.state.alerts if alert.error != told))
        app.say("The conversation is kept again")


def _without(waiting: dict[str, Record], written: dict[str, Record]) -> dict[str, Record]:
    return {key: record for key, record in waiting.items() if written.get(key) is not record}


async def try_again(app: App) -> None:
    """Write what could not be kept, if there is anything."""
    if app.unwritten.trouble is not None:
        await _write(app)


async def watch(app: App) -> None:
    """Try again for as long as the page is open."""
    while True:
        await asyncio.sleep(TRY_EVERY)
        await try_again(app)

"""Delete conversations and messages, and have them again: for as long as the page stays, what was deleted is kept in memory.

The records go at once, the conversation's own before those of its messages, and come back the other way round. So a tab that
is killed in between leaves nothing half deleted in the list.
"""

from typing import Any, NamedTuple

from modeltab.actions.answer import set_conversation
from modeltab.actions.app import App, UiEvent
from modeltab.actions.keeping import keep
from modeltab.domain.errors import ModelTabError, StorageFailed
from modeltab.domain.messages import Conversation, Message, newest_leaf, subtree
from modeltab.state.store import Dialog, Removed

_ADVICE = "Nothing is lost: it is still there. Free disk space or allow site data for this page, then try again."


class Undo(NamedTuple):
    """What it takes to have something again.

    :param taken: the records, as the database gave them.
    :param conversations: those that were deleted; without any, `messages` of the conversation that is `shown`.
    :param shown: the id of the conversation that was shown.
    """

    taken: Any
    conversations: tuple[Conversation, ...] = ()
    messages: tuple[Message, ...] = ()
    shown: str = ""
    leaf_id: str | None = None


async def delete_conversation(app: App, event: UiEvent) -> None:
    """Delete a conversation."""
    await _delete(app, tuple(c for c in app.state.conversations if c.id == event.id))


def ask_delete_selected(app: App, event: UiEvent) -> None:
    """Ask before many conversations are deleted."""
    count = len(app.state.listing.selected or ())
    words = "1 conversation" if count == 1 else f"{count:,} conversations"
    values = {"title": f"Delete {words}?", "confirm": "Delete", "action": "conversations.delete"}
    note = "Their messages are deleted, too. This can be undone until you leave the page."
    app.update(dialog=Dialog("confirm", "", values, note))


async def delete_selected(app: App, event: UiEvent) -> None:
    """Delete the conversations that are selected."""
    selected = app.state.listing.selected or frozenset()
    app.update(dialog=None, listing=app.state.listing._replace(selected=None))
    await _delete(app, tuple(c for c in app.state.conversations if c.id in selected))


async def _delete(app: App, conversations: tuple[Conversation, ...]) -> None:
    ids = {c.id for c in conversations}
    if not ids:
        return
    if app.live and app.live.conversation_id in ids:
        await app.cancel_and_wait(app.answering)
        app.live = None
    shown = app.state.conversation.id if app.state.conversation else ""
    app.update(conversations=tuple(c for c in app.state.conversations if c.id not in ids))
    app.unwritten.forget(*ids)
    try:
        taken = await app.conversations.take(sorted(ids))
    except Exception as error:
        _list(app, conversations)
        raise StorageFailed("The conversation could not be deleted.", _ADVICE, str(error)) from error
    if app.state.conversation and app.state.conversation.id in ids:
        app.update(conversation=None, messages={}, editing="", first_shown="")
        app.page.replace_route("#/chat")
    text = f"“{conversations[0].title}” is deleted." if len(ids) == 1 else f"{len(ids):,} conversations are deleted."
    _offer(app, text, Undo(taken, conversations, shown=shown if shown in ids else ""))


async def delete_message(app: App, event: UiEvent) -> None:
    """Delete a message and what follows from it."""
    message, conversation = app.state.messages.get(event.id), app.state.conversation
    if message is None or conversation is None:
        return
    gone = subtree(app.state.messages, event.id)
    if app.live and app.live.id in gone:
        await app.cancel_and_wait(app.answering)
        app.live = None
    app.unwritten.forget(*gone)
    try:
        taken = await app.conversations.take_messages(sorted(gone))
    except Exception as error:
        raise StorageFailed("The message could not be deleted.", _ADVICE, str(error)) from error
    shown = app.state.conversation
    if shown and shown.id == conversation.id:
        kept = tuple(m for key, m in app.state.messages.items() if key in gone)
        messages = {key: value for key, value in app.state.messages.items() if key not in gone}
        siblings = [m for m in messages.values() if m.parent_id == message.parent_id]
        leaf = newest_leaf(messages, max(siblings, key=lambda m: m.created).id) if siblings else message.parent_id
        app.update(messages=messages)
        set_conversation(app, shown._replace(leaf_id=leaf))
        await keep(app, app.state.conversation)
        count = len(gone) - 1
        text = f"The message and the {count:,} that follow from it are deleted." if count else "The message is deleted."
        _offer(app, text, Undo(taken, (), kept, shown.id, shown.leaf_id))


def _offer(app: App, text: str, undo: Undo) -> None:
    removed = Removed(app.new_id(), text)
    app.removed[removed.id] = undo
    app.update(removed=(*app.state.removed, removed))
    app.say(f"{text} It can be undone")


def close(app: App, event: UiEvent) -> None:
    """Let what was deleted go."""
    app.removed.pop(event.id, None)
    app.update(removed=tuple(item for item in app.state.removed if item.id != event.id))


async def undo(app: App, event: UiEvent) -> None:
    """Have again what was deleted."""
    undo_ = app.removed.get(event.id)
    if undo_ is None:
        return
    if not undo_.conversations:
        await _check_place(app, undo_)
    try:
        await app.conversations.put_back(undo_.taken)
    except Exception as error:
        advice = "It stays here until the page is left. Free disk space, then press Undo again."
        raise StorageFailed("What was deleted could not be put back.", advice, str(error)) from error
    close(app, event)
    if undo_.conversations:
        _list(app, undo_.conversations)
        if undo_.shown and app.state.conversation is None and app.state.route.page == "chat":
            app.page.go(f"#/chat/{undo_.shown}")
    else:
        await _show_again(app, undo_)
    app.say("It is there again")


async def _check_place(app: App, undo_: Undo) -> None:
    """Messages go back to where they were, which may be deleted itself by now."""
    if all(c.id != undo_.shown for c in app.state.conversations):
        raise ModelTabError("The message's conversation is deleted, too.", "Undo that first.")
    kept = {m.id for m in undo_.messages}
    above = {m.parent_id for m in undo_.messages if m.parent_id} - kept
    there = {record["id"] for record in await app.conversations.messages(undo_.shown)}
    if above - there:
        raise ModelTabError("The message before it is deleted, too.", "Undo that first.")


async def _show_again(app: App, undo_: Undo) -> None:
    conversation = next(c for c in app.state.conversations if c.id == undo_.shown)
    shown = app.state.conversation
    if shown and shown.id == undo_.shown:
        app.update(messages={**app.state.messages, **{m.id: m for m in undo_.messages}})
    if app.state.generation is None or app.state.generation.conversation_id != undo_.shown:
        set_conversation(app, conversation._replace(leaf_id=undo_.leaf_id))
        await keep(app, conversation._replace(leaf_id=undo_.leaf_id))


def _list(app: App, conversations: tuple[Conversation, ...]) -> None:
    ids = {c.id for c in conversations}
    others = tuple(c for c in app.state.conversations if c.id not in ids)
    app.update(conversations=tuple(sorted((*others, *conversations), key=lambda c: -c.updated)))

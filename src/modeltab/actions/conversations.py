"""Open, list, search, delete conversations."""

from modeltab.actions import live
from modeltab.actions.app import App, UiEvent
from modeltab.actions.reading import messages_of
from modeltab.domain.errors import StorageFailed
from modeltab.domain.messages import Conversation, Message
from modeltab.state.records import UnreadableError, conversation_from_json
from modeltab.state.store import Dialog, Route


async def load_list(app: App) -> None:
    """Read the list of conversations."""
    try:
        records = await app.conversations.all()
    except Exception as error:
        app.update(conversations_loaded=True)
        raise StorageFailed(
            "The conversations could not be read.",
            "Leave private browsing and allow site data for this page. New conversations may be lost when it is closed.",
            str(error),
        ) from error
    known = {c.id for c in app.state.conversations}
    read = tuple(c for c in map(_conversation, records) if c and c.id not in known)
    app.update(conversations=(*app.state.conversations, *read), conversations_loaded=True)


def _conversation(record: object) -> Conversation | None:
    try:
        return conversation_from_json(record)
    except UnreadableError:
        return None  # left where it is: a newer version may read it


def new(app: App, event: UiEvent) -> None:
    """An empty conversation. It is kept from its first message on."""
    app.page.go("#/chat")
    _show(app, None, {})
    app.page.focus("message")


def search(app: App, event: UiEvent) -> None:
    """Filter the list by title."""
    app.update(search=event.value)


async def show(app: App, route: Route) -> None:
    """Show the conversation that the address names; without one, an empty chat."""
    shown = app.state.conversation
    if not route.id:
        if shown:
            _show(app, None, {})
        return
    if shown and shown.id == route.id:
        return
    found = next((c for c in app.state.conversations if c.id == route.id), None)
    if found is None:
        if app.state.conversations_loaded:
            app.say("That conversation does not exist in this browser")
            app.page.replace_route("#/chat")
        return
    messages = await messages_of(app, found.id)
    if app.state.route == route:
        _show(app, next((c for c in app.state.conversations if c.id == route.id), found), messages)
        live.watch_others(app)


def _show(app: App, conversation: Conversation | None, messages: dict[str, Message]) -> None:
    app.update(conversation=conversation, messages=messages, editing="", elsewhere="")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a conversation is deleted."""
    conversation = next((c for c in app.state.conversations if c.id == event.id), None)
    if conversation:
        values = {"title": "Delete conversation?", "confirm": "Delete", "action": "conversation.delete"}
        app.update(dialog=Dialog("confirm", event.id, values, f"“{conversation.title}” and its messages are deleted for good."))


async def delete(app: App, event: UiEvent) -> None:
    """Delete a conversation."""
    app.update(dialog=None)
    if app.live and app.live.conversation_id == event.id:
        await app.cancel_and_wait(app.answering)
        app.live = None
    app.unkept.forget(event.id)
    await app.conversations.delete(event.id)
    app.update(conversations=tuple(c for c in app.state.conversations if c.id != event.id))
    if app.state.conversation and app.state.conversation.id == event.id:
        _show(app, None, {})
        app.page.replace_route("#/chat")
    app.say("Conversation deleted")

"""Open and list conversations."""

from modeltab.actions import live
from modeltab.actions.app import App, UiEvent
from modeltab.actions.restoring import messages_of
from modeltab.domain.errors import StorageFailed
from modeltab.domain.messages import Conversation, Message
from modeltab.state.listing import first_of
from modeltab.state.records import UnreadableError, conversation_from_json
from modeltab.state.store import Route


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
    app.update(route=Route())  # before the browser tells of it: what is typed from now on belongs to the new chat
    _show(app, None, {})
    app.page.focus("message")


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
    first = first_of(messages, conversation.leaf_id) if conversation else ""
    app.update(conversation=conversation, messages=messages, editing="", first_shown=first, elsewhere="")

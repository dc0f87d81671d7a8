"""What other tabs do, taken up as it happens: the same conversation, live, and what is typed here left alone."""

from modeltab.actions.app import App
from modeltab.actions.restoring import interrupted, messages_of, readable
from modeltab.actions.tabs import News, claim_of
from modeltab.domain.messages import Conversation, Message, path
from modeltab.state.records import UnreadableError, conversation_from_json


def hear(app: App, news: News) -> None:
    """Another tab tells something. What a newer version may tell, and this one does not know, is passed over."""
    kind = news.get("kind")
    if kind == "saved":
        _saved(app, news)
    elif kind == "progress":
        message = readable(news.get("message"))
        known = app.state.messages.get(message.id) if message else None
        if message and (known is None or known.status == "streaming"):
            _take_messages(app, [message])
    elif kind == "changed":
        app.spawn(_read_list_again(app))
    elif kind == "messages-deleted":
        app.spawn(_messages_deleted(app, frozenset(news.get("ids", ()))))
    elif kind == "conversation-deleted":
        app.spawn(_conversation_deleted(app, str(news.get("id"))))
    elif kind == "erased":
        app.page.go("#/chat")
        app.page.reload()
    elif kind == "stop" and app.live and app.live.id == news.get("message_id"):
        app.cancel(app.answering)


def _saved(app: App, news: News) -> None:
    messages = [message for message in map(readable, news.get("messages", ())) if message]
    new = {message.id for message in messages} - set(app.state.messages)
    _take_messages(app, messages)
    conversation = _conversation(news.get("conversation"))
    if conversation:
        _take_conversation(app, conversation, new)


def _conversation(record: object) -> Conversation | None:
    try:
        return conversation_from_json(record)
    except UnreadableError:
        return None


def _take_messages(app: App, messages: list[Message]) -> None:
    """Messages of the conversation that is shown; what this tab takes in itself it knows better."""
    shown = app.state.conversation
    own = app.live.id if app.live else ""
    taken = {m.id: m for m in messages if shown and m.conversation_id == shown.id and m.id != own}
    if taken:
        app.update(messages={**app.state.messages, **taken})
        watch_others(app)


def _take_conversation(app: App, conversation: Conversation, new: set[str]) -> None:
    """A conversation's record, new or changed.

    :param new: messages that this tab had not known: where the conversation now ends in one of them, this tab follows it there,
        unless it is in the middle of something itself.
    """
    others = tuple(c for c in app.state.conversations if c.id != conversation.id)
    app.update(conversations=tuple(sorted((*others, conversation), key=lambda c: -c.updated)))
    shown = app.state.conversation
    if shown and shown.id == conversation.id:
        follows = conversation.leaf_id in new and not _is_occupied(app, conversation.id)
        stays = not follows and shown.leaf_id in app.state.messages
        app.update(conversation=conversation._replace(leaf_id=shown.leaf_id) if stays else conversation)
        watch_others(app)


def _is_occupied(app: App, conversation_id: str) -> bool:
    generation = app.state.generation
    return bool(app.state.editing) or (generation is not None and generation.conversation_id == conversation_id)


def watch_others(app: App) -> None:
    """Find the answers of the shown conversation that come in other tabs, and wait for the end of each."""
    shown = app.state.conversation
    own = app.live.id if app.live else ""
    coming = [m for m in app.state.messages.values() if m.status == "streaming" and m.id != own]
    ids = {message.id for message in path(app.state.messages, shown.leaf_id)} if shown and coming else set()
    here = next((message.id for message in coming if message.id in ids), "")
    if here != app.state.elsewhere:
        app.update(elsewhere=here)
    for message in coming:
        if message.id not in app.watched:
            app.watched.add(message.id)
            app.spawn(_await_end(app, message))


async def _await_end(app: App, message: Message) -> None:
    """When its tab is done with an answer, or is gone, show what there is on record."""
    try:
        await app.tabs.when_free(claim_of(message.id))
    finally:
        app.watched.discard(message.id)
    on_record = (await messages_of(app, message.conversation_id)).get(message.id)
    known = app.state.messages.get(message.id)
    if known is None or known.status != "streaming":
        return
    ended = on_record if on_record and on_record.status != "streaming" else interrupted(known)
    if len(known.text) > len(ended.text) and ended.status == "stopped":
        ended = ended._replace(text=known.text, reasoning=known.reasoning)  # it was seen here, and not yet written there
    app.update(messages={**app.state.messages, message.id: ended})
    watch_others(app)


async def _read_list_again(app: App) -> None:
    """Much has changed at once: an import."""
    found = [c for c in map(_conversation, await app.conversations.all()) if c]
    app.update(conversations=tuple(found))


async def _messages_deleted(app: App, gone: frozenset[str]) -> None:
    await _give_up_own(app, gone)
    app.unwritten.forget(*gone)
    shown = app.state.conversation
    if shown is None or not gone & set(app.state.messages):
        return
    leaf = shown.leaf_id
    while leaf in gone and leaf in app.state.messages:
        leaf = app.state.messages[leaf].parent_id
    left = {key: message for key, message in app.state.messages.items() if key not in gone}
    editing = "" if app.state.editing in gone else app.state.editing
    app.update(messages=left, conversation=shown._replace(leaf_id=leaf), editing=editing)
    watch_others(app)


async def _conversation_deleted(app: App, conversation_id: str) -> None:
    if app.live and app.live.conversation_id == conversation_id:
        await app.cancel_and_wait(app.answering)
        await app.conversations.take([conversation_id])  # the end of the answer was written meanwhile
        app.live = None
    app.unwritten.forget(conversation_id)
    app.update(conversations=tuple(c for c in app.state.conversations if c.id != conversation_id))
    if app.state.conversation and app.state.conversation.id == conversation_id:
        app.update(conversation=None, messages={}, editing="", elsewhere="")
        app.page.replace_route("#/chat")
        app.say("This conversation was deleted in another tab")


async def _give_up_own(app: App, gone: frozenset[str]) -> None:
    """Stop the answer that this tab takes in when it is among what was deleted."""
    if app.live and app.live.id in gone:
        await app.cancel_and_wait(app.answering)
        await app.conversations.take_messages([app.live.id])  # its end was written meanwhile
        app.live = None

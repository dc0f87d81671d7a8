"""The queue of a conversation: messages that were sent while an answer came, and go one by one when it is done."""

import asyncio

from modeltab.actions import drafts
from modeltab.actions.app import App, UiEvent
from modeltab.actions.sending import begun, begun_elsewhere, post, title_text
from modeltab.domain.messages import Conversation, Message, Messages
from modeltab.state.records import UnreadableError, message_from_json
from modeltab.state.updates import model_of
from modeltab.state.writing import NEW_CHAT, Attachment, Queued

#: Why a queue waits, by how the answer before it ended.
REASONS = {"stopped": "The answer was stopped.", "error": "The answer failed."}


def put(app: App, text: str, attachments: tuple[Attachment, ...]) -> None:
    """Let a message wait for the answer that is coming."""
    item = Queued(app.new_id(), app.box, text, attachments)
    app.update(queue=(*app.state.queue, item))
    drafts.clear_box(app)
    app.say("Your message is in the queue")
    work(app)


def remove(app: App, event: UiEvent) -> None:
    """Take a message out of the queue. Its text goes back into the message box when that is empty, so as not to be lost."""
    item = _item(app, event.id)
    if item is None:
        return
    _set(app, item, None)
    if not app.page.value(drafts.BOX).strip() and not app.state.attachments:
        app.page.set_value(drafts.BOX, item.text)
        app.update(attachments=item.attachments, typed=len(item.text))
        drafts.touch(app)
        app.say("Taken out of the queue; its text is in the message box")
    else:
        app.say("Taken out of the queue")


def edit(app: App, event: UiEvent) -> None:
    """Open a message of the queue for editing; until that is over, it does not go."""
    app.update(editing=event.id)
    app.page.focus(f"queued-{event.id}")


def cancel_edit(app: App, event: UiEvent) -> None:
    """Leave the message as it was."""
    app.update(editing="", dialog=None)
    app.page.focus_control("queue.edit", event.id)
    work(app)


def save_edit(app: App, event: UiEvent) -> None:
    """Keep the edited text."""
    item, text = _item(app, event.id), event.values.get("text", "").strip()
    if item is None or not (text or item.attachments):
        return
    app.update(editing="")
    _set(app, item, item._replace(text=text))
    app.page.focus(drafts.BOX)
    work(app)


def send_now(app: App, event: UiEvent) -> None:
    """Send a message of the queue at once: an answer that is coming is stopped."""
    item = _item(app, event.id)
    if item is None:
        return
    app.update(editing="")
    _set(app, item, item._replace(waits="", urgent=True))
    app.cancel(app.answering)
    work(app)


def resume(app: App, event: UiEvent) -> None:
    """Let the queue that waits go on."""
    app.update(queue=tuple(q._replace(waits="") if q.place == app.box else q for q in app.state.queue))
    work(app)


def work(app: App) -> None:
    """See to the queue, until nothing in it can go by itself."""
    if app.working_queue is None or app.working_queue.done():
        app.working_queue = app.spawn(_work(app))


async def _work(app: App) -> None:
    while True:
        if app.answering:
            await asyncio.wait([app.answering])
            _after(app)
            continue
        item = _next(app)
        if item is None:
            return
        await _go(app, item)


def _after(app: App) -> None:
    """An answer has ended. Not well, unless for a message that goes next: what is queued behind it waits."""
    ended = app.live
    if ended is None or ended.status not in REASONS or any(item.urgent for item in app.state.queue):
        return
    if any(item.place == ended.conversation_id for item in app.state.queue):
        hold(app, ended.conversation_id, REASONS[ended.status])


def hold(app: App, place: str, reason: str) -> None:
    """Let the queue of a conversation wait, and say so."""
    app.update(
        queue=tuple(q._replace(waits=q.waits or reason, urgent=False) if q.place == place else q for q in app.state.queue)
    )
    app.say(f"{reason} The queue waits")


def _next(app: App) -> Queued | None:
    """The message that goes next: an urgent one, or the first of a conversation whose queue does not wait."""
    blocked: set[str] = set()
    ready = []
    for item in app.state.queue:
        if item.urgent:
            return item
        if item.waits or app.state.editing == item.id:
            blocked.add(item.place)
        elif item.place not in blocked:
            ready.append(item)
    return ready[0] if ready else None


async def _go(app: App, item: Queued) -> None:
    model = model_of(app.state, app.state.settings.model)
    if model is None:
        hold(app, item.place, "The chosen model is not there.")
        return
    if any(a.is_unread for a in item.attachments):
        await drafts.fill(app)
    found = await _conversation(app, item)
    item = _item(app, item.id) or item
    if app.answering or item not in app.state.queue:
        return  # something else has begun meanwhile, or it was taken out
    if found is None:
        hold(app, item.place, "Its conversation is not there.")
        return
    conversation, messages = found
    app.update(queue=tuple(q for q in app.state.queue if q.id != item.id))
    shown = app.state.conversation
    if conversation is None:
        name = title_text(item.text, item.attachments)
        is_shown = app.box == NEW_CHAT
        conversation = begun(app, name) if is_shown else begun_elsewhere(app, name)
        post(app, conversation, item.text, item.attachments, model, None if is_shown else {})
    elif shown and shown.id == conversation.id:
        post(app, shown, item.text, item.attachments, model)
    else:
        post(app, conversation, item.text, item.attachments, model, messages)
    drafts.renew(app, conversation.id)


async def _conversation(app: App, item: Queued) -> tuple[Conversation | None, Messages] | None:
    """The conversation that a message goes to, None in its place where it has not begun, with its messages; None when gone."""
    shown = app.state.conversation
    if item.place == NEW_CHAT:
        return None, {}
    if shown and shown.id == item.place:
        return shown, app.state.messages
    found = next((c for c in app.state.conversations if c.id == item.place), None)
    if found is None:
        return None
    messages = [_message(record) for record in await app.conversations.messages(item.place)]
    latest = next((c for c in app.state.conversations if c.id == item.place), found)
    return latest, {m.id: m for m in messages if m}


def _message(record: object) -> Message | None:
    try:
        return message_from_json(record)
    except UnreadableError:
        return None


def _item(app: App, id_: str) -> Queued | None:
    return next((item for item in app.state.queue if item.id == id_), None)


def _set(app: App, item: Queued, new: Queued | None) -> None:
    kept = (new if q.id == item.id else q for q in app.state.queue)
    app.update(queue=tuple(q for q in kept if q))
    drafts.renew(app, item.place)

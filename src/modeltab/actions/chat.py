"""What a person does in a conversation: send, stop, ask again, edit, continue, branch."""

from modeltab.actions import commands, drafts, queue
from modeltab.actions.answer import answer, set_conversation
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.actions.conversations import show
from modeltab.actions.keeping import keep
from modeltab.actions.keys import ensure_unlocked
from modeltab.actions.sending import begun, post, title_text
from modeltab.domain.errors import KeysLocked, ModelTabError
from modeltab.domain.messages import Conversation, Message, newest_leaf, path, versions
from modeltab.domain.models import Model, split_key
from modeltab.state.shortcuts import EDIT_LAST, SEND
from modeltab.state.updates import connection, connection_name, model_of, with_message


def send(app: App, event: UiEvent) -> None:
    """Send what stands in the message box. It is emptied only when it is in the conversation, or in the queue."""
    text = app.page.value("message").strip()
    attachments = app.state.attachments
    if commands.take(app, text) or not (text or attachments):
        return
    if app.state.generation:
        queue.put(app, text, attachments)
        return
    if _is_answering(app):
        return
    if not _is_settled(app):
        app.spawn(_send_when_settled(app, event))
        return
    if _waits_for_key(app):
        app.spawn(_send_when_unlocked(app, event))
        return
    model = _chosen_model(app)
    if model is None:
        return
    conversation = app.state.conversation or begun(app, title_text(text, attachments))
    drafts.clear_box(app)
    post(app, conversation, text, attachments, model)


def _waits_for_key(app: App) -> bool:
    """Whether the chosen model is not listed only because the key of its connection is locked."""
    connection_id = split_key(app.state.settings.model)[0]
    is_listed = model_of(app.state, app.state.settings.model) is not None
    return not is_listed and app.keys.locked and bool(app.keys.origin(connection_id))


async def _send_when_unlocked(app: App, event: UiEvent) -> None:
    """Send, once the passphrase is typed. Until then the message stays in its box."""
    connection_id = split_key(app.state.settings.model)[0]
    await ensure_unlocked(app, app.connection(connection_id))
    await refresh(app, connection_id)
    send(app, event)


def _is_settled(app: App) -> bool:
    """Whether the chosen model's connection has been asked, the address's conversation is shown, and its files are read."""
    connection_id = split_key(app.state.settings.model)[0]
    asked = connection_id in app.state.models or connection(app.state, connection_id) is None
    shown = app.state.conversation.id if app.state.conversation else ""
    read = not any(item.is_unread for item in app.state.attachments)
    return asked and read and app.state.route.id in ("", shown)


async def _send_when_settled(app: App, event: UiEvent) -> None:
    """Send, after bringing what is missing: pressing Send is the click that a connection may be asked by."""
    await refresh(app, split_key(app.state.settings.model)[0])
    await show(app, app.state.route)
    await drafts.fill(app)
    if _is_settled(app):
        send(app, event)


def _is_answering(app: App) -> bool:
    """Whether an answer is coming, which is told: there is one at a time."""
    if app.state.generation:
        app.alert(ModelTabError("An answer is still coming.", "Stop it, or wait for its end, then try again."))
    elif app.state.elsewhere:
        app.alert(ModelTabError("An answer is coming in another tab.", "Stop it, or wait for its end, then try again."))
    return bool(app.state.generation or app.state.elsewhere)


def composer_key(app: App, event: UiEvent) -> bool:
    """Enter sends, ArrowUp in an empty box edits the last message; Shift+Enter, and composed text, stay the browser's."""
    if commands.key(app, event.key):
        return True
    if event.key == EDIT_LAST and not event.value:
        return edit_last(app)
    if event.key != SEND:
        return False
    send(app, event)
    return True


def composer_input(app: App, event: UiEvent) -> None:
    """Something was typed into the message box."""
    drafts.touch(app)
    commands.typed(app, event.value)


def stop(app: App, event: UiEvent) -> None:
    """Stop the answer that is coming, here or in another tab. Its text stays."""
    if app.state.generation is None and app.state.elsewhere:
        app.tabs.tell({"kind": "stop", "message_id": app.state.elsewhere})
    app.cancel(app.answering)


def regenerate(app: App, event: UiEvent) -> None:
    """Answer again, beside the answer that is there."""
    message = app.state.messages.get(event.id)
    conversation = app.state.conversation
    if message is None or conversation is None or message.parent_id is None or _is_answering(app):
        return
    model = _chosen_model(app)
    if model is not None:
        answer(app, conversation, app.state.messages[message.parent_id], model)


def continue_(app: App, event: UiEvent) -> None:
    """Go on where an answer was cut off, in a new version beside it."""
    begun = app.state.messages.get(event.id)
    conversation = app.state.conversation
    if begun is None or conversation is None or begun.parent_id is None or _is_answering(app):
        return
    model = _chosen_model(app)
    if model is not None and app.provider(model.connection_id).capabilities.continues:
        answer(app, conversation, app.state.messages[begun.parent_id], model, begun)


async def branch(app: App, event: UiEvent) -> None:
    """Begin a conversation of its own with the messages up to this one."""
    conversation = app.state.conversation
    if conversation is None or event.id not in app.state.messages:
        return
    copies: list[Message] = []
    now = app.clock()
    own = Conversation(app.new_id(), conversation.title, now, now)
    for message in path(app.state.messages, event.id):
        parent = copies[-1].id if copies else None
        status = "stopped" if message.status == "streaming" else message.status  # the copy of what is still coming ends here
        copies.append(message._replace(id=app.new_id(), conversation_id=own.id, parent_id=parent, status=status))
    own = own._replace(leaf_id=copies[-1].id)
    await keep(app, own, *copies)
    app.update(conversations=(own, *app.state.conversations))
    app.page.go(f"#/chat/{own.id}")
    app.say("This is a copy of the conversation up to that message")


def edit(app: App, event: UiEvent) -> None:
    """Open a message for editing."""
    app.edits_from_box = False
    _open_editor(app, event.id)


def edit_last(app: App) -> bool:
    """Open the last message of the person for editing; False when there is none."""
    shown = path(app.state.messages, app.state.conversation.leaf_id) if app.state.conversation else ()
    last = next((message for message in reversed(shown) if message.role == "user"), None)
    if last is None:
        return False
    app.edits_from_box = True
    _open_editor(app, last.id)
    return True


def _open_editor(app: App, message_id: str) -> None:
    app.update(editing=message_id)
    app.page.focus(f"edit-{message_id}")


def cancel_edit(app: App, event: UiEvent) -> None:
    """Close the editor; the message stays as it was. The focus goes back to where the editor was opened."""
    app.update(editing="", dialog=None)
    if app.edits_from_box:
        app.page.focus("message")
    else:
        app.page.focus_control("message.edit", event.id)


def save_edit(app: App, event: UiEvent) -> None:
    """Send the edited text, as a new version beside the old one."""
    message = app.state.messages.get(event.id)
    conversation = app.state.conversation
    text = event.values.get("text", "").strip()
    if message is None or conversation is None or not text or _is_answering(app):
        return
    model = _chosen_model(app)
    if model is None:
        return
    version = Message(app.new_id(), conversation.id, message.parent_id, "user", text, app.clock(), images=message.images)
    app.update(**with_message(app.state, version), editing="")
    app.page.focus("message")
    answer(app, conversation, version, model)


def show_version(app: App, event: UiEvent) -> None:
    """Show another version of a message, with what followed it. The focus stays on the way on, or goes to the way back."""
    conversation = app.state.conversation
    message = app.state.messages.get(event.id)
    if conversation is None or message is None:
        return
    siblings = [m.id for m in versions(app.state.messages, message)]
    shown = {m.id for m in path(app.state.messages, conversation.leaf_id)}
    place = siblings.index(event.id)
    before = next((n for n, id_ in enumerate(siblings) if id_ in shown), place)
    onward = place + (place - before)
    app.page.focus_control("message.version", siblings[onward if 0 <= onward < len(siblings) else before])
    set_conversation(app, conversation._replace(leaf_id=newest_leaf(app.state.messages, event.id)))
    app.spawn(keep(app, app.state.conversation))


async def copy(app: App, event: UiEvent) -> None:
    """Copy a message's text."""
    message = app.state.messages.get(event.id)
    if message:
        await app.page.copy(message.text)
        app.say("Copied")


def _chosen_model(app: App) -> Model | None:
    """The model that answers. Without one, the person is told what to do, and nothing is lost."""
    model = model_of(app.state, app.state.settings.model)
    if model is None:
        connection_id, name = split_key(app.state.settings.model)
        if _waits_for_key(app):
            app.alert(KeysLocked("The keys are locked.", "Unlock them on the Connections page, then try again."))
        elif name:
            where = connection_name(app.state, connection_id)
            app.alert(
                ModelTabError(f"{name} is not there now.", f"Choose another model, or look at {where} on the Connections page.")
            )
        else:
            app.alert(ModelTabError("No model is chosen.", "Choose one above the conversation; your message is kept."))
        return None
    return model

"""What a person does in a conversation: send, stop, ask again, edit, continue, branch, delete."""

import hashlib

from modeltab.actions.answer import answer, new_conversation, set_conversation
from modeltab.actions.app import App, TextFile, UiEvent
from modeltab.actions.connections import refresh
from modeltab.actions.conversations import show
from modeltab.actions.keeping import keep
from modeltab.actions.keys import ensure_unlocked
from modeltab.domain.errors import KeysLocked, ModelTabError
from modeltab.domain.images import HEAD_BYTES, MAX_IMAGE_BYTES, media_type_of
from modeltab.domain.messages import Conversation, ImageRef, Message, newest_leaf, path, subtree
from modeltab.domain.models import Model, split_key
from modeltab.state.store import Attachment, Dialog
from modeltab.state.updates import connection, connection_name, model_of, with_message

#: A text file larger than this would fill any context.
MAX_ATTACHMENT_BYTES = 1_000_000


def send(app: App, event: UiEvent) -> None:
    """Send what stands in the message box. It is emptied only when the message is safely in the conversation."""
    text = app.page.value("message").strip()
    attachments = app.state.attachments
    if not (text or attachments) or _is_answering(app):
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
    conversation = app.state.conversation or new_conversation(app, text or attachments[0].name)
    message = Message(
        app.new_id(),
        conversation.id,
        conversation.leaf_id,
        "user",
        with_attachments(text, attachments),
        app.clock(),
        images=tuple(a.image for a in attachments if a.image),
    )
    app.update(**with_message(app.state, message), attachments=())
    app.page.set_value("message", "")
    answer(app, conversation, message, model)


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
    """Whether the chosen model's connection has been asked, and the conversation of the address is the one that is shown."""
    connection_id = split_key(app.state.settings.model)[0]
    asked = connection_id in app.state.models or connection(app.state, connection_id) is None
    shown = app.state.conversation.id if app.state.conversation else ""
    return asked and app.state.route.id in ("", shown)


async def _send_when_settled(app: App, event: UiEvent) -> None:
    """Send, after bringing what is missing: pressing Send is the click that a connection may be asked by."""
    await refresh(app, split_key(app.state.settings.model)[0])
    await show(app, app.state.route)
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
    if event.key == "ArrowUp" and not event.value:
        return edit_last(app)
    if event.key != "Enter":
        return False
    send(app, event)
    return True


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
    app.update(editing=event.id)
    app.page.focus(f"edit-{event.id}")


def edit_last(app: App) -> bool:
    """Open the last message of the person for editing; False when there is none."""
    shown = path(app.state.messages, app.state.conversation.leaf_id) if app.state.conversation else ()
    last = next((message for message in reversed(shown) if message.role == "user"), None)
    if last is None:
        return False
    app.update(editing=last.id)
    app.page.focus(f"edit-{last.id}")
    return True


def cancel_edit(app: App, event: UiEvent) -> None:
    """Close the editor; the message stays as it was."""
    app.update(editing="")


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
    answer(app, conversation, version, model)


def show_version(app: App, event: UiEvent) -> None:
    """Show another version of a message, with what followed it."""
    conversation = app.state.conversation
    if conversation is None or event.id not in app.state.messages:
        return
    set_conversation(app, conversation._replace(leaf_id=newest_leaf(app.state.messages, event.id)))
    app.spawn(keep(app, app.state.conversation))


async def copy(app: App, event: UiEvent) -> None:
    """Copy a message's text."""
    message = app.state.messages.get(event.id)
    if message:
        await app.page.copy(message.text)
        app.say("Copied")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a message is deleted."""
    count = len(subtree(app.state.messages, event.id))
    note = "This deletes the message." if count == 1 else f"This deletes the message and the {count - 1} that follow from it."
    values = {"title": "Delete message?", "confirm": "Delete", "action": "message.delete"}
    app.update(dialog=Dialog("confirm", event.id, values, note))


async def delete(app: App, event: UiEvent) -> None:
    """Delete a message and what follows from it."""
    message, conversation = app.state.messages.get(event.id), app.state.conversation
    app.update(dialog=None)
    if message is None or conversation is None:
        return
    gone = subtree(app.state.messages, event.id)
    if app.live and app.live.id in gone:
        await app.cancel_and_wait(app.answering)
        app.live = None
    messages = {key: value for key, value in app.state.messages.items() if key not in gone}
    siblings = [m for m in messages.values() if m.parent_id == message.parent_id]
    if siblings:
        leaf: str | None = newest_leaf(messages, max(siblings, key=lambda m: m.created).id)
    else:
        leaf = message.parent_id
    app.update(messages=messages)
    set_conversation(app, conversation._replace(leaf_id=leaf))
    app.unkept.forget(*gone)
    await app.conversations.delete_messages(list(gone))
    await keep(app, app.state.conversation)


async def attach(app: App, event: UiEvent) -> None:
    """Put text files and images beside the message box, to go with the next message."""
    for file in event.files:
        media_type = media_type_of(await file.read(0, HEAD_BYTES))
        try:
            item = await (_image(app, file, media_type) if media_type else _text(app, file))
        except ModelTabError as error:
            app.alert(error)  # the others go along all the same
        else:
            app.update(attachments=(*app.state.attachments, item))


async def _text(app: App, file: TextFile) -> Attachment:
    if file.size > MAX_ATTACHMENT_BYTES:
        raise ModelTabError(f"{file.name} is too large to go with a message.", "Attach text files up to 1 MB.")
    if b"\0" in await file.read(0, 4096):
        raise ModelTabError(f"{file.name} is neither text nor an image.", "Attach text, code, CSV, PNG, JPEG and the like.")
    return Attachment(app.new_id(), file.name, await file.text())


async def _image(app: App, file: TextFile, media_type: str) -> Attachment:
    facts = app.state.facts.get(split_key(app.state.settings.model)[0])
    if facts and not facts.capabilities.images:
        name = split_key(app.state.settings.model)[1]
        raise ModelTabError(f"{name} takes no images.", "Choose a model that sees, then attach the image again.")
    if file.size > MAX_IMAGE_BYTES:
        raise ModelTabError(f"{file.name} is too large to go with a message.", "Attach images up to 20 MB.")
    content = await file.content()
    image = ImageRef(hashlib.sha256(content).hexdigest(), media_type, file.name, len(content))
    await app.images.add(image.digest, content)
    return Attachment(app.new_id(), file.name, image=image)


def pick_attachment(app: App, event: UiEvent) -> None:
    """Open the file picker."""
    app.page.click("attach-input")


def remove_attachment(app: App, event: UiEvent) -> None:
    """Take a file away again."""
    app.update(attachments=tuple(a for a in app.state.attachments if a.id != event.id))


def with_attachments(text: str, attachments: tuple[Attachment, ...]) -> str:
    """A message's text, after the text files that go with it."""
    blocks = [f"{a.name}:\n```\n{a.text.rstrip()}\n```" for a in attachments if not a.image]
    return "\n\n".join([*blocks, text] if text else blocks)


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

"""Conversations that leave: one as a file or a link, everything as an archive or into a folder. Keys stay here."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import ModelTabError, TooLarge
from modeltab.domain.exchange import Thread
from modeltab.domain.messages import Message, path
from modeltab.exchange import archive, link, markdown
from modeltab.exchange.zip_writer import ZipWriter
from modeltab.state.records import Record, UnreadableError, config_to_json, message_from_json, message_to_json
from modeltab.state.store import Dialog
from modeltab.views import exported

#: After how many conversations the page tells how far it is.
_TELL_EVERY = 20


def open_(app: App, event: UiEvent) -> None:
    """Ask how the conversation is to be exported."""
    conversation = app.state.conversation
    if conversation:
        app.update(dialog=Dialog("export", conversation.id))


async def save(app: App, event: UiEvent) -> None:
    """Save the conversation of the dialog as a file: `event.id` is "md", "html" or "json"."""
    thread = await _thread(app)
    images = await _images(app, thread)
    title = app.keys.hide(thread.conversation.title)
    if event.id == "json":
        content, media_type = [archive.alone(thread, images, app.keys.hide)], "application/json"
    else:
        conversation = thread.conversation._replace(title=title)
        shown = [_without_keys(app, message) for message in _shown(thread)]
        types = {image.digest: image.media_type for message in thread.messages for image in message.images}
        urls = {key: f"data:{types[key]};base64,{base64.b64encode(data).decode()}" for key, data in images.items()}
        as_page = event.id == "html"
        text = exported.page(conversation, shown, urls) if as_page else markdown.document(conversation, shown, urls)
        content, media_type = [text.encode("utf-8", "replace")], "text/html" if as_page else "text/markdown"
    name = markdown.file_name(title, event.id)
    app.page.save_file(name, content, media_type)
    app.update(dialog=None)
    app.say(f"Saved as {name}")


async def copy_link(app: App, event: UiEvent) -> None:
    """Copy a link that has the shown messages of the dialog's conversation in itself."""
    thread = await _thread(app)
    shown = [_without_keys(app, message) for message in _shown(thread)]
    address = ""
    for with_reasoning in (True, False):
        value = link.shared(app.keys.hide(thread.conversation.title), shown, with_reasoning)
        address = app.page.address(link.ROUTE + link.packed(value))
        if len(address) <= link.MAX_LINK:
            break
    else:
        raise TooLarge(
            f"The conversation is too long for a link: it would have {len(address):,} characters, and more than "
            f"{link.MAX_LINK:,} get lost on the way.",
            "Save it as an HTML file and send that.",
        )
    await app.page.copy(address)
    app.update(dialog=None)
    left_out = [] if with_reasoning or not any(message.reasoning for message in shown) else ["the reasoning"]
    left_out += ["the images"] if any(message.images for message in shown) else []
    app.say("The link is copied" + (f", without {' and '.join(left_out)}" if left_out else ""))


async def everything(app: App, event: UiEvent) -> None:
    """Everything but models and keys, as one ZIP archive."""
    if app.state.exchange.working:
        return
    writer = ZipWriter()
    chunks: list[bytes] = []
    try:
        async for piece in _pieces(app):
            writer.add(piece)
            chunks += writer.take()
    finally:
        _work(app, "")
    day = datetime.fromtimestamp(app.clock(), UTC).strftime("%Y-%m-%d")
    app.page.save_file(f"modeltab-{day}.zip", [*chunks, *writer.finish()], "application/zip")
    app.say("The data is exported")


async def back_up(app: App, event: UiEvent) -> None:
    """The same files into a folder that the person chooses. A file is replaced only when its successor is whole."""
    if app.state.exchange.working:
        return
    folder = await app.page.pick_folder()
    if folder is None:
        return
    try:
        async for piece in _pieces(app):
            await folder.write(piece.name, piece.content)
        await folder.finish()
    finally:
        _work(app, "")
    app.say(f"Backed up to the folder {folder.name}")


async def _pieces(app: App) -> AsyncIterator[archive.Piece]:
    """The archive's files, telling how far it is."""
    conversations = await app.conversations.all()
    config = config_to_json((*app.state.connections, *app.foreign), app.state.settings)
    _work(app, "Exporting…")
    done = 0

    async def messages(conversation_id: str) -> list[Record]:
        nonlocal done
        done += 1
        if done % _TELL_EVERY == 0:
            _work(app, f"Exporting: {done} of {len(conversations)} conversations")
            await asyncio.sleep(0)
        return await app.conversations.messages(conversation_id)

    compared = await app.comparisons.all()
    async for piece in archive.pieces(
        config, conversations, messages, app.images.read, compared, app.comparisons.answers, app.keys.hide
    ):
        yield piece


def _work(app: App, words: str) -> None:
    app.update(exchange=app.state.exchange._replace(working=words))


async def _thread(app: App) -> Thread:
    """The conversation of the dialog. One that is shown is taken as it is now. :raises ModelTabError: when it is gone."""
    id_ = app.state.dialog.subject if app.state.dialog else ""
    conversation = next((c for c in (app.state.conversation, *app.state.conversations) if c and c.id == id_), None)
    if conversation is None:
        raise ModelTabError("That conversation is no longer there.", "Choose another one.")
    if app.state.conversation and app.state.conversation.id == id_:
        return Thread(app.state.conversation, tuple(app.state.messages.values()))
    return Thread(conversation, tuple([m for m in map(_message, await app.conversations.messages(id_)) if m]))


def _message(record: object) -> Message | None:
    try:
        return message_from_json(record)
    except UnreadableError:
        return None


def _shown(thread: Thread) -> tuple[Message, ...]:
    return path({message.id: message for message in thread.messages}, thread.conversation.leaf_id)


def _without_keys(app: App, message: Message) -> Message:
    return message_from_json(archive.hidden(message_to_json(message), app.keys.hide))


async def _images(app: App, thread: Thread) -> dict[str, bytes]:
    """The images of a conversation that are still there, by digest."""
    digests = dict.fromkeys(image.digest for message in thread.messages for image in message.images)
    found = {digest: await app.images.read(digest) for digest in digests}
    return {digest: content for digest, content in found.items() if content is not None}

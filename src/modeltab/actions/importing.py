"""Conversations that come in: from ModelTab's own archives and from other apps' exports, and from a link.

First the files are read and a person sees what is in them; then it is added. Nothing that is here is overwritten, and
what is here already is not added again.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from modeltab.actions.app import App, UiEvent
from modeltab.actions.keeping import keep
from modeltab.domain.comparisons import Compared
from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, ModelTabError
from modeltab.domain.exchange import ImportPreview, Shared, Thread
from modeltab.domain.images import media_type_of
from modeltab.domain.messages import Conversation, Message, Role
from modeltab.domain.prompts import named
from modeltab.exchange import link
from modeltab.exchange.recognise import Source, read
from modeltab.exchange.tree import own_id
from modeltab.exchange.values import Load, Reading
from modeltab.state.comparisons import comparison_to_json
from modeltab.state.records import UnreadableError, conversation_to_json, message_to_json
from modeltab.state.store import Dialog, Settings, State

_TELL_EVERY = 20
_FORMATS = "Choose an export of ModelTab, ChatGPT, Open WebUI, llama.cpp or NextChat, as it was saved: .zip, .json or .jsonl."


def pick(app: App, event: UiEvent) -> None:
    """Open the file picker."""
    app.page.click("import-input")


def pick_folder(app: App, event: UiEvent) -> None:
    """Open the picker of a folder that was backed up to."""
    app.page.click("import-folder")


async def look(app: App, event: UiEvent) -> None:
    """Read the chosen files, and show what is in them."""
    if not event.files:
        return
    name = event.files[0].name if len(event.files) == 1 else f"{len(event.files)} files"
    _show(app, ImportPreview(name))
    app.update(dialog=Dialog("import", busy=True))
    try:
        found = await read([Source(file.name, file.size, file.read) for file in event.files])
    except (UnreadableError, ModelTabError) as error:
        _close(app)
        if isinstance(error, ModelTabError):
            raise
        raise BadRequest(f"{name} cannot be imported: {error}.", _FORMATS) from None
    if not _is_open(app):
        return  # closed while it was being read
    known = {record["id"] for record in await app.conversations.all()}
    app.found = found
    _show(app, _preview(app, name, found, known))
    app.update(dialog=Dialog("import", revision=1))


async def start(app: App, event: UiEvent) -> None:
    """Add what the person has seen."""
    found, preview = app.found, app.state.exchange.preview
    if found is None or preview is None or preview.done is not None:
        return
    problems: list[str] = []
    try:
        count = await _add_all(app, found, problems)
        await _add_comparisons(app, found.compared)
    finally:
        _close(app)
    connections = _new_connections(app, found)
    if connections:
        app.set_connections((*app.state.connections, *connections))
    if found.settings:
        _take_settings(app, found.settings, whole=bool(event.values.get("settings")))
    app.say("1 conversation is imported" if count == 1 else f"{count} conversations are imported")
    if problems:
        raise BadRequest(f"{_parts(len(problems), preview.file)} missing.", "The rest is here.", "\n".join(problems))


def close(app: App) -> None:
    """Forget the files that were about to be imported."""
    app.found = None
    if app.state.exchange.preview:
        app.update(exchange=app.state.exchange._replace(preview=None))


def _close(app: App) -> None:
    close(app)
    if _is_open(app):
        app.update(dialog=None)


def _is_open(app: App) -> bool:
    return app.state.dialog is not None and app.state.dialog.name == "import"


def _show(app: App, preview: ImportPreview) -> None:
    app.update(exchange=app.state.exchange._replace(preview=preview))


def _preview(app: App, name: str, found: Reading, known: set[str]) -> ImportPreview:
    messages = [message for thread in found.threads for message in thread.messages]
    images = {image.digest for message in messages for image in message.images}
    return ImportPreview(
        name,
        found.source,
        len(found.threads),
        len(messages),
        len(images & found.images.keys()),
        sum(thread.conversation.id in known for thread in found.threads),
        tuple(connection.name for connection in _new_connections(app, found)),
        found.settings is not None,
        app.state.settings._replace(model="") == Settings(),
        found.problems,
        comparisons=len(found.compared),
    )


def _new_connections(app: App, found: Reading) -> tuple[Connection, ...]:
    """Those that are not here yet, of types that can be added."""
    ids = {c.id for c in app.state.connections}
    types = {t.name for t in app.registry.types if not t.permanent}
    return tuple(c for c in found.connections if c.id not in ids and c.type in types)


def _take_settings(app: App, theirs: Settings, whole: bool) -> None:
    """Prompts and presets come beside those that are here; the other settings only where the person wants them."""
    ours = app.state.settings
    prompts, presets = _joined(ours.prompts, theirs.prompts), _joined(ours.presets, theirs.presets)
    # What code may do here is allowed by a person, not by a file.
    theirs = theirs._replace(model=theirs.model or ours.model, code_uses_models=ours.code_uses_models)
    settings = theirs if whole else ours
    app.update(settings=settings._replace(prompts=prompts, presets=presets))
    app.save_config()
    app.page.set_theme(settings.theme)


def _joined(own: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those of an export beside the own; one that has the name of another here is told apart by its name."""
    found = own
    for item in theirs:
        if item not in found:
            found = (*found, item if named(found, item.name) is None else item._replace(name=f"{item.name} (imported)"))
    return found


def _parts(count: int, file: str) -> str:
    return f"1 part of {file} is" if count == 1 else f"{count} parts of {file} are"


async def _add_all(app: App, found: Reading, problems: list[str]) -> int:
    """Add the conversations; how many were new or have grown. Each is kept whole before the next, so a failure loses none."""
    records = {record["id"]: record for record in await app.conversations.all()}
    images: dict[str, bool] = {}
    count = 0
    for number, thread in enumerate(found.threads):
        if number % _TELL_EVERY == 0 and app.state.exchange.preview:
            _show(app, app.state.exchange.preview._replace(done=number))
        added = await _added(app, thread, thread.conversation.id in records)
        if added:
            await _add_images(app, added, found.images, images, problems)
            await app.conversations.save(
                conversation_to_json(added.conversation), *(message_to_json(message) for message in added.messages)
            )
            app.update(**_with_thread(app.state, added))
            count += 1
    return count


async def _add_comparisons(app: App, compared: tuple[Compared, ...]) -> None:
    """Add the comparisons that are not here yet, each with its answers."""
    here = {record["id"] for record in await app.comparisons.all()}
    for comparison, answers in compared:
        if comparison.id not in here:
            await app.comparisons.save(comparison_to_json(comparison), *map(message_to_json, answers))
            others = tuple(c for c in app.state.comparisons if c.id != comparison.id)
            app.update(comparisons=tuple(sorted((*others, comparison), key=lambda c: -c.updated)))


async def _added(app: App, thread: Thread, is_known: bool) -> Thread | None:
    """What of a conversation is not here yet, None when all of it is.

    A message whose id another conversation has here gets an id of its own, the same each time.
    """
    conversation = thread.conversation
    here = {record["id"] for record in await app.conversations.messages(conversation.id)} if is_known else set()
    ids = [message.id for message in thread.messages]
    elsewhere = set(await app.conversations.taken(ids)) - here
    own = {id_: own_id(conversation.id, id_) if id_ in elsewhere else id_ for id_ in ids}
    new = tuple(
        message._replace(
            id=own[message.id], parent_id=own.get(message.parent_id or "", message.parent_id), conversation_id=conversation.id
        )
        for message in thread.messages
        if own[message.id] not in here
    )
    leaf = own.get(conversation.leaf_id or "", conversation.leaf_id)
    if not is_known:
        return Thread(conversation._replace(leaf_id=leaf), new)
    known = next((c for c in app.state.conversations if c.id == conversation.id), None)
    if not new or known is None:
        return None
    if conversation.updated > known.updated:  # it went on elsewhere
        known = known._replace(leaf_id=leaf or known.leaf_id, updated=conversation.updated)
    return Thread(known, new)


def _with_thread(state: State, added: Thread) -> dict[str, object]:
    """The changes of the state: the list, and the conversation that is shown when it is this one."""
    others = [c for c in state.conversations if c.id != added.conversation.id]
    changes: dict[str, object] = {
        "conversations": tuple(sorted((*others, added.conversation), key=lambda c: -c.updated)),
    }
    if state.conversation and state.conversation.id == added.conversation.id:
        changes["conversation"] = added.conversation
        changes["messages"] = {**state.messages, **{message.id: message for message in added.messages}}
    return changes


async def _add_images(app: App, thread: Thread, images: Mapping[str, Load], done: dict[str, bool], problems: list[str]) -> None:
    """Keep the images of new messages; those that are missing, or not what they should be, are told."""
    for image in (image for message in thread.messages for image in message.images):
        if image.digest not in done:
            done[image.digest] = await _add_image(app, image.digest, images)
        if not done[image.digest]:
            problems.append(f"The image {image.name} of “{thread.conversation.title}”.")


async def _add_image(app: App, digest: str, images: Mapping[str, Load]) -> bool:
    """Keep an image. Whether it is there now."""
    if digest not in images:
        return await app.images.read(digest) is not None
    try:
        content = await images[digest]()
    except UnreadableError:
        return False
    if hashlib.sha256(content).hexdigest() != digest or not media_type_of(content):
        return False
    await app.images.add(digest, content)
    return True


def open_link(app: App, text: str) -> None:
    """Show the conversation that a link holds."""
    try:
        shared = link.unpacked(text)
    except UnreadableError as error:
        shared = Shared(problem=f"This link cannot be opened: {error}.")
    app.update(exchange=app.state.exchange._replace(shared=shared))


async def keep_shared(app: App, event: UiEvent) -> None:
    """Keep a copy of the conversation of a link, and show it."""
    shared = app.state.exchange.shared
    if shared is None or not shared.messages:
        return
    now = app.clock()
    conversation = Conversation(app.new_id(), shared.title, now, now)
    messages: list[Message] = []
    roles: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
    for number, item in enumerate(shared.messages):
        parent = messages[-1].id if messages else None
        created = now + number / 1000
        role = roles[item.role]
        messages.append(
            Message(app.new_id(), conversation.id, parent, role, item.text, created, reasoning=item.reasoning, model=item.model)
        )
    conversation = conversation._replace(leaf_id=messages[-1].id)
    await keep(app, conversation, *messages)
    app.update(conversations=(conversation, *app.state.conversations))
    app.page.go(f"#/chat/{conversation.id}")
    app.say("A copy of the conversation is kept in this browser")

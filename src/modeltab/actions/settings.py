"""Settings: theme, offline only, storage; export, import and erase."""

import json
from typing import Any

from modeltab import __version__
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh_all
from modeltab.domain.errors import BadRequest
from modeltab.domain.messages import Conversation, Message
from modeltab.domain.prompts import named
from modeltab.state.records import (
    UnreadableError,
    config_from_json,
    config_to_json,
    conversation_from_json,
    conversation_to_json,
    message_from_json,
    message_to_json,
)
from modeltab.state.store import Dialog

EXPORT_FORMAT = "modeltab-export"


def set_theme(app: App, event: UiEvent) -> None:
    """Light, dark, or as the system."""
    app.set_setting(theme=event.value)
    app.page.set_theme(event.value)


async def toggle_offline(app: App, event: UiEvent) -> None:
    """Keep requests on this machine, or not."""
    app.set_setting(offline_only=not app.state.settings.offline_only)
    await refresh_all(app)


async def measure(app: App) -> None:
    """Look how full the browser's storage is."""
    app.update(storage=await app.page.storage())


async def persist(app: App, event: UiEvent) -> None:
    """Ask the browser to keep the storage."""
    granted = await app.page.persist()
    await measure(app)
    app.say(
        "The browser keeps the storage" if granted else "The browser did not agree; it may later, when the page is used more"
    )


async def export(app: App, event: UiEvent) -> None:
    """Everything but model files, as one JSON file."""
    conversations = await app.conversations.all()
    messages = [record for c in conversations for record in await app.conversations.messages(c["id"])]
    value = {
        "format": EXPORT_FORMAT,
        "modeltab": __version__,
        "config": config_to_json(app.state.connections, app.state.settings),
        "conversations": conversations,
        "messages": messages,
    }
    app.page.save_file("modeltab-export.json", json.dumps(value, ensure_ascii=False, indent=1))
    app.say("The data is exported")


def pick_import(app: App, event: UiEvent) -> None:
    """Open the file picker."""
    app.page.click("import-input")


async def import_(app: App, event: UiEvent) -> None:
    """Add what an exported file has. Nothing that is here is overwritten; nothing is added unless all of it is sound."""
    if not event.files:
        return
    file = event.files[0]
    try:
        value = json.loads(await file.text())
        if not isinstance(value, dict) or value.get("format") != EXPORT_FORMAT:
            raise UnreadableError("it is not an export of ModelTab")
        connections, theirs = config_from_json(value.get("config"))
        conversations = [conversation_from_json(record) for record in _list(value, "conversations")]
        messages = [message_from_json(record) for record in _list(value, "messages")]
    except ValueError as error:
        raise BadRequest(f"{file.name} cannot be imported: {error}.", "Choose a file that “Export data” has made.") from None
    known = await app.conversations.all()
    known_ids = {record["id"] for record in known}
    taken = {record["id"] for c in known for record in await app.conversations.messages(c["id"])}
    new = []
    for conversation in conversations:
        if conversation.id in known_ids:
            continue
        own = [m for m in messages if m.conversation_id == conversation.id]
        if any(m.id in taken for m in own):
            conversation, own = _renamed(app, conversation, own)
        await app.conversations.save(conversation_to_json(conversation), *map(message_to_json, own))
        new.append(conversation)
    app.update(conversations=tuple(sorted((*app.state.conversations, *new), key=lambda c: -c.updated)))
    ours = app.state.settings
    app.set_setting(prompts=_joined(ours.prompts, theirs.prompts), presets=_joined(ours.presets, theirs.presets))
    ids = {c.id for c in app.state.connections}
    types = {t.name for t in app.registry.types if not t.permanent}
    app.set_connections((*app.state.connections, *(c for c in connections if c.id not in ids and c.type in types)))
    app.say("1 conversation is imported" if len(new) == 1 else f"{len(new)} conversations are imported")


def _joined(own: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Prompts, or presets, with those of an export; one that has the name of another here is told apart by its name."""
    found = own
    for item in theirs:
        if item not in found:
            found = (*found, item if named(found, item.name) is None else item._replace(name=f"{item.name} (imported)"))
    return found


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise UnreadableError(f"its {name} are not a list")
    return found


def _renamed(app: App, conversation: Conversation, messages: list[Message]) -> tuple[Conversation, list[Message]]:
    """The same messages under ids of their own: theirs belong to messages that are here."""
    ids = {m.id: app.new_id() for m in messages}
    renamed = [m._replace(id=ids[m.id], parent_id=ids.get(m.parent_id or "")) for m in messages]
    return conversation._replace(leaf_id=ids.get(conversation.leaf_id or "")), renamed


def ask_erase(app: App, event: UiEvent) -> None:
    """Ask before everything is erased."""
    values = {"title": "Erase everything?", "confirm": "Erase", "action": "data.erase"}
    note = "Every conversation, model in this tab, connection, key and setting is deleted from this browser, for good."
    app.update(dialog=Dialog("confirm", "", values, note))


async def erase(app: App, event: UiEvent) -> None:
    """Delete all that the page keeps, then start anew."""
    app.update(dialog=None)
    for task in [app.answering, *app.comparing.values(), *app.transfers.values()]:
        await app.cancel_and_wait(task)
    app.config.clear()
    app.keys.clear()
    await app.conversations.clear()
    await app.comparisons.clear()
    await app.images.clear()
    app.unkept.clear()
    app.touched = False
    app.drafts.clear()
    for connection in app.state.connections:
        host = app.provider(connection.id).host
        if host is None or connection.base_url:
            continue  # what is on a server is not in this browser
        for model in await app.provider(connection.id).models():
            await host.remove(model.name)
    app.page.go("#/chat")
    app.page.reload()

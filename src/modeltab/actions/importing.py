"""Conversations that come in: from ModelTab's own archives and from other apps' exports, and from a link.

First the files are read and a person sees what is in them; then it is added. Nothing that is here is overwritten, and
what is here already is not added again.
"""


from typing import Any

from modeltab.actions.app import App, UiEvent
from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, ModelTabError
from modeltab.domain.exchange import ImportPreview
from modeltab.domain.prompts import named
from modeltab.exchange.recognise import Source, read
from modeltab.exchange.values import Reading
from modeltab.state.records import UnreadableError
from modeltab.state.store import Dialog, Settings

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
    settings = theirs._replace(model=theirs.model or ours.model) if whole else ours
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

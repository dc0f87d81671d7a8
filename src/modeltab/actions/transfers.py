"""Add models: files to a server or into the tab, and what a server brings by itself; one at a time to each place."""

import asyncio
from contextlib import aclosing
from typing import Any, Protocol

from modeltab.actions.app import App, TextFile, UiEvent
from modeltab.actions.connections import refresh
from modeltab.domain.catalogue import STARTER
from modeltab.domain.errors import ErrorRecord, ModelTabError, NotAModel, record_of
from modeltab.domain.models import model_key
from modeltab.domain.transfers import ENDED, RateMeter, Transfer
from modeltab.providers.base import ModelFile
from modeltab.state.store import Dialog
from modeltab.state.updates import model_of, running_transfers, with_transfer
from modeltab.views import format as fmt

MAGIC = b"GGUF"


class Change(Protocol):
    """Changes fields of a transfer, by name."""

    def __call__(self, **fields: Any) -> None: ...


def open_dialog(app: App, event: UiEvent) -> None:
    """Open "Add model"; files that were dropped are in it already."""
    app.chosen_files = event.files
    if app.state.dialog and app.state.dialog.name == "add-model":
        app.page.set_value("model-file", "")  # what is dropped takes the place of what was chosen
    app.update(dialog=Dialog("add-model", values={"destination": _destination(app)}, note=_describe(app, event.files)))


def _destination(app: App) -> str:
    """Where files go unless the person says otherwise: to the first place that takes them and answers."""
    facts = app.state.facts
    takes = [c.id for c in app.state.connections if facts[c.id].adds]
    takes += [c.id for c in app.state.connections if facts[c.id].downloads and not facts[c.id].adds]
    healthy = [key for key in takes if key in app.state.health and app.state.health[key].health == "healthy"]
    return (healthy or takes or [""])[0]


def choose_files(app: App, event: UiEvent) -> None:
    """Files were chosen in the dialog."""
    app.chosen_files = event.files
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values=event.values, note=_describe(app, event.files), error=None))


def choose_destination(app: App, event: UiEvent) -> None:
    """Another destination was chosen in the dialog."""
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values=event.values))


def _describe(app: App, files: tuple[TextFile, ...]) -> str:
    if not files:
        return ""
    return ", ".join(f"{file.name} ({fmt.size(file.size)})" for file in files)


def save(app: App, event: UiEvent) -> None:
    """Start the transfers."""
    dialog = app.state.dialog
    files = app.chosen_files or event.files
    if dialog is None:
        return
    destination = event.values["destination"]
    facts = app.state.facts[destination]
    source = event.values.get("source", "").strip()
    if facts.downloads and source:
        app.chosen_files = ()
        app.update(dialog=None)
        download(app, source, destination)
        return
    if not files or not facts.adds:
        error = ErrorRecord("No file is chosen.", "Choose one or several model files.")
        if not facts.adds:
            error = ErrorRecord("This connection takes no files.", f"Name a model that it can bring: {facts.downloads}.")
        app.update(dialog=dialog._replace(values=event.values, error=error))
        return
    app.chosen_files = ()
    app.update(dialog=None)
    for file in files:
        start(app, file, file.name, destination)


def add_starter(app: App, event: UiEvent) -> None:
    """Bring the starter model into the tab and choose it. Pressed again while it comes, it changes nothing."""
    facts = app.state.facts
    connection_id = next(c.id for c in app.state.connections if facts[c.id].permanent and facts[c.id].adds)
    key = model_key(connection_id, STARTER.name)
    if model_of(app.state, key):
        app.set_setting(model=key)
        return
    if all(t.name != STARTER.name for t in running_transfers(app.state)):
        start(app, app.starter(), STARTER.name, connection_id)


def start(app: App, file: ModelFile, name: str, connection_id: str) -> None:
    """Put a file into its destination's queue."""
    transfer = Transfer(app.new_id(), name, connection_id, file.size)
    app.update(**with_transfer(app.state, transfer))
    app.transfers[transfer.id] = app.spawn(_run(app, transfer, file))


def download(app: App, name: str, connection_id: str) -> None:
    """Let a connection's server bring a model by itself."""
    transfer = Transfer(app.new_id(), name, connection_id, 0, is_download=True)
    app.update(**with_transfer(app.state, transfer))
    app.transfers[transfer.id] = app.spawn(_run(app, transfer, None))


def cancel(app: App, event: UiEvent) -> None:
    """Cancel a transfer."""
    app.cancel(app.transfers.get(event.id))


def dismiss(app: App, event: UiEvent) -> None:
    """Take a transfer that has ended out of sight."""
    app.update(transfers=tuple(t for t in app.state.transfers if t.id != event.id))


async def _run(app: App, transfer: Transfer, file: ModelFile | None) -> None:
    """One transfer from its place in the queue to its end, whatever the end is. Without a file it is a download."""

    def change(**fields: Any) -> None:
        nonlocal transfer
        if transfer.phase not in ENDED:  # progress may still be told after a cancel
            transfer = transfer._replace(**fields)
            app.update(**with_transfer(app.state, transfer))

    try:
        async with app.lanes.setdefault(transfer.connection_id, asyncio.Lock()):
            if file is None:
                change(phase="sending")
                await _download(app, transfer, change)
            else:
                name = await model_file_name(file)
                change(phase="sending", name=name)
                await _send(app, transfer, file, name, change)
        change(phase="done", sent=transfer.size, rate=None)
        app.say(f"{transfer.name} is added")
    except asyncio.CancelledError:
        change(phase="cancelled", rate=None)
        app.say(f"{transfer.name} is cancelled")
    except Exception as error:
        if not isinstance(error, ModelTabError):
            app.alert(error)
        change(phase="failed", rate=None, error=record_of(error))
        app.say(f"{transfer.name} could not be added")
    finally:
        del app.transfers[transfer.id]
    before = {model.name for model in app.state.models.get(transfer.connection_id, ())}
    await refresh(app, transfer.connection_id)
    if transfer.phase == "done" and model_of(app.state, app.state.settings.model) is None:
        app.set_setting(model=_added(app, transfer, before))


def _added(app: App, transfer: Transfer, before: set[str]) -> str:
    """The key of the model that a transfer has brought: a server may list it under a longer name."""
    names = [model.name for model in app.state.models.get(transfer.connection_id, ())]
    new = [name for name in names if name not in before]
    name = new[0] if transfer.name not in names and len(new) == 1 else transfer.name
    return model_key(transfer.connection_id, name)


async def _send(app: App, transfer: Transfer, file: ModelFile, name: str, change: Change) -> None:
    uploads = app.provider(transfer.connection_id).uploads
    if uploads is None:
        raise ModelTabError("This connection takes no model files.", "Choose another destination.")
    meter = RateMeter()

    def progress(step: str, sent: int) -> None:
        rate = meter.add(app.clock(), sent)
        change(step=step, sent=sent, rate=rate, phase="processing" if sent >= file.size else "sending")

    progress("", 0)
    await uploads.add(file, name, progress)


async def _download(app: App, transfer: Transfer, change: Change) -> None:
    downloads = app.provider(transfer.connection_id).downloads
    if downloads is None:
        raise ModelTabError("This connection brings no models by itself.", "Choose another destination.")
    meter = RateMeter()
    async with aclosing(downloads.download(transfer.name)) as steps:
        async for step in steps:
            rate = meter.add(app.clock(), step.done) if step.total else None
            change(size=step.total, sent=step.done, rate=rate, step=step.text)


async def model_file_name(file: ModelFile) -> str:
    """The name under which a file is stored: it ends in .gguf.

    :raises NotAModel: when the file does not begin as a GGUF file does, whatever its name.
    """
    if file.size == 0:
        raise NotAModel(f"{file.name} is empty.", "Choose the complete model file.")
    if await file.read(0, len(MAGIC)) != MAGIC:
        raise NotAModel(
            f"{file.name} is not a GGUF file.", "Choose a .gguf file: models of other kinds have to be converted first."
        )
    if file.name.lower().endswith(".gguf"):
        return file.name
    stem = file.name[: -len(".bin")] if file.name.lower().endswith(".bin") else file.name
    return stem + ".gguf"

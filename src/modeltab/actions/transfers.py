"""The queue of transfers: files to a server or into the tab, and what a server brings by itself; two at a time.

A transfer's entry in the state says how it is; what it sends is kept in `App.jobs` for as long as it may go on or again.
"""

import asyncio
from contextlib import aclosing
from itertools import pairwise
from typing import Any, Protocol

from modeltab.actions import settings
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.domain.errors import ModelTabError, record_of
from modeltab.domain.models import model_key
from modeltab.domain.transfers import ENDED, RateMeter, Transfer
from modeltab.providers.base import ModelFile
from modeltab.state.updates import is_coming, model_of, transfer_of, with_transfer

#: More would share the same disk and the same line, and each would take longer to be of use.
AT_ONCE = 2


class Change(Protocol):
    """Changes fields of a transfer, by name."""

    def __call__(self, **fields: Any) -> None: ...


def start(app: App, file: ModelFile, name: str, connection_id: str) -> str:
    """Put a file into the queue; the transfer's id. Where a part of it is there already, it goes on from there."""
    resumes = app.state.facts[connection_id].resumes
    _forget_stopped(app, name, connection_id)
    transfer = Transfer(app.new_id(), name, connection_id, file.size, resumes=resumes)
    _enqueue(app, transfer, file)
    return transfer.id


async def ended(app: App, transfer_id: str) -> None:
    """Wait for a transfer's end, whatever it is; one that is paused has not ended."""
    app.awaited[transfer_id] = asyncio.get_running_loop().create_future()
    await app.awaited[transfer_id]


def download(app: App, name: str, connection_id: str) -> None:
    """Let a connection's server bring a model by itself. One that it is bringing already goes on."""
    _forget_stopped(app, name, connection_id)
    if is_coming(app.state, name, connection_id):
        return
    _enqueue(app, Transfer(app.new_id(), name, connection_id, 0, is_download=True, resumes=True), None)


async def find_unfinished(app: App) -> None:
    """Show the transfers that a reload, a crash or a lost network has broken off, so that they can go on."""
    for connection in app.state.connections:
        partials = app.provider(connection.id).partials
        for part in await partials.unfinished() if partials else ():
            if any((t.name, t.connection_id) == (part.name, connection.id) for t in app.state.transfers):
                continue
            transfer = Transfer(
                app.new_id(),
                part.name,
                connection.id,
                part.size,
                part.received,
                phase="paused",
                resumes=True,
                needs_file=not part.sources,
            )
            if part.sources:
                app.jobs[transfer.id] = app.remote_file(part.name, part.size, part.sources, part.sha256, part.stamp)
            app.update(**with_transfer(app.state, transfer))


def pause(app: App, event: UiEvent) -> None:
    """Stop a transfer so that it can go on later."""
    transfer = transfer_of(app.state, event.id)
    if transfer is None:
        return
    if transfer.id in app.transfers:
        app.pausing.add(transfer.id)
        app.cancel(app.transfers[transfer.id])
    elif transfer.phase == "queued":
        app.update(**with_transfer(app.state, transfer._replace(phase="paused")))


def resume(app: App, event: UiEvent) -> None:
    """Let a transfer go on that was paused, or try again what failed."""
    transfer = transfer_of(app.state, event.id)
    if transfer and transfer.phase in ("paused", "failed") and transfer.id in app.jobs:
        app.update(**with_transfer(app.state, transfer._replace(phase="queued", error=None, step="")))
        pump(app)


def resume_with_file(app: App, event: UiEvent) -> None:
    """The file of a broken transfer was chosen again."""
    transfer = transfer_of(app.state, event.id)
    if transfer is None or not event.files:
        return
    file = event.files[0]
    if file.size != transfer.size:
        raise ModelTabError(
            f"{file.name} is not the file that was being added: it has another size.",
            f"Choose {transfer.name} again, or cancel that transfer and add this file as a new one.",
        )
    app.jobs[transfer.id] = file
    app.update(**with_transfer(app.state, transfer._replace(needs_file=False)))
    resume(app, event)


async def cancel(app: App, event: UiEvent) -> None:
    """Cancel a transfer, and delete what has arrived of it."""
    transfer = transfer_of(app.state, event.id)
    if transfer is None or transfer.phase in ENDED:
        return
    if transfer.id in app.transfers:
        app.pausing.discard(transfer.id)
        app.cancel(app.transfers[transfer.id])
        return
    app.update(**with_transfer(app.state, transfer._replace(phase="cancelled", rate=None)))
    _tell_end(app, transfer.id)
    await _discard(app, transfer)
    app.say(f"{transfer.name} is cancelled")


async def dismiss(app: App, event: UiEvent) -> None:
    """Take a transfer that has ended out of sight; what has arrived of one that failed goes with it."""
    transfer = transfer_of(app.state, event.id)
    if transfer is None:
        return
    _forget(app, transfer.id)
    if transfer.phase == "failed":
        await _discard(app, transfer)


def move_up(app: App, event: UiEvent) -> None:
    """Let a transfer that waits go before the one that waits before it."""
    items = list(app.state.transfers)
    waiting = [place for place, item in enumerate(items) if item.phase == "queued" and item.id not in app.transfers]
    for before, place in pairwise(waiting):
        if items[place].id == event.id:
            items[before], items[place] = items[place], items[before]
            app.update(transfers=tuple(items))
            return


def pump(app: App) -> None:
    """Begin as many of the transfers that wait as may go at once."""
    for transfer in app.state.transfers:
        if len(app.transfers) >= AT_ONCE:
            return
        if transfer.phase == "queued" and transfer.id not in app.transfers:
            app.transfers[transfer.id] = app.spawn(_run(app, transfer))


def _enqueue(app: App, transfer: Transfer, file: ModelFile | None) -> None:
    app.jobs[transfer.id] = file
    app.update(**with_transfer(app.state, transfer))
    pump(app)


def _forget_stopped(app: App, name: str, connection_id: str) -> None:
    """What is begun again takes the place of what was paused or has failed."""
    for old in app.state.transfers:
        if (old.name, old.connection_id) == (name, connection_id) and old.phase in ("paused", "failed"):
            _forget(app, old.id)


def _tell_end(app: App, transfer_id: str) -> None:
    awaited = app.awaited.pop(transfer_id, None)
    if awaited and not awaited.done():
        awaited.set_result(None)


def _forget(app: App, transfer_id: str) -> None:
    _tell_end(app, transfer_id)
    app.jobs.pop(transfer_id, None)
    app.update(transfers=tuple(t for t in app.state.transfers if t.id != transfer_id))


async def _discard(app: App, transfer: Transfer) -> None:
    if transfer.resumes and not transfer.is_download:
        partials = app.provider(transfer.connection_id).partials
        if partials:
            await partials.discard(transfer.name)


async def _run(app: App, transfer: Transfer) -> None:
    """One transfer from its turn to its end, whatever the end is."""
    file = app.jobs[transfer.id]

    def change(**fields: Any) -> None:
        nonlocal transfer
        if transfer.phase not in ENDED and transfer.phase != "paused":  # progress may still be told after a cancel
            transfer = transfer._replace(**fields)
            app.update(**with_transfer(app.state, transfer))

    try:
        change(phase="sending", error=None)
        await (_download(app, transfer, change) if file is None else _send(app, transfer, file, change))
        change(phase="done", sent=transfer.size, rate=None, step="")
        app.say(f"{transfer.name} is added")
    except asyncio.CancelledError:
        paused = transfer.id in app.pausing
        change(phase="paused" if paused else "cancelled", rate=None)
        if not paused:
            await _discard(app, transfer)
        app.say(f"{transfer.name} is {transfer.phase}")
    except Exception as error:
        if not isinstance(error, ModelTabError):
            app.alert(error)
        change(phase="failed", rate=None, error=record_of(error))
        app.say(f"{transfer.name} could not be added")
    finally:
        app.pausing.discard(transfer.id)
        del app.transfers[transfer.id]
        if transfer.phase in ("done", "cancelled"):
            app.jobs.pop(transfer.id, None)
        pump(app)
    before = {model.name for model in app.state.models.get(transfer.connection_id, ())}
    await refresh(app, transfer.connection_id)
    await settings.measure(app)
    if transfer.phase == "done" and model_of(app.state, app.state.settings.model) is None:
        app.set_setting(model=_added(app, transfer, before))
    if transfer.phase in ENDED:
        _tell_end(app, transfer.id)


def _added(app: App, transfer: Transfer, before: set[str]) -> str:
    """The key of the model that a transfer has brought: a server may list it under another name."""
    names = [model.name for model in app.state.models.get(transfer.connection_id, ())]
    new = [name for name in names if name not in before]
    uploads = app.provider(transfer.connection_id).uploads
    told = transfer.name if transfer.is_download or uploads is None else uploads.stored_name(transfer.name)
    name = new[0] if told not in names and len(new) == 1 else told
    return model_key(transfer.connection_id, name)


async def _send(app: App, transfer: Transfer, file: ModelFile, change: Change) -> None:
    uploads = app.provider(transfer.connection_id).uploads
    if uploads is None:
        raise ModelTabError("This connection takes no model files.", "Choose another destination.")
    meter = RateMeter()

    def progress(step: str, sent: int) -> None:
        rate = meter.add(app.clock(), sent)
        phase = "processing" if sent >= file.size and not step else "sending"
        change(step=step, sent=sent, rate=rate, phase=phase)

    await uploads.add(file, transfer.name, progress)


async def _download(app: App, transfer: Transfer, change: Change) -> None:
    downloads = app.provider(transfer.connection_id).downloads
    if downloads is None:
        raise ModelTabError("This connection brings no models by itself.", "Choose another destination.")
    meter = RateMeter()
    async with aclosing(downloads.download(transfer.name)) as steps:
        async for step in steps:
            rate = meter.add(app.clock(), step.done) if step.total else None
            change(size=step.total, sent=step.done, rate=rate, step=step.text)

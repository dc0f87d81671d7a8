"""The keys: how they are kept, locked, unlocked and erased."""

import asyncio
from collections.abc import Mapping

from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, KeysLocked, ModelTabError
from modeltab.domain.keys import PROTECTIONS, Protection
from modeltab.state.store import Dialog

#: Seconds between looks whether the keys have been unused for long enough.
WATCH_EVERY = 5.0


async def choose_protection(app: App, event: UiEvent) -> None:
    """Keep the keys in another way. A passphrase is asked for first."""
    protection = protection_of(event.value)
    if protection == app.keys.protection:
        return
    app.show_keys()  # what was pressed shows what is so, until it is so
    if app.keys.locked:
        open_unlock(app, event)
    elif protection == "passphrase":
        app.update(dialog=Dialog("passphrase"))
    else:
        try:
            await app.keys.protect(protection)
        finally:
            app.show_keys()
        app.say(f"Keys are kept: {PROTECTIONS[protection]}")


def open_passphrase(app: App, event: UiEvent) -> None:
    """Ask for a new passphrase."""
    app.update(dialog=Dialog("passphrase"))


async def set_passphrase(app: App, event: UiEvent) -> None:
    """Encrypt the keys with the passphrase that was typed."""
    dialog = app.state.dialog
    if dialog is None or dialog.busy:
        return
    app.update(dialog=dialog._replace(busy=True, error=None))
    try:
        await protect_with(app, event.values)
    except ModelTabError as error:
        _refuse(app, dialog, error)
        return
    _close(app, dialog)
    app.say("Keys are encrypted")


async def protect_with(app: App, values: Mapping[str, str]) -> None:
    """Encrypt the keys with the passphrase of a form, typed twice.

    :raises BadRequest: when it is too short, or the two differ.
    """
    passphrase = values.get("passphrase", "")
    if passphrase != values.get("repeat", ""):
        raise BadRequest("The two passphrases differ.", "Type the same one twice.")
    await app.keys.protect("passphrase", passphrase)
    app.last_used = app.clock()
    app.show_keys()


def open_unlock(app: App, event: UiEvent) -> None:
    """Ask for the passphrase."""
    app.update(dialog=Dialog("unlock"))


async def unlock(app: App, event: UiEvent) -> None:
    """Make the keys usable, then go on with what waits for them."""
    dialog = app.state.dialog
    if dialog is None or dialog.busy:
        return
    app.update(dialog=dialog._replace(busy=True, error=None))
    try:
        await app.keys.unlock(event.values.get("passphrase", ""))
    except ModelTabError as error:
        _refuse(app, dialog, error)
        return
    app.last_used = app.clock()
    _close(app, dialog)
    app.show_keys()
    app.say("Keys are unlocked")
    settle_unlock(app, True)
    locked_out = [c.id for c in app.state.connections if app.keys.origin(c.id)]
    await asyncio.gather(*(refresh(app, id_) for id_ in locked_out if id_ in app.met or app.page.is_loopback))


async def ensure_unlocked(app: App, connection: Connection) -> None:
    """Ask for the passphrase if a connection's key needs it, and wait for it.

    :raises KeysLocked: when the person closes the question.
    """
    if not (app.keys.locked and app.keys.origin(connection.id)):
        return
    waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    app.waiting_for_unlock.append(waiting)
    app.update(dialog=Dialog("unlock", note=f"{connection.name} needs its key."))
    if not await waiting:
        raise KeysLocked("The keys are locked.", "Unlock them with your passphrase, then try again.")


def settle_unlock(app: App, unlocked: bool) -> None:
    """Tell those that wait for the passphrase whether it came."""
    waiting, app.waiting_for_unlock = app.waiting_for_unlock, []
    for future in waiting:
        if not future.done():
            future.set_result(unlocked)


def lock(app: App, event: UiEvent) -> None:
    """Lock the keys now."""
    app.keys.lock()
    app.show_keys()
    app.say("Keys are locked")


def set_auto_lock(app: App, event: UiEvent) -> None:
    """After how many minutes without use the keys are locked."""
    app.set_setting(auto_lock=int(event.value))


async def watch(app: App) -> None:
    """Lock the keys when nobody has used the page for as long as the person chose."""
    while True:
        await asyncio.sleep(WATCH_EVERY)
        if app.state.generation:
            app.last_used = app.clock()
        lock_if_unused(app)


def lock_if_unused(app: App) -> None:
    """Lock the keys if they have been unused for too long."""
    minutes = app.state.settings.auto_lock
    if app.keys.protection == "passphrase" and not app.keys.locked and minutes and app.clock() - app.last_used >= minutes * 60:
        app.keys.lock()
        app.show_keys()
        app.say("Keys are locked: the page has not been used for a while")


def erase(app: App, event: UiEvent) -> None:
    """Forget one connection's key, at once."""
    name = app.connection(event.id).name
    try:
        app.keys.erase(event.id)
    finally:
        app.show_keys()
    app.say(f"The key of {name} is erased")


def ask_erase_all(app: App, event: UiEvent) -> None:
    """Ask before every key is erased."""
    values = {"title": "Erase all keys?", "confirm": "Erase", "action": "keys.erase"}
    note = "Every key is erased from this browser. The providers still know them: revoke there what you no longer need."
    app.update(dialog=Dialog("confirm", "", values, note))


def erase_all(app: App, event: UiEvent) -> None:
    """Forget every key. What waits for the passphrase goes on without."""
    app.update(dialog=None)
    try:
        app.keys.erase_all()
    finally:
        app.show_keys()
        settle_unlock(app, True)
    app.say("All keys are erased")


def protection_of(value: str) -> Protection:
    """A choice of the page. :raises BadRequest: when it is none."""
    if value not in PROTECTIONS:
        raise BadRequest(f"Keys cannot be kept like this: {value}.", "Choose one of the three ways.")
    return value  # type: ignore[return-value]


def _close(app: App, dialog: Dialog) -> None:
    """Close a dialog whose work is done, unless the person has closed it and is in another one by now."""
    if app.state.dialog is not None and app.state.dialog.name == dialog.name:
        app.update(dialog=None)


def _refuse(app: App, dialog: Dialog, error: ModelTabError) -> None:
    if app.state.dialog is not None and app.state.dialog.name == dialog.name:
        app.update(dialog=dialog._replace(error=error.record(), busy=False))

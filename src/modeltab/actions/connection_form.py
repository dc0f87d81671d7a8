"""The dialog that adds or edits a connection. What is typed into its secret fields never enters the state."""

from collections.abc import Mapping

from modeltab.actions import doctor
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.actions.keys import protect_with, protection_of
from modeltab.domain.connections import Connection, HealthRecord, clean_base_url, origin_of
from modeltab.domain.errors import BadRequest, KeyMissing, ModelTabError, StorageFailed, record_of
from modeltab.domain.keys import clean_key
from modeltab.providers.connection_type import ConnectionType, Preset
from modeltab.state.store import Dialog
from modeltab.state.updates import with_health

SECRETS = frozenset({"key", "passphrase", "repeat"})
_SAVING = "Saving…"
#: The name of the choice for an address that no preset has.
CUSTOM = ""


def open_add(app: App, event: UiEvent) -> None:
    """Open the dialog for a new connection."""
    type_ = next(t for t in app.registry.types if not t.permanent and t.presets)
    app.update(dialog=Dialog("connection", values=_preset_values(type_, type_.presets[0])))


def open_edit(app: App, event: UiEvent) -> None:
    """Open the dialog for a connection that exists."""
    item = app.connection(event.id)
    values = {"type": item.type, "name": item.name, "base_url": item.base_url, "model": item.model}
    app.update(dialog=Dialog("connection", item.id, values))


def change_preset(app: App, event: UiEvent) -> None:
    """A preset was chosen: it fills in what it knows."""
    for type_ in app.registry.types:
        for preset in type_.presets:
            if f"{type_.name}/{preset.name}" == event.value:
                _fill(app, {**event.values, **_preset_values(type_, preset)})


def change_type(app: App, event: UiEvent) -> None:
    """Another type was chosen in the dialog."""
    type_ = app.registry.type_of(event.value)
    _fill(app, {**event.values, "preset": CUSTOM, "base_url": type_.default_url})


def change_protection(app: App, event: UiEvent) -> None:
    """Another way to keep keys was chosen in the dialog: a passphrase needs two more fields."""
    _fill(app, event.values)


def _preset_values(type_: ConnectionType, preset: Preset) -> dict[str, str]:
    return {"preset": f"{type_.name}/{preset.name}", "type": type_.name, "base_url": preset.base_url}


def _fill(app: App, values: Mapping[str, str]) -> None:
    dialog = app.state.dialog
    if dialog:
        app.update(dialog=Dialog("connection", dialog.subject, _without_secrets(values), revision=dialog.revision + 1))


def _without_secrets(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in SECRETS}


async def try_(app: App, event: UiEvent) -> None:
    """Examine what stands in the dialog, without saving it."""
    dialog = app.state.dialog
    if dialog is None:
        return
    values = {**dialog.values, **event.values}
    asking = dialog._replace(values=_without_secrets(values), note="Asking…", error=None, busy=True, diagnosis=None)
    app.update(dialog=asking)
    error, diagnosis = None, None
    try:
        item = _connection_of(app, dialog.subject or "test", values)
        typed = clean_key(values.get("key", ""))
        provider = app.registry.type_of(item.type).build(item, lambda: typed or app.keys.key(item))
        diagnosis = await doctor.examine(app, item, provider, bool(typed or app.keys.origin(item.id)))
    except ModelTabError as failure:
        error = record_of(failure)
    if app.state.dialog is asking:  # not closed, and not another one by now
        app.update(dialog=asking._replace(note="", error=error, diagnosis=diagnosis, busy=False))


async def save(app: App, event: UiEvent) -> None:
    """Keep what stands in the dialog, then ask the connection."""
    dialog = app.state.dialog
    if dialog is None or dialog.note == _SAVING:
        return
    values = {**dialog.values, **event.values}
    plain = dialog._replace(values=_without_secrets(values), note="", error=None, busy=False, diagnosis=None)
    saving = plain._replace(note=_SAVING, busy=True)
    app.update(dialog=saving)  # encryption takes its time: pressed again meanwhile, nothing is saved twice
    try:
        item = _connection_of(app, dialog.subject or app.new_id(), values)
        await _save_key(app, item, values)
    except ModelTabError as error:
        app.show_keys()
        if app.state.dialog is saving:
            app.update(dialog=plain._replace(error=error.record()))
        else:
            app.alert(error)
        return
    if dialog.subject:
        connections = tuple(item if c.id == item.id else c for c in app.state.connections)
    else:
        connections = (*app.state.connections, item)
    app.set_connections(connections)
    app.show_keys()
    app.update(
        dialog=None if app.state.dialog is saving else app.state.dialog,
        models={key: value for key, value in app.state.models.items() if key != item.id},
        diagnoses={key: value for key, value in app.state.diagnoses.items() if key != item.id},
        **with_health(app.state, item.id, HealthRecord("checking")),
    )
    await refresh(app, item.id)


async def _save_key(app: App, item: Connection, values: Mapping[str, str]) -> None:
    """Keep the key that was typed, in the way that was chosen; that way is then the way of all keys.

    :raises ModelTabError: when it is no key, or belongs to another address, or the passphrase is missing.
    """
    secret = clean_key(values.get("key", ""))
    kept_for = app.keys.origin(item.id)
    if not secret and kept_for and kept_for != origin_of(item.base_url):
        raise KeyMissing(
            f"The saved key is for {kept_for} and is not sent to {origin_of(item.base_url)}.",
            "Paste the key for the new address, or erase the saved one.",
        )
    if app.registry.type_of(item.type).key == "none":
        if secret:
            raise BadRequest("This API takes no key.", "Empty the field “API key”, or choose another type.")
        return
    if app.keys.locked:
        if not secret:
            return
        await app.keys.unlock(values.get("passphrase", ""))
    protection = protection_of(values.get("protection") or app.keys.protection)
    if protection != app.keys.protection:
        if protection == "passphrase":
            await protect_with(app, values)
        else:
            await app.keys.protect(protection)
    if secret:
        app.last_used = app.clock()
        try:
            await app.keys.set(item.id, item.base_url, secret)
        except StorageFailed as error:
            app.alert(error)  # it works until the page is closed


def _connection_of(app: App, connection_id: str, values: Mapping[str, str]) -> Connection:
    """The connection of a form's texts. :raises BadRequest: when it cannot be one."""
    type_ = app.registry.type_of(values["type"])
    if type_.unavailable:
        raise BadRequest(type_.unavailable, "Choose another type.")
    url = clean_base_url(values.get("base_url") or type_.default_url) if type_.takes_url else ""
    example = next((preset for preset in type_.presets if preset.is_example and preset.base_url == url), None)
    if example:
        raise BadRequest("The base URL is only an example.", example.about)
    preset = type_.preset_at(url) if url else None
    label = preset.label if preset and preset.label else type_.label
    name = values.get("name", "").strip() or label
    if any(c.name == name and c.id != connection_id for c in app.state.connections):
        taken = {c.name for c in app.state.connections if c.id != connection_id}
        name = next(f"{name} {n}" for n in range(2, 1000) if f"{name} {n}" not in taken)
    model = values.get("model", "").strip() if type_.takes_models else ""
    return Connection(connection_id, type_.name, name, url, model)

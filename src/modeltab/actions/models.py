"""List, use, load, unload, delete models; read folders again; free memory."""

from modeltab.actions.answer import load_model
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.domain.errors import ErrorRecord, ModelTabError, Unreachable
from modeltab.domain.models import split_key
from modeltab.state.store import Dialog
from modeltab.state.updates import connection_name, model_of


def use(app: App, event: UiEvent) -> None:
    """Choose a model and go to the chat."""
    app.set_setting(model=event.id)
    app.page.go(f"#/chat/{app.state.conversation.id}" if app.state.conversation else "#/chat")
    app.page.focus("message")


async def show_more(app: App, model_key_: str) -> None:
    """Ask the model's server what else it knows of it, and show that where its details are open."""
    model = model_of(app.state, model_key_)
    teller = app.provider(model.connection_id).model_details if model else None
    if model is None or teller is None:
        return
    more = await teller.details(model.name)
    if model.connection_id in app.state.models:  # not removed meanwhile
        models = tuple(
            m._replace(details={**m.details, **more}) if m.name == model.name else m
            for m in app.state.models[model.connection_id]
        )
        app.update(models={**app.state.models, model.connection_id: models})


async def load(app: App, event: UiEvent) -> None:
    """Load a model now, rather than at the first message."""
    model = model_of(app.state, event.id)
    if app.state.generation:
        raise ModelTabError("An answer is still coming.", "Stop it, or wait for its end, then load the model.")
    if model:
        await load_model(app, app.provider(model.connection_id), model, app.state.settings.parameters)


async def unload(app: App, event: UiEvent) -> None:
    """Unload a model."""
    connection_id, name = split_key(event.id)
    memory = app.provider(connection_id).memory
    if memory:
        await _stop_answer_of(app, connection_id)
        await memory.unload(name)
        await refresh(app, connection_id)
        app.say(f"{name} is unloaded")


async def details(app: App, event: UiEvent) -> None:
    """Show what is known of a model; what its server knows beyond the list follows."""
    app.update(dialog=Dialog("details", event.id))
    await show_more(app, event.id)


def ask_copy(app: App, event: UiEvent) -> None:
    """Ask for the name of a copy."""
    _, name = split_key(event.id)
    app.update(dialog=Dialog("copy-model", event.id, {"name": f"{name}-copy"}))


async def copy(app: App, event: UiEvent) -> None:
    """Keep a model under a second name."""
    dialog = app.state.dialog
    new_name = event.values.get("name", "").strip()
    if dialog is None:
        return
    connection_id, name = split_key(dialog.subject)
    copies = app.provider(connection_id).copies
    if copies is None or not new_name:
        app.update(dialog=dialog._replace(values=event.values, error=ErrorRecord("The copy needs a name.", "Type one.")))
        return
    try:
        await copies.copy(name, new_name)
    except ModelTabError as error:
        app.update(dialog=dialog._replace(values=event.values, error=error.record()))
        return
    app.update(dialog=None)
    await refresh(app, connection_id)
    app.say(f"{name} is there as {new_name}, too")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a model is deleted."""
    connection_id, name = split_key(event.id)
    where = connection_name(app.state, connection_id)
    values = {"title": "Delete model?", "confirm": "Delete", "action": "model.delete"}
    app.update(
        dialog=Dialog("confirm", event.id, values, f"{name} is deleted from {where}. To have it again you need its file.")
    )


async def delete(app: App, event: UiEvent) -> None:
    """Delete a model."""
    app.update(dialog=None)
    connection_id, name = split_key(event.id)
    host = app.provider(connection_id).host
    if host is None:
        return
    model = model_of(app.state, event.id)
    if model and model.state in ("Loaded", "Loading"):
        await _stop_answer_of(app, connection_id)
    try:
        await host.remove(name)
        if app.state.settings.model == event.id:
            app.set_setting(model="")
        app.say(f"{name} is deleted")
    finally:
        await refresh(app, connection_id)


async def sync(app: App, event: UiEvent) -> None:
    """Let every connection that can read its folder again."""
    for connection in app.state.connections:
        host = app.provider(connection.id).host
        if host and app.state.facts[connection.id].syncs:
            try:
                await host.sync()
            except Unreachable:
                pass  # told as the connection's health, by the look that follows
            except ModelTabError as error:
                app.alert(error)
        await refresh(app, connection.id)
    app.say("The lists are up to date")


async def free(app: App, event: UiEvent) -> None:
    """Unload the models of one connection, or of all that can."""
    for connection in app.state.connections:
        memory = app.provider(connection.id).memory
        if memory and (event.id == connection.id or (not event.id and _loaded_names(app, connection.id))):
            await _stop_answer_of(app, connection.id)
            await memory.free()
            await refresh(app, connection.id)
    app.say("Memory is free")


def _loaded_names(app: App, connection_id: str) -> tuple[str, ...]:
    return tuple(m.name for m in app.state.models.get(connection_id, ()) if m.state == "Loaded")


async def _stop_answer_of(app: App, connection_id: str) -> None:
    """An answer of this connection would lose its model: stop it first."""
    if app.live and app.live.connection == connection_id:
        await app.cancel_and_wait(app.answering)

"""List, use, load, unload, delete models; read folders again; free memory."""

from modeltab.actions import settings
from modeltab.actions.answer import load_model
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.actions.engines import Turn
from modeltab.domain.errors import ModelTabError, Unreachable
from modeltab.domain.models import Model, split_key
from modeltab.files.words import size
from modeltab.state.store import Dialog
from modeltab.state.updates import connection_name, model_of, with_model_state

#: So many models are named in what is told.
_NAMED = 8


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


async def measure(app: App, event: UiEvent) -> None:
    """Measure a loaded model's speed anew, and have it run with as many threads as are best."""
    connection_id, name = split_key(event.id)
    provider = app.provider(connection_id)
    if provider.speed is None:
        return
    turn = Turn(app, connection_id)
    await turn.begin(app.say)
    app.say(f"Measuring {name}")
    try:
        await provider.speed.measure(
            name, lambda fraction: app.update(**with_model_state(app.state, event.id, "Loading", fraction))
        )
    finally:
        turn.end()
        await refresh(app, connection_id)
    app.say(f"{name} is measured")


async def unload(app: App, event: UiEvent) -> None:
    """Unload a model."""
    connection_id, name = split_key(event.id)
    memory = app.provider(connection_id).memory
    if memory:
        await _stop_answer_of(app, connection_id)
        await memory.unload(name)
        await refresh(app, connection_id)
        app.say(f"{name} is unloaded")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a model is deleted."""
    connection_id, name = split_key(event.id)
    where = connection_name(app.state, connection_id)
    values = {"title": "Delete model?", "confirm": "Delete", "action": "model.delete"}
    end = "To have it again you need its file."
    if app.state.facts[connection_id].undoes:
        end = "This can be undone until you leave the Models page."
    app.update(dialog=Dialog("confirm", event.id, values, f"{name} is deleted from {where}. {end}"))


async def delete(app: App, event: UiEvent) -> None:
    """Delete a model."""
    app.update(dialog=None)
    await delete_model(app, event.id)


async def delete_model(app: App, key: str) -> None:
    """Delete a model, stopping what it answers."""
    connection_id, name = split_key(key)
    host = app.provider(connection_id).host
    if host is None:
        return
    model = model_of(app.state, key)
    if model and model.state in ("Loaded", "Loading"):
        await _stop_answer_of(app, connection_id)
    try:
        await host.remove(name)
        if app.state.settings.model == key:
            app.set_setting(model="")
        if app.state.facts[connection_id].undoes:
            app.update(deleted=(*(other for other in app.state.deleted if other != key), key))
        app.say(f"{name} is deleted")
    finally:
        await refresh(app, connection_id)
        await settings.measure(app)


async def sync(app: App, event: UiEvent) -> None:
    """Let every connection that can read its folder again, and say what has changed."""
    before = {key: {m.name for m in models} for key, models in app.state.models.items()}
    answered = [key for key, record in app.state.health.items() if record.health == "healthy"]
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
    new, gone = [], []
    for connection in app.state.connections:
        # Of one that did not answer before or does not now, nothing is known: its models have not come or gone.
        if connection.id in answered and app.state.health[connection.id].health == "healthy":
            now, then = {m.name for m in app.state.models[connection.id]}, before.get(connection.id, set())
            new += [f"{name} ({connection.name})" for name in sorted(now - then)]
            gone += [f"{name} ({connection.name})" for name in sorted(then - now)]
    parts = [f"{len(names)} {word}: {_some(names)}" for word, names in (("new", new), ("gone", gone)) if names]
    _tell(app, "The lists are up to date. " + ("; ".join(parts) if parts else "Nothing has changed") + ".")


async def free(app: App, event: UiEvent) -> None:
    """Unload the models of one connection, or of all that can, and say what has left."""
    freed: list[str] = []
    problems: list[str] = []
    for connection in app.state.connections:
        memory = app.provider(connection.id).memory
        loaded = [m for m in app.state.models.get(connection.id, ()) if m.state == "Loaded"]
        if not memory or not memory.frees or not loaded or event.id not in ("", connection.id):
            continue
        try:
            await free_connection(app, connection.id)
        except ModelTabError as error:
            problems.append(f"{connection.name}: {error.message}")
        freed += [_freed(model, connection.name) for model in loaded if _has_left(app, model)]
    words = [f"Memory is free. Unloaded {len(freed)}: {_some(freed)}."] if freed else []
    _tell(app, " ".join([*words, *problems]) or "Memory is free: nothing was loaded.")


async def free_connection(app: App, connection_id: str) -> None:
    """Unload the models of a connection, stopping what they answer."""
    memory = app.provider(connection_id).memory
    try:
        await _stop_answer_of(app, connection_id)
        if memory:
            await memory.free()
    finally:
        await refresh(app, connection_id)


def _has_left(app: App, model: Model) -> bool:
    now = model_of(app.state, model.key)
    return now is None or now.state != "Loaded"


def _freed(model: Model, where: str) -> str:
    return f"{model.name} ({where}, {size(model.memory)})" if model.memory else f"{model.name} ({where})"


def _some(names: list[str]) -> str:
    """The first few, and how many more."""
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _tell(app: App, text: str) -> None:
    """Say it, and leave it on the page."""
    app.update(inventory_note=text)
    app.say(text)


async def _stop_answer_of(app: App, connection_id: str) -> None:
    """An answer of this connection would lose its model: stop it first."""
    if app.live and app.live.connection == connection_id:
        await app.cancel_and_wait(app.answering)
    for running in [running for running in app.calls.values() if running.connection_id == connection_id]:
        await app.cancel_and_wait(running.task)

"""Ask connections how they are and what they have; test them, remove them."""

import asyncio

from modeltab.actions import doctor
from modeltab.actions.app import App, UiEvent, facts_of
from modeltab.domain.connections import Connection, Health, HealthRecord
from modeltab.domain.diagnosis import Diagnosis
from modeltab.domain.errors import ModelTabError, Unauthorized, record_of
from modeltab.domain.models import split_key
from modeltab.state.store import Dialog
from modeltab.state.updates import connection, with_health, with_models

#: Seconds between looks at a server that answers, and between the first ones at one that stopped answering.
WATCH_HEALTHY = 10.0
WATCH_LOST = 3.0
WATCH_LOST_LONGEST = 60.0
_NEVER = (0.0, 0.0)
#: Verdicts that are about the key.
_KEY_KINDS = frozenset({"unauthorized", "key-missing", "keys-locked", "key-refused-unseen"})


async def refresh(app: App, connection_id: str) -> None:
    """Ask a connection for its health, its models and what of them is in memory. What it cannot tell becomes its health.

    When a later look has begun meanwhile, its end is waited for: only that one is shown.
    """
    item = connection(app.state, connection_id)
    if item is None:
        return
    look = app.looks[connection_id] = asyncio.ensure_future(_look(app, item))
    await asyncio.shield(look)
    while app.looks[connection_id] is not look:
        look = app.looks[connection_id]
        await asyncio.shield(look)


async def _look(app: App, item: Connection) -> None:
    connection_id = item.id
    provider = app.registry.provider(item)

    def is_current() -> bool:
        """Whether no later look has begun, and the connection has not been edited or removed meanwhile."""
        return app.looks[connection_id] is asyncio.current_task() and connection(app.state, connection_id) == item

    try:
        async with doctor.answered_in_time(item.base_url):
            text = await provider.check()
            models = await provider.models()
            loaded = await provider.memory.loaded() if provider.memory else ()
    except Exception as error:
        if not isinstance(error, ModelTabError):
            app.alert(error)
        if is_current():
            # Models that cannot be asked are not listed: the list says what can be used now.
            app.update(**with_health(app.state, connection_id, health_of(error)), **with_models(app.state, connection_id, ()))
        return
    if is_current():
        app.met.add(connection_id)
        app.update(
            facts=facts_of(app.registry, app.state.connections),  # what it can do may depend on what was found
            **with_health(app.state, connection_id, HealthRecord("healthy", text)),
            **with_models(app.state, connection_id, models, loaded),
        )


def health_of(error: BaseException) -> HealthRecord:
    """A failed look as health."""
    return HealthRecord("unauthorized" if isinstance(error, Unauthorized) else "unreachable", *record_of(error))


def may_ask(app: App, item: Connection) -> bool:
    """Whether a connection may be asked without a click.

    A page from elsewhere that asks servers on this machine makes the browser ask the person, out of the blue; so only a
    page that is itself on this machine does it, or one whose person has asked that connection before.
    """
    return app.page.is_loopback or not item.base_url or item.id in app.met


async def refresh_all(app: App) -> None:
    """Ask every connection that may be asked."""
    await asyncio.gather(*(refresh(app, item.id) for item in app.state.connections if may_ask(app, item)))


async def watch(app: App, visible: "asyncio.Event") -> None:
    """Keep an eye on the connections that have answered once, as long as the page is seen: they may go away and come back."""
    looks: dict[str, tuple[float, float]] = {}  # connection id → (when it was looked at, how long until the next look)
    while True:
        await asyncio.sleep(WATCH_LOST)
        await visible.wait()
        busy = app.live.connection if app.live and app.state.generation else ""  # it answers, so it is there
        due = [
            item
            for item in app.state.connections
            if item.base_url and item.id in app.met and item.id != busy and app.clock() >= sum(looks.get(item.id, _NEVER))
        ]
        await asyncio.gather(*(refresh(app, item.id) for item in due))
        for item in due:
            _, pause = looks.get(item.id, _NEVER)
            if app.state.health.get(item.id, HealthRecord()).health == "healthy":
                pause = WATCH_HEALTHY
            else:
                pause = WATCH_LOST if pause in (0.0, WATCH_HEALTHY) else min(pause * 1.5, WATCH_LOST_LONGEST)
            looks[item.id] = (app.clock(), pause)


async def test(app: App, event: UiEvent) -> None:
    """Examine a connection now."""
    item = connection(app.state, event.id)
    if item is None:
        return
    app.update(**with_health(app.state, event.id, HealthRecord("checking")))
    diagnosis = await doctor.examine(app, item, app.registry.provider(item), bool(app.keys.origin(item.id)))
    if connection(app.state, event.id) != item:
        return  # edited or removed meanwhile
    app.update(
        diagnoses={**app.state.diagnoses, item.id: diagnosis},
        **with_health(app.state, item.id, health_by(diagnosis)),
    )
    if diagnosis.kind in ("healthy", "no-models"):
        await refresh(app, item.id)
    else:
        app.update(**with_models(app.state, item.id, ()))
    app.say(f"{item.name}: {diagnosis.title}")


def health_by(diagnosis: Diagnosis) -> HealthRecord:
    """A verdict as health."""
    if diagnosis.kind in ("healthy", "no-models"):
        return HealthRecord("healthy", diagnosis.title, diagnosis.text)
    health: Health = "unauthorized" if diagnosis.kind in _KEY_KINDS else "unreachable"
    return HealthRecord(health, diagnosis.title, diagnosis.text, diagnosis.detail)


def close_diagnosis(app: App, event: UiEvent) -> None:
    """Fold a verdict away."""
    app.update(diagnoses={key: value for key, value in app.state.diagnoses.items() if key != event.id})


async def copy_recipe(app: App, event: UiEvent) -> None:
    """Copy a setting that a verdict recommends."""
    await app.page.copy(event.id)
    app.say("Copied")


async def adopt(app: App, event: UiEvent) -> None:
    """Use a connection as what answers there: another API than it was made for."""
    item = app.connection(event.id)
    diagnosis = app.state.diagnoses.get(item.id)
    if diagnosis is None or not diagnosis.found_type:
        return
    changed = item._replace(type=diagnosis.found_type, base_url=diagnosis.found_url)
    app.set_connections(tuple(changed if c.id == item.id else c for c in app.state.connections))
    await test(app, event)


def ask_remove(app: App, event: UiEvent) -> None:
    """Ask before a connection is removed."""
    item = app.connection(event.id)
    values = {"title": "Remove connection?", "confirm": "Remove", "action": "connection.remove"}
    note = f"{item.name} is removed from this page"
    note += ", and its key is erased." if app.keys.origin(item.id) else ". Its models stay where they are."
    app.update(dialog=Dialog("confirm", item.id, values, note))


def remove(app: App, event: UiEvent) -> None:
    """Remove a connection."""
    app.update(
        dialog=None,
        models={key: value for key, value in app.state.models.items() if key != event.id},
        diagnoses={key: value for key, value in app.state.diagnoses.items() if key != event.id},
    )
    app.set_connections(tuple(c for c in app.state.connections if c.id != event.id))
    if split_key(app.state.settings.model)[0] == event.id:
        app.set_setting(model="")
    try:
        app.keys.erase(event.id)
    finally:
        app.show_keys()

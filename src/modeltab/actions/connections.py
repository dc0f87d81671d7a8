"""Ask connections how they are and what they have; add, edit, remove them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from modeltab.actions.app import App, UiEvent
from modeltab.domain.connections import Connection, HealthRecord, clean_base_url
from modeltab.domain.errors import ModelTabError, Unauthorized, Unreachable, record_of
from modeltab.domain.models import split_key
from modeltab.state.store import Dialog
from modeltab.state.updates import connection, with_health, with_models

#: Seconds between looks at a server that answers, and between the first ones at one that stopped answering.
WATCH_HEALTHY = 10.0
WATCH_LOST = 3.0
WATCH_LOST_LONGEST = 60.0
#: Seconds for a server to say how it is.
ANSWER_WITHIN = 15.0
_NEVER = (0.0, 0.0)


async def refresh(app: App, connection_id: str) -> None:
    """Ask a connection for its health, its models and what of them is in memory. What it cannot tell becomes its health."""
    item = connection(app.state, connection_id)
    if item is None:
        return
    provider = app.registry.provider(item)
    look = app.looks[connection_id] = app.looks.get(connection_id, 0) + 1

    def is_current() -> bool:
        """Whether no later look has begun, and the connection has not been edited or removed meanwhile."""
        return app.looks[connection_id] == look and connection(app.state, connection_id) == item

    try:
        async with _answered_in_time(item.base_url):
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
            **with_health(app.state, connection_id, HealthRecord("healthy", text)),
            **with_models(app.state, connection_id, models, loaded),
        )


@asynccontextmanager
async def _answered_in_time(url: str) -> AsyncIterator[None]:
    """A server that takes a request and never answers it is told as one that cannot be reached."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            yield
    except TimeoutError:
        raise Unreachable(
            f"{url or 'It'} takes requests but does not answer them.",
            "It may be busy with an answer. Wait, or start it again; then test it.",
            f"no answer within {ANSWER_WITHIN:.0f} s",
        ) from None


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
    """Ask a connection now."""
    app.update(**with_health(app.state, event.id, HealthRecord("checking")))
    await refresh(app, event.id)
    record = app.state.health.get(event.id, HealthRecord())
    item = connection(app.state, event.id)
    if item:
        app.say(f"{item.name}: {record.text}")


def open_add(app: App, event: UiEvent) -> None:
    """Open the dialog for a new connection."""
    type_ = next(t for t in app.registry.types if not t.permanent)
    app.update(dialog=Dialog("connection", values={"type": type_.name, "base_url": type_.default_url}))


def open_edit(app: App, event: UiEvent) -> None:
    """Open the dialog for a connection that exists."""
    item = app.connection(event.id)
    values = {"type": item.type, "name": item.name, "base_url": item.base_url}
    app.update(dialog=Dialog("connection", item.id, values))


def change_type(app: App, event: UiEvent) -> None:
    """Another type was chosen in the dialog."""
    dialog = app.state.dialog
    if dialog:
        type_ = app.registry.type_of(event.value)
        values = {**event.values, "base_url": type_.default_url}
        app.update(dialog=Dialog("connection", dialog.subject, values, revision=dialog.revision + 1))


async def try_(app: App, event: UiEvent) -> None:
    """Test what stands in the dialog, without saving it."""
    dialog = app.state.dialog
    if dialog is None:
        return
    values = {**dialog.values, **event.values}
    asking = dialog._replace(values=values, note="Asking…", error=None, busy=True)
    app.update(dialog=asking)
    note, error = "", None
    try:
        item = _connection_of(app, dialog.subject or "test", values)
        async with _answered_in_time(item.base_url):
            note = "Works: " + await app.registry.type_of(item.type).build(item.id, item.base_url).check()
    except Exception as failure:
        error = record_of(failure)
    if app.state.dialog is asking:  # not closed, and not another one by now
        app.update(dialog=asking._replace(note=note, error=error, busy=False))


async def save(app: App, event: UiEvent) -> None:
    """Keep what stands in the dialog, then ask the connection."""
    dialog = app.state.dialog
    if dialog is None:
        return
    values = {**dialog.values, **event.values}
    try:
        item = _connection_of(app, dialog.subject or app.new_id(), values)
    except ModelTabError as error:
        app.update(dialog=dialog._replace(values=values, error=error.record(), note=""))
        return
    if dialog.subject:
        connections = tuple(item if c.id == item.id else c for c in app.state.connections)
    else:
        connections = (*app.state.connections, item)
    app.set_connections(connections)
    app.update(
        dialog=None,
        models={key: value for key, value in app.state.models.items() if key != item.id},
        **with_health(app.state, item.id, HealthRecord("checking")),
    )
    await refresh(app, item.id)


def _connection_of(app: App, connection_id: str, values: dict[str, str]) -> Connection:
    type_ = app.registry.type_of(values["type"])
    url = clean_base_url(values.get("base_url") or type_.default_url) if type_.takes_url else ""
    name = values.get("name", "").strip() or type_.label
    if any(c.name == name and c.id != connection_id for c in app.state.connections):
        taken = {c.name for c in app.state.connections if c.id != connection_id}
        name = next(f"{name} {n}" for n in range(2, 1000) if f"{name} {n}" not in taken)
    return Connection(connection_id, type_.name, name, url)


def ask_remove(app: App, event: UiEvent) -> None:
    """Ask before a connection is removed."""
    item = app.connection(event.id)
    values = {"title": "Remove connection?", "confirm": "Remove", "action": "connection.remove"}
    note = f"{item.name} is removed from this page. Its models stay where they are."
    app.update(dialog=Dialog("confirm", item.id, values, note))


def remove(app: App, event: UiEvent) -> None:
    """Remove a connection."""
    app.update(dialog=None, models={key: value for key, value in app.state.models.items() if key != event.id})
    app.set_connections(tuple(c for c in app.state.connections if c.id != event.id))
    if split_key(app.state.settings.model)[0] == event.id:
        app.set_setting(model="")

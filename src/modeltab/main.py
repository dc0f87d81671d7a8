"""The composition root: builds the parts and hands them to each other. Nobody else constructs them."""

import asyncio
import os
import time
from typing import Any

import js

from modeltab.actions import connections, conversations, navigation
from modeltab.actions.app import App, facts_of
from modeltab.actions.table import perform
from modeltab.browser.conversations import Conversations
from modeltab.browser.dom import Drawing
from modeltab.browser.engine import WllamaEngine
from modeltab.browser.events import Events
from modeltab.browser.files import RemoteFile
from modeltab.browser.local_storage import LocalStorage
from modeltab.browser.opfs import OpfsModels
from modeltab.browser.page import BrowserPage
from modeltab.browser.transport import BrowserTransport
from modeltab.domain.catalogue import STARTER
from modeltab.domain.connections import Connection
from modeltab.domain.errors import ModelTabError
from modeltab.providers import in_tab, local_llm
from modeltab.providers.registry import Registry
from modeltab.state.records import UnreadableError, config_from_json
from modeltab.state.store import Settings, State, Store
from modeltab.state.updates import running_transfers


async def start() -> None:
    """Build the app and show it; from the end of this on, every control answers."""
    try:
        await _start()
    except Exception as error:
        js.modeltabBoot.fail("The app met an error while starting.", "Try again. If it stays, report the details.", repr(error))
        raise


async def _start() -> None:
    drawing = Drawing()
    loading = asyncio.ensure_future(drawing.load())
    config = LocalStorage()
    store = Store(State())
    files = OpfsModels()
    transport = BrowserTransport(lambda: store.state.settings.offline_only)
    registry = Registry((in_tab.connection_type(files, WllamaEngine()), local_llm.connection_type(transport)))
    app = App(
        store,
        registry,
        BrowserPage(on_focus=lambda element_id: drawing.focus(element_id, store.state)),
        Conversations(),
        config,
        starter=lambda: RemoteFile(STARTER.name, STARTER.size, _starter_sources(store.state.settings.offline_only)),
        clock=time.time,
        new_id=lambda: os.urandom(8).hex(),
    )
    kept, settings, problem = _configuration(config, registry)
    store.update(
        connections=kept,
        facts=facts_of(registry, kept),
        types=registry.types,
        settings=settings,
        route=navigation.parse(js.location.hash),
        isolated=bool(js.crossOriginIsolated),
    )
    visible = asyncio.Event()
    visible.set()
    await loading
    drawing.draw(store.state)
    store.subscribe(drawing.show)
    Events(
        perform=lambda event: perform(app, event),
        on_hash=lambda hash_: app.spawn(navigation.go(app, hash_)),
        on_visible=lambda seen: visible.set() if seen else visible.clear(),
        is_busy=lambda: bool(running_transfers(store.state)),
    )
    asyncio.get_running_loop().set_exception_handler(lambda _, context: _unhandled(app, context))
    js.document.documentElement.setAttribute("data-state", "ready")
    if problem:
        app.alert(ModelTabError(problem, "The default connections and settings apply."))
    app.spawn(_fill(app, files))
    app.spawn(connections.watch(app, visible))


def _starter_sources(offline_only: bool) -> tuple[str, ...]:
    """Where the starter model is fetched from: beside the app, and from elsewhere only if the person allows that."""
    return tuple(url for url in STARTER.sources if url.startswith("./") or not offline_only)


def _configuration(config: LocalStorage, registry: Registry) -> tuple[tuple[Connection, ...], Settings, str]:
    """Connections and settings as kept, or as they are at first; and what was wrong with what was kept."""
    value, problem = config.read()
    connections_, settings = registry.default_connections(), Settings()
    if value is not None:
        try:
            connections_, settings = config_from_json(value)
        except UnreadableError as error:
            problem = config.set_aside(str(error))
    known = {type_.name for type_ in registry.types}
    permanent = {c.type for c in connections_}
    missing = tuple(c for c in registry.default_connections() if registry.type_of(c.type).permanent and c.type not in permanent)
    return (*missing, *(c for c in connections_ if c.type in known)), settings, problem


async def _fill(app: App, files: OpfsModels) -> None:
    """Bring what the first screen can do without. One part that fails must not keep the others away."""
    app.spawn(files.clean())
    app.spawn(connections.refresh_all(app))
    try:
        await conversations.load_list(app)
    finally:
        await navigation.show(app, app.state.route)


def _unhandled(app: App, context: dict[str, Any]) -> None:
    app.alert(context.get("exception") or RuntimeError(str(context.get("message"))))

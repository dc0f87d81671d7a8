"""The composition root: builds the parts and hands them to each other. Nobody else constructs them."""

import asyncio
import os
import time
from functools import partial
from typing import Any

import js

from modeltab.actions import (
    commands,
    completion,
    connections,
    context,
    conversations,
    drafts,
    endpoint,
    keeping,
    kept_pages,
    keyboard,
    keys,
    live,
    navigation,
    offline,
    palette,
    playground,
    prices,
    sparing,
    structured,
    transfers,
)
from modeltab.actions.app import App, facts_of
from modeltab.actions.code_ports import CodeParts
from modeltab.actions.table import perform
from modeltab.browser.code_runs import CodeRuns
from modeltab.browser.comparisons import Comparisons
from modeltab.browser.conversations import Conversations
from modeltab.browser.dom import Drawing
from modeltab.browser.door import BrowserDoor
from modeltab.browser.drafts import LocalDrafts
from modeltab.browser.editor import BrowserEditor
from modeltab.browser.engine import LocalCalibrations, device, machine
from modeltab.browser.events import Events
from modeltab.browser.files import compose
from modeltab.browser.images import OpfsImages
from modeltab.browser.interop import absolute
from modeltab.browser.json_schema import JsonSchemas
from modeltab.browser.language_model import BrowserLanguageModel
from modeltab.browser.local_storage import CALIBRATIONS, CALLS, CONFIG, KEYS, LocalStorage
from modeltab.browser.main_engine import MainEngine
from modeltab.browser.opfs import OpfsModels
from modeltab.browser.page import BrowserPage
from modeltab.browser.pdf import PdfTexts
from modeltab.browser.quick_engine import QuickEngine
from modeltab.browser.remote_files import RemoteFile, open_url
from modeltab.browser.sandbox import BrowserSandboxes
from modeltab.browser.service_worker import BrowserOfflineCopy
from modeltab.browser.surroundings import BrowserSurroundings, is_apple
from modeltab.browser.tabs import BrowserTabs
from modeltab.browser.templates import ChatTemplates
from modeltab.browser.transport import BrowserTransport
from modeltab.browser.vault import WebCryptoVault
from modeltab.domain.catalogue import STARTER
from modeltab.domain.connections import Connection
from modeltab.domain.errors import ModelTabError
from modeltab.domain.exchange import Exchange
from modeltab.providers import (
    anthropic,
    browser_model,
    gemini,
    in_tab,
    llama_server,
    local_llm,
    ollama,
    openai,
    openai_responses,
)
from modeltab.providers.connection_type import ConnectionType
from modeltab.providers.registry import Registry
from modeltab.providers.tab_choice import WLLAMA_2_3, WLLAMA_2_4
from modeltab.providers.tab_engine import TabEngine
from modeltab.state.keyring import KeyRing
from modeltab.state.records import UnreadableError, config_from_json
from modeltab.state.store import Settings, State, Store
from modeltab.state.updates import running_transfers

_PASTE_AGAIN = "Paste the keys again: edit each connection that needs one."


async def start() -> None:
    """Build the app and show it; from the end of this on, every control answers."""
    try:
        await _start()
    except Exception as error:
        js.modeltabBoot.fail("The app met an error while starting.", "Try again. If it stays, report the details.", repr(error))
        raise


async def _start() -> None:
    images = OpfsImages()
    drawing = Drawing(images)
    loading = asyncio.ensure_future(drawing.load())
    config = LocalStorage(CONFIG, "configuration")
    keyring = KeyRing(LocalStorage(KEYS, "keys"), WebCryptoVault())
    store = Store(State())
    files = OpfsModels()
    transport = BrowserTransport(lambda: store.state.settings.offline_only)
    page = BrowserPage(on_focus=lambda target: drawing.focus(target, store.state))
    templates = ChatTemplates()
    remote_file = partial(RemoteFile, check_allowed=transport.check_allowed)
    measured = LocalCalibrations(LocalStorage(CALIBRATIONS, "measurements"))
    quick = QuickEngine("2.3.1", WLLAMA_2_3), QuickEngine("2.4.0", WLLAMA_2_4)
    engine = TabEngine(MainEngine(), quick, templates, machine, measured)
    registry = Registry(_types(transport, files, templates, engine), keyring.key)
    tabs = BrowserTabs(lambda news: live.hear(app, news))
    app = App(
        store,
        registry,
        page,
        Conversations(tabs.tell),
        Comparisons(),
        images,
        LocalDrafts(),
        config,
        LocalStorage(CALLS, "log of calls"),
        keyring,
        transport,
        BrowserSurroundings(),
        starter=lambda: remote_file(STARTER.name, STARTER.size, STARTER.sources, "", ""),
        remote_file=remote_file,
        read_catalogue=page.read_catalogue,
        compose=compose,
        open_url=lambda url: open_url(url, transport.check_allowed),
        templates=templates,
        pdfs=PdfTexts(),
        schemas=JsonSchemas(),
        code=CodeParts(BrowserEditor(lambda event: perform(app, event)), BrowserSandboxes(), CodeRuns()),
        clock=time.time,
        new_id=lambda: os.urandom(8).hex(),
    )
    app.tabs = tabs
    engine.on_news = lambda words: app.spawn(sparing.news(app, words))
    app.door = door = BrowserDoor(lambda *call: endpoint.take(app, *call), lambda: app.state.settings.api)
    app.copy = BrowserOfflineCopy(lambda news: offline.hear(app, news))
    kept, app.foreign, settings, problem = _configuration(config, registry)
    key_problem = keyring.load()
    store.update(
        connections=kept,
        facts=facts_of(registry, kept),
        types=registry.types,
        settings=settings,
        keys=keyring.status(),
        route=navigation.parse(js.location.hash),
        isolated=bool(js.crossOriginIsolated),
        apple=is_apple(),
        api_base=absolute("./"),
        exchange=Exchange(has_folders=page.has_folders()),
        offline=app.copy.facts(),
    )
    drafts.begin(app)
    context.begin(app)
    commands.begin(app)
    palette.begin(app)
    completion.begin(app)
    structured.begin(app)
    endpoint.begin(app)
    door.begin()
    playground.begin(app)
    visible = asyncio.Event()
    visible.set()
    await loading
    drawing.draw(store.state)
    store.subscribe(drawing.show)
    Events(
        perform=lambda event: perform(app, event),
        event_of=lambda pressed: keyboard.event_of(app, pressed),
        on_hash=lambda hash_: app.spawn(navigation.go(app, hash_)),
        on_visible=lambda seen: visible.set() if seen else _hidden(app, visible, engine),
        on_sleep=lambda: app.spawn(sparing.asleep(app, engine)),
        on_storage=lambda name: app.spawn(_stored_elsewhere(app, name, config)),
        is_busy=lambda: bool(running_transfers(store.state) or app.unwritten.trouble),
    )
    asyncio.get_running_loop().set_exception_handler(lambda _, context: _unhandled(app, context))
    js.document.documentElement.setAttribute("data-state", "ready")
    if problem:
        app.alert(ModelTabError(problem, "The default connections and settings apply."))
    if key_problem:
        app.alert(ModelTabError(key_problem, _PASTE_AGAIN))
    app.spawn(_fill(app, files))
    app.spawn(connections.watch(app, visible))
    app.spawn(keys.watch(app))
    app.spawn(keeping.watch(app))
    app.spawn(offline.watch(app, visible))


def _types(
    transport: BrowserTransport, files: OpfsModels, templates: ChatTemplates, engine: TabEngine
) -> tuple[ConnectionType, ...]:
    """Every kind of connection, in the order of the list in "Type"."""
    return (
        in_tab.connection_type(files, engine, templates),
        local_llm.connection_type(transport),
        ollama.connection_type(transport),
        llama_server.connection_type(transport),
        openai.connection_type(transport),
        openai_responses.connection_type(transport),
        anthropic.connection_type(transport),
        gemini.connection_type(transport),
        browser_model.connection_type(BrowserLanguageModel()),
    )


def _hidden(app: App, visible: asyncio.Event, engine: TabEngine) -> None:
    """The page is not seen any more, and may be closing: keep what was typed in the last moment."""
    visible.clear()
    app.spawn(sparing.unseen(app, engine, visible))
    drafts.keep(app)
    kept_pages.keep(app)


async def _stored_elsewhere(app: App, name: str, config: LocalStorage) -> None:
    """Another tab has changed what is kept: take it over, so that neither tab undoes what the other did."""
    if name == KEYS:
        problem = await app.keys.reload()
        app.show_keys()
        if problem:
            app.alert(ModelTabError(problem, _PASTE_AGAIN))
    elif name == CALLS:
        endpoint.show_log(app)
    elif name == CONFIG:
        kept, app.foreign, settings, problem = _configuration(config, app.registry)
        if not problem:
            settings = settings._replace(model=app.state.settings.model)  # which model a tab talks to is its own affair
            app.update(connections=kept, facts=facts_of(app.registry, kept), settings=settings)
            app.page.set_theme(settings.theme)


def _configuration(
    config: LocalStorage, registry: Registry
) -> tuple[tuple[Connection, ...], tuple[Connection, ...], Settings, str]:
    """Connections and settings as kept, or as they are at first; and what was wrong with what was kept.

    Connections of types that are not known here come apart: a newer version made them, and will want them back.
    """
    value, problem = config.read()
    connections_, settings = registry.default_connections(), Settings()
    if value is not None:
        try:
            connections_, settings = config_from_json(value)
        except UnreadableError as error:
            problem = config.set_aside(str(error))
    names = {type_.name for type_ in registry.types}
    permanent = {c.type for c in connections_}
    missing = tuple(c for c in registry.default_connections() if registry.type_of(c.type).permanent and c.type not in permanent)
    known = tuple(c for c in connections_ if c.type in names)
    return (*missing, *known), tuple(c for c in connections_ if c.type not in names), settings, problem


async def _fill(app: App, files: OpfsModels) -> None:
    """Bring what the first screen can do without. One part that fails must not keep the others away."""
    app.spawn(_take_up(app, files))
    app.spawn(_look_at_device(app))
    app.spawn(prices.load(app))
    app.spawn(connections.refresh_all(app))
    try:
        await conversations.load_list(app)
    finally:
        await navigation.show(app, app.state.route)


async def _look_at_device(app: App) -> None:
    """What the engine in the tab will have: for telling what fits before it is tried."""
    app.update(device=await device())


async def _take_up(app: App, files: OpfsModels) -> None:
    """What broken transfers have left: what is of no use goes, the rest is shown, so that it can go on."""
    await files.clean()
    await transfers.find_unfinished(app)


def _unhandled(app: App, context: dict[str, Any]) -> None:
    app.alert(context.get("exception") or RuntimeError(str(context.get("message"))))

"""The API in this tab: who may call it, what is running, what was called; and calls from their first piece to the last."""

import asyncio
from typing import NamedTuple

from modeltab.actions.app import App, UiEvent
from modeltab.actions.calls import AppHost
from modeltab.actions.door import RunningCall
from modeltab.domain.calls import LEFT, STOPPED, Call
from modeltab.domain.connections import origin_of
from modeltab.domain.errors import ModelTabError
from modeltab.endpoint import router
from modeltab.endpoint.errors import CallError
from modeltab.endpoint.fields import Fields
from modeltab.endpoint.values import Exchange, Out, Request
from modeltab.state.calls import MOST_CALLS, calls_from_json, calls_to_json
from modeltab.state.store import State

#: The page that lets other origins in, and the header in which it alone says which one asks.
BRIDGE, ORIGIN_HEADER = "bridge.html", "modeltab-origin"
#: Where the bridge asks whether an origin may call, and tells what the person has decided.
CONSENT = "v1/bridge/consent"
OFF = "ModelTab lets no other page use its models now. Switch on “API in this tab” in ModelTab's Settings."


class Caller(NamedTuple):
    """Who calls: the address of the page as the service worker tells it, and the id that the browser gives this very page."""

    url: str
    client: str


def begin(app: App) -> None:
    """Be there for calls as the settings say, from now on. They may change in another tab."""
    show_log(app)
    seen = app.state.settings

    def follow(state: State) -> None:
        nonlocal seen
        before, seen = seen, state.settings
        if seen.api and not before.api:
            app.spawn(app.door.open())
        elif before.api and not seen.api:
            app.door.close()
            stop_calls(app)
        elif before.api_origins != seen.api_origins:
            stop_calls(app, set(before.api_origins) - set(seen.api_origins))

    app.store.subscribe(follow)
    if seen.api:
        app.spawn(app.door.open())


def take(app: App, request: Request, caller: Caller, out: Out) -> "asyncio.Task[None]":
    """Answer a call. Cancelling the task is what a caller does who leaves."""
    origin = _origin(app, request, caller)
    running = RunningCall(origin)
    call = Call(app.new_id(), origin or "unknown", request.method, request.path, app.clock())
    app.calls[call.id] = running
    running.task = app.spawn(_answer(app, request, caller, out, running, call))
    return running.task


async def _answer(app: App, request: Request, caller: Caller, out: Out, running: RunningCall, call: Call) -> None:
    exchange = Exchange(request, out, app.clock)
    is_logged = request.path != CONSENT
    if is_logged:
        app.update(api_calls=(call, *app.state.api_calls))
    status = 0
    try:
        if request.path == CONSENT:
            _consent(app, exchange, caller)
            return
        refused = _refusal(app, request, caller)
        if refused:
            router.fail(exchange, refused)
        else:
            await router.answer(exchange, AppHost(app, running.uses))
    except asyncio.CancelledError:
        status = STOPPED if running.stopped else LEFT
        router.fail(exchange, CallError(503, "The call was stopped in ModelTab.", "stopped"))
    finally:
        del app.calls[call.id]
        if is_logged:
            _log(app, call, exchange, status)


def _log(app: App, call: Call, exchange: Exchange, status: int) -> None:
    """Show and keep how a call went."""
    call = call._replace(
        model=exchange.model,
        status=status or exchange.status,
        seconds=app.clock() - call.started,
        prompt_tokens=exchange.usage.prompt_tokens,
        completion_tokens=exchange.usage.completion_tokens,
    )
    others = (other for other in app.state.api_calls if other.id != call.id)
    shown = sorted((call, *others), key=lambda item: -item.started)[:MOST_CALLS]
    app.update(api_calls=tuple(shown))
    app.call_log.write(calls_to_json(app.state.api_calls))


def show_log(app: App) -> None:
    """Show the calls that are kept: another tab may have answered some. Those that are running here stay."""
    kept = calls_from_json(app.call_log.read()[0])
    ids = {call.id for call in kept}
    running = [call for call in app.state.api_calls if not call.status and call.id in app.calls and call.id not in ids]
    app.update(api_calls=tuple(sorted((*running, *kept), key=lambda call: -call.started)))


# ---- Who may call ----------------------------------------------------------------------------------------------------


def _page(caller: Caller) -> str:
    """The address of the page that calls, without what follows its path."""
    return caller.url.partition("#")[0].partition("?")[0]


def _origin(app: App, request: Request, caller: Caller) -> str:
    """Who calls: the page of another origin that the bridge speaks for, else the page itself. Only the bridge is believed."""
    page = _page(caller)
    return request.headers.get(ORIGIN_HEADER, "") if page == app.state.api_base + BRIDGE else page


def _refusal(app: App, request: Request, caller: Caller) -> CallError | None:
    """Why a call is not answered; None when it is."""
    base, page = app.state.api_base, _page(caller)
    if not app.state.settings.api:
        return CallError(403, OFF, "api_off")
    if page in (base, base + "index.html"):
        return CallError(403, "ModelTab does not call itself: give this connection another address.", "own_page")
    if not page.startswith(origin_of(base) + "/"):
        return CallError(403, "It is not known which page asks.", "unknown_page")
    if page == base + BRIDGE and not _may(app, _origin(app, request, caller), caller.client):
        return CallError(403, "The person has not allowed this origin to use the models here.", "origin_not_allowed")
    return None


def _may(app: App, origin: str, client: str) -> bool:
    return origin in app.state.settings.api_origins or (origin, client) in app.allowed_once


def _consent(app: App, exchange: Exchange, caller: Caller) -> None:
    """What the bridge asks, and tells: {"allowed"}; with POST {"remember"}, the person has just allowed the origin."""
    request, origin = exchange.request, exchange.request.headers.get(ORIGIN_HEADER, "")
    if _page(caller) != app.state.api_base + BRIDGE or not _is_origin(origin):
        router.fail(exchange, CallError(403, "Only the bridge asks this, for a page that has an origin.", "not_the_bridge"))
        return
    if not app.state.settings.api:
        router.fail(exchange, CallError(403, OFF, "api_off"))
        return
    if request.method == "POST":
        try:
            remember = Fields(request).take("remember", bool, False)
        except CallError as error:
            router.fail(exchange, error)
            return
        app.allowed_once.add((origin, caller.client))
        if remember and origin not in app.state.settings.api_origins:
            app.set_setting(api_origins=(*app.state.settings.api_origins, origin))
    exchange.answer({"allowed": _may(app, origin, caller.client)})


def _is_origin(text: str) -> bool:
    """Whether it is the origin of a page: not "null", which every sandboxed page and every file has."""
    try:
        return text.startswith(("http://", "https://")) and origin_of(text) == text
    except ValueError:
        return False


# ---- What a person does ----------------------------------------------------------------------------------------------


def toggle(app: App, event: UiEvent) -> None:
    """Let other pages use the models, or not."""
    if not app.state.settings.api and not app.door.exists():
        raise ModelTabError(
            "This page cannot answer other pages: the browser has no service worker for it.",
            "Open ModelTab over https or from this machine, outside a private window.",
        )
    app.set_setting(api=not app.state.settings.api)
    app.say("Other pages can use the models" if app.state.settings.api else "Other pages cannot use the models")


def revoke(app: App, event: UiEvent) -> None:
    """Let an origin in no more; what it has running is stopped."""
    app.allowed_once = {pair for pair in app.allowed_once if pair[0] != event.id}
    app.set_setting(api_origins=tuple(origin for origin in app.state.settings.api_origins if origin != event.id))
    stop_calls(app, {event.id})
    app.say(f"{event.id} cannot use the models any more")


def clear_log(app: App, event: UiEvent) -> None:
    """Forget the calls that have ended."""
    app.call_log.clear()
    show_log(app)
    app.say("The log is empty")


def stop_calls(app: App, origins: set[str] | None = None) -> None:
    """Stop the calls that are running: all of them, or those of some origins."""
    for running in app.calls.values():
        if origins is None or running.origin in origins:
            running.stopped = True
            app.cancel(running.task)

"""A model that a page asks by itself, outside conversations: found, unlocked, waited for, loaded, asked, and its end told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from modeltab.actions.answer import explained, load_model
from modeltab.actions.app import App
from modeltab.actions.connections import refresh
from modeltab.actions.engines import Turn
from modeltab.actions.keys import ensure_unlocked
from modeltab.domain.errors import CutOff, ErrorRecord, ModelTabError, record_of
from modeltab.domain.messages import Status
from modeltab.domain.models import Model, split_key
from modeltab.domain.requests import Event, Finished, Parameters, Progress, Retrying
from modeltab.providers.base import Provider
from modeltab.providers.retrying import retried
from modeltab.state.updates import model_of

Begin = Callable[[Provider, str], AsyncGenerator[Event, None]]


async def reachable_model(app: App, key: str) -> Model:
    """The model of a key; its connection is asked when it was not yet: sending is the click that it may be asked by."""
    connection_id, name = split_key(key)
    app.connection(connection_id)
    if model_of(app.state, key) is None:
        await ensure_unlocked(app, app.connection(connection_id))
        await refresh(app, connection_id)
    found = model_of(app.state, key)
    if found is None:
        where = app.connection(connection_id).name
        raise ModelTabError(f"{name} is not there now.", f"Choose another model, or look at {where} on the Connections page.")
    return found


async def ask(
    app: App,
    key: str,
    parameters: Parameters,
    begin: Begin,
    take: Callable[[Event], object],
    tell: Callable[[str], object],
) -> tuple[Status, ErrorRecord | None]:
    """Ask a model until it ends, is stopped or fails; how it ended.

    :param begin: makes the events of the provider for the model's name.
    :param take: is given each event of the answer; `tell`, the words for what goes on before it comes.
    """
    try:
        model = await reachable_model(app, key)
        provider = app.provider(model.connection_id)
        try:
            await _run(app, model, provider, parameters, begin, take, tell)
        except Exception as error:
            if not isinstance(error, ModelTabError):
                app.alert(error)
            return "error", await explained(app, model, provider, error, tell)
    except asyncio.CancelledError:
        return "stopped", None
    except ModelTabError as error:  # there is no such model, or no such connection
        return "error", record_of(error)
    finally:
        tell("")
    return "done", None


async def _run(
    app: App,
    model: Model,
    provider: Provider,
    parameters: Parameters,
    begin: Begin,
    take: Callable[[Event], object],
    tell: Callable[[str], object],
) -> None:
    await ensure_unlocked(app, app.connection(model.connection_id))
    turn, finished = Turn(app, model.connection_id), False
    try:
        await turn.begin(tell)
        if provider.memory and provider.memory.loads_first:
            await load_model(app, provider, model, parameters, tell)
        tell("Waiting for the answer")
        async with aclosing(retried(lambda: begin(provider, model.name))) as events:
            async for event in events:
                if isinstance(event, Progress):
                    tell(f"{event.what}: {event.fraction:.0%}")
                elif isinstance(event, Retrying):
                    tell(f"{event.reason} Trying again in {event.seconds:.0f} s ({event.attempt} of {event.attempts})")
                else:
                    finished = finished or isinstance(event, Finished)
                    take(event)
    finally:
        turn.end()
    if not finished:
        raise CutOff("The answer ended before its end mark.", "It may be incomplete. Ask again for a new one.")

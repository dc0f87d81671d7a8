"""The engine's memory is given back when the page is not used and memory is scarce; a person finds out why.

No browser tells a page that memory runs short. What there is: a page that is put to sleep hears of it, a device tells its
memory in coarse steps, and an engine that gets no more memory fails.
"""

import asyncio
from typing import Protocol

from modeltab.actions.app import App
from modeltab.actions.connections import refresh

#: A page that is not seen for so many seconds gives memory back, on a device with no more than so many bytes.
UNSEEN_S = 600
SCARCE_BYTES = 4 << 30


class Engine(Protocol):
    """The engine of the tab."""

    async def give_up(self, why: str) -> None:
        """Unload what is loaded, if anything is, and say why."""
        ...


async def unseen(app: App, engine: Engine, visible: asyncio.Event) -> None:
    """The page is not seen any more: if it stays so, unload the model, but never in the middle of an answer."""
    memory = app.state.device.memory
    if memory is None or memory > SCARCE_BYTES:
        return
    while not visible.is_set():
        try:
            await asyncio.wait_for(visible.wait(), UNSEEN_S)
        except TimeoutError:
            if not is_answering(app):
                await engine.give_up("this tab was not seen for ten minutes, and this device has little memory")
                return


async def asleep(app: App, engine: Engine) -> None:
    """The browser puts the page to sleep, which it does to save memory and power."""
    if not is_answering(app):
        await engine.give_up("the browser has put this tab to sleep")


async def news(app: App, words: str) -> None:
    """The engine has changed by itself what runs, or how: show that, and say it."""
    app.say(words)
    for connection in app.state.connections:
        if connection.type == "in-tab":
            await refresh(app, connection.id)


def is_answering(app: App) -> bool:
    """Whether somebody has an engine's turn: the chat, a comparison, or a caller from outside."""
    return any(turn.locked() for turn in app.engines.values())

"""The one wrapper around every provider's `generate` and `complete`: what may well work a little later is asked again, visibly.

Only before the first piece of an answer: what has come is never thrown away, and never asked (and paid) for twice.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from modeltab.domain.errors import ModelTabError
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    ReasoningDelta,
    Retrying,
    TextDelta,
    TokenProbabilities,
    ToolCallDelta,
)
from modeltab.providers.base import Provider

#: How often a request is sent at most, and the seconds before the second time; each pause is twice the one before.
ATTEMPTS = 4
FIRST_PAUSE = 1.0
#: A server that asks to wait longer than this, in seconds, is left to the person: nobody watches a page for minutes.
LONGEST_PAUSE = 60.0
_ANSWER = (TextDelta, TokenProbabilities, ReasoningDelta, ToolCallDelta, Finished)


def generate(provider: Provider, request: ChatRequest) -> AsyncGenerator[Event, None]:
    """Answer, as `Provider.generate` does; `Retrying` events tell of each pause. Closing it stops the pause, too."""
    return retried(lambda: provider.generate(request))


async def retried(ask: Callable[[], AsyncGenerator[Event, None]]) -> AsyncGenerator[Event, None]:
    """The events of what `ask` begins, and begins again where that may help."""
    for attempt in range(1, ATTEMPTS + 1):
        answered = False
        try:
            async with aclosing(ask()) as events:
                async for event in events:
                    answered = answered or isinstance(event, _ANSWER)
                    yield event
            return
        except ModelTabError as error:
            pause = pause_before(attempt, error.retry_after)
            if answered or not error.transient or attempt == ATTEMPTS or pause > LONGEST_PAUSE:
                raise
            yield Retrying(error.message, pause, attempt + 1, ATTEMPTS)
            await asyncio.sleep(pause)


def pause_before(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait after a try that failed: what the server asks for, else back-off with a little chance in it.

    The chance keeps many tabs that failed together from coming back together.
    """
    if retry_after is not None:
        return retry_after
    return FIRST_PAUSE * 2.0 ** (attempt - 1) * random.uniform(0.8, 1.2)

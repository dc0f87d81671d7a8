"""What may well work a little later is asked again, visibly, and only before the first piece of an answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from modeltab.domain.errors import BadRequest, ModelTabError, RateLimited, ServerFailed
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, Finished, Progress, ReasoningDelta, Retrying, TextDelta
from modeltab.providers import retrying
from modeltab.providers.base import Capabilities, Provider
from modeltab.snippets.call import Call
from tests.servers.transport import run


class Flaky(Provider):
    """Each attempt yields its events, then raises its error if it has one."""

    capabilities = Capabilities(True, frozenset())

    def __init__(self, *attempts) -> None:
        self.attempts = list(attempts)
        self.asked = 0

    async def check(self) -> str:
        """Nothing to say."""
        return ""

    async def models(self) -> tuple[Model, ...]:
        """None."""
        return ()

    async def generate(self, request):
        """The next attempt."""
        self.asked += 1
        for step in self.attempts.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step

    def call(self, request, stream=True) -> Call:
        """Nothing that code could send."""
        raise NotImplementedError


def failing(kind=ServerFailed, transient=True, retry_after=None, message="Overloaded.") -> ModelTabError:
    """An error."""
    error = kind(message)
    error.transient, error.retry_after = transient, retry_after
    return error


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses that were made, none of them really."""
    made: list[float] = []
    sleep = asyncio.sleep

    async def short(seconds):
        made.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", short)
    return made


def collect(provider):
    """Every event, and the error at the end if there is one."""
    events = []

    async def take():
        async with aclosing(retrying.generate(provider, ChatRequest("m", ()))) as stream:
            async for event in stream:
                events.append(event)

    try:
        run(take())
    except ModelTabError as error:
        return events, error
    return events, None


ANSWER = [TextDelta("Hi"), Finished("stop")]


def test_an_answer_at_the_first_try_is_passed_on_as_it_is(pauses):
    assert collect(Flaky(ANSWER)) == (ANSWER, None)
    assert pauses == []


def test_a_failure_that_may_pass_is_tried_again_and_told(pauses):
    events, error = collect(Flaky([failing()], [failing()], ANSWER))
    assert error is None
    first, second, *answer = events
    assert answer == ANSWER
    assert isinstance(first, Retrying) and isinstance(second, Retrying)
    assert (first.reason, first.attempt, first.attempts) == ("Overloaded.", 2, retrying.ATTEMPTS)
    assert [first.seconds, second.seconds] == pauses
    assert 0.8 <= pauses[0] <= 1.2 and 1.6 <= pauses[1] <= 2.4


def test_the_pause_is_the_one_that_the_server_asks_for(pauses):
    collect(Flaky([failing(RateLimited, retry_after=7.0)], ANSWER))
    assert pauses == [7.0]


def test_it_gives_up_after_so_many_tries_with_the_last_error(pauses):
    provider = Flaky(*([failing(message=f"{n}.")] for n in range(10)))
    _, error = collect(provider)
    assert error is not None and error.message == f"{retrying.ATTEMPTS - 1}."
    assert provider.asked == retrying.ATTEMPTS and len(pauses) == retrying.ATTEMPTS - 1


def test_what_will_not_pass_is_not_tried_again(pauses):
    provider = Flaky([failing(BadRequest, transient=False)], ANSWER)
    assert collect(provider)[1] is not None
    assert (provider.asked, pauses) == (1, [])


def test_a_server_that_asks_to_wait_for_minutes_is_left_to_the_person(pauses):
    provider = Flaky([failing(RateLimited, retry_after=600.0)], ANSWER)
    assert collect(provider)[1] is not None
    assert (provider.asked, pauses) == (1, [])


@pytest.mark.parametrize("piece", [TextDelta("Hi"), ReasoningDelta("Hm")])
def test_after_the_first_piece_nothing_is_asked_again(piece, pauses):
    provider = Flaky([piece, failing()], ANSWER)
    events, error = collect(provider)
    assert (events, provider.asked, pauses) == ([piece], 1, [])
    assert error is not None


def test_progress_is_no_piece_of_an_answer(pauses):
    provider = Flaky([Progress("Reading", 0.5), failing()], ANSWER)
    assert collect(provider)[1] is None
    assert provider.asked == 2


def test_a_pause_ends_when_the_answer_is_stopped(monkeypatch):
    monkeypatch.undo()  # real pauses
    provider = Flaky([failing(retry_after=30.0)], ANSWER)

    async def stop_in_the_pause():
        async def take():
            async with aclosing(retrying.generate(provider, ChatRequest("m", ()))) as stream:
                async for event in stream:
                    if isinstance(event, Retrying):
                        paused.set()

        paused = asyncio.Event()
        task = asyncio.ensure_future(take())
        await paused.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(stop_in_the_pause())
    assert provider.asked == 1

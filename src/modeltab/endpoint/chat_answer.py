"""OpenAI's chat completion, the answer: events → one object, or chunks that stream.

Source: OpenAI's API reference, "The chat completion object" and "The chat completion chunk object"; `reasoning_content` is
DeepSeek's word for what others have taken over from it.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from modeltab.domain.errors import CutOff
from modeltab.domain.figures import estimate_tokens
from modeltab.domain.requests import (
    Event,
    Finished,
    Progress,
    ReasoningDelta,
    TextDelta,
    TokenProbabilities,
    ToolCallDelta,
    Usage,
)
from modeltab.domain.tokens import Token
from modeltab.endpoint.values import EVENTS, JSON, Exchange
from modeltab.providers.base import Json


class Answer:
    """An answer as it comes in: what each event adds to it."""

    def __init__(self, asked_tokens: int) -> None:
        self.text = ""
        self.reasoning = ""
        self.calls: list[dict[str, Any]] = []
        self.tokens: list[Token] = []
        self.finish = ""
        self._told = Usage()
        self._asked = asked_tokens

    def take(self, event: Event) -> Json | None:
        """Take an event in; the delta that it is, None when it is none."""
        if isinstance(event, TextDelta):
            self.text += event.text
            return {"content": event.text}
        if isinstance(event, ReasoningDelta):
            self.reasoning += event.text
            return {"reasoning_content": event.text}
        if isinstance(event, ToolCallDelta):
            return {"tool_calls": [self._call(event)]}
        if isinstance(event, TokenProbabilities):
            self.tokens.extend(event.tokens)
        elif isinstance(event, Usage):
            told = {name: value for name, value in event._asdict().items() if value is not None}
            self._told = self._told._replace(**told)
        elif isinstance(event, Finished):
            self.finish = "stop" if event.reason == "other" else event.reason
        return None

    def _call(self, event: ToolCallDelta) -> Json:
        while len(self.calls) <= event.place:
            self.calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call = self.calls[event.place]
        call["id"] = event.id or call["id"]
        call["function"]["name"] = event.name or call["function"]["name"]
        call["function"]["arguments"] += event.arguments
        begins = {"id": event.id, "type": "function"} if event.id or event.name else {}
        named = {"name": event.name} if event.name else {}
        return {"index": event.place, **begins, "function": {**named, "arguments": event.arguments}}

    def take_tokens(self) -> tuple[Token, ...]:
        """The tokens of which more is known since the last time this was asked."""
        tokens, self.tokens = tuple(self.tokens), []
        return tokens

    def usage(self) -> Usage:
        """The tokens that it took, as the provider tells them; what it does not tell is estimated."""
        written = estimate_tokens(self.reasoning + self.text)
        told = self._told
        return told._replace(
            prompt_tokens=self._asked if told.prompt_tokens is None else told.prompt_tokens,
            completion_tokens=written if told.completion_tokens is None else told.completion_tokens,
        )

    def message(self) -> Json:
        """The whole of it as a message."""
        message: dict[str, Json] = {"role": "assistant", "content": self.text or (None if self.calls else ""), "refusal": None}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = self.calls
        return message


def usage_json(usage: Usage) -> Json:
    """Tokens in OpenAI's shape."""
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    value: dict[str, Json] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if usage.cached_tokens is not None:
        value["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        value["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return value


def logprobs_json(tokens: tuple[Token, ...] | list[Token]) -> Json:
    """Probabilities in OpenAI's shape."""
    return {"content": [_token(token) for token in tokens], "refusal": None}


def _token(token: Token) -> Json:
    others = [{"token": a.text, "logprob": a.logprob, "bytes": list(a.text.encode())} for a in token.alternatives]
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode()), "top_logprobs": others}


async def take_in(exchange: Exchange, events: AsyncGenerator[Event, None], answer: Answer) -> AsyncGenerator[Json | None, None]:
    """Take an answer in to its end: each delta, None for work that goes on without one.

    :raises CutOff: when it has no end.
    """
    try:
        async with aclosing(events):
            async for event in events:
                delta = answer.take(event)
                if delta is not None or isinstance(event, Progress):
                    yield delta
    finally:
        exchange.usage = answer.usage()
    if not answer.finish:
        raise CutOff("The answer ended before its end mark.", "It may be incomplete. Try again.")


async def whole(exchange: Exchange, events: AsyncGenerator[Event, None], answer: Answer) -> None:
    """Take an answer in. Blanks go out meanwhile, which JSON allows before it: else nobody would notice that the caller has
    left. The head goes before them only once the model is at work: until then a failure has its status.
    """
    async with aclosing(take_in(exchange, events, answer)) as deltas:
        async for _ in deltas:
            exchange.begin(JSON)
            exchange.still_there(" ")


async def stream(
    exchange: Exchange,
    events: AsyncGenerator[Event, None],
    answer: Answer,
    chunk: Callable[[Json, tuple[Token, ...], str | None], Json],
    last: Json | None,
) -> None:
    """Send an answer as server-sent events while it comes in.

    :param chunk: makes a chunk of a delta, what is known of its tokens, and the reason of the end.
    :param last: what the piece with the usage has besides it; None where none was asked for.
    """

    def begin() -> None:
        if not exchange.status:
            exchange.begin(EVENTS)
            exchange.event(chunk({"role": "assistant", "content": ""}, (), None))

    async with aclosing(take_in(exchange, events, answer)) as deltas:
        async for delta in deltas:
            begin()
            if delta is None:
                exchange.still_there(": working\n\n")
            else:
                exchange.event(chunk(delta, answer.take_tokens(), None))
    begin()
    exchange.event(chunk({}, answer.take_tokens(), answer.finish))
    if last is not None:
        exchange.event({**last, "usage": usage_json(exchange.usage)})
    exchange.write("data: [DONE]\n\n")
    exchange.end()

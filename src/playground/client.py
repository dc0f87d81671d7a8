"""Every model that ModelTab knows, for the code in the playground.

    import modeltab

    print(modeltab.chat("Qwen3", "Say hello."))

`models`, `chat` and `stream` wait for the answer; `models_async`, `chat_async` and `stream_async` are the same to await,
for many at once and for browsers that cannot wait. The first question of a run asks the person whether the code may.
"""

import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from playground.bridge import Bridge
from playground.charts import BarChart as BarChart
from playground.tools import MAX_ROUNDS, Tool, called, described

__all__ = ["Answer", "BarChart", "ModelError", "chat", "chat_async", "models", "models_async", "stream", "stream_async"]

Messages = str | Sequence[dict[str, Any]]
_Result = TypeVar("_Result")
_bridge: Bridge | None = None
_wait: Callable[[Coroutine[Any, Any, Any]], Any] | None = None


class ModelError(Exception):
    """A model did not answer, or the code may not ask it. The text says why, and what to do."""


class Answer(str):
    """The text of an answer, with what else came with it.

    :ivar reasoning: what the model thought before it answered.
    :ivar tool_calls: the tools that were called: {"name", "arguments", "result"} each.
    :ivar usage: figures, as far as they are known: "prompt_tokens", "completion_tokens", "seconds", "tokens_per_second".
    :ivar finish_reason: why it ended: "stop", "length", "tool_calls", "content_filter" or "other".
    """

    reasoning = ""
    finish_reason = ""

    def __init__(self, text: str = "") -> None:
        self.tool_calls: list[dict[str, Any]] = []
        self.usage: dict[str, Any] = {}

    def json(self) -> Any:
        """The answer as JSON, also where a model has put it into a block of code."""
        text = self.strip()
        if text.startswith("```"):
            text = text.strip("`").removeprefix("json")
        return json.loads(text)


def connect(bridge: Bridge, wait: Callable[[Coroutine[Any, Any, Any]], Any] | None) -> None:
    """What the sandbox does before any code runs. `wait` runs a coroutine to its end where the browser can do that."""
    global _bridge, _wait
    _bridge, _wait = bridge, wait


def models() -> list[dict[str, str]]:
    """The models that can be asked: {"id", "name", "connection"} each. `chat` takes the id, or a name that only one has."""
    return _waited(models_async())


async def models_async() -> list[dict[str, str]]:
    """As `models`, to await."""
    async for event in _asked("models"):
        if event["event"] == "done":
            return list(event["models"])
    raise ModelError("The page did not answer.")


def chat(model: str, messages: Messages, **parameters: Any) -> Answer:
    """Ask a model and wait for its whole answer.

    :param model: its id as `models` tells it, or its name.
    :param messages: a text, or a list of {"role": "system" | "user" | "assistant", "content": text}.
    :param parameters: what else to send: `system_prompt`, `temperature`, `max_tokens`, `top_p`, `top_k`, `seed`, `reasoning`;
        `tools`, a list of Python functions with annotations, which are called when the model asks for them; `response_format`,
        as in OpenAI's API; and whatever else the model's own API takes.
    :raises ModelError: when no answer comes.
    """
    return _waited(chat_async(model, messages, **parameters))


async def chat_async(model: str, messages: Messages, **parameters: Any) -> Answer:
    """As `chat`, to await."""
    tools = [Tool(function) for function in parameters.pop("tools", None) or ()]
    if tools:
        parameters["tools"] = [described(tool) for tool in tools]
    turns = _turns(messages)
    used: list[dict[str, Any]] = []
    for _ in range(MAX_ROUNDS):
        answer = await _answer(model, turns, parameters)
        asked = [call for call in answer.tool_calls if tools]
        if not asked:
            break
        results = [await called(tools, call) for call in asked]
        used += results
        turns = [*turns, *_with_results(answer, results)]
    if used:
        answer.tool_calls = used
    return answer


def stream(model: str, messages: Messages, **parameters: Any) -> Iterator[str]:
    """Ask a model; the pieces of its answer, as they come. Parameters as for `chat`, but for functions as tools."""
    pieces = stream_async(model, messages, **parameters)
    try:
        while True:
            piece = _waited(_next(pieces))
            if piece is None:
                return
            yield piece
    finally:
        _waited(pieces.aclose())


async def _next(pieces: AsyncGenerator[str, None]) -> str | None:
    """The next piece, None at the end: StopAsyncIteration cannot pass through a coroutine that is waited for."""
    async for piece in pieces:
        return piece
    return None


async def stream_async(model: str, messages: Messages, **parameters: Any) -> AsyncGenerator[str, None]:
    """As `stream`, for `async for`."""
    if parameters.get("tools"):
        raise ModelError("stream() cannot call functions: use chat() with tools.")
    async with aclosing(_asked("chat", model=model, messages=_turns(messages), parameters=parameters)) as events:
        async for event in events:
            if event["event"] == "text":
                yield event["text"]


async def _answer(model: str, turns: list[dict[str, Any]], parameters: dict[str, Any]) -> Answer:
    pieces: list[str] = []
    last: dict[str, Any] = {}
    async for event in _asked("chat", model=model, messages=turns, parameters=parameters):
        if event["event"] == "text":
            pieces.append(event["text"])
        last = event
    answer = Answer("".join(pieces))
    answer.reasoning = last.get("reasoning", "")
    answer.tool_calls = last.get("tool_calls", [])
    answer.usage = last.get("usage", {})
    answer.finish_reason = last.get("finish_reason", "")
    return answer


async def _asked(method: str, **given: Any) -> AsyncGenerator[dict[str, Any], None]:
    if _bridge is None:
        raise ModelError("This module works in ModelTab's playground alone.")
    async with aclosing(_bridge.ask(method, **given)) as events:
        async for event in events:
            if event["event"] == "error":
                raise ModelError(" ".join(part for part in (event["message"], event.get("advice")) if part))
            yield dict(event)


def _turns(messages: Messages) -> list[dict[str, Any]]:
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    turns = [dict(message) for message in messages]
    for turn in turns:
        if turn.get("role") not in ("system", "user", "assistant") or not isinstance(turn.get("content"), str):
            raise ModelError('A message is {"role": "system", "user" or "assistant", "content": text}.')
    return turns


def _with_results(answer: Answer, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What goes on the conversation after tools were called: in words, for not every API has a role for results."""
    said = [{"role": "assistant", "content": str(answer)}] if answer else []
    told = [f"{result['name']}({result['arguments']}) returned {result['result']}" for result in results]
    return [*said, {"role": "user", "content": "Results of the tools:\n" + "\n".join(told) + "\nNow answer with them."}]


def _waited(work: Coroutine[Any, Any, _Result]) -> _Result:
    if _wait is None:
        work.close()
        raise ModelError(
            "This browser cannot wait inside Python. Write await modeltab.chat_async(…), and the same for the others."
        )
    return _wait(work)  # type: ignore[no-any-return]

"""What code in a sandbox asks of models: a person allows it, then the same providers answer as in the chat.

The code knows nothing but the models' names and their answers. What it sends is checked here, for it may send anything.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from modeltab.actions.answer import with_call
from modeltab.actions.app import App, UiEvent
from modeltab.actions.asking import ask
from modeltab.actions.code_ports import Sandbox
from modeltab.domain.errors import BadRequest, ModelTabError, NotFound, record_of
from modeltab.domain.messages import Message, Role, ToolCall
from modeltab.domain.models import split_key
from modeltab.domain.parameters import REASONING_EFFORTS
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    Parameters,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from modeltab.providers.base import Provider
from modeltab.state.updates import all_models, connection_name, model_of

_NUMBERS = ("temperature", "top_p")
_WHOLE = ("max_tokens", "top_k", "seed")
#: What of the person's own settings goes with each question: how the model is loaded, not how it answers.
_LOADING = ("n_ctx", "n_gpu_layers", "n_batch")


def hear(app: App, sandbox: Sandbox, message: Mapping[str, Any]) -> None:
    """The code asks something, or does not want to know any more."""
    number = message.get("id")
    if not isinstance(number, int):
        return
    if message.get("kind") == "cancel":
        app.cancel(app.code.calls.get(number))
    elif number not in app.code.calls:
        app.code.calls[number] = app.spawn(_answer(app, sandbox, number, message))


def end_all(app: App) -> None:
    """The code has ended: nobody waits for the answers any more."""
    for task in app.code.calls.values():
        app.cancel(task)
    if app.code.consent and not app.code.consent.done():
        app.code.consent.cancel()
    app.code.consent = None


async def _answer(app: App, sandbox: Sandbox, number: int, message: Mapping[str, Any]) -> None:
    def send(event: str, **fields: Any) -> None:
        sandbox.answer({"id": number, "event": event, **fields})

    try:
        if not await _is_allowed(app):
            raise ModelTabError("You did not allow this code to use your models.", "Press Run again to be asked again.")
        if message.get("method") == "models":
            send("done", models=listed(app))
        elif message.get("method") == "chat":
            await _chat(app, message, send)
        else:
            raise BadRequest("The code asked for something that the page does not know.", "Use the module modeltab.")
    except ModelTabError as error:
        record = record_of(error)
        send("error", message=record.message, advice=record.advice)
    finally:
        del app.code.calls[number]


async def _is_allowed(app: App) -> bool:
    """Whether the run may use the models; asks the person when that is not known."""
    if app.state.settings.code_uses_models:
        return True
    if app.code.allowed is not None:
        return app.code.allowed
    if app.code.consent is None:
        app.code.consent = asyncio.get_running_loop().create_future()
        app.update(code_page=app.state.code_page._replace(asks=True))
        app.page.focus("playground-allow")
    return await asyncio.shield(app.code.consent)


def decide(app: App, event: UiEvent) -> None:
    """The person has decided: "run", "always" or "no"."""
    if event.id == "always":
        app.set_setting(code_uses_models=True)
    app.code.allowed = event.id != "no"
    app.update(code_page=app.state.code_page._replace(asks=False))
    app.page.focus("playground-output")
    if app.code.consent and not app.code.consent.done():
        app.code.consent.set_result(app.code.allowed)
    app.code.consent = None


def ask_again(app: App, event: UiEvent) -> None:
    """From now on, each run asks again."""
    app.set_setting(code_uses_models=False)
    app.say("Code will ask before it uses your models")


def listed(app: App) -> list[dict[str, str]]:
    """The models as code sees them."""
    return [
        {"id": model.key, "name": model.name, "connection": connection_name(app.state, model.connection_id)}
        for model in all_models(app.state)
    ]


def key_of(app: App, given: Any) -> str:
    """The key of the model that code means: by its id, or by a name that only one has. :raises NotFound: otherwise."""
    if not isinstance(given, str) or not given:
        raise BadRequest("The code names no model.", 'Write one of modeltab.models(), as modeltab.chat("…", "Hello").')
    if model_of(app.state, given):
        return given
    found = [model.key for model in all_models(app.state) if model.name == given]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"More than one connection has {given}.", f"Write one of: {', '.join(found)}.")
    connection_id, name = split_key(given)
    if name and any(connection.id == connection_id for connection in app.state.connections):
        return given  # its connection has not been asked yet
    raise NotFound(f"There is no model {given}.", "modeltab.models() lists those that there are.")


async def _chat(app: App, message: Mapping[str, Any], send: Any) -> None:
    key = key_of(app, message.get("model"))
    request = request_of(app, key, message)
    intake = _Intake(send)

    def begin(provider: Provider, name: str) -> AsyncGenerator[Event, None]:
        return provider.generate(request._replace(model=name))

    status, error = await ask(app, key, request.parameters, begin, intake.take, lambda text: None)
    if error:
        raise ModelTabError(error.message, error.advice, error.detail)
    if status == "done":
        intake.end()


class _Intake:
    """An answer on its way to the code."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._reasoning = ""
        self._calls: tuple[ToolCall, ...] = ()
        self._usage: dict[str, Any] = {}
        self._reason = ""

    def take(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._send("text", text=event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning += event.text
        elif isinstance(event, ToolCallDelta):
            self._calls = with_call(self._calls, event)
        elif isinstance(event, Usage):
            self._usage |= {name: value for name, value in event._asdict().items() if value is not None}
        elif isinstance(event, Finished):
            self._reason = event.reason

    def end(self) -> None:
        calls = [call._asdict() for call in self._calls]
        told = {"reasoning": self._reasoning, "tool_calls": calls, "usage": self._usage, "finish_reason": self._reason}
        self._send("done", **told)


def request_of(app: App, key: str, message: Mapping[str, Any]) -> ChatRequest:
    """What code sends, as a request. :raises BadRequest: when it is not in shape, or the model's API cannot take it."""
    system, messages = _messages(app, message.get("messages"))
    given = message.get("parameters")
    if not isinstance(given, Mapping):
        raise BadRequest("The code's parameters are not an object.", "Use the module modeltab.")
    rest = dict(given)
    own: dict[str, Any] = {name: _number(rest.pop(name), name) for name in (*_NUMBERS, *_WHOLE) if name in rest}
    prompt = rest.pop("system_prompt", None)
    if prompt is not None and not isinstance(prompt, str):
        raise BadRequest("system_prompt is not a text.", "Correct the code.")
    reasoning = rest.pop("reasoning", None)
    if reasoning is not None and reasoning not in REASONING_EFFORTS:
        raise BadRequest(f"reasoning is not one of {', '.join(REASONING_EFFORTS)}.", "Correct the code.")
    schema = _schema(rest)
    takes = app.provider(split_key(key)[0]).capabilities.parameters
    if rest and "extra_json" not in takes:
        raise BadRequest(
            f"This model's API takes no {', '.join(rest)}.", "Leave it out, or choose a model of another connection."
        )
    loading = {name: getattr(app.state.settings.parameters, name) for name in _LOADING}
    parameters = Parameters(
        system_prompt="\n\n".join(part for part in (prompt, *system) if part) or None,
        reasoning=reasoning,
        extra_json=json.dumps(rest) if rest else None,
        **loading,
        **own,
    )
    return ChatRequest(split_key(key)[1], messages, parameters, schema=schema)


def _schema(rest: dict[str, Any]) -> Mapping[str, Any] | None:
    """The schema in OpenAI's `response_format`, taken out of it: each provider has its own way to send one."""
    wanted = rest.get("response_format")
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if not isinstance(schema, Mapping):
        return None
    del rest["response_format"]
    return schema


def _messages(app: App, value: Any) -> tuple[list[str], tuple[Message, ...]]:
    system: list[str] = []
    messages: list[Message] = []
    for item in value if isinstance(value, list) else ():
        role, text = (item.get("role"), item.get("content")) if isinstance(item, Mapping) else (None, None)
        if not isinstance(text, str) or role not in ("system", "user", "assistant"):
            raise BadRequest("A message has no role or no text.", 'Write {"role": "user", "content": "…"}.')
        if role == "system":
            system.append(text)
        else:
            messages.append(_message(app, "user" if role == "user" else "assistant", text))
    if not messages:
        raise BadRequest("The code sends no message.", "Give chat() a text or a list of messages.")
    return system, tuple(messages)


def _message(app: App, role: Role, text: str) -> Message:
    return Message(app.new_id(), "", None, role, text, app.clock())


def _number(value: Any, name: str) -> int | float:
    whole = name in _WHOLE
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise BadRequest(f"{name} is not a{' whole' if whole else ''} number.", "Correct the code.")
    return value

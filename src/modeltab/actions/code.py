"""Copy as code: what the app sends, for a person to send from elsewhere. The key is in none of it."""

from typing import Any
from urllib.parse import urljoin

from modeltab.actions.answer import images_of
from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import ModelTabError
from modeltab.domain.messages import Message, path
from modeltab.domain.models import model_key, split_key
from modeltab.domain.parameters import Parameters
from modeltab.domain.requests import ChatRequest, extra_fields
from modeltab.providers.chat_completions import messages_of
from modeltab.snippets.call import Call
from modeltab.state.code import Code, Subject, written
from modeltab.state.store import Dialog
from modeltab.state.updates import connection, connection_name, model_of, parameters_of

#: What code for a model asks it, as long as no conversation says more.
EXAMPLE = "Why is the sky blue?"
#: What code for an API names a model that has none.
EXAMPLE_FILE = "model.gguf"
#: The parameters that the playground's module knows by their names.
KEYWORDS = ("temperature", "max_tokens", "top_p", "top_k", "seed", "reasoning")


async def open_model(app: App, event: UiEvent) -> None:
    """Show code that asks a model an example."""
    connection_id, name = split_key(event.id)
    await _open(app, event.id, connection_id, _example(app, name), f"Asks {name} an example, with your default parameters.", ())


def example_call(app: App, key: str) -> Call:
    """What asks a model the example, in pieces. :raises ModelTabError: when its connection is not there."""
    connection_id, name = split_key(key)
    return _call(app, connection_id, _example(app, name), stream=True)


def _example(app: App, name: str) -> ChatRequest:
    message = Message("example", "", None, "user", EXAMPLE, app.clock())
    return ChatRequest(name, (message,), app.state.settings.parameters)


async def open_message(app: App, event: UiEvent) -> None:
    """Show code that sends a turn of the conversation as it was sent."""
    message = app.state.messages.get(event.id)
    if message is None:
        return
    answer = message if message.role == "assistant" else _answer_to(app, message)
    connection_id, name, parameters, notes = _asked_with(app, answer)
    messages = path(app.state.messages, message.parent_id if message is answer else message.id)
    if message is answer and answer.continued_from:
        begun = answer._replace(text=answer.text[: answer.continued_from])
        messages = (*messages, begun)
    request = ChatRequest(name, messages, parameters)
    if message is answer:
        lead = f"What {name} was asked for this answer."
    else:
        lead = f"The conversation up to this message, as it goes to {name}."
    await _open(app, event.id, connection_id, request, lead, notes)


def _answer_to(app: App, question: Message) -> Message | None:
    """The answer to a message that is shown, or the newest; None when there is none yet."""
    conversation = app.state.conversation
    answers = [m for m in app.state.messages.values() if m.parent_id == question.id and m.role == "assistant"]
    shown = {m.id for m in path(app.state.messages, conversation.leaf_id)} if conversation else set()
    return max(answers, key=lambda m: (m.id in shown, m.created), default=None)


def _asked_with(app: App, answer: Message | None) -> tuple[str, str, Parameters, tuple[str, ...]]:
    """The connection, model and parameters of a turn, and what is not known of them, in words."""
    notes = []
    if answer and answer.model and connection(app.state, answer.connection):
        connection_id, name = answer.connection, answer.model
    else:
        connection_id, name = split_key(app.state.settings.model)
        if model_of(app.state, app.state.settings.model) is None:
            raise ModelTabError("No model is chosen.", "Choose one above the conversation, then try again.")
        if answer:
            notes.append(f"The connection that answered is not here any more: this asks {name}, which is chosen now.")
    if answer and answer.parameters is not None:
        return connection_id, name, answer.parameters, tuple(notes)
    if answer:
        notes.append("The parameters of this turn were not kept: these are the conversation's own of now.")
    return connection_id, name, parameters_of(app.state), tuple(notes)


async def _open(app: App, subject: str, connection_id: str, request: ChatRequest, lead: str, notes: tuple[str, ...]) -> None:
    request = request._replace(images=await images_of(app, request))
    streamed, whole = (_call(app, connection_id, request, stream) for stream in (True, False))
    found = Subject(request.model, streamed, whole)
    _show(app, subject, Code(lead, (found,), (*_notes(found.whole), *notes)))


def _call(app: App, connection_id: str, request: ChatRequest, stream: bool) -> Call:
    """A request of the app's as code needs it."""
    provider = app.provider(connection_id)
    capabilities = provider.capabilities
    return _usable(app, connection_id, provider.call(request, stream))._replace(
        model=model_key(connection_id, request.model),
        messages=tuple(messages_of(request, capabilities.images)),
        parameters=_keywords(request.parameters, capabilities.parameters),
    )


def open_connection(app: App, event: UiEvent) -> None:
    """Show code for what an API does besides answering."""
    operations = app.provider(event.id).operations
    if operations is None:
        raise ModelTabError("This API has nothing else that code could call.", "Choose a model on the Models page.")
    names = [model.name for model in app.state.models.get(event.id, ())]
    calls = operations.examples(names[0] if names else EXAMPLE_FILE)
    subjects = tuple(Subject(label, usable := _usable(app, event.id, call), usable) for label, call in calls)
    lead = f"What {connection_name(app.state, event.id)} does besides answering. Code that asks a model is on the Models page."
    _show(app, event.id, Code(lead, subjects, _notes(subjects[0].whole)))


def _keywords(parameters: Parameters, taken: frozenset[str]) -> dict[str, Any]:
    """What the playground's module is told besides the messages, of what the model takes."""
    values = {name: getattr(parameters, name) for name in KEYWORDS if name in taken}
    extra = extra_fields(parameters.extra_json) if "extra_json" in taken else {}
    return {**{name: value for name, value in values.items() if value is not None}, **extra}


def _usable(app: App, connection_id: str, call: Call) -> Call:
    """The call as code needs it: with its whole address, and with a key only where there is one or has to be."""
    if call.in_page:
        call = call._replace(url=urljoin(app.page.address(""), call.url))
    has_key = call.key is not None and (call.key.required or bool(app.keys.origin(connection_id)))
    return call if has_key else call._replace(key=None)


def _notes(call: Call) -> tuple[str, ...]:
    if call.in_page:
        return (
            "Pages of this address can call it while ModelTab is open and “API in this tab” is on in Settings; curl and other "
            "programs cannot reach a tab.",
        )
    if call.key:
        return (f"Your key is not in the code: it is taken from the environment variable {call.key.variable}.",)
    return ()


def _show(app: App, subject: str, code: Code) -> None:
    settings = app.state.settings
    code = code._replace(form=settings.code_form, streams=settings.code_streams)
    app.update(dialog=Dialog("code", subject), code=written(code))


def choose_form(app: App, event: UiEvent) -> None:
    """Show the code in another form, and remember it."""
    app.set_setting(code_form=event.value)
    _change(app, form=event.value)


def toggle_stream(app: App, event: UiEvent) -> None:
    """Let the code take the answer in pieces, or in one, and remember it."""
    app.set_setting(code_streams=not app.state.settings.code_streams)
    _change(app, streams=app.state.settings.code_streams)


def choose_operation(app: App, event: UiEvent) -> None:
    """Show the code of another operation."""
    _change(app, subject=int(event.value))


def _change(app: App, **changes: Any) -> None:
    if app.state.code:
        app.update(code=written(app.state.code._replace(**changes)))


async def copy(app: App, event: UiEvent) -> None:
    """Copy the code."""
    if app.state.code:
        await app.page.copy(app.state.code.text)
        app.say("Copied")

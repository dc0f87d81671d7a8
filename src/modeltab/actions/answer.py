"""An answer, from the request to its end: what comes in is shown, and kept, as it comes."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from modeltab.actions import doctor
from modeltab.actions.app import App
from modeltab.actions.engines import Turn
from modeltab.actions.keeping import keep
from modeltab.actions.keys import ensure_unlocked
from modeltab.actions.tabs import claim_of
from modeltab.domain.errors import CutOff, ErrorRecord, ModelTabError, NoAnswerInTime, Unreachable, record_of
from modeltab.domain.figures import completed, destination, estimate_tokens
from modeltab.domain.messages import Conversation, Message, Messages, Stats, Status, ToolCall, path, title_from
from modeltab.domain.models import Model
from modeltab.domain.parameters import overlaid
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    Parameters,
    Progress,
    ReasoningDelta,
    Retrying,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from modeltab.domain.sentences import sentences
from modeltab.providers.base import Provider
from modeltab.providers.retrying import generate
from modeltab.state.records import message_to_json
from modeltab.state.store import Generation
from modeltab.state.updates import with_message, with_model_state

#: An answer that is coming is kept this often, in seconds: with the writing itself, a crash costs less than a second of it.
KEEP_EVERY = 0.5
#: And the other tabs are told of it this often.
TELL_EVERY = 0.2
#: Whole sentences are read out at most this often, so that they do not cut each other short.
SPEAK_EVERY = 1.0
#: As many readings as the page keeps: a screen reader hears what is added, not what has been there.
SPOKEN_KEPT = 3


def new_conversation(app: App, text: str) -> Conversation:
    now = app.clock()
    conversation = Conversation(app.new_id(), title_from(text), now, now)
    app.update(conversation=conversation, messages={}, conversations=(conversation, *app.state.conversations))
    app.page.replace_route(f"#/chat/{conversation.id}")
    return conversation


def set_conversation(app: App, conversation: Conversation) -> None:
    """Replace a conversation's record, where it is shown and in the list, the latest first."""
    others = tuple(c for c in app.state.conversations if c.id != conversation.id)
    listed = tuple(sorted((*others, conversation), key=lambda c: -c.updated))
    shown = app.state.conversation
    app.update(conversations=listed, conversation=conversation if shown and shown.id == conversation.id else shown)


def answer(
    app: App,
    conversation: Conversation,
    question: Message,
    model: Model,
    begun: Message | None = None,
    among: Messages | None = None,
) -> None:
    """Let `model` answer `question` in a new message below it; with `begun`, go on where that answer ended.

    :param among: the conversation's messages before `question`, when it is not the one that is shown.
    """
    provider = app.provider(model.connection_id)
    now = app.clock()
    message = Message(
        app.new_id(),
        conversation.id,
        question.id,
        "assistant",
        begun.text if begun else "",
        now,
        "streaming",
        reasoning=begun.reasoning if begun else "",
        model=model.name,
        connection=model.connection_id,
        went_to=destination_of(app, model.connection_id),
        parameters=overlaid(app.state.settings.parameters, conversation.parameters),
        continued_from=len(begun.text) if begun else 0,
    )
    conversation = conversation._replace(leaf_id=message.id, updated=now)
    asked = path(app.state.messages if among is None else {**among, question.id: question}, question.id)
    request = ChatRequest(model.name, (*asked, begun) if begun else asked, message.parameters or Parameters())
    generation = Generation(message.id, conversation.id, now, now, provider.capabilities.streaming)
    app.live = message
    app.update(generation=generation, **(with_message(app.state, message) if among is None else {}))
    set_conversation(app, conversation)
    app.say("The answer is coming")
    app.answering = app.spawn(_run(app, conversation, question, model, provider, request))


def destination_of(app: App, connection_id: str) -> str:
    """Where a request to a connection goes."""
    return destination(app.connection(connection_id).base_url, app.state.facts[connection_id].permanent)


def prompt_estimate(request: ChatRequest) -> int:
    """About how many tokens a request has."""
    texts = [request.parameters.system_prompt or "", *(message.text for message in request.messages)]
    return sum(map(estimate_tokens, texts))


async def _run(
    app: App, conversation: Conversation, question: Message, model: Model, provider: Provider, request: ChatRequest
) -> None:
    """Take the answer in until it ends, is stopped or fails. Whatever happens, its text is kept."""
    ticking = app.spawn(_tick(app))
    intake = Intake(app)
    app.tabs.claim(claim_of(intake.message.id))
    turn = Turn(app, model.connection_id)
    try:
        await keep(app, conversation, question, intake.message)
        await ensure_unlocked(app, app.connection(model.connection_id))
        request = request._replace(images=await images_of(app, request))
        await turn.begin(lambda text: _set_progress(app, text))
        if provider.memory and provider.memory.loads_first:
            await load_model(app, provider, model, request.parameters, lambda text: _set_progress(app, text))
        intake.begin(request)
        async with aclosing(generate(provider, request)) as events:
            async for event in events:
                intake.take(event)
        if not intake.finished:
            raise CutOff("The answer ended before its end mark.", "It may be incomplete. Retry for a new one.")
        intake.end("done")
    except asyncio.CancelledError:
        intake.end("stopped")
    except Exception as error:
        if not isinstance(error, ModelTabError):
            app.alert(error)
        intake.end("error", await explained(app, model, provider, error, lambda text: _set_progress(app, text)))
    finally:
        turn.end()
        ticking.cancel()
        try:
            await intake.keep()
        finally:
            app.tabs.release(claim_of(intake.message.id))
            app.answering = None
            app.update(generation=None)
    app.say({"done": "Answer complete", "stopped": "Answer stopped", "error": "The answer failed"}[intake.message.status])


async def explained(app: App, model: Model, provider: Provider, error: Exception, tell: Callable[[str], object]) -> ErrorRecord:
    """A failure as a value; where no answer came, with the reason that the connection doctor finds."""
    if isinstance(error, Unreachable) and not isinstance(error, NoAnswerInTime):
        tell("Looking for the reason")
        try:
            connection = app.connection(model.connection_id)
            has_key = bool(app.keys.origin(connection.id))
            diagnosis = await doctor.examine(app, connection, provider, has_key)
        except (asyncio.CancelledError, ModelTabError):
            return record_of(error)  # stopped while it was looked for, or the connection is gone
        if diagnosis.kind not in ("healthy", "no-models"):
            return diagnosis.record()
    return record_of(error)


async def images_of(app: App, request: ChatRequest) -> dict[str, bytes]:
    """The bytes of a request's images. One that is gone is left out; the provider tells which."""
    digests = {image.digest for message in request.messages for image in message.images}
    found = {digest: await app.images.read(digest) for digest in digests}
    return {digest: content for digest, content in found.items() if content is not None}


async def load_model(
    app: App, provider: Provider, model: Model, parameters: Parameters, tell: Callable[[str], object] = lambda text: None
) -> None:
    """Load a model, with its progress in the list and, by `tell`, at the answer that waits for it."""
    if provider.memory is None:
        return

    def progress(fraction: float) -> None:
        app.update(**with_model_state(app.state, model.key, "Loading", fraction))
        tell(f"Loading {model.name}: {fraction:.0%}")

    before = await provider.memory.loaded()
    app.update(**with_model_state(app.state, model.key, "Loading", 0.0))
    try:
        await provider.memory.load(model.name, parameters, progress)
    finally:
        models = await provider.models()
        app.update(models={**app.state.models, model.connection_id: models})
    if model.name not in before:
        app.say(f"{model.name} is loaded")
    tell("Reading the prompt")


def _set_progress(app: App, text: str) -> None:
    if app.state.generation:
        app.update(generation=app.state.generation._replace(progress=text))


async def _tick(app: App) -> None:
    """Let the time that an answer takes be seen."""
    while True:
        await asyncio.sleep(1)
        if app.state.generation:
            app.update(generation=app.state.generation._replace(now=app.clock()))


class Intake:
    """An answer as it comes in: events → the message, in the state and, every `KEEP_EVERY` seconds, on record."""

    def __init__(self, app: App) -> None:
        assert app.live is not None
        self.message = app.live
        self.finished = False
        self._app = app
        self._asked = 0
        self._started = app.clock()
        self._told = self._started
        self._spoken_at = self._started
        self._spoken_to = len(self.message.text)
        self._due = self._started
        self._wake = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    def begin(self, request: ChatRequest) -> None:
        """The request leaves now: times count from here, not from the loading of the model."""
        self._asked = prompt_estimate(request)
        self._started = self._app.clock()

    def take(self, event: Event) -> None:
        """Apply one event."""
        message = self.message
        if isinstance(event, Progress):
            _set_progress(self._app, f"{event.what}: {event.fraction:.0%}")
        elif isinstance(event, Retrying):
            _set_progress(
                self._app,
                f"{event.reason} Trying again in {event.seconds:.0f} s ({event.attempt} of {event.attempts})",
            )
        elif isinstance(event, ToolCallDelta):
            self._show(message._replace(tool_calls=with_call(message.tool_calls, event), stats=self._first_token()))
        elif isinstance(event, TextDelta):
            self._show(message._replace(text=message.text + event.text, stats=self._first_token()))
        elif isinstance(event, ReasoningDelta):
            self._show(message._replace(reasoning=message.reasoning + event.text, stats=self._first_token()))
        elif isinstance(event, Usage):
            stats = message.stats._replace(**{k: v for k, v in event._asdict().items() if v is not None})
            self._show(message._replace(stats=stats))
        elif isinstance(event, Finished):
            self.finished = True
            self._show(
                message._replace(
                    finish_reason=event.reason, native_reason=event.native_reason, provider_data=event.provider_data
                )
            )

    def end(self, status: Status, error: ErrorRecord | None = None) -> None:
        """The answer came to its end."""
        elapsed = self._app.clock() - self._started
        stats = completed(self.message.stats, self._asked, self.message.reasoning + self.message.text, elapsed)
        self._show(self.message._replace(status=status, stats=stats, error=error))

    def _first_token(self) -> Stats:
        stats = self.message.stats
        if stats.first_token_seconds is not None or not self._streams():
            return stats
        return stats._replace(first_token_seconds=self._app.clock() - self._started)

    def _streams(self) -> bool:
        generation = self._app.state.generation
        return generation is not None and generation.streaming

    def _show(self, message: Message) -> None:
        self.message = message
        app = self._app
        app.live = message
        self._speak()
        shown = app.state.conversation
        if shown and shown.id == message.conversation_id:
            app.update(**with_message(app.state, message))
        now = app.clock()
        if now - self._told >= TELL_EVERY:
            self._told = now
            app.tabs.tell({"kind": "progress", "message": message_to_json(message)})
        if self._keeping is None or self._keeping.done():
            self._due = now + KEEP_EVERY
            self._wake.clear()
            self._keeping = app.spawn(self._keep_soon())
        elif now >= self._due:
            self._wake.set()  # the timers of a tab that is not seen come late

    def _speak(self) -> None:
        """Read out the sentences that are complete, of the conversation that is shown."""
        app, message, ended = self._app, self.message, self.message.status != "streaming"
        now, shown = app.clock(), app.state.conversation
        if not ended and now - self._spoken_at < SPEAK_EVERY:
            return
        found, self._spoken_to = sentences(message.text, self._spoken_to, ended)
        if found and shown and shown.id == message.conversation_id:
            self._spoken_at = now
            reading = (f"{message.id}-{self._spoken_to}", " ".join(found))
            app.update(spoken=(*app.state.spoken, reading)[-SPOKEN_KEPT:])

    async def _keep_soon(self) -> None:
        """Keep what there is a little later: also when nothing more comes by then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), KEEP_EVERY)
        if self.message.status == "streaming":
            await keep(self._app, None, self.message)

    async def keep(self) -> None:
        """Keep the answer as it is, after any writing that still goes on."""
        self._wake.set()
        if self._keeping is not None:
            await self._keeping
        await keep(self._app, None, self.message)


def with_call(calls: tuple[ToolCall, ...], delta: ToolCallDelta) -> tuple[ToolCall, ...]:
    """The calls of an answer with one more piece."""
    grown = list(calls)
    while len(grown) <= delta.place:
        grown.append(ToolCall("", "", ""))
    call = grown[delta.place]
    grown[delta.place] = ToolCall(delta.id or call.id, delta.name or call.name, call.arguments + delta.arguments)
    return tuple(grown)

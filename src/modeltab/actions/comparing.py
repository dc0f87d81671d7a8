"""One message to all columns of a comparison: each has its own task, its own end, and its own error."""

import asyncio
from contextlib import aclosing

from modeltab.actions.answer import KEEP_EVERY, destination_of, explained, images_of, load_model, prompt_estimate, with_call
from modeltab.actions.app import App, UiEvent
from modeltab.actions.asking import reachable_model
from modeltab.actions.comparisons import is_coming, keep, set_comparison
from modeltab.actions.engines import Turn
from modeltab.actions.keys import ensure_unlocked
from modeltab.domain.comparisons import Column, Comparison, Outcome, Round, answer_id, history, letter, with_outcome
from modeltab.domain.errors import CutOff, ErrorRecord, ModelTabError, record_of
from modeltab.domain.figures import completed
from modeltab.domain.messages import Message, Status, title_from
from modeltab.domain.models import split_key
from modeltab.domain.prices import cost, find, price_book
from modeltab.domain.requests import (
    ChatRequest,
    Event,
    Finished,
    Progress,
    ReasoningDelta,
    Retrying,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from modeltab.providers.retrying import generate

_FIELD = "compare-message"


def key(app: App, event: UiEvent) -> bool:
    """Enter sends; Shift+Enter, and Enter while text is composed, stay the browser's."""
    if event.key != "Enter":
        return False
    send(app, event)
    return True


def send(app: App, event: UiEvent) -> None:
    """Send the message to all columns. The box is emptied only when it is safely in the comparison."""
    comparison = app.state.comparison
    text = app.page.value(_FIELD).strip()
    if comparison is None or not text:
        return
    if is_coming(app, comparison):
        raise ModelTabError("Answers are still coming.", "Stop them, or wait for their end, then send the next message.")
    if not all(column.model for column in comparison.shown):
        raise ModelTabError("A column has no model.", "Choose one in every column, or remove the column; your message is kept.")
    now = app.clock()
    if comparison.blind and not comparison.rounds:
        # Ids are random: an order by new ones is one that nobody can guess.
        comparison = comparison._replace(columns=tuple(sorted(comparison.columns, key=lambda column: app.new_id())))
    round_ = Round(app.new_id(), text, now)
    is_first = not comparison.rounds
    title = comparison.title or title_from(text)
    comparison = comparison._replace(title=title, updated=now, rounds=(*comparison.rounds, round_))
    set_comparison(app, comparison)
    app.page.set_value(_FIELD, "")
    for column in comparison.shown:
        _begin(app, comparison, round_, column)
    app.say("The answers are coming")
    if is_first:
        app.page.replace_route(f"#/compare/{comparison.id}")


def retry(app: App, event: UiEvent) -> None:
    """Let one column answer the latest message again; `event.id` is the column."""
    comparison = app.state.comparison
    column = next((c for c in comparison.shown if c.id == event.id), None) if comparison else None
    if comparison is None or column is None or not comparison.rounds:
        return
    round_ = comparison.rounds[-1]
    if answer_id(round_.id, column.id) not in app.comparing:
        _begin(app, comparison, round_, column)


def stop(app: App, event: UiEvent) -> None:
    """Stop a column's answer, or without an id all of them. What has come of them stays."""
    comparison = app.state.comparison
    if comparison is None:
        return
    for round_ in comparison.rounds:
        for column in comparison.columns:
            if event.id in ("", column.id):
                app.cancel(app.comparing.get(answer_id(round_.id, column.id)))


def _begin(app: App, comparison: Comparison, round_: Round, column: Column) -> None:
    connection_id, name = split_key(column.model)
    known = any(c.id == connection_id for c in app.state.connections)
    message = Message(
        answer_id(round_.id, column.id),
        comparison.id,
        round_.id,
        "assistant",
        "",
        app.clock(),
        "streaming",
        model=name,
        connection=connection_id,
        went_to=destination_of(app, connection_id) if known else "",
    )
    incoming = Incoming(app, column.id, message)
    app.comparing[message.id] = app.spawn(_run(app, comparison, column, incoming))


async def _run(app: App, comparison: Comparison, column: Column, incoming: "Incoming") -> None:
    """Take a column's answer in until it ends, is stopped or fails. Whatever happens, its text is kept."""
    turn: Turn | None = None
    try:
        await incoming.keep()
        model = await reachable_model(app, column.model)
        provider = app.provider(model.connection_id)
        try:
            await ensure_unlocked(app, app.connection(model.connection_id))
            messages = history(comparison, app.state.compared, column.id)
            request = ChatRequest(model.name, messages, app.state.settings.parameters)
            request = request._replace(images=await images_of(app, request))
            turn = Turn(app, model.connection_id)
            await turn.begin(incoming.tell)
            if provider.memory and provider.memory.loads_first:
                await load_model(app, provider, model, request.parameters, incoming.tell)
            incoming.begin(request, provider.capabilities.streaming)
            async with aclosing(generate(provider, request)) as events:
                async for event in events:
                    incoming.take(event)
            if not incoming.finished:
                raise CutOff("The answer ended before its end mark.", "It may be incomplete. Retry for a new one.")
            incoming.end("done")
        except Exception as error:
            if not isinstance(error, ModelTabError):
                app.alert(error)
            incoming.end("error", await explained(app, model, provider, error, incoming.tell))
    except asyncio.CancelledError:
        incoming.end("stopped")
    except Exception as error:  # there is no such model, or no such connection
        if not isinstance(error, ModelTabError):
            app.alert(error)
        incoming.end("error", record_of(error))
    finally:
        if turn:
            turn.end()
        await incoming.close()


class Incoming:
    """A column's answer as it comes in: events → the message, in the state and, about once a second, on record."""

    def __init__(self, app: App, column_id: str, message: Message) -> None:
        self.message = message
        self.finished = False
        self._app = app
        self._column_id = column_id
        self._asked = 0
        self._streams = False
        self._started = self._kept = app.clock()
        self._keeping: asyncio.Task[None] | None = None
        app.update(comparing={**app.state.comparing, message.id: message})
        self._settle()
        self.tell("Waiting for the answer")

    def begin(self, request: ChatRequest, streams: bool) -> None:
        """The request leaves now: times count from here."""
        self._asked = prompt_estimate(request)
        self._streams = streams
        self._started = self._app.clock()
        self.tell("Waiting for the answer" if streams else "Waiting: the server answers in one piece")

    def tell(self, text: str) -> None:
        """Say what goes on before the text comes."""
        if self._app.state.compare_progress.get(self.message.id) != text:
            self._app.update(compare_progress={**self._app.state.compare_progress, self.message.id: text})

    def take(self, event: Event) -> None:
        """Apply one event."""
        message = self.message
        if isinstance(event, Progress):
            self.tell(f"{event.what}: {event.fraction:.0%}")
        elif isinstance(event, Retrying):
            self.tell(f"{event.reason} Trying again in {event.seconds:.0f} s ({event.attempt} of {event.attempts})")
        elif isinstance(event, TextDelta):
            self.tell("")
            self._grow(message._replace(text=message.text + event.text))
        elif isinstance(event, ReasoningDelta):
            self.tell("Reasoning…")
            self._grow(message._replace(reasoning=message.reasoning + event.text))
        elif isinstance(event, ToolCallDelta):
            self._grow(message._replace(tool_calls=with_call(message.tool_calls, event)))
        elif isinstance(event, Usage):
            told = {name: value for name, value in event._asdict().items() if value is not None}
            self._grow(message._replace(stats=message.stats._replace(**told)), first=False)
        elif isinstance(event, Finished):
            self.finished = True
            self.message = message._replace(finish_reason=event.reason, native_reason=event.native_reason)

    def _grow(self, message: Message, first: bool = True) -> None:
        app = self._app
        if first and self._streams and message.stats.first_token_seconds is None:
            stats = message.stats._replace(first_token_seconds=app.clock() - self._started)
            message = message._replace(stats=stats)
        self.message = message
        app.update(comparing={**app.state.comparing, message.id: message})
        if app.clock() - self._kept >= KEEP_EVERY and (self._keeping is None or self._keeping.done()):
            self._kept = app.clock()
            self._keeping = app.spawn(keep(app, None, message))

    def end(self, status: Status, error: ErrorRecord | None = None) -> None:
        """The answer came to its end."""
        elapsed = self._app.clock() - self._started
        stats = completed(self.message.stats, self._asked, self.message.reasoning + self.message.text, elapsed)
        self.message = self.message._replace(status=status, stats=stats, error=error)

    async def keep(self) -> None:
        """Keep the answer as it is, after any writing that still goes on."""
        if self._keeping is not None:
            await self._keeping
        await keep(self._app, None, self.message)

    async def close(self) -> None:
        """Show and keep how it ended, and say so; once all have, say that too."""
        app, message = self._app, self.message
        if message.status == "streaming":
            return  # the page is being taken down
        await self.keep()
        app.comparing.pop(message.id, None)
        app.update(
            comparing={id_: other for id_, other in app.state.comparing.items() if id_ != message.id},
            compare_progress={id_: text for id_, text in app.state.compare_progress.items() if id_ != message.id},
        )
        self._settle()
        comparison = next((c for c in app.state.comparisons if c.id == message.conversation_id), None)
        if comparison is None:
            return
        set_comparison(app, with_outcome(comparison, message.parent_id or "", self._outcome()))
        words = {"done": "has answered", "stopped": "is stopped", "error": "has failed"}[message.status]
        all_ended = "" if is_coming(app, comparison) else ". All answers are complete"
        app.say(f"{_name(comparison, self._column_id, message.model)} {words}{all_ended}")

    def _settle(self) -> None:
        """Show the answer among those that stand still, where its comparison is shown."""
        shown = self._app.state.comparison
        if shown and shown.id == self.message.conversation_id:
            self._app.update(compared={**self._app.state.compared, self.message.id: self.message})

    def _outcome(self) -> Outcome:
        message, stats, state = self.message, self.message.stats, self._app.state
        price = find(price_book(state.prices, state.settings.prices), message.went_to, message.model)
        return Outcome(
            self._column_id,
            message.model,
            message.went_to,
            message.status,
            stats.first_token_seconds,
            stats.tokens_per_second,
            stats.prompt_tokens,
            stats.completion_tokens,
            cost(price, stats) if price else None,
        )


def _name(comparison: Comparison, column_id: str, model: str) -> str:
    """What a column is called now."""
    places = [column.id for column in comparison.shown]
    return letter(places.index(column_id)) if comparison.hides_names and column_id in places else model

"""Send a message and take in the answer; stop it, ask again, edit, delete."""

import asyncio
from contextlib import aclosing

from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import CutOff, ModelTabError, record_of
from modeltab.domain.messages import Conversation, Message, Stats, newest_leaf, path, subtree, title_from
from modeltab.domain.models import Model, split_key
from modeltab.domain.requests import ChatRequest, Event, Finished, Parameters, Progress, ReasoningDelta, TextDelta, Usage
from modeltab.providers.base import Provider
from modeltab.state.records import conversation_to_json, message_to_json
from modeltab.state.store import Attachment, Dialog, Generation
from modeltab.state.updates import connection_name, model_of, with_message, with_model_state

#: An answer that is coming is kept this often, in seconds: what a closed lid can cost at most.
KEEP_EVERY = 1.0
#: A text file larger than this would fill any context.
MAX_ATTACHMENT_BYTES = 1_000_000


def send(app: App, event: UiEvent) -> None:
    """Send what stands in the message box. It is emptied only when the message is safely in the conversation."""
    text = app.page.value("message").strip()
    attachments = app.state.attachments
    if app.state.generation or not (text or attachments):
        return
    model = _chosen_model(app)
    if model is None:
        return
    conversation = app.state.conversation or _new_conversation(app, text or attachments[0].name)
    message = Message(
        app.new_id(), conversation.id, conversation.leaf_id, "user", _with_attachments(text, attachments), app.clock()
    )
    app.update(**with_message(app.state, message), attachments=())
    app.page.set_value("message", "")
    _answer(app, conversation, message, model)


def composer_key(app: App, event: UiEvent) -> bool:
    """Enter sends; Shift+Enter, and Enter while text is composed, stay the browser's."""
    if event.key != "Enter":
        return False
    send(app, event)
    return True


def stop(app: App, event: UiEvent) -> None:
    """Stop the answer that is coming. Its text stays."""
    if app.answering:
        app.answering.cancel()


def regenerate(app: App, event: UiEvent) -> None:
    """Answer again, beside the answer that is there."""
    message = app.state.messages.get(event.id)
    conversation = app.state.conversation
    if message is None or conversation is None or app.state.generation or message.parent_id is None:
        return
    model = _chosen_model(app)
    if model is not None:
        _answer(app, conversation, app.state.messages[message.parent_id], model)


def edit(app: App, event: UiEvent) -> None:
    """Open a message for editing."""
    app.update(editing=event.id)
    app.page.focus(f"edit-{event.id}")


def cancel_edit(app: App, event: UiEvent) -> None:
    """Close the editor; the message stays as it was."""
    app.update(editing="")


def save_edit(app: App, event: UiEvent) -> None:
    """Send the edited text, as a new version beside the old one."""
    message = app.state.messages.get(event.id)
    conversation = app.state.conversation
    text = event.values.get("text", "").strip()
    if message is None or conversation is None or not text or app.state.generation:
        return
    model = _chosen_model(app)
    if model is None:
        return
    version = Message(app.new_id(), conversation.id, message.parent_id, "user", text, app.clock())
    app.update(**with_message(app.state, version), editing="")
    _answer(app, conversation, version, model)


def show_version(app: App, event: UiEvent) -> None:
    """Show another version of a message, with what followed it."""
    conversation = app.state.conversation
    if conversation is None or event.id not in app.state.messages:
        return
    _set_conversation(app, conversation._replace(leaf_id=newest_leaf(app.state.messages, event.id)))
    app.spawn(_save(app, app.state.conversation))


async def copy(app: App, event: UiEvent) -> None:
    """Copy a message's text."""
    message = app.state.messages.get(event.id)
    if message:
        await app.page.copy(message.text)
        app.say("Copied")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a message is deleted."""
    count = len(subtree(app.state.messages, event.id))
    note = "This deletes the message." if count == 1 else f"This deletes the message and the {count - 1} that follow from it."
    values = {"title": "Delete message?", "confirm": "Delete", "action": "message.delete"}
    app.update(dialog=Dialog("confirm", event.id, values, note))


async def delete(app: App, event: UiEvent) -> None:
    """Delete a message and what follows from it."""
    message, conversation = app.state.messages.get(event.id), app.state.conversation
    app.update(dialog=None)
    if message is None or conversation is None:
        return
    gone = subtree(app.state.messages, event.id)
    if app.live and app.live.id in gone:
        stop(app, event)
    messages = {key: value for key, value in app.state.messages.items() if key not in gone}
    siblings = [m for m in messages.values() if m.parent_id == message.parent_id]
    if siblings:
        leaf: str | None = newest_leaf(messages, max(siblings, key=lambda m: m.created).id)
    else:
        leaf = message.parent_id
    app.update(messages=messages)
    _set_conversation(app, conversation._replace(leaf_id=leaf))
    await app.conversations.delete_messages(list(gone))
    await _save(app, app.state.conversation)


async def attach(app: App, event: UiEvent) -> None:
    """Put text files beside the message box, to go with the next message."""
    for file in event.files:
        if file.size > MAX_ATTACHMENT_BYTES:
            raise ModelTabError(f"{file.name} is too large to go with a message.", "Attach text files up to 1 MB.")
        if b"\0" in await file.head(4096):
            raise ModelTabError(f"{file.name} is not a text file.", "Attach text, code, CSV, JSON and the like.")
        item = Attachment(app.new_id(), file.name, await file.text())
        app.update(attachments=(*app.state.attachments, item))


def pick_attachment(app: App, event: UiEvent) -> None:
    """Open the file picker."""
    app.page.click("attach-input")


def remove_attachment(app: App, event: UiEvent) -> None:
    """Take a file away again."""
    app.update(attachments=tuple(a for a in app.state.attachments if a.id != event.id))


def _with_attachments(text: str, attachments: tuple[Attachment, ...]) -> str:
    blocks = [f"{a.name}:\n```\n{a.text.rstrip()}\n```" for a in attachments]
    return "\n\n".join([*blocks, text] if text else blocks)


def _chosen_model(app: App) -> Model | None:
    """The model that answers. Without one, the person is told what to do, and nothing is lost."""
    model = model_of(app.state, app.state.settings.model)
    if model is None:
        connection_id, name = split_key(app.state.settings.model)
        if name:
            where = connection_name(app.state, connection_id)
            app.alert(ModelTabError(f"{name} is not there now.", f"Choose another model, or look at {where} on the Connections page."))
        else:
            app.alert(ModelTabError("No model is chosen.", "Choose one above the conversation; your message is kept."))
        return None
    return model


def _new_conversation(app: App, text: str) -> Conversation:
    now = app.clock()
    conversation = Conversation(app.new_id(), title_from(text), now, now)
    app.update(conversation=conversation, messages={}, conversations=(conversation, *app.state.conversations))
    app.page.replace_route(f"#/chat/{conversation.id}")
    return conversation


def _set_conversation(app: App, conversation: Conversation) -> None:
    """Replace a conversation's record, where it is shown and in the list, the latest first."""
    others = tuple(c for c in app.state.conversations if c.id != conversation.id)
    listed = tuple(sorted((*others, conversation), key=lambda c: -c.updated))
    shown = app.state.conversation
    app.update(conversations=listed, conversation=conversation if shown and shown.id == conversation.id else shown)


def _answer(app: App, conversation: Conversation, question: Message, model: Model) -> None:
    """Let `model` answer `question` in a new message below it."""
    provider = app.provider(model.connection_id)
    now = app.clock()
    answer = Message(
        app.new_id(), conversation.id, question.id, "assistant", "", now, "streaming", model=model.name, connection=model.connection_id
    )
    conversation = conversation._replace(leaf_id=answer.id, updated=now)
    request = ChatRequest(model.name, path(app.state.messages, question.id), app.state.settings.parameters)
    generation = Generation(answer.id, conversation.id, now, now, provider.capabilities.streaming)
    app.live = answer
    app.update(**with_message(app.state, answer), generation=generation)
    _set_conversation(app, conversation)
    app.say("The answer is coming")
    app.answering = app.spawn(_run(app, conversation, question, model, provider, request))


async def _run(
    app: App, conversation: Conversation, question: Message, model: Model, provider: Provider, request: ChatRequest
) -> None:
    """Take the answer in until it ends, is stopped or fails. Whatever happens, its text is kept."""
    ticking = app.spawn(_tick(app))
    intake = Intake(app, conversation)
    try:
        await app.conversations.save(conversation_to_json(conversation), message_to_json(question), message_to_json(intake.message))
        await load_model(app, provider, model, request.parameters)
        async with aclosing(provider.generate(request)) as events:  # type: ignore[type-var]
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
        intake.end("error", error)
    finally:
        ticking.cancel()
        app.live = None
        app.answering = None
        app.update(generation=None)
    app.say({"done": "Answer complete", "stopped": "Answer stopped", "error": "The answer failed"}[intake.message.status])
    await app.conversations.save(None, message_to_json(intake.message))


async def load_model(app: App, provider: Provider, model: Model, parameters: Parameters) -> None:
    """Load a model where that is a step of its own, with its progress in the list and at the answer that waits for it."""
    if provider.memory is None or not provider.memory.loads:
        return

    def progress(fraction: float) -> None:
        app.update(**with_model_state(app.state, model.key, "Loading", fraction))
        _set_progress(app, f"Loading {model.name}: {fraction:.0%}")

    before = await provider.memory.loaded()
    try:
        await provider.memory.load(model.name, parameters, progress)
    finally:
        app.update(models={**app.state.models, model.connection_id: await provider.models()})
    if model.name not in before:
        app.say(f"{model.name} is loaded")
    _set_progress(app, "Reading the prompt")


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
    """An answer as it comes in: events → the message, in the state and, about once a second, on record."""

    def __init__(self, app: App, conversation: Conversation) -> None:
        assert app.live is not None
        self.message = app.live
        self.finished = False
        self._app = app
        self._started = app.clock()
        self._kept = self._started
        self._conversation = conversation

    def take(self, event: Event) -> None:
        """Apply one event."""
        message = self.message
        if isinstance(event, Progress):
            _set_progress(self._app, f"{event.what}: {event.fraction:.0%}")
        elif isinstance(event, TextDelta):
            self._show(message._replace(text=message.text + event.text, stats=self._first_token()))
        elif isinstance(event, ReasoningDelta):
            self._show(message._replace(reasoning=message.reasoning + event.text, stats=self._first_token()))
        elif isinstance(event, Usage):
            stats = message.stats._replace(**{k: v for k, v in event._asdict().items() if v is not None})
            self._show(message._replace(stats=stats))
        elif isinstance(event, Finished):
            self.finished = True
            self._show(message._replace(finish_reason=event.reason))

    def end(self, status: str, error: BaseException | None = None) -> None:
        """The answer came to its end."""
        stats = self.message.stats
        if stats.seconds is None:
            stats = stats._replace(seconds=self._app.clock() - self._started)
        record = record_of(error) if error else None
        self._show(self.message._replace(status=status, stats=stats, error=record))

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
        shown = app.state.conversation
        if shown and shown.id == message.conversation_id:
            app.update(**with_message(app.state, message))
        now = app.clock()
        if now - self._kept >= KEEP_EVERY:
            self._kept = now
            app.spawn(app.conversations.save(None, message_to_json(message)))


async def _save(app: App, conversation: Conversation | None) -> None:
    if conversation:
        await app.conversations.save(conversation_to_json(conversation))

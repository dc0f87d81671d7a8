"""Let the chosen model write a conversation's title, in the dialog that renames it."""

from contextlib import aclosing

from modeltab.actions.answer import load_model
from modeltab.actions.app import App, UiEvent
from modeltab.actions.keys import ensure_unlocked
from modeltab.domain.errors import BadReply, ModelTabError, record_of
from modeltab.domain.messages import Message, path, title_from
from modeltab.domain.models import Model
from modeltab.domain.requests import ChatRequest, TextDelta
from modeltab.providers.retrying import generate
from modeltab.state.records import UnreadableError, message_from_json
from modeltab.state.store import Dialog
from modeltab.state.updates import model_of

_TASK = (
    "Write a title for the conversation above, in its language: at most six words, without quotation marks. "
    "Answer with the title alone."
)
#: So much of the conversation is sent: its first messages, and so many characters of each.
_MESSAGES, _CHARACTERS = 4, 1500
#: Tokens that a title may take, with what a model thinks before it.
_TOKENS = 400
#: What stands around a title without being part of it.
_AROUND = "*\"'“”„«»` "


async def write(app: App, event: UiEvent) -> None:
    """Ask the chosen model for a title, and put it into the dialog's field; it is kept when the dialog is saved."""
    dialog, model = app.state.dialog, model_of(app.state, app.state.settings.model)
    if dialog is None or model is None:
        return
    typed = {"pinned": "", **event.values}
    dialog = dialog._replace(values={**dialog.values, **typed}, error=None, busy=True, note=f"{model.name} writes a title…")
    app.update(dialog=dialog)
    try:
        if app.state.generation:
            raise ModelTabError("An answer is still coming.", "Stop it, or wait for its end, then try again.")
        title = await _title(app, dialog, model)
    except Exception as error:
        _fill(app, dialog._replace(error=record_of(error)))
        return
    _fill(app, dialog._replace(values={**dialog.values, "title": title}))


def _fill(app: App, dialog: Dialog) -> None:
    """Show what came of it, where the dialog is still open."""
    if _is_open(app, dialog):
        app.update(dialog=dialog._replace(busy=False, note="", revision=dialog.revision + 1))


def _is_open(app: App, dialog: Dialog) -> bool:
    now = app.state.dialog
    return now is not None and (now.name, now.subject) == (dialog.name, dialog.subject)


async def _title(app: App, dialog: Dialog, model: Model) -> str:
    provider = app.provider(model.connection_id)
    await ensure_unlocked(app, app.connection(model.connection_id))
    parameters = app.state.settings.parameters._replace(system_prompt=None, max_tokens=_TOKENS)
    request = ChatRequest(model.name, await _conversation(app, dialog.subject), parameters)
    if provider.memory and provider.memory.loads_first:
        await load_model(app, provider, model, parameters)
    text = ""
    async with aclosing(generate(provider, request)) as events:
        async for event in events:
            if not _is_open(app, dialog):
                return ""  # nobody waits for it any more
            if isinstance(event, TextDelta):
                text += event.text
    title = cleaned(text)
    if not title:
        raise BadReply(f"{model.name} wrote no title.", "Try again, or type one.")
    return title


async def _conversation(app: App, conversation_id: str) -> tuple[Message, ...]:
    """The first messages, and the task, as one message of the person: every model takes that."""
    found = {}
    for record in await app.conversations.messages(conversation_id):
        try:
            message = message_from_json(record)
        except UnreadableError:
            continue
        found[message.id] = message
    leaf = next((c.leaf_id for c in app.state.conversations if c.id == conversation_id), None)
    first = [m for m in path(found, leaf) if m.text][:_MESSAGES]
    said = [f"{'Person' if m.role == 'user' else 'Assistant'}: {m.text[:_CHARACTERS]}" for m in first]
    text = "\n\n".join([*said, "---", _TASK])
    return (Message(app.new_id(), conversation_id, None, "user", text, app.clock()),)


def cleaned(text: str) -> str:
    """A title from what a model wrote: its first line, without what models like to put around a title."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = line.lstrip("#*> ").rstrip("* ")
    for label in ("title:", "titel:", "titre:", "título:", "person:", "assistant:"):
        if line.casefold().startswith(label):
            line = line[len(label) :].strip()
    line = line.lstrip(_AROUND).rstrip(_AROUND + ". ")
    return title_from(line) if line else ""

"""The dialog "Details": all that is known of a model, and what its file says."""

from typing import Any

from modeltab.actions.app import App, UiEvent
from modeltab.actions.models import show_more
from modeltab.domain.errors import ModelTabError, record_of
from modeltab.files.facts import facts_of, special_token
from modeltab.files.values import Header
from modeltab.state.store import Dialog, FileDetails
from modeltab.state.updates import model_of

#: What the template is shown on: every role, and the place where an answer begins.
EXAMPLE = (
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Hello!"},
    {"role": "assistant", "content": "Hello! How can I help?"},
    {"role": "user", "content": "Why is the sky blue?"},
)


async def open_(app: App, event: UiEvent) -> None:
    """Show what is known of a model; what its server and its file say beyond the list follows."""
    model = model_of(app.state, event.id)
    headers = app.provider(model.connection_id).headers if model else None
    app.update(dialog=Dialog("details", event.id), file_details=FileDetails(event.id, busy=headers is not None))
    app.spawn(show_more(app, event.id))
    if model is None or headers is None:
        return
    try:
        header = await headers.header(model.name)
    except ModelTabError as error:
        _show(app, FileDetails(event.id, error=error.record()))
        return
    _show(app, await details_of(app, event.id, header))


async def details_of(app: App, subject: str, header: Header) -> FileDetails:
    """What a header says, with its chat template on an example."""
    facts = facts_of(header)
    details = FileDetails(subject, header, facts)
    if not facts.chat_template:
        return details
    context: dict[str, Any] = {
        "messages": list(EXAMPLE),
        "add_generation_prompt": True,
        "bos_token": special_token(header, "bos"),
        "eos_token": special_token(header, "eos"),
    }
    try:
        return details._replace(example=await app.templates.render(facts.chat_template, context))
    except ModelTabError as error:
        return details._replace(example_error=record_of(error))


def _show(app: App, details: FileDetails) -> None:
    dialog = app.state.dialog
    if dialog and (dialog.name, dialog.subject) == ("details", details.subject):  # still the one that is looked at
        app.update(file_details=details)

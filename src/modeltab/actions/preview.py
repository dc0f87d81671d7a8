"""What the chosen model would read if the message were sent now: the prompt after its chat template, in tokens."""

from modeltab.actions.answer import images_of
from modeltab.actions.app import App, UiEvent
from modeltab.actions.attachments import with_attachments
from modeltab.domain.errors import ModelTabError
from modeltab.domain.messages import Message, path
from modeltab.domain.models import split_key
from modeltab.domain.parameters import Parameters, overlaid
from modeltab.domain.requests import ChatRequest
from modeltab.state.context import about
from modeltab.state.store import Dialog
from modeltab.state.updates import connection, parameters_of

#: What a template is shown with while nothing else would be sent.
EXAMPLE = "Your message"


async def open_(app: App, event: UiEvent) -> None:
    """Open the preview."""
    connection_id, name = split_key(app.state.settings.model)
    preview = app.provider(connection_id).preview if name else None
    if preview is None:
        raise ModelTabError(
            "This model does not show its prompt.",
            "Those in this tab, of llama-server and of a Local LLM API do: choose one of them.",
        )
    asking = Dialog("preview", busy=True)
    app.update(dialog=asking)
    try:
        request = ChatRequest(name, conversation_messages(app), parameters_of(app.state))
        rendered = await preview.render(request._replace(images=await images_of(app, request)))
    except ModelTabError as error:
        done = asking._replace(busy=False, error=error.record())
    else:
        window = f" of {rendered.n_ctx}" if rendered.n_ctx else ""
        tokens = f"about {about(len(rendered.text)):,}" if rendered.tokens is None else str(rendered.tokens)
        done = asking._replace(busy=False, note=f"{tokens}{window} tokens", values={"text": rendered.text})
    if app.state.dialog is asking:
        app.update(dialog=done)


def conversation_messages(app: App) -> tuple[Message, ...]:
    """What would be sent now: the conversation, with what stands in the message box."""
    conversation = app.state.conversation
    messages = path(app.state.messages, conversation.leaf_id) if conversation else ()
    text = with_attachments(app.page.value("message").strip(), app.state.attachments)
    images = tuple(a.image for a in app.state.attachments if a.image)
    if text or images:
        messages = (*messages, Message("preview", "", None, "user", text, app.clock(), images=images))
    return messages


async def template(app: App, event: UiEvent) -> None:
    """Show in the form "Parameters" what its template makes of what would be sent now, as it is typed."""
    dialog = app.state.dialog
    connection_id, name = split_key(app.state.settings.model)
    if dialog is None or dialog.name != "parameters" or not name or connection(app.state, connection_id) is None:
        return
    provider = app.provider(connection_id)
    if provider.preview is None or "template" not in provider.capabilities.parameters:
        return
    values = {**dialog.values, **event.values}
    typed = Parameters(values.get("system_prompt") or None, values.get("template") or None)
    defaults = app.state.settings.parameters if dialog.subject == "conversation" else Parameters()
    messages = conversation_messages(app) or (Message("preview", "", None, "user", EXAMPLE, app.clock()),)
    try:
        rendered = await provider.preview.render(ChatRequest(name, messages, overlaid(defaults, typed)))
    except ModelTabError as error:
        shown = f"{error.message} {error.advice}"
    else:
        shown = rendered.text
    if app.state.dialog is dialog:
        app.update(dialog=dialog._replace(values={**values, "preview": shown}))

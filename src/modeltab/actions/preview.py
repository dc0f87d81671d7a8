"""What the chosen model would read if the message were sent now: the prompt after its chat template, in tokens."""

from modeltab.actions.answer import images_of
from modeltab.actions.app import App, UiEvent
from modeltab.actions.attachments import with_attachments
from modeltab.domain.errors import ModelTabError
from modeltab.domain.messages import Message, path
from modeltab.domain.models import split_key
from modeltab.domain.requests import ChatRequest
from modeltab.state.store import Dialog
from modeltab.state.updates import parameters_of


async def open_(app: App, event: UiEvent) -> None:
    """Open the preview."""
    connection_id, name = split_key(app.state.settings.model)
    preview = app.provider(connection_id).preview if name else None
    if preview is None:
        raise ModelTabError("This model does not show its prompt.", "llama-server does: choose one of its models.")
    conversation = app.state.conversation
    messages = path(app.state.messages, conversation.leaf_id) if conversation else ()
    text = with_attachments(app.page.value("message").strip(), app.state.attachments)
    images = tuple(a.image for a in app.state.attachments if a.image)
    if text or images:
        messages = (*messages, Message("preview", "", None, "user", text, app.clock(), images=images))
    asking = Dialog("preview", busy=True)
    app.update(dialog=asking)
    try:
        request = ChatRequest(name, messages, parameters_of(app.state))
        rendered = await preview.render(request._replace(images=await images_of(app, request)))
    except ModelTabError as error:
        done = asking._replace(busy=False, error=error.record())
    else:
        window = f" of {rendered.n_ctx}" if rendered.n_ctx else ""
        done = asking._replace(busy=False, note=f"{rendered.tokens}{window} tokens", values={"text": rendered.text})
    if app.state.dialog is asking:
        app.update(dialog=done)

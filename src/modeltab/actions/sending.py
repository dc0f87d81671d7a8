"""A message on its way: into its conversation, and to the model that answers."""

from modeltab.actions import drafts
from modeltab.actions.answer import answer, new_conversation
from modeltab.actions.app import App
from modeltab.actions.attachments import with_attachments
from modeltab.domain.messages import Conversation, Message, Messages, title_from
from modeltab.domain.models import Model
from modeltab.state.updates import with_message
from modeltab.state.writing import Attachment


def begun(app: App, text: str) -> Conversation:
    """The new chat, which is shown, as a conversation that has begun; its draft and its queue go along."""
    own = app.state.new_parameters
    app.box = ""  # so that the draft is not changed for that of another conversation
    conversation = new_conversation(app, text)._replace(parameters=own)
    app.update(conversation=conversation, new_parameters=None)
    drafts.carry(app, conversation.id)
    return conversation


def begun_elsewhere(app: App, text: str) -> Conversation:
    """A conversation of what was queued in the new chat, which is not shown now."""
    now = app.clock()
    conversation = Conversation(app.new_id(), title_from(text), now, now, parameters=app.state.new_parameters)
    app.update(conversations=(conversation, *app.state.conversations), new_parameters=None)
    drafts.carry(app, conversation.id)
    return conversation


def post(
    app: App,
    conversation: Conversation,
    text: str,
    attachments: tuple[Attachment, ...],
    model: Model,
    among: Messages | None = None,
) -> None:
    """Add a person's message to a conversation, and let `model` answer it.

    :param among: the conversation's messages when it is not the one that is shown.
    """
    message = Message(
        app.new_id(),
        conversation.id,
        conversation.leaf_id,
        "user",
        with_attachments(text, attachments),
        app.clock(),
        images=tuple(a.image for a in attachments if a.image),
    )
    if among is None:
        app.update(**with_message(app.state, message))
    answer(app, conversation, message, model, among=among)


def title_text(text: str, attachments: tuple[Attachment, ...]) -> str:
    """What a conversation that begins with this is named after."""
    return text or (attachments[0].name if attachments else "")

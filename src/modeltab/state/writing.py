"""What belongs to the message that is being written: its files, the queue, the menu of commands, the context it takes."""

from typing import NamedTuple

from modeltab.domain.messages import ImageRef


class Attachment(NamedTuple):
    """A file that goes with the next message: a text, or an image.

    :param digest: the SHA-256 of the text, under which it is kept for the draft; empty where it could not be kept.
    :param pages: how many pages it has, 0 where it has none.
    """

    id: str
    name: str
    text: str = ""
    image: ImageRef | None = None
    digest: str = ""
    pages: int = 0

    @property
    def is_unread(self) -> bool:
        """Whether its text has still to be read from where it is kept."""
        return bool(self.digest) and not self.text


class Queued(NamedTuple):
    """A message that goes when the answer that is coming is done.

    :param place: the id of its conversation, or `NEW_CHAT`.
    :param waits: why it does not go by itself, empty when it does.
    :param urgent: whether it goes next, although the answer before it was stopped.
    """

    id: str
    place: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    waits: str = ""
    urgent: bool = False


#: What stands for the conversation that has not begun, where a draft or a queue is named by its conversation's id.
NEW_CHAT = "new"


class Suggestion(NamedTuple):
    """One line of the list above the message box.

    :param text: what the message box has when it is taken.
    :param is_whole: whether that can be done at once, rather than go on to be typed.
    """

    text: str
    label: str
    note: str = ""
    is_whole: bool = False


class Menu(NamedTuple):
    """What the message box offers while a command is typed, which one is active, and what there is to tell of it."""

    items: tuple[Suggestion, ...] = ()
    active: int = 0
    note: str = ""


class ContextUse(NamedTuple):
    """What the next request would take of the model's context, in tokens.

    :param size: the context, None where it is unknown; `reserve`, what of it the answer may need.
    :param is_counted: whether most of it was counted by the model's server, rather than estimated from its characters.
    :param dropped: how many of the oldest messages do not fit beside the answer; `until`, how the last of them begins.
    """

    used: int = 0
    size: int | None = None
    reserve: int = 0
    is_counted: bool = False
    dropped: int = 0
    until: str = ""

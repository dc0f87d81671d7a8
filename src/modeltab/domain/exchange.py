"""Conversations outside the store: what a file or a link holds, and what the page tells of it."""

from typing import NamedTuple

from modeltab.domain.messages import Conversation, Message


class Thread(NamedTuple):
    """A conversation with all of its messages, in no particular order."""

    conversation: Conversation
    messages: tuple[Message, ...]


class ImportPreview(NamedTuple):
    """What a file has, for the question before it is imported.

    :param file: its name, or how many files there are; `source`, which app has written it.
    :param known: how many of the conversations are in this browser already.
    :param connections: the names of the connections that would be added.
    :param has_settings: whether it has settings; `takes_settings`, whether they are taken over unless the person says no.
    :param problems: what could not be read, each by its name.
    :param done: how many conversations are imported so far; None before it begins.
    """

    file: str
    source: str = ""
    conversations: int = 0
    messages: int = 0
    images: int = 0
    known: int = 0
    connections: tuple[str, ...] = ()
    has_settings: bool = False
    takes_settings: bool = False
    problems: tuple[str, ...] = ()
    done: int | None = None
    comparisons: int = 0


class SharedMessage(NamedTuple):
    """A message in a link."""

    role: str
    text: str
    model: str = ""
    reasoning: str = ""


class Shared(NamedTuple):
    """A conversation in a link. Whoever made the link wrote it: nothing of it is to be trusted.

    :param problem: why the link cannot be read; empty when it can.
    """

    title: str = ""
    messages: tuple[SharedMessage, ...] = ()
    problem: str = ""


class Exchange(NamedTuple):
    """What the page shows of conversations that come and go.

    :param preview: the file that is about to be imported.
    :param shared: the conversation of the address, when it is a link to one.
    :param has_folders: whether this browser lets a page write into a folder.
    :param working: what is being done at the moment, in words; empty while nothing is.
    """

    preview: ImportPreview | None = None
    shared: Shared | None = None
    has_folders: bool = False
    working: str = ""

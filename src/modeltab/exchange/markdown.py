"""The shown path of a conversation as a Markdown file that reads well anywhere."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from modeltab.domain.messages import Conversation, Message
from modeltab.exchange.values import fenced

NAMES = {"user": "You", "assistant": "Assistant", "system": "System"}


def document(conversation: Conversation, messages: Sequence[Message], images: Mapping[str, str]) -> str:
    """The file's text.

    :param images: by digest, the data URLs of the images that are there.
    """
    parts = [f"# {_one_line(conversation.title)}", f"*{moment(conversation.created)}*"]
    for message in messages:
        parts += _message(message, images)
    return "\n\n".join(parts) + "\n"


def _message(message: Message, images: Mapping[str, str]) -> list[str]:
    parts = [f"## {NAMES[message.role]}" + (f" ({_one_line(message.model)})" if message.model else "")]
    if message.reasoning:
        quoted = "\n".join(f"> {line}".rstrip() for line in message.reasoning.splitlines())
        parts.append(f"> **Reasoning**\n>\n{quoted}")
    for image in message.images:
        name = _one_line(image.name).replace("[", "(").replace("]", ")")
        parts.append(f"![{name}]({images[image.digest]})" if image.digest in images else f"*{name} is no longer there.*")
    if message.text:
        parts.append(message.text.strip("\n"))
    parts += [
        f"**Asks for the tool {_one_line(call.name)}**\n\n{fenced(call.arguments, 'json')}" for call in message.tool_calls
    ]
    if message.error:
        parts.append(f"**{_one_line(message.error.message)}**")
    return parts


def moment(seconds: float) -> str:
    """A time for people, in UTC; empty where it is beyond the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""


def file_name(title: str, ending: str) -> str:
    """A name for a file that every system takes."""
    kept = "".join(c if c.isalnum() or c in " -_" else " " for c in title)
    return f"{' '.join(kept.split())[:60].strip() or 'conversation'}.{ending}"


def _one_line(text: str) -> str:
    return " ".join(text.split())

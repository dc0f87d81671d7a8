"""ChatGPT's export: conversations.json, a list of conversations, each a tree of nodes in `mapping`.

The images stand beside it in the archive, named by what an `asset_pointer` says.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modeltab.domain.messages import Status
from modeltab.exchange.tree import Built, Head, Node, Picture, build
from modeltab.exchange.values import Entry, at, fenced, id_at, list_at, number_at, text_at

SOURCE = "ChatGPT"
#: What the app tells the model about the person, not what anybody says.
_SETTINGS = frozenset({"user_editable_context", "model_editable_context"})
#: Marks of citations, between characters that no text has.
_MARKS = re.compile("\ue200.*?\ue201", re.DOTALL)


def is_conversation(value: Any) -> bool:
    """Whether this is one conversation of it."""
    mapping = at(value, "mapping")
    return isinstance(mapping, Mapping) and all(isinstance(node, Mapping) and "message" in node for node in mapping.values())


async def read(value: Any, files: Sequence[Entry]) -> Built:
    """A conversation. `files` are all that came with it. :raises UnreadableError: when it has no messages."""
    nodes = [_node(id_, node, files) for id_, node in value["mapping"].items()]
    head = Head(
        SOURCE,
        id_at(value, "conversation_id") or id_at(value, "id") or text_at(value, "title"),
        text_at(value, "title"),
        number_at(value, "create_time") or 0.0,
        number_at(value, "update_time") or 0.0,
        id_at(value, "current_node"),
    )
    return await build(head, nodes)


def _node(id_: str, node: Any, files: Sequence[Entry]) -> Node:
    message, parent = node.get("message"), id_at(node, "parent")
    content = at(message, "content")
    kind = text_at(content, "content_type")
    hidden = at(message, "metadata", "is_visually_hidden_from_conversation") is True
    if not isinstance(message, Mapping) or hidden or kind in _SETTINGS:
        return Node(id_, parent, "")
    text, pictures = _content(content, kind, files)
    finish = text_at(message, "metadata", "finish_details", "type")
    status: Status = "stopped" if finish == "interrupted" else "done"
    return Node(
        id_,
        parent,
        _role(message, kind, bool(pictures)),
        _with_links(text, message),
        number_at(message, "create_time") or 0.0,
        model=text_at(message, "metadata", "model_slug"),
        pictures=pictures,
        status=status,
        finish_reason="length" if finish == "max_tokens" else "",
    )


def _role(message: Mapping[str, Any], kind: str, has_pictures: bool) -> str:
    role = text_at(message, "author", "role")
    if role == "tool":
        return "assistant" if has_pictures else "aside"  # an image that it has made is an answer
    if role == "assistant" and (kind in ("thoughts", "reasoning_recap") or text_at(message, "recipient") not in ("", "all")):
        return "aside"
    return role


def _content(content: Any, kind: str, files: Sequence[Entry]) -> tuple[str, tuple[Picture, ...]]:
    """The text of a message and its images."""
    if kind == "thoughts":
        return "\n\n".join(_thought(item) for item in list_at(content, "thoughts")), ()
    if kind in ("code", "execution_output"):
        text, language = text_at(content, "text"), text_at(content, "language")
        return fenced(text, language if language.isalnum() and language != "unknown" else "") if text.strip() else "", ()
    texts, pictures = [], []
    for part in list_at(content, "parts"):
        if isinstance(part, str):
            texts.append(part)
        elif text_at(part, "asset_pointer") and "image" in text_at(part, "content_type"):
            pictures.append(_picture(text_at(part, "asset_pointer"), files))
        else:
            texts.append(text_at(part, "text"))
    texts += [text_at(content, name) for name in ("title", "text", "result", "content")]
    return "\n\n".join(text for text in texts if text.strip()), tuple(pictures)


def _thought(item: Any) -> str:
    summary, text = text_at(item, "summary"), text_at(item, "content")
    return f"**{summary}**\n\n{text}" if summary else text


def _picture(pointer: str, files: Sequence[Entry]) -> Picture:
    """The image that a pointer such as `file-service://file-abc` names: the file whose name begins so."""
    name = pointer.rpartition("://")[2]
    found = next((file for file in files if name and file.base.startswith(name)), None)
    return Picture(found.base, found.load) if found else Picture(name, None)


def _with_links(text: str, message: Mapping[str, Any]) -> str:
    """The text with its citations as links, and without the marks of those that lead nowhere."""
    for reference in list_at(message, "metadata", "content_references"):
        mark, link = text_at(reference, "matched_text"), text_at(reference, "alt")
        if "\ue200" in mark:
            text = text.replace(mark, link)
    return _MARKS.sub("", text)

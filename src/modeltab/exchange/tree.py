"""From another app's messages to ours.

Other apps have steps that are no messages here: what a model thinks before it answers, what it asks a tool, what the tool
says. They come as asides, and become the reasoning of the answer that follows, so that nothing is lost and the conversation
still is what two have said to each other.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from modeltab.domain.exchange import Thread
from modeltab.domain.images import MAX_IMAGE_BYTES, media_type_of
from modeltab.domain.messages import Conversation, ImageRef, Message, Role, Stats, Status, ToolCall, newest_leaf, title_from
from modeltab.exchange.values import Load
from modeltab.state.records import UnreadableError

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.IGNORECASE)


class Picture(NamedTuple):
    """An image of a message; `load` is None where only a reference to it is in the file."""

    name: str
    load: Load | None


class Node(NamedTuple):
    """A message as another app has it.

    :param role: "user", "assistant", "system"; "aside" for a step before an answer; empty for what is no text of anybody.
    :param created: seconds since 1970, 0 where the app does not tell.
    """

    id: str
    parent: str | None
    role: str
    text: str = ""
    created: float = 0.0
    reasoning: str = ""
    model: str = ""
    pictures: tuple[Picture, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    stats: Stats = Stats()
    status: Status = "done"
    finish_reason: str = ""

    @property
    def says_something(self) -> bool:
        """Whether anything is in it."""
        return bool(self.text.strip() or self.reasoning.strip() or self.pictures or self.tool_calls)


class Head(NamedTuple):
    """What is known of a conversation besides its messages. Times in seconds since 1970, 0 where unknown.

    :param source: the app; `id`, the conversation's there: together they make the id here, the same each time.
    :param leaf: the id of the message that is the last of the shown path.
    """

    source: str
    id: str
    title: str = ""
    created: float = 0.0
    updated: float = 0.0
    leaf: str | None = None


class Built(NamedTuple):
    """A conversation of ours, its images by SHA-256, and what of it could not be had."""

    thread: Thread
    images: Mapping[str, Load]
    problems: tuple[str, ...]


async def build(head: Head, nodes: Sequence[Node]) -> Built:
    """A conversation from its messages there.

    :raises UnreadableError: when nobody says anything in it.
    """
    kept, place_of = _kept(nodes)
    if not kept:
        raise UnreadableError("it has no messages")
    conversation_id = own_id(head.source, head.id)
    ids = {node.id: own_id(head.source, head.id, node.id) for node in kept}
    images: dict[str, Load] = {}
    missing = 0
    messages: dict[str, Message] = {}
    times = [time for time in (_time(node.created) for node in kept) if time]
    first = _time(head.created) or min(times, default=_time(head.updated))
    taken: set[tuple[str | None, float]] = set()
    for number, node in enumerate(kept):
        created = _time(node.created) or first + number / 1000
        while (node.parent, created) in taken:  # versions stand in the order of their times, so no two may be of the same
            created += 0.001
        taken.add((node.parent, created))
        refs = []
        for picture in node.pictures:
            ref = await _reference(picture)
            if ref and picture.load:
                refs.append(ref)
                images[ref.digest] = picture.load
            else:
                missing += 1
        messages[ids[node.id]] = Message(
            ids[node.id],
            conversation_id,
            ids[node.parent] if node.parent else None,
            _ROLES[node.role],
            node.text,
            created,
            node.status,
            node.reasoning,
            node.model,
            stats=node.stats,
            finish_reason=node.finish_reason,
            images=tuple(refs),
            tool_calls=node.tool_calls,
        )
    title = head.title.strip() or title_from(next((node.text for node in kept if node.role == "user"), ""))
    shown = ids.get(place_of.get(head.leaf or "") or "")
    root = next(message.id for message in messages.values() if message.parent_id is None)
    updated = _time(head.updated) or max(times, default=first)
    conversation = Conversation(conversation_id, title, first, updated, shown or newest_leaf(messages, root))
    problems = (f"“{title}”: {_images(missing)} in the file.",) if missing else ()
    return Built(Thread(conversation, tuple(messages.values())), images, problems)


def _time(seconds: float) -> float:
    """A time, 0 when it cannot be one: before 1970, or thousands of years ahead."""
    return seconds if 0 < seconds < 1e11 else 0.0


def own_id(*names: str) -> str:
    """An id of ours for what another app names so: the same each time, so that reading a file twice adds nothing twice."""
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def data_url(url: str, name: str) -> Picture:
    """The image of a data URL; one of another address is not fetched, so it is missing."""
    begin = _DATA_URL.match(url)
    if not begin:
        return Picture(name, None)

    async def load() -> bytes:
        try:
            return base64.b64decode(url[begin.end() :])
        except (binascii.Error, ValueError):
            return b""

    return Picture(name, load)


async def _reference(picture: Picture) -> ImageRef | None:
    """What stands for an image in a message, None when there is no image that a model could see."""
    try:
        content = await picture.load() if picture.load else b""
    except UnreadableError:
        return None
    media_type = media_type_of(content)
    if not media_type or len(content) > MAX_IMAGE_BYTES:
        return None
    return ImageRef(hashlib.sha256(content).hexdigest(), media_type, picture.name, len(content))


def _images(count: int) -> str:
    return "1 image is not" if count == 1 else f"{count} images are not"


def _kept(nodes: Sequence[Node]) -> tuple[list[Node], dict[str, str | None]]:
    """The messages that are ours, parents first, each with a parent that is among them; and where each node's place is now."""
    all_ = {node.id: node for node in nodes}
    children: dict[str, list[Node]] = {}
    for node in all_.values():
        if node.parent in all_ and node.parent != node.id:
            children.setdefault(node.parent, []).append(node)
    done: dict[str, Node] = {}
    place_of: dict[str, str | None] = {}
    # What hangs on nothing begins; what is left after that hangs in rings, and each ring begins somewhere.
    for start in (*(n for n in all_.values() if n.parent not in all_ or n.parent == n.id), *all_.values()):
        pending: list[tuple[Node, str | None, tuple[Node, ...]]] = [(start, None, ())]
        while pending:
            node, above, asides = pending.pop()
            if node.id in place_of:
                continue
            below = children.get(node.id, [])
            place_of[node.id] = above
            if node.role == "aside" and node.says_something:
                asides = (*asides, node)
                if not _is_answered(below, children, place_of):
                    answer = node._replace(role="assistant", text="", reasoning="", pictures=())
                    above = place_of[node.id] = _add(done, answer, above, asides)
                    asides = ()
            elif node.role in _ROLES and node.says_something:
                above = place_of[node.id] = _add(done, node, above, asides)
                asides = ()
            pending += [(child, above, asides) for child in reversed(below)]
    return _joined(list(done.values()), place_of)


def _is_answered(below: Sequence[Node], children: Mapping[str, Sequence[Node]], placed: Collection[str]) -> bool:
    """Whether more of an answer follows, maybe after nodes in which nobody says anything. In a ring, one has to be the last."""
    pending = list(below)
    seen: set[str] = set()
    while pending:
        node = pending.pop()
        if node.id in placed:
            continue
        if node.role in ("aside", "assistant") and node.says_something:
            return True
        if node.id not in seen and (node.role not in _ROLES or not node.says_something):
            seen.add(node.id)
            pending += children.get(node.id, ())
    return False


def _add(done: dict[str, Node], node: Node, above: str | None, asides: tuple[Node, ...]) -> str:
    """Take a message in, with what came before it as its reasoning. Its id."""
    if asides and node.role != "assistant":  # a step that no answer followed
        step = asides[-1]._replace(role="assistant", text="", reasoning="", pictures=())
        above = _add(done, step, above, asides)
        asides = ()
    said = [part for step in asides for part in (step.reasoning, step.text)]
    done[node.id] = node._replace(
        parent=above,
        reasoning=_paragraphs(*said, node.reasoning),
        pictures=(*(picture for step in asides for picture in step.pictures), *node.pictures),
    )
    return node.id


def _joined(kept: list[Node], place_of: dict[str, str | None]) -> tuple[list[Node], dict[str, str | None]]:
    """Answers in several pieces as one, where nothing branches between them."""
    counts: dict[str, int] = {}
    for node in kept:
        counts[node.parent or ""] = counts.get(node.parent or "", 0) + 1
    now: dict[str, Node] = {}
    moved: dict[str, str] = {}
    for node in kept:
        parent = moved.get(node.parent, node.parent) if node.parent else None
        before = now.get(parent or "")
        if before and before.role == node.role == "assistant" and counts[node.parent or ""] == 1:
            moved[node.id] = before.id
            now[before.id] = before._replace(
                text=_paragraphs(before.text, node.text),
                reasoning=_paragraphs(before.reasoning, node.reasoning),
                model=node.model or before.model,
                pictures=(*before.pictures, *node.pictures),
                tool_calls=(*before.tool_calls, *node.tool_calls),
                stats=node.stats if node.stats != Stats() else before.stats,
                status=node.status,
                finish_reason=node.finish_reason,
            )
        else:
            now[node.id] = node._replace(parent=parent)
    return list(now.values()), {id_: moved.get(place, place) if place else place for id_, place in place_of.items()}


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text.strip())

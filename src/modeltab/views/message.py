"""One message of a conversation."""

from modeltab.domain.messages import INTERRUPTED, Message, Messages, versions
from modeltab.domain.models import split_key
from modeltab.state.store import Generation, State
from modeltab.views import format as fmt
from modeltab.views.figures import AnswerNotes, stats_parts
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, error_text, icon_button

_MESSAGE = Template(
    '<article class="message" id="m-{id}" data-role="{role}" data-status="{status}" aria-label="{who}">'
    '<header class="message-head"><span class="message-who">{who}</span><span class="message-where">{where}</span></header>'
    "{reasoning}{images}{body}{calls}{error}"
    '<footer class="message-foot"><span class="message-stats" data-part="stats">{stats}</span>'
    '<span class="message-actions">{versions}{actions}</span></footer></article>'
)
_REASONING = Template(
    '<details class="reasoning"><summary>Reasoning</summary>'
    '<div class="prose" data-part="reasoning" data-markdown="">{text}</div></details>'
)
_PROSE = Template('<div class="prose message-text" data-part="text" data-markdown="">{text}</div>')
#: The text that is coming is not in the view: it is `streamed`, and what is shown of it stays.
_LIVE = Template('<div class="prose message-text" data-part="text" data-markdown="live"></div>')
_PLAIN = Template('<div class="plain message-text" data-part="text">{text}</div>')
_WAITING = Template(
    '<div class="waiting"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>{text}</span></div>'
    '<div class="message-text" data-part="text"></div>'
)
_IMAGES = Template('<div class="message-images">{items}</div>')
_IMAGE = Template('<img class="message-image" data-image="{digest}" alt="{name}">')
_CALL = Template(
    '<details class="tool-call" data-part="tool-call"><summary>Asks for the tool <code>{name}</code></summary>'
    "<pre>{arguments}</pre></details>"
)
_EDITOR = Template(
    '<form class="editor" data-submit="message.edit.save" data-id="{id}">'
    '<textarea class="input" id="edit-{id}" name="text" rows="4" aria-label="Edited message">{text}</textarea>'
    '<div class="editor-bar">{cancel}<button class="button primary small" type="submit">Save and send</button></div></form>'
)
_ERROR = Template('<div class="message-error" role="alert">{text}<div class="error-actions">{retry}</div></div>')
_VERSIONS = Template('<span class="versions">{before}<span class="versions-count">{n} of {m}</span>{after}</span>')

_NAMES = {"user": "You", "assistant": "Assistant", "system": "System"}


def message(
    item: Message, messages: Messages, editing: bool, generation: Generation | None, where: str, continues: bool, note: str = ""
) -> Html:
    """A message. The text of one that is being streamed is not in it: it is `streamed`, which changes oftener.

    :param editing: whether its text is being edited.
    :param generation: the answer that is coming, when it is this one.
    :param where: the name of the connection that answered.
    :param continues: whether the chosen model can go on where an answer was cut off.
    :param note: what it cost, which model it was and where it went, in words.
    """
    return _MESSAGE(
        id=item.id,
        role=item.role,
        status=item.status,
        who=item.model or _NAMES[item.role],
        where=where,
        reasoning=_REASONING(text=item.reasoning) if item.reasoning else EMPTY,
        images=_IMAGES(items=join(_IMAGE(digest=i.digest, name=i.name) for i in item.images)) if item.images else EMPTY,
        body=_body(item, editing, generation),
        calls=join(_CALL(name=call.name, arguments=call.arguments) for call in item.tool_calls),
        error=_error(item),
        stats=_figures(item, generation, note),
        versions=_versions(item, messages),
        actions=EMPTY if item.status == "streaming" or editing else _actions(item, continues),
    )


def _body(item: Message, editing: bool, generation: Generation | None) -> Html:
    if editing:
        cancel = button("Cancel", "message.edit.cancel", item.id, kind="small")
        return _EDITOR(id=item.id, text=item.text, cancel=cancel)
    if item.role == "user":
        return _PLAIN(text=item.text)
    if item.status == "streaming" and not item.text:
        return _WAITING(text=generation.progress if generation else "")
    return _LIVE() if item.status == "streaming" else _PROSE(text=item.text)


def _error(item: Message) -> Html:
    if item.error:
        retry = button("Retry", "message.regenerate", item.id, kind="small")
        return _ERROR(text=error_text(item.error), retry=retry)
    return EMPTY


def _actions(item: Message, continues: bool) -> Html:
    buttons = [icon_button("copy", "Copy", "message.copy", item.id)]
    if item.role == "user":
        buttons.append(icon_button("edit", "Edit", "message.edit", item.id))
    if item.role == "assistant":
        buttons.append(icon_button("retry", "Regenerate", "message.regenerate", item.id))
        if continues and item.text and (item.status != "done" or item.finish_reason == "length"):
            buttons.append(icon_button("continue", "Continue", "message.continue", item.id))
    buttons.append(icon_button("branch", "Branch", "message.branch", item.id))
    if item.role != "system":
        buttons.append(icon_button("code", "Copy as code", "snippet.message", item.id))
    buttons.append(icon_button("delete", "Delete", "message.delete", item.id))
    return join(buttons)


def _versions(item: Message, messages: Messages) -> Html:
    siblings = versions(messages, item)
    if len(siblings) < 2:
        return EMPTY
    place = next(i for i, sibling in enumerate(siblings) if sibling.id == item.id)
    before = siblings[place - 1].id if place else ""
    after = siblings[place + 1].id if place + 1 < len(siblings) else ""
    return _VERSIONS(
        before=icon_button("previous", "Previous version", "message.version", before, disabled=not before),
        n=place + 1,
        m=len(siblings),
        after=icon_button("next", "Next version", "message.version", after, disabled=not after),
    )


def _figures(item: Message, generation: Generation | None, note: str) -> str:
    if item.status == "streaming" and generation:
        if item.text:
            return ""  # the text itself shows that time passes
        passed = fmt.duration(generation.now - generation.started)
        return passed if generation.streaming else f"{passed} · the server answers in one piece"
    parts = []
    if item.status == "stopped":
        parts.append("Interrupted" if item.finish_reason == INTERRUPTED else "Stopped")
    if item.finish_reason == "length":
        parts.append("Cut off at the token limit")
    if item.finish_reason == "content_filter":
        parts.append(f"Stopped by the provider's safety filter ({item.native_reason})")
    if item.finish_reason == "other" and item.native_reason:
        parts.append(f"Ended: {item.native_reason}")
    return " · ".join(filter(None, [*parts, *stats_parts(item.stats), note]))


def streamed(state: State) -> tuple[str, str]:
    """(element id, text so far) of the answer that is being streamed in the conversation that is shown, or empty texts."""
    item = state.messages.get(state.generation.message_id if state.generation else state.elsewhere)
    return (f"m-{item.id}", item.text) if item and item.status == "streaming" else ("", "")


class MessageViews:
    """The messages of the shown path as HTML, each drawn again only when something that it shows has changed.

    A streamed token changes one message, so it draws one message, however long the conversation is.
    """

    def __init__(self) -> None:
        self._drawn: dict[str, tuple[tuple[object, ...], Html]] = {}
        self._notes = AnswerNotes()

    def draw(self, state: State, shown: tuple[Message, ...], names: dict[str, str]) -> list[tuple[str, Html]]:
        """(element id, HTML) of each message of the path."""
        drawn: dict[str, tuple[tuple[object, ...], Html]] = {}
        chosen = state.facts.get(split_key(state.settings.model)[0])
        continues = chosen is not None and chosen.capabilities.continues
        counts: dict[tuple[str | None, str], int] = {}
        for other in state.messages.values():
            place = (other.parent_id, other.role)
            counts[place] = counts.get(place, 0) + 1
        for item in shown:
            generation = state.generation if state.generation and state.generation.message_id == item.id else None
            editing = state.editing == item.id
            where = names.get(item.connection, item.connection)
            note = self._notes.note(state, item)
            inputs = (item, editing, generation, where, continues, note, counts[(item.parent_id, item.role)])
            known = self._drawn.get(item.id)
            if known and known[0] == inputs:
                drawn[item.id] = known
            else:
                drawn[item.id] = (inputs, message(item, state.messages, editing, generation, where, continues, note))
        self._drawn = drawn
        return [(f"m-{key}", html) for key, (_, html) in drawn.items()]

"""A conversation that came in a link: to read, with nothing to press in it but what keeps a copy."""

from modeltab.domain.exchange import SharedMessage
from modeltab.state.store import State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button

_PAGE = Template(
    '<header class="page-header"><div><h1>{title}</h1><p class="page-lead">{lead}</p></div>'
    '<div class="page-actions">{keep}</div></header>'
    '<div class="shared" role="log" aria-label="Shared conversation" aria-live="off" data-untrusted="">{messages}</div>'
)
_MESSAGE = Template(
    '<article class="message" data-role="{role}" data-status="done" aria-label="{who}"><header class="message-head">'
    '<span class="message-who">{who}</span></header>{reasoning}{body}</article>'
)
_REASONING = Template(
    '<details class="reasoning"><summary>Reasoning</summary>'
    '<div class="prose" data-part="reasoning" data-markdown="">{text}</div></details>'
)
_PROSE = Template('<div class="prose message-text" data-part="text" data-markdown="">{text}</div>')
_PLAIN = Template('<div class="plain message-text" data-part="text">{text}</div>')

_NAMES = {"user": "Person", "assistant": "Assistant", "system": "System"}


def page(state: State) -> Html:
    """The page, with what is wrong with the link when it cannot be read."""
    shared = state.exchange.shared
    if shared is None:
        return EMPTY
    if shared.problem:
        advice = "Ask for the whole link, or for the conversation as a file."
        return _PAGE(title="Shared conversation", lead=f"{shared.problem} {advice}", keep=EMPTY, messages=EMPTY)
    return _PAGE(
        title=shared.title,
        lead="Somebody sent you this in a link. Anyone can write anything into one: it may be neither what a model nor what "
        "a person has said.",
        keep=button("Keep a copy", "shared.keep", kind="primary"),
        messages=join(map(_message, shared.messages)),
    )


def _message(item: SharedMessage) -> Html:
    body = _PLAIN if item.role == "user" else _PROSE
    return _MESSAGE(
        role=item.role,
        who=item.model or _NAMES[item.role],
        reasoning=_REASONING(text=item.reasoning) if item.reasoning else EMPTY,
        body=body(text=item.text),
    )

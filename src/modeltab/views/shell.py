"""What surrounds the pages: navigation, the list of conversations, alerts."""

from modeltab.domain.messages import Conversation
from modeltab.state.store import Alert, State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import error_text, icon_button

PAGES = (("chat", "Chat"), ("models", "Models"), ("connections", "Connections"), ("settings", "Settings"))

_LINK = Template(
    '<a class="nav-link" href="#/{page}" aria-current="{current}"><span class="icon icon-{page}" aria-hidden="true"></span>'
    "{text}</a>"
)
_CONVERSATIONS = Template('<ul class="conversations" role="list" aria-label="Conversations">{items}</ul>{note}')
_CONVERSATION = Template(
    '<li class="conversation-item" id="c-{id}"><a class="conversation-link" href="#/chat/{id}" aria-current="{current}">'
    "{title}</a>{delete}</li>"
)
_NOTE = Template('<p class="history-note">{text}</p>')
_ALERT = Template('<div class="alert" role="alert" id="alert-{id}"><div class="alert-text">{text}</div>{close}</div>')
_SPOKEN = Template('<p id="spoken-{id}">{text}</p>')


def spoken(state: State) -> Html:
    """What a screen reader hears of the answer that is coming: its sentences, as they are complete."""
    return join(_SPOKEN(id=id_, text=text) for id_, text in state.spoken)


def navigation(state: State) -> Html:
    """The links to the pages."""
    return join(_LINK(page=page, text=text, current="page" if state.route.page == page else "false") for page, text in PAGES)


def conversation_list(state: State) -> Html:
    """The conversations, newest first, filtered by what is typed into the search box."""
    wanted = state.search.strip().casefold()
    shown = [c for c in state.conversations if wanted in c.title.casefold()]
    current = state.conversation.id if state.conversation else ""
    note = EMPTY
    if not shown and state.conversations_loaded:
        text = "No conversation has this in its title." if wanted else "Your conversations appear here."
        note = _NOTE(text=text)
    return _CONVERSATIONS(items=join(_conversation(c, c.id == current) for c in shown), note=note)


def _conversation(conversation: Conversation, current: bool) -> Html:
    return _CONVERSATION(
        id=conversation.id,
        title=conversation.title,
        current="page" if current else "false",
        delete=icon_button("delete", f"Delete {conversation.title}", "conversation.delete.ask", conversation.id),
    )


def alerts(state: State) -> Html:
    """The errors that need the person."""
    return join(map(_alert, state.alerts))


def _alert(alert: Alert) -> Html:
    return _ALERT(
        id=alert.id,
        text=error_text(alert.error),
        close=icon_button("close", "Close this message", "alert.close", alert.id),
    )

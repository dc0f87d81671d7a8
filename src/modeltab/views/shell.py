"""What surrounds the pages: navigation, the list of conversations, alerts, transfers."""

from modeltab.domain.messages import Conversation
from modeltab.domain.transfers import ENDED, Transfer
from modeltab.state.store import Alert, State
from modeltab.state.updates import connection_name
from modeltab.views import format as fmt
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, error_text, icon_button

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
_TRANSFER = Template(
    '<div class="transfer" id="t-{id}" data-phase="{phase}"><div class="transfer-head"><span class="transfer-name">'
    '{name}</span>{action}</div><progress class="transfer-bar" aria-label="{name}" '
    'value="{percent}" max="100"></progress><div class="transfer-text">{text}</div></div>'
)


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


def transfers(state: State) -> Html:
    """The files on their way, and how the last ones ended."""
    return join(_transfer(state, transfer) for transfer in state.transfers)


def _transfer(state: State, transfer: Transfer) -> Html:
    if transfer.phase in ENDED:
        action = icon_button("close", f"Dismiss {transfer.name}", "transfer.dismiss", transfer.id)
    else:
        action = button("Cancel", "transfer.cancel", transfer.id, f"Cancel {transfer.name}", "small")
    return _TRANSFER(
        id=transfer.id,
        phase=transfer.phase,
        name=transfer.name,
        action=action,
        percent=int(transfer.fraction * 100),
        text=_transfer_text(state, transfer),
    )


def _transfer_text(state: State, transfer: Transfer) -> str | Html:
    where = connection_name(state, transfer.connection_id)
    if transfer.phase == "queued":
        return f"Waiting to go to {where}"
    if transfer.phase == "processing":
        return f"All bytes are sent; {where} is processing the file"
    if transfer.phase == "done":
        return f"{fmt.size(transfer.size)} added to {where}"
    if transfer.phase == "cancelled":
        if transfer.sent >= transfer.size:
            return f"Cancelled when all bytes were sent; {where} may still have kept the file"
        return f"Cancelled after {fmt.size(transfer.sent)}; nothing was kept"
    if transfer.phase == "failed":
        return error_text(transfer.error) if transfer.error else "Failed"
    parts = [fmt.percent(transfer.fraction), f"{fmt.size(transfer.sent)} of {fmt.size(transfer.size)}"]
    if transfer.rate:
        parts.append(f"{fmt.size(transfer.rate)}/s")
    if transfer.seconds_left is not None:
        parts.append(f"{fmt.duration(transfer.seconds_left)} left")
    return " · ".join(parts)

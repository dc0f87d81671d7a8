"""The Connections page, and the dialog with the servers that a search has found."""

from modeltab.domain.connections import Connection, HealthRecord, address_space, host_of, origin_of
from modeltab.state.store import Dialog, Facts, FoundServer, State
from modeltab.views.diagnosis import diagnosis
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button

_PAGE = Template(
    '<header class="page-header"><div><h1>Connections</h1><p class="page-lead">Where your models are. ModelTab calls them '
    'straight from this page.</p></div><div class="page-actions">{actions}</div></header>'
    '<ul class="cards" role="list" aria-label="Connections">{items}</ul>'
)
_ITEM = Template(
    '<li class="card connection" id="connection-{id}" data-health="{health}" aria-label="{name}">'
    '<div class="connection-head"><span class="health-dot" aria-hidden="true"></span><div><h2>{name}</h2>'
    '<p class="muted places">{type}{url}</p></div></div>{key}{health_text}'
    '<div class="card-actions">{actions}</div></li>'
)
_PLACE = Template("<span>{text}</span>")
_HEALTH = Template('<p class="connection-health">{text}</p>{advice}{detail}')
_ADVICE = Template('<p class="connection-advice">{text}</p>')
_DETAIL = Template('<details class="error-detail"><summary>Details</summary><pre>{detail}</pre></details>')
_KEY = Template(
    '<p class="connection-key"><span class="icon icon-key" aria-hidden="true"></span><span>{text}</span>{erase}</p>'
)
_WARNING = Template('<p class="connection-advice">{text}</p>')
_FOUND = Template(
    '<p class="dialog-lead" role="status">{note}</p><ul class="found" role="list" aria-label="Servers">{items}</ul>'
    '<div class="dialog-bar">{again}<span class="spacer"></span>{close}</div>'
)
_SERVER = Template('<li class="found-server"><div><strong>{words}</strong><p class="muted">{url}</p></div>{action}</li>')
_CONNECTED = Template('<span class="muted">Connected</span>')

_TEXTS = {
    "unknown": "Not asked yet.",
    "checking": "Asking…",
    "healthy": "Answers.",
    "unreachable": "Cannot be reached.",
    "unauthorized": "Wants other credentials.",
}


def page(state: State) -> Html:
    """The page."""
    actions = [button("Add connection", "connection.add", kind="primary"), button("Find local servers", "servers.find")]
    if state.keys.locked:
        actions.append(button("Unlock keys", "keys.unlock"))
    return _PAGE(actions=join(actions), items=join(_item(state, c) for c in state.connections))


def _item(state: State, connection: Connection) -> Html:
    record = state.health.get(connection.id, HealthRecord())
    facts = state.facts[connection.id]
    verdict = state.diagnoses.get(connection.id)
    label = f"{facts.type_label}, {connection.model}" if connection.model else facts.type_label
    return _ITEM(
        id=connection.id,
        health=record.health,
        name=connection.name,
        type=_PLACE(text=label) if label != connection.name else EMPTY,
        url=_PLACE(text=connection.base_url) if connection.base_url else EMPTY,
        key=_key(state, connection),
        health_text=diagnosis(verdict, _verdict_actions(state, connection)) if verdict else _health(record),
        actions=_actions(state, connection, facts),
    )


def _health(record: HealthRecord) -> Html:
    return _HEALTH(
        text=record.text or _TEXTS[record.health],
        advice=_ADVICE(text=record.advice) if record.advice else EMPTY,
        detail=_DETAIL(detail=record.detail) if record.detail else EMPTY,
    )


def _key(state: State, connection: Connection) -> Html:
    hint = state.keys.hints.get(connection.id)
    if hint is None:
        return EMPTY
    text = f"Key {hint.masked}" if hint.masked else "Key, locked" if state.keys.locked else "Key, unreadable: paste it again"
    if hint.origin != origin_of(connection.base_url):
        text += f", for {hint.origin}: not sent to this address"
    erase = button("Erase key", "key.erase", connection.id, f"Erase key of {connection.name}", "small danger")
    parts = [_KEY(text=text, erase=erase)]
    if connection.base_url.startswith("http:") and address_space(host_of(connection.base_url)) != "loopback":
        parts.append(_WARNING(text="This address is not encrypted: anyone on the way can read the key."))
    return join(parts)


def _actions(state: State, connection: Connection, facts: Facts) -> Html:
    name = connection.name
    actions = [button("Test", "connection.test", connection.id, f"Test {name}", "small")]
    actions.append(button("Edit", "connection.edit", connection.id, f"Edit {name}", "small"))
    if facts.operations:
        actions.append(button("Copy as code", "snippet.connection", connection.id, f"Copy as code: {name}", "small"))
    if not facts.permanent:
        actions.append(button("Remove", "connection.remove.ask", connection.id, f"Remove {name}", "small danger"))
    return join(actions)


def _verdict_actions(state: State, connection: Connection) -> Html:
    verdict = state.diagnoses[connection.id]
    actions = []
    if verdict.found_type:
        actions.append(button(f"Use as {verdict.found_label}", "connection.adopt", connection.id, kind="small primary"))
    if verdict.kind == "keys-locked":
        actions.append(button("Unlock keys", "keys.unlock", kind="small primary"))
    actions.append(button("Close", "diagnosis.close", connection.id, f"Close the diagnosis of {connection.name}", "small"))
    return join(actions)


def found_servers(state: State, dialog: Dialog) -> Html:
    """The dialog "Find local servers"."""
    return _FOUND(
        note="Looking…" if dialog.busy else dialog.note,
        items=join(_server(state, server) for server in dialog.found),
        again=button("Search again", "servers.find", disabled=dialog.busy),
        close=button("Close", "dialog.close"),
    )


def _server(state: State, server: FoundServer) -> Html:
    connected = any(c.base_url and origin_of(c.base_url) == origin_of(server.base_url) for c in state.connections)
    add = button("Add", "servers.add", server.base_url, f"Add {server.base_url}", "small primary")
    action = _CONNECTED() if connected else add
    return _SERVER(words=server.words, url=server.base_url, action=action)

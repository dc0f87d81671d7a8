"""The Connections page, and the dialog that adds or edits one."""

from collections.abc import Mapping

from modeltab.domain.connections import Connection, HealthRecord
from modeltab.providers.base import ConnectionType
from modeltab.state.store import Dialog, State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, error_text, field, select, text_input

_PAGE = Template(
    '<header class="page-header"><div><h1>Connections</h1><p class="page-lead">Where your models are. ModelTab calls them '
    'straight from this page.</p></div><div class="page-actions">{add}</div></header>'
    '<ul class="cards" role="list" aria-label="Connections">{items}</ul>'
)
_ITEM = Template(
    '<li class="card connection" id="connection-{id}" data-health="{health}" aria-label="{name}">'
    '<div class="connection-head"><span class="health-dot" aria-hidden="true"></span><div><h2>{name}</h2>'
    '<p class="muted places">{type}{url}</p></div></div><p class="connection-health">{text}</p>{advice}{detail}'
    '<div class="card-actions">{actions}</div></li>'
)
_PLACE = Template("<span>{text}</span>")
_ADVICE = Template('<p class="connection-advice">{text}</p>')
_DETAIL = Template('<details class="error-detail"><summary>Details</summary><pre>{detail}</pre></details>')
_FORM = Template(
    '<form class="dialog-form" data-submit="connection.save">{error}<div class="fields">{fields}</div>{note}'
    '<div class="dialog-bar">{test}<span class="spacer"></span>{cancel}<button class="button primary" type="submit">'
    "Save</button></div></form>"
)
_NOTE = Template('<p class="form-note" role="status">{text}</p>')

_TEXTS = {
    "unknown": "Not asked yet.",
    "checking": "Asking…",
    "healthy": "Answers.",
    "unreachable": "Cannot be reached.",
    "unauthorized": "Wants other credentials.",
}


def page(state: State) -> Html:
    """The page."""
    return _PAGE(
        add=button("Add connection", "connection.add", kind="primary"),
        items=join(_item(state, c) for c in state.connections),
    )


def _item(state: State, connection: Connection) -> Html:
    record = state.health.get(connection.id, HealthRecord())
    facts = state.facts[connection.id]
    actions = [button("Test", "connection.test", connection.id, f"Test {connection.name}", "small")]
    actions.append(button("Edit", "connection.edit", connection.id, f"Edit {connection.name}", "small"))
    if not facts.permanent:
        actions.append(button("Remove", "connection.remove.ask", connection.id, f"Remove {connection.name}", "small danger"))
    return _ITEM(
        id=connection.id,
        health=record.health,
        name=connection.name,
        type=_PLACE(text=facts.type_label) if facts.type_label != connection.name else EMPTY,
        url=_PLACE(text=connection.base_url) if connection.base_url else EMPTY,
        text=record.text or _TEXTS[record.health],
        advice=_ADVICE(text=record.advice) if record.advice else EMPTY,
        detail=_DETAIL(detail=record.detail) if record.detail else EMPTY,
        actions=join(actions),
    )


def _key_field(chosen: ConnectionType) -> Html:
    hint = "Kept in this browser." if chosen.takes_key else f"{chosen.label} takes no key."
    control = text_input("connection-key", "key", type_="password", disabled=not chosen.takes_key)
    return field("connection-key", "API key", control, hint)


def _model_field(chosen: ConnectionType, values: Mapping[str, str]) -> Html:
    hint = f"{chosen.label} lists its models itself." if chosen.lists_models else "The model to ask for."
    control = text_input("connection-model", "model", values.get("model", ""), disabled=chosen.lists_models)
    return field("connection-model", "Model name", control, hint)


def form(state: State, dialog: Dialog) -> Html:
    """The dialog's form: a new connection, or the one that `dialog.subject` names."""
    values = dialog.values
    types = [t for t in state.types if not t.permanent or t.name == values.get("type")]
    chosen = next((t for t in types if t.name == values.get("type")), types[0])
    fields = [
        field(
            "connection-type",
            "Type",
            select(
                "connection-type",
                "type",
                [(t.name, t.label) for t in types],
                chosen.name,
                "connection.type",
                bool(dialog.subject),
            ),
            chosen.about,
        ),
        field(
            "connection-name",
            "Name",
            text_input("connection-name", "name", values.get("name", ""), chosen.label),
            "How it is listed.",
        ),
    ]
    if chosen.takes_url:
        url = text_input("connection-url", "base_url", values.get("base_url", ""), chosen.default_url, "url")
        fields.append(field("connection-url", "Base URL", url, f"Up to where its paths begin. Default: {chosen.default_url}"))
    fields.append(_key_field(chosen))
    fields.append(_model_field(chosen, values))
    return _FORM(
        error=error_text(dialog.error) if dialog.error else EMPTY,
        fields=join(fields),
        note=_NOTE(text=dialog.note) if dialog.note else EMPTY,
        test=button("Test", "connection.try", dialog.subject, disabled=dialog.busy),
        cancel=button("Cancel", "dialog.close"),
    )

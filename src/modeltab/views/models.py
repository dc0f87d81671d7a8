"""The Models page: every model of every connection, and what can be done with it."""

from modeltab.domain.connections import Connection, HealthRecord
from modeltab.domain.models import Model
from modeltab.providers.base import Capabilities
from modeltab.state.store import Dialog, Facts, State
from modeltab.state.updates import all_models, connection_name
from modeltab.views import format as fmt
from modeltab.views.chat import size_of
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, error_text, field, select, text_input

_PAGE = Template(
    '<header class="page-header"><div><h1>Models</h1><p class="page-lead">Every model, wherever it is kept.</p></div>'
    '<div class="page-actions">{actions}</div></header>{notices}{table}<h2>In memory</h2><div class="memory">{memory}</div>'
)
_TABLE = Template(
    '<div class="table-scroll"><table class="table" aria-label="Models"><thead><tr><th scope="col">Name</th>'
    '<th scope="col">Connection</th><th scope="col">Size</th><th scope="col">Modified</th><th scope="col">State</th>'
    '<th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead><tbody>{rows}</tbody></table></div>'
)
_ROW = Template(
    '<tr id="{id}" aria-label="{name}"><td class="cell-name" data-label="Name">{name}</td>'
    '<td data-label="Connection">{connection}</td><td class="cell-number" data-label="Size">{size}</td>'
    '<td class="cell-number" data-label="Modified">{modified}</td>'
    '<td data-label="State"><span class="state" data-state="{state}">{state_text}</span></td>'
    '<td class="cell-actions">{actions}</td></tr>'
)
_EMPTY = Template('<div class="empty"><h2>{title}</h2><p>{text}</p><div class="empty-actions">{actions}</div></div>')
_NOTICE = Template('<div class="notice" data-health="{health}"><p>{text}</p>{action}</div>')
_MEMORY = Template(
    '<section class="card memory-card" aria-label="{name}"><h3>{name}</h3><ul aria-label="Loaded models of {name}">{items}</ul>'
    "{action}</section>"
)
_ITEM = Template("<li>{name}</li>")
_NONE = Template('<li class="muted">{text}</li>')
_ADD = Template(
    '<form class="dialog-form" data-submit="models.add.save">{error}{destination}{file}{source}'
    '<p class="dialog-lead">{note}</p><div class="dialog-bar"><span class="spacer"></span>{cancel}'
    '<button class="button primary" type="submit">Add</button>'
    "</div></form>"
)
_FILE = Template(
    '<div class="field"><label class="field-label" for="model-file">Model file</label>'
    '<input class="input" type="file" id="model-file" name="files" accept=".gguf,.bin" multiple="" '
    'data-change="models.add.files" aria-describedby="model-file-hint" {?disabled}>'
    '<p class="field-hint" id="model-file-hint">{hint}</p></div>'
)
_COPY = Template(
    '<form class="dialog-form" data-submit="model.copy">{error}{name}<div class="dialog-bar">'
    '<span class="spacer"></span>{cancel}<button class="button primary" type="submit">Copy</button></div></form>'
)
_DETAILS = Template('<dl class="details">{rows}</dl><div class="dialog-bar"><span class="spacer"></span>{close}</div>')
_DETAIL = Template("<div><dt>{name}</dt><dd>{value}</dd></div>")

_NOT_LOADED = {True: "No model is loaded", False: "Not known: it does not answer"}


def page(state: State) -> Html:
    """The page."""
    models = all_models(state)
    syncs = any(facts.syncs for facts in state.facts.values())
    actions = [button("Add model", "models.add", kind="primary")]
    if syncs:
        actions.append(button("Sync", "models.sync"))
    actions.append(button("Free memory", "models.free"))
    return _PAGE(
        actions=join(actions),
        notices=join(filter(None, (_notice(state, c) for c in state.connections))),
        table=_TABLE(rows=join(_row(state, m) for m in models)) if models else _nothing(),
        memory=join(_memory(state, c) for c in state.connections if state.facts[c.id].frees),
    )


def _nothing() -> Html:
    actions = [button("Add model", "models.add", kind="primary"), button("Get the starter model", "starter.add")]
    return _EMPTY(
        title="No models yet",
        text="Drop a .gguf file anywhere on this page, add one here, or connect a server that has some.",
        actions=join(actions),
    )


def _notice(state: State, connection: Connection) -> Html:
    record = state.health.get(connection.id, HealthRecord())
    if record.health == "healthy":
        return EMPTY
    texts = {
        "unknown": f"{connection.name} has not been asked yet.",
        "checking": f"Asking {connection.name}…",
        "unreachable": f"{connection.name}: {record.text} {record.advice}",
        "unauthorized": f"{connection.name}: {record.text} {record.advice}",
    }
    if record.health == "checking":
        action = EMPTY
    else:
        action = button(
            "Try again" if record.text else "Ask it",
            "connection.test",
            connection.id,
            f"Test {connection.name}",
            "small",
        )
    return _NOTICE(health=record.health, text=texts[record.health], action=action)


def _row(state: State, model: Model) -> Html:
    facts = state.facts[model.connection_id]
    return _ROW(
        id="row-" + model.key,
        name=model.name,
        connection=connection_name(state, model.connection_id),
        size=size_of(model),
        modified=fmt.moment(model.modified) if model.modified else "",
        state=model.state,
        state_text=f"{model.state} {fmt.percent(model.progress)}" if model.state in ("Loading", "Downloading") else model.state,
        actions=_row_actions(model, facts),
    )


def _row_actions(model: Model, facts: Facts) -> Html:
    name, key = model.name, model.key
    if model.state == "Downloading":
        return EMPTY
    actions = [button("Use", "model.use", key, f"Use {name}", "small")]
    if facts.loads and model.state == "On disk":
        actions.append(button("Load", "model.load", key, f"Load {name}", "small"))
    if facts.unloads_one and model.state == "Loaded":
        actions.append(button("Unload", "model.unload", key, f"Unload {name}", "small"))
    actions.append(button("Details", "model.details", key, f"Details of {name}", "small"))
    if facts.copies:
        actions.append(button("Copy to…", "model.copy.ask", key, f"Copy {name} to…", "small"))
    if facts.removes:
        actions.append(button("Delete", "model.delete.ask", key, f"Delete {name}", "small danger"))
    return join(actions)


def _memory(state: State, connection: Connection) -> Html:
    loaded = [m for m in state.models.get(connection.id, ()) if m.state == "Loaded"]
    known = state.health.get(connection.id, HealthRecord()).health == "healthy"
    items = join(_ITEM(name=m.name) for m in loaded) if loaded else _NONE(text=_NOT_LOADED[known])
    action = (
        button("Free memory", "connection.free", connection.id, f"Free memory of {connection.name}", "small")
        if loaded
        else EMPTY
    )
    return _MEMORY(name=connection.name, items=items, action=action)


def add_form(state: State, dialog: Dialog) -> Html:
    """The dialog "Add model"."""
    takers = [c for c in state.connections if state.facts[c.id].adds or state.facts[c.id].downloads]
    destinations = [(c.id, c.name) for c in takers]
    chosen = dialog.values.get("destination") or (destinations[0][0] if destinations else "")
    facts = state.facts.get(chosen, Facts("", Capabilities(False, frozenset())))
    limit = (
        f"It takes files up to {fmt.size(facts.max_file_bytes)} unless it is set up otherwise." if facts.max_file_bytes else ""
    )
    hint = "GGUF files, one or several. You can also drop them anywhere on the page."
    return _ADD(
        error=error_text(dialog.error) if dialog.error else EMPTY,
        file=_FILE(hint=hint if facts.adds else "This connection takes no files from here.", disabled=not facts.adds),
        source=_source(facts, dialog),
        destination=field(
            "destination",
            "Destination",
            select("destination", "destination", destinations, chosen, "models.add.destination"),
            limit,
        ),
        note=dialog.note,
        cancel=button("Cancel", "dialog.close"),
    )


def _source(facts: Facts, dialog: Dialog) -> Html:
    hint = "This connection brings none by itself."
    if facts.downloads:
        hint = f"Like {facts.downloads}. The server brings it by itself."
    control = text_input("source", "source", dialog.values.get("source", ""), disabled=not facts.downloads)
    return field("source", "URL or repository", control, hint)


def copy_form(dialog: Dialog) -> Html:
    """The dialog that asks for the name of a copy."""
    name = text_input("copy-name", "name", dialog.values.get("name", ""), required=True)
    return _COPY(
        error=error_text(dialog.error) if dialog.error else EMPTY,
        name=field("copy-name", "New name", name, "The same model under a second name; it takes no further space."),
        cancel=button("Cancel", "dialog.close"),
    )


def details(state: State, dialog: Dialog) -> Html:
    """The dialog "Details": what is known of a model."""
    model = next((m for m in all_models(state) if m.key == dialog.subject), None)
    rows = [("Name", model.name), ("Connection", connection_name(state, model.connection_id))] if model else []
    if model:
        rows += [("Size", size_of(model)), ("Modified", fmt.moment(model.modified)), ("State", model.state)]
        rows += model.details.items()
    shown = join(_DETAIL(name=name, value=value) for name, value in rows if value)
    return _DETAILS(rows=shown, close=button("Close", "dialog.close"))

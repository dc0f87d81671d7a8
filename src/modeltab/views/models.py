"""The Models page: every model of every connection, and what can be done with it."""

from modeltab.domain.connections import Connection, HealthRecord
from modeltab.domain.models import Model, split_key
from modeltab.state.store import State
from modeltab.state.updates import all_models
from modeltab.views import format as fmt
from modeltab.views import inventory
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, icon_button

_PAGE = Template(
    '<header class="page-header"><div><h1>Models</h1><p class="page-lead">Every model, wherever it is kept.</p></div>'
    '<div class="page-actions">{actions}</div></header>{notices}{deleted}{note}{table}{storage}'
    '<h2>In memory</h2><div class="memory">{memory}</div>'
)
_EMPTY = Template('<div class="empty"><h2>{title}</h2><p>{text}</p><div class="empty-actions">{actions}</div></div>')
_NOTICE = Template('<div class="notice" data-health="{health}"><p>{text}</p>{action}</div>')
_DELETED = Template('<div class="notice"><p>{name} is deleted.</p>{undo}</div>')
_TOLD = Template('<div class="notice"><p>{text}</p>{close}</div>')
_STORAGE = Template(
    '<section class="storage-line" aria-label="Storage"><div><meter class="gauge" min="0" max="{quota}" value="{used}" '
    'aria-label="Storage used">{text}</meter><p>{text}</p></div>{persist}</section>'
)
_MEMORY = Template(
    '<section class="card memory-card" aria-label="{name}"><h3>{name}</h3><ul aria-label="Loaded models of {name}">{items}</ul>'
    "{action}</section>"
)
_ITEM = Template("<li>{name}</li>")
_NONE = Template('<li class="muted">{text}</li>')
_CLOSE = icon_button("close", "Close this message", "inventory.note.close", "")
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
        deleted=join(_deleted(key) for key in state.deleted),
        note=_TOLD(text=state.inventory_note, close=_CLOSE) if state.inventory_note else EMPTY,
        table=inventory.table(state) if models else _nothing(),
        storage=_storage(state),
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


def _deleted(key: str) -> Html:
    _, name = split_key(key)
    return _DELETED(name=name, undo=button("Undo", "inventory.undo", key, f"Undo deleting {name}", "small"))


def _storage(state: State) -> Html:
    storage = state.storage
    if not storage.quota:
        return EMPTY
    kept = "The browser keeps it." if storage.persisted else "The browser may delete it when space runs out."
    return _STORAGE(
        quota=storage.quota,
        used=storage.used,
        text=f"{fmt.size(storage.used)} of at most {fmt.size(storage.quota)} of this browser's storage are used. {kept}",
        persist=EMPTY if storage.persisted else button("Ask the browser to keep it", "storage.persist", kind="small"),
    )


def _memory(state: State, connection: Connection) -> Html:
    loaded = [m for m in state.models.get(connection.id, ()) if m.state == "Loaded"]
    known = state.health.get(connection.id, HealthRecord()).health == "healthy"
    items = join(_ITEM(name=_with_memory(m)) for m in loaded) if loaded else _NONE(text=_NOT_LOADED[known])
    action = (
        button("Free memory", "connection.free", connection.id, f"Free memory of {connection.name}", "small")
        if loaded
        else EMPTY
    )
    return _MEMORY(name=connection.name, items=items, action=action)


def _with_memory(model: Model) -> str:
    return f"{model.name} ({fmt.size(model.memory)})" if model.memory else model.name

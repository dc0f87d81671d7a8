"""The table of models: what it is narrowed to, its rows, and what can be done with each."""

from modeltab.domain.models import Model
from modeltab.state.inventory import Heading, Page, Row, details_line, page_of
from modeltab.state.store import Facts, State
from modeltab.state.updates import connection_name
from modeltab.views import copy_model
from modeltab.views import format as fmt
from modeltab.views.chat import size_of
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button

_TOOLS = Template(
    '<div class="inventory-tools"><input class="input" type="search" id="inventory-filter" aria-label="Filter models" '
    'placeholder="Filter models" value="{query}" data-input="inventory.filter" autocomplete="off">'
    '<label>Show<select class="input select" id="inventory-place" data-change="inventory.place">{places}</select></label>'
    '<label>Group by<select class="input select" id="inventory-group" data-change="inventory.group">{groups}</select></label>'
    '<p class="inventory-count" role="status">{count}</p></div>'
)
_OPTION = Template('<option value="{value}" {?selected}>{text}</option>')
_TABLE = Template(
    '<div class="table-scroll"><table class="table" id="inventory" aria-label="Models" aria-rowcount="{rows_in_all}" '
    'data-long="{long}"><thead><tr aria-rowindex="1">{columns}<th scope="col">'
    '<span class="visually-hidden">Actions</span></th></tr></thead><tbody>{above}{rows}{below}</tbody></table></div>'
)
_COLUMN = Template(
    '<th scope="col" aria-sort="{sort}"><button class="sort" type="button" data-action="inventory.sort" data-id="{id}">{text}'
    "</button></th>"
)
_SPACE = Template('<tr class="spacer-row" aria-hidden="true"><td colspan="6" height="{height}"></td></tr>')
_HEADING = Template(
    '<tr class="group-row" aria-rowindex="{index}"><th colspan="6" scope="rowgroup">{title} <span class="muted">{count}</span>'
    "</th></tr>"
)
_ROW = Template(
    '<tr id="{id}" aria-label="{name}" aria-rowindex="{index}"><td class="cell-name" data-label="Name">{name}{about}</td>'
    '<td data-label="Connection">{connection}</td><td class="cell-number" data-label="Size">{size}</td>'
    '<td class="cell-number" data-label="Modified">{modified}</td>'
    '<td data-label="State"><span class="state" data-state="{state}">{state_text}</span>{memory}</td>'
    '<td class="cell-actions">{actions}</td></tr>'
)
_SUB = Template('<span class="cell-sub">{text}</span>')
_NONE = Template('<p class="muted">{text}</p>')

COLUMNS = (("name", "Name"), ("connection", "Connection"), ("size", "Size"), ("modified", "Modified"), ("state", "State"))
GROUPS = [("", "nothing"), ("connection", "connection"), ("model", "model")]


def table(state: State) -> Html:
    """The tools and the table."""
    page = page_of(state)
    shown = _table(state, page) if page.total else _NONE(text="No model has all of these words.")
    return join([_tools(state, page.models), shown])


def _tools(state: State, shown: int) -> Html:
    places = [("", "all connections"), *((c.id, c.name) for c in state.connections if state.models.get(c.id))]
    models = sum(len(state.models.get(c.id, ())) for c in state.connections)
    words = f"{models:,} models" if models != 1 else "1 model"
    return _TOOLS(
        query=state.inventory.query,
        places=_options(places, state.inventory.place),
        groups=_options(GROUPS, state.inventory.group),
        count=words if shown == models else f"{shown:,} of {words}",
    )


def _options(options: list[tuple[str, str]], chosen: str) -> Html:
    return join(_OPTION(value=value, text=text, selected=value == chosen) for value, text in options)


def _table(state: State, page: Page) -> Html:
    above, below = page.first, page.total - page.first - len(page.rows)
    height = state.inventory.row_height
    return _TABLE(
        rows_in_all=page.total + 1,
        long="true" if above or below else "false",
        columns=join(_column(state, id_, text) for id_, text in COLUMNS),
        above=_SPACE(height=above * height) if above else EMPTY,
        rows=join(_row(state, row, page.first + place + 2) for place, row in enumerate(page.rows)),
        below=_SPACE(height=below * height) if below else EMPTY,
    )


def _column(state: State, id_: str, text: str) -> Html:
    order = "none"
    if state.inventory.sort == id_:
        order = "descending" if state.inventory.descending else "ascending"
    return _COLUMN(id=id_, text=text, sort=order)


def _row(state: State, row: Row, index: int) -> Html:
    if isinstance(row, Heading):
        places = f"{row.size} models" if state.inventory.group == "connection" else f"in {row.size} places"
        return _HEADING(title=row.title, count=places if row.size > 1 else "", index=index)
    return _model_row(state, row, index)


def _model_row(state: State, model: Model, index: int) -> Html:
    about = details_line(model)
    moving = model.state in ("Loading", "Downloading")
    return _ROW(
        id="row-" + model.key,
        index=index,
        name=model.name,
        about=_SUB(text=about) if about else EMPTY,
        connection=connection_name(state, model.connection_id),
        size=size_of(model),
        modified=fmt.moment(model.modified) if model.modified else "",
        state=model.state,
        state_text=f"{model.state} {fmt.percent(model.progress)}" if moving else model.state,
        memory=_SUB(text=f"{fmt.size(model.memory)} of memory") if model.memory else EMPTY,
        actions=_row_actions(state, model, state.facts[model.connection_id]),
    )


def _row_actions(state: State, model: Model, facts: Facts) -> Html:
    name, key = model.name, model.key
    if model.state == "Downloading":
        return EMPTY
    actions = [button("Use", "model.use", key, f"Use {name}", "small")]
    if facts.loads and model.state == "On disk":
        actions.append(button("Load", "model.load", key, f"Load {name}", "small"))
    if facts.unloads_one and model.state == "Loaded":
        actions.append(button("Unload", "model.unload", key, f"Unload {name}", "small"))
    actions.append(button("Details", "model.details", key, f"Details of {name}", "small"))
    actions.append(button("Copy as code", "snippet.model", key, f"Copy as code: {name}", "small"))
    if copy_model.places(state, key):
        actions.append(button("Copy to…", "model.copy.ask", key, f"Copy {name} to…", "small"))
    if facts.removes:
        actions.append(button("Delete", "model.delete.ask", key, f"Delete {name}", "small danger"))
    return join(actions)

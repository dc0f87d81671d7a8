"""The model of a page of the Playground, and why it cannot do what the page is for."""

from modeltab.domain.models import split_key
from modeltab.state.store import State
from modeltab.state.updates import connection_name
from modeltab.views.html import Html, Template, join
from modeltab.views.parts import options

_FIELD = Template(
    '<div class="field playground-model"><label class="field-label" for="{id}">Model</label>'
    '<select class="input" id="{id}" data-change="{change}">{options}</select></div>'
)
_GROUP = Template('<optgroup label="{label}">{options}</optgroup>')


def model_field(state: State, id_: str, chosen: str, change: str) -> Html:
    """A combobox with the models of every connection; the chosen one also when it is not listed now."""
    groups = [
        (connection_name(state, c.id), [(model.key, model.name) for model in state.models.get(c.id, ())])
        for c in state.connections
    ]
    known = any(chosen == key for _, models in groups for key, _ in models)
    first = [("", "Choose a model")] if not chosen else []
    gone = [(chosen, f"{split_key(chosen)[1]} (not there now)")] if chosen and not known else []
    rows = [_GROUP(label=label, options=options(models, chosen)) for label, models in groups if models]
    return _FIELD(id=id_, change=change, options=join([options([*first, *gone], chosen), *rows]))


def reason_of(state: State, key: str, what: str) -> str:
    """Why a model cannot do it, empty when it can. `what`: "completion" or "schema"."""
    connection_id, name = split_key(key)
    facts = state.facts.get(connection_id)
    if not name or facts is None:
        return "Choose a model."
    completes = facts.completion is not None or facts.capabilities.alternatives > 0
    can = completes if what == "completion" else facts.capabilities.schema
    if can:
        return ""
    words = {"completion": "completes no text", "schema": "holds no answer to a schema"}[what]
    return facts.capabilities.reasons.get(what) or f"{facts.type_label} {words}."

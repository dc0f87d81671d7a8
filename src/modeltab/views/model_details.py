"""The dialog "Details" of a model: what its list says, what its server says, what its file says."""

from modeltab.domain.models import Model
from modeltab.state.store import Dialog, FileDetails, State
from modeltab.state.updates import connection_name, model_of
from modeltab.views import file_details
from modeltab.views import format as fmt
from modeltab.views.chat import size_of
from modeltab.views.html import EMPTY, Html, Template
from modeltab.views.parts import button

_DETAILS = Template('{figures}{file}<div class="dialog-bar">{measure}<span class="spacer"></span>{close}</div>')


def body(state: State, dialog: Dialog) -> Html:
    """The dialog's content."""
    model = model_of(state, dialog.subject)
    file = state.file_details if state.file_details and state.file_details.subject == dialog.subject else None
    return _DETAILS(
        figures=file_details.figure_rows(_rows(state, model, file)) if model else EMPTY,
        file=file_details.body(file) if file else EMPTY,
        measure=_measure(state, model) if model else EMPTY,
        close=button("Close", "dialog.close"),
    )


def _measure(state: State, model: Model) -> Html:
    if model.state != "Loaded" or not state.facts[model.connection_id].measures:
        return EMPTY
    return button("Measure again", "model.measure", model.key, f"Measure {model.name} again")


def _rows(state: State, model: Model, file: FileDetails | None) -> list[tuple[str, str]]:
    """What is known, each figure once: what the server says goes before what the file says."""
    rows = {
        "Name": model.name,
        "Connection": connection_name(state, model.connection_id),
        "Size": size_of(model),
        "Modified": fmt.moment(model.modified) if model.modified else "",
        "State": model.state,
        **{name: value for name, value in model.details.items() if name != "Template"},
    }
    if file and file.facts:
        for name, value in file_details.figures(file.facts, file.header, 0):
            rows.setdefault(name, value)
    elif "Template" in model.details:
        rows["Template"] = model.details["Template"]
    return list(rows.items())

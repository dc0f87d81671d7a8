"""The form "Parameters"."""

from math import isfinite
from typing import Any

from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import BadRequest, ModelTabError
from modeltab.domain.requests import Parameters, ParameterValue, extra_fields
from modeltab.state.store import Dialog
from modeltab.views.parameters import FIELDS

_DECIMAL = frozenset({"temperature", "top_p"})


def open_(app: App, event: UiEvent) -> None:
    """Open the form with what is set."""
    values = {name: str(value) for name, value in app.state.settings.parameters._asdict().items() if value is not None}
    app.update(dialog=Dialog("parameters", values=values))


def reset(app: App, event: UiEvent) -> None:
    """Empty every field: the defaults apply again, once saved."""
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values={}, error=None, revision=app.state.dialog.revision + 1))


def save(app: App, event: UiEvent) -> None:
    """Keep what was typed. A field that is disabled now keeps what it had."""
    dialog = app.state.dialog
    if dialog is None:
        return
    values = {**dialog.values, **event.values}
    try:
        parameters = read(values)
    except ModelTabError as error:
        app.update(dialog=dialog._replace(values=values, error=error.record()))
        return
    app.set_setting(parameters=parameters)
    app.update(dialog=None)
    app.say("Parameters are saved")


def read(values: dict[str, str]) -> Parameters:
    """Parameters from a form's texts. :raises BadRequest: naming the field that is wrong."""
    found: dict[str, Any] = {}
    for field in FIELDS:
        text = values.get(field.name, "").strip()
        if text:
            is_text = field.rows or field.options
            found[field.name] = text if is_text else _number(field.name, field.label, text, field.low, field.high)
    extra_fields(values.get("extra_json"))
    return Parameters(**found)


def _number(name: str, label: str, text: str, low: str, high: str) -> ParameterValue:
    try:
        value: ParameterValue = float(text) if name in _DECIMAL else int(text)
    except ValueError:
        kind = "a number" if name in _DECIMAL else "a whole number"
        raise BadRequest(f"{label} is {kind}, not “{text}”.", "Correct it, or empty it for the default.") from None
    assert not isinstance(value, str)
    if not isfinite(value) or value < float(low) or (high and value > float(high)):
        limits = f"from {low} to {high}" if high else f"at least {low}"
        raise BadRequest(f"{label} is {limits}.", "Correct it, or empty it for the default.")
    return value

"""The form "Parameters": those of the conversation that is shown, and the defaults of all."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from modeltab.actions import drafts, preview
from modeltab.actions.answer import set_conversation
from modeltab.actions.app import App, UiEvent
from modeltab.actions.keeping import keep
from modeltab.domain.errors import BadRequest, ModelTabError
from modeltab.domain.requests import Parameters, ParameterValue, extra_fields
from modeltab.state.store import Dialog
from modeltab.state.updates import own_parameters
from modeltab.views.parameters import FIELDS

_DECIMAL = frozenset({"temperature", "top_p"})
#: What the form may be about. In the values of the dialog, what was typed for the other one is under its name.
SCOPES = ("conversation", "defaults")


def open_(app: App, event: UiEvent) -> None:
    """Open the form with what is set: for the conversation that is shown, or else the defaults."""
    own = own_parameters(app.state)
    scope = "conversation" if app.state.conversation or own else "defaults"
    app.update(dialog=Dialog("parameters", scope, _values(app, scope)))
    app.spawn(preview.template(app, event._replace(values={})))


def _values(app: App, scope: str) -> dict[str, str]:
    found = own_parameters(app.state) if scope == "conversation" else app.state.settings.parameters
    return texts(found or Parameters())


def texts(parameters: Parameters) -> dict[str, str]:
    """Parameters as the texts of a form."""
    return {name: str(value) for name, value in parameters._asdict().items() if value is not None}


def choose_scope(app: App, event: UiEvent) -> None:
    """Turn to the other parameters; what was typed for these is saved with them."""
    dialog = app.state.dialog
    if dialog is None or event.id not in SCOPES or event.id == dialog.subject:
        return
    values = {**dialog.values, **event.values}
    typed = _stashed(values, event.id)
    shown = _values(app, event.id) if typed is None else typed
    left = {f"{dialog.subject}.{field.name}": values.get(field.name, "") for field in FIELDS}
    app.update(dialog=dialog._replace(subject=event.id, values={**shown, **left}, error=None, revision=dialog.revision + 1))
    app.spawn(preview.template(app, event._replace(values={})))


def _stashed(values: Mapping[str, str], scope: str) -> dict[str, str] | None:
    """What was typed for the other parameters, None when nothing was."""
    found = {f.name: values[f"{scope}.{f.name}"] for f in FIELDS if f"{scope}.{f.name}" in values}
    return found or None


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
    scope = dialog.subject or "defaults"
    (other,) = (name for name in SCOPES if name != scope)
    typed = _stashed(values, other)
    try:
        found = {scope: read(values)}
        if typed is not None:
            found[other] = read(typed)
    except ModelTabError as error:
        app.update(dialog=dialog._replace(values=values, error=error.record()))
        return
    if "defaults" in found:
        app.set_setting(parameters=found["defaults"])
    if "conversation" in found:
        set_own(app, found["conversation"])
    app.update(dialog=None)
    app.say("Parameters are saved" if scope == "defaults" else "The parameters of this conversation are saved")


def set_own(app: App, parameters: Parameters) -> None:
    """Give the conversation that is shown, or about to begin, parameters of its own over the defaults."""
    own = parameters if parameters != Parameters() else None
    conversation = app.state.conversation
    if conversation is None:
        app.update(new_parameters=own)
        drafts.touch(app)
        return
    set_conversation(app, conversation._replace(parameters=own))
    if app.state.messages:  # it is kept from its first message on
        app.spawn(keep(app, app.state.conversation))


def read(values: Mapping[str, str]) -> Parameters:
    """Parameters from a form's texts. :raises BadRequest: naming the field that is wrong."""
    found: dict[str, Any] = {}
    for field in FIELDS:
        text = values.get(field.name, "").strip()
        if text:
            found[field.name] = parsed(field.name, text)
    return Parameters(**found)


def parsed(name: str, text: str) -> ParameterValue:
    """One parameter from its text. :raises BadRequest: when it is wrong."""
    field = next(field for field in FIELDS if field.name == name)
    if name == "extra_json":
        extra_fields(text)
    if field.rows or field.options:
        return text
    return _number(field.name, field.label, text, field.low, field.high)


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

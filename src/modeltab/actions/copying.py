"""Copy a model: under a second name where it is, or to another runtime."""

from modeltab.actions import candidates, onboarding
from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.domain.errors import ErrorRecord, ModelTabError
from modeltab.domain.models import split_key
from modeltab.state.places import fit_of
from modeltab.state.store import Dialog


def ask(app: App, event: UiEvent) -> None:
    """Ask where to, and for the name of a copy in the same place."""
    _, name = split_key(event.id)
    app.update(dialog=Dialog("copy-model", event.id, {"name": f"{name}-copy"}))


def choose_place(app: App, event: UiEvent) -> None:
    """Another place was chosen in the dialog."""
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values={**app.state.dialog.values, **event.values}, error=None))


async def copy(app: App, event: UiEvent) -> None:
    """Copy it. What goes to another runtime is put into the queue."""
    dialog = app.state.dialog
    if dialog is None:
        return
    connection_id, name = split_key(dialog.subject)
    destination = event.values.get("to", connection_id)
    try:
        if destination == connection_id:
            await _second_name(app, connection_id, name, event.values.get("name", "").strip())
        else:
            await _to_another(app, connection_id, name, destination)
    except ModelTabError as error:
        app.update(dialog=dialog._replace(values={**dialog.values, **event.values}, error=error.record()))


async def _second_name(app: App, connection_id: str, name: str, new_name: str) -> None:
    copies = app.provider(connection_id).copies
    if copies is None or not new_name:
        raise ModelTabError("The copy needs a name.", "Type one.")
    await copies.copy(name, new_name)
    app.update(dialog=None)
    await refresh(app, connection_id)
    app.say(f"{name} is there as {new_name}, too")


async def _to_another(app: App, connection_id: str, name: str, destination: str) -> None:
    source = app.provider(connection_id).files
    if source is None:
        raise ModelTabError("This connection does not give its files back.", "Add the model's file there instead.")
    candidates.clear(app)
    await candidates.add(app, await source.open_files(name))
    if not app.state.candidates:
        return  # the dialog was closed meanwhile
    candidate = app.state.candidates[0]
    fit = fit_of(app.state, candidate, destination)
    if fit.verdict == "no":
        raise ModelTabError(*(candidate.reason or ErrorRecord(fit.reason)))
    onboarding.start_candidate(app, candidate, destination)
    candidates.clear(app)
    app.update(dialog=None)

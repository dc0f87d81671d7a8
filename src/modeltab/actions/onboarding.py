"""The dialog "Add model": what a person chose or named, what it is, and where it goes."""

from modeltab.actions import candidates, origins, transfers
from modeltab.actions.app import App, UiEvent
from modeltab.actions.ports import TextFile
from modeltab.domain.catalogue import STARTER
from modeltab.domain.errors import ErrorRecord, ModelTabError
from modeltab.domain.models import model_key
from modeltab.state.places import fit_of
from modeltab.state.store import Candidate, Dialog
from modeltab.state.updates import connection_name, is_coming, model_of

#: What a folder's files have to be, to be looked at: models by their names, or blobs, which have no ending.
_ENDINGS = (".gguf", ".bin")


async def open_dialog(app: App, event: UiEvent) -> None:
    """Open "Add model"; files that were dropped are in it already."""
    if app.state.dialog is None or app.state.dialog.name != "add-model":
        candidates.clear(app)
        app.update(dialog=Dialog("add-model", values={"destination": _destination(app)}), choices=None)
        app.spawn(origins.load_catalogue(app))
    if event.files:
        await candidates.add(app, _models_among(event))


def _destination(app: App) -> str:
    """Where files go unless the person says otherwise: to the first place that takes them and answers."""
    facts = app.state.facts
    takes = [c.id for c in app.state.connections if facts[c.id].adds]
    takes += [c.id for c in app.state.connections if facts[c.id].downloads and not facts[c.id].adds]
    healthy = [key for key in takes if key in app.state.health and app.state.health[key].health == "healthy"]
    return (healthy or takes or [""])[0]


async def choose_files(app: App, event: UiEvent) -> None:
    """Files, or a folder, were chosen in the dialog: they take the place of those that were chosen before."""
    dialog = app.state.dialog
    if dialog is None:
        return
    candidates.clear(app, source="")
    app.update(dialog=dialog._replace(values=event.values, error=None))
    files = _models_among(event)
    if event.files and not files:
        error = ErrorRecord("There is no model file in that folder.", "Choose one that has .gguf files in it.")
        app.update(dialog=dialog._replace(values=event.values, error=error))
    await candidates.add(app, files)


def _models_among(event: UiEvent) -> tuple[TextFile, ...]:
    """What a person chose; of several files, those that may be models: a folder has all kinds of others."""
    if len(event.files) < 2:
        return event.files
    likely = tuple(f for f in event.files if f.name.lower().endswith(_ENDINGS) or "." not in f.name)
    return likely or event.files


def choose_destination(app: App, event: UiEvent) -> None:
    """Another destination was chosen in the dialog."""
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values=event.values, error=None))


def remove_candidate(app: App, event: UiEvent) -> None:
    """Take a candidate out of the dialog."""
    candidates.remove(app, event.id)


async def save(app: App, event: UiEvent) -> None:
    """Start the transfers of what can go to the destination; the rest stays in the dialog, with the reason."""
    dialog = app.state.dialog
    if dialog is None:
        return
    destination = event.values["destination"]
    address = event.values.get("source", "").strip()
    dialog = dialog._replace(values=event.values, error=None, busy=True)
    app.update(dialog=dialog)
    if event.files and not app.state.candidates:
        await candidates.add(app, event.files)
    brought = False
    try:
        brought = bool(address) and await origins.begin(app, address, destination)
        await candidates.looked_at(app)
        error = None if brought and not app.state.candidates else _start_all(app, destination)
    except ModelTabError as problem:
        error = problem.record()
    dialog = app.state.dialog
    if dialog is None or dialog.name != "add-model" or not dialog.busy:
        return  # closed meanwhile
    if error is None:
        app.update(dialog=None)
    else:
        values = {**dialog.values, "source": ""} if brought else dialog.values
        app.update(dialog=dialog._replace(values=values, busy=False, error=error, revision=dialog.revision + brought))


def _start_all(app: App, destination: str) -> ErrorRecord | None:
    """Start what can go there. What cannot stays, and is the error."""
    if not app.state.candidates or not app.state.facts[destination].adds:
        return _nothing(app, destination)
    refused = []
    for candidate in app.state.candidates:
        fit = fit_of(app.state, candidate, destination)
        if fit.verdict == "no":
            refused.append((candidate, candidate.reason or ErrorRecord(fit.reason)))
            continue
        try:
            start_candidate(app, candidate, destination)
        except ModelTabError as problem:  # what would have to be put together cannot be
            refused.append((candidate, problem.record()))
            continue
        candidates.remove(app, candidate.id)
    if not refused:
        return None
    candidate, reason = refused[0]
    return ErrorRecord(f"{candidate.name} is not added. {reason.message}{_more(len(refused) - 1)}", reason.advice)


def _more(count: int) -> str:
    if not count:
        return ""
    return " One more is not added either." if count == 1 else f" {count} more are not added either."


def start_candidate(app: App, candidate: Candidate, destination: str) -> None:
    """Put a candidate's files into the queue."""
    for file, name in candidates.files_for(app, candidate, app.state.facts[destination].takes_shards):
        transfers.start(app, file, name, destination)


def _nothing(app: App, destination: str) -> ErrorRecord:
    """Why there is nothing to start."""
    facts = app.state.facts[destination]
    if not facts.adds:
        return ErrorRecord(
            f"{connection_name(app.state, destination)} takes no files.", f"Name a model that it can bring: {facts.downloads}."
        )
    if app.state.choices and app.state.choices.models:
        return ErrorRecord("No file of the repository is chosen.", "Choose one of them below, then press Add.")
    return ErrorRecord("No file is chosen.", "Choose one or several model files, or type where a model is.")


def add_starter(app: App, event: UiEvent) -> None:
    """Bring the starter model into the tab and choose it. Pressed again while it comes, it changes nothing."""
    facts = app.state.facts
    connection_id = next(c.id for c in app.state.connections if facts[c.id].permanent and facts[c.id].adds)
    key = model_key(connection_id, STARTER.name)
    if model_of(app.state, key):
        app.set_setting(model=key)
        return
    if not is_coming(app.state, STARTER.name, connection_id):
        transfers.start(app, app.starter(), STARTER.name, connection_id)

"""The dialog "Add model": what a person chose, what it is, and where it goes."""

from modeltab.actions import transfers
from modeltab.actions.app import App, TextFile, UiEvent
from modeltab.domain.catalogue import STARTER
from modeltab.domain.errors import ErrorRecord, NotAModel
from modeltab.domain.models import model_key
from modeltab.providers.base import ModelFile
from modeltab.state.store import Dialog
from modeltab.state.updates import model_of, running_transfers
from modeltab.views import format as fmt

MAGIC = b"GGUF"


def open_dialog(app: App, event: UiEvent) -> None:
    """Open "Add model"; files that were dropped are in it already."""
    app.candidates = {file.name: (file,) for file in event.files}
    if app.state.dialog and app.state.dialog.name == "add-model":
        app.page.set_value("model-file", "")  # what is dropped takes the place of what was chosen
    app.update(dialog=Dialog("add-model", values={"destination": _destination(app)}, note=_describe(event.files)))


def _destination(app: App) -> str:
    """Where files go unless the person says otherwise: to the first place that takes them and answers."""
    facts = app.state.facts
    takes = [c.id for c in app.state.connections if facts[c.id].adds]
    takes += [c.id for c in app.state.connections if facts[c.id].downloads and not facts[c.id].adds]
    healthy = [key for key in takes if key in app.state.health and app.state.health[key].health == "healthy"]
    return (healthy or takes or [""])[0]


def choose_files(app: App, event: UiEvent) -> None:
    """Files were chosen in the dialog."""
    app.candidates = {file.name: (file,) for file in event.files}
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values=event.values, note=_describe(event.files), error=None))


def choose_destination(app: App, event: UiEvent) -> None:
    """Another destination was chosen in the dialog."""
    if app.state.dialog:
        app.update(dialog=app.state.dialog._replace(values=event.values))


def _describe(files: tuple[TextFile, ...]) -> str:
    return ", ".join(f"{file.name} ({fmt.size(file.size)})" for file in files)


async def save(app: App, event: UiEvent) -> None:
    """Start the transfers."""
    dialog = app.state.dialog
    if not app.candidates:
        app.candidates = {file.name: (file,) for file in event.files}
    files = [file for item in app.candidates.values() for file in item]
    if dialog is None:
        return
    destination = event.values["destination"]
    facts = app.state.facts[destination]
    source = event.values.get("source", "").strip()
    if facts.downloads and source:
        app.candidates = {}
        app.update(dialog=None)
        transfers.download(app, source, destination)
        return
    if not files or not facts.adds:
        error = ErrorRecord("No file is chosen.", "Choose one or several model files.")
        if not facts.adds:
            error = ErrorRecord("This connection takes no files.", f"Name a model that it can bring: {facts.downloads}.")
        app.update(dialog=dialog._replace(values=event.values, error=error))
        return
    names = [await model_file_name(file) for file in files]
    app.candidates = {}
    app.update(dialog=None)
    for file, name in zip(files, names, strict=True):
        transfers.start(app, file, name, destination)


def add_starter(app: App, event: UiEvent) -> None:
    """Bring the starter model into the tab and choose it. Pressed again while it comes, it changes nothing."""
    facts = app.state.facts
    connection_id = next(c.id for c in app.state.connections if facts[c.id].permanent and facts[c.id].adds)
    key = model_key(connection_id, STARTER.name)
    if model_of(app.state, key):
        app.set_setting(model=key)
        return
    if all(t.name != STARTER.name for t in running_transfers(app.state)):
        transfers.start(app, app.starter(), STARTER.name, connection_id)


async def model_file_name(file: ModelFile) -> str:
    """The name under which a file is stored: it ends in .gguf.

    :raises NotAModel: when the file does not begin as a GGUF file does, whatever its name.
    """
    if file.size == 0:
        raise NotAModel(f"{file.name} is empty.", "Choose the complete model file.")
    if await file.read(0, len(MAGIC)) != MAGIC:
        raise NotAModel(
            f"{file.name} is not a GGUF file.", "Choose a .gguf file: models of other kinds have to be converted first."
        )
    if file.name.lower().endswith(".gguf"):
        return file.name
    stem = file.name[: -len(".bin")] if file.name.lower().endswith(".bin") else file.name
    return stem + ".gguf"

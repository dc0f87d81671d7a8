"""Where a model comes from when it is not a person's own disk: an address, a repository, the catalogue."""

from modeltab.actions import candidates, transfers
from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import BadRequest, ModelTabError, NotFound
from modeltab.domain.models import model_key
from modeltab.providers.base import ModelFile
from modeltab.sources import hugging_face
from modeltab.sources.address import Address, parse
from modeltab.sources.hugging_face import Choice
from modeltab.state.store import Choices, Facts
from modeltab.state.updates import connection_name, is_coming, model_of


async def look_up(app: App, event: UiEvent) -> None:
    """ "Look up" was pressed: find out what the address leads to, before anything is fetched."""
    dialog = app.state.dialog
    if dialog is None:
        return
    app.update(dialog=dialog._replace(values=event.values, error=None, busy=True))
    error = None
    try:
        await _find(app, event.values.get("source", "").strip(), event.values.get("destination", ""))
    except ModelTabError as problem:
        error = problem.record()
    if app.state.dialog and app.state.dialog.name == "add-model":
        app.update(dialog=app.state.dialog._replace(error=error, busy=False))


async def choose(app: App, event: UiEvent) -> None:
    """A model of the repository was chosen: it waits as a candidate."""
    offered = app.state.choices
    choice = next((c for c in offered.models if c.name == event.id), None) if offered else None
    if offered and choice:
        await _take(app, choice, offered.address)


async def begin(app: App, text: str, destination: str) -> bool:
    """Go for what a person typed and pressed "Add" at. True when the destination brings it by itself: it is in the queue.

    Else it waits as a candidate now; of a repository with several models one has to be chosen first.
    """
    if any(c.source == text for c in app.state.candidates):
        return False  # it has been looked up before
    facts = app.state.facts[destination]
    name = name_for(facts, text)
    if name:
        transfers.download(app, name, destination)
        return True
    await _find(app, text, destination)
    if not any(c.source == text for c in app.state.candidates):
        raise BadRequest("There are several models in this repository.", "Choose one of them below, then press Add.")
    return False


def name_for(facts: Facts, text: str) -> str:
    """What a connection is asked for to bring what a person typed; empty when it cannot."""
    if not facts.downloads:
        return ""
    try:
        address = parse(text)
    except BadRequest:
        return text if facts.has_library else ""  # a registry of one's own is named as only that Ollama knows
    if address.kind == "hugging-face" and not (address.other and facts.has_library and not facts.hub_prefix):
        return facts.hub_prefix + address.name.removeprefix("hf.co/") if address.name else ""
    return address.name if facts.has_library else ""


async def _find(app: App, text: str, destination: str) -> None:
    address = parse(text)
    facts = app.state.facts.get(destination)
    if address.kind == "ollama":
        raise BadRequest(
            f"{text} is a name of the Ollama library, which only an Ollama can bring.",
            "Choose a connection to Ollama as the destination, or type a repository of Hugging Face.",
        )
    if facts and not facts.fetches and not facts.downloads:
        raise BadRequest(
            f"{connection_name(app.state, destination)} takes files of this machine only.",
            "Add it to this tab first; then press “Copy to…” at the model.",
        )
    candidates.clear(app, source=text)
    if address.kind == "url":
        app.update(choices=None)
        file = await app.open_url(address.url)
        if app.state.dialog:
            await candidates.add(app, [file], source=text)
    else:
        await _open_repository(app, address, text)


async def _open_repository(app: App, address: Address, text: str) -> None:
    """Show what a repository has to choose from. What the address itself names is chosen.

    What is told of it late, when the dialog was closed or something else was looked up, is left.
    """
    asked = Choices(text, address.repo, busy=True)
    app.update(choices=asked)
    try:
        folder = "" if address.file_name else address.path
        files = await hugging_face.list_files(app.transport, address.repo, address.revision, folder=folder)
        offered = hugging_face.choices(files)
    except ModelTabError:
        if app.state.choices is not asked:
            return
        app.update(choices=None)
        raise
    notes = await _notes(app, address.repo)
    if app.state.choices is not asked:
        return
    app.update(choices=Choices(text, address.repo, notes, offered))
    tag = address.file_name or address.tag
    chosen = hugging_face.wanted(offered, tag) if tag or len(offered) == 1 else None
    if tag and chosen is None:
        raise BadRequest(f"{address.repo} has no “{tag}”.", "Choose one of its models below.")
    if chosen:
        await _take(app, chosen, text)


async def _notes(app: App, repo: str) -> str:
    """What there is to know of a repository besides its files; nothing where the Hub does not tell."""
    try:
        about = await hugging_face.about(app.transport, repo)
    except ModelTabError:
        return ""
    parts = [f"licence: {about.licence}"] if about.licence else []
    if about.gated:
        parts.append("its files are given only to people who have accepted its terms on huggingface.co")
    if about.downloads is not None:
        parts.append(f"{about.downloads:,} downloads in the last month")
    return " · ".join(parts)


async def _take(app: App, choice: Choice, source: str) -> None:
    files = [app.remote_file(file.name, file.size, (file.url,), file.sha256, "") for file in choice.files]
    candidates.clear(app, source=source)
    await candidates.add(app, files, source=source)


async def load_catalogue(app: App) -> None:
    """Read the list of models that run well in a tab."""
    if not app.state.catalogue:
        app.update(catalogue=await app.read_catalogue())


async def add_from_catalogue(app: App, event: UiEvent) -> None:
    """Bring a model of the catalogue into the tab. One that is there already is chosen."""
    entry = next((e for e in app.state.catalogue if e.name == event.id), None)
    if entry is None:
        return
    tab = next(c.id for c in app.state.connections if app.state.facts[c.id].permanent and app.state.facts[c.id].fetches)
    key = model_key(tab, entry.name)
    if model_of(app.state, key):
        app.set_setting(model=key)
        app.say(f"{entry.title} is chosen")
        return
    if is_coming(app.state, entry.name, tab):
        return
    file = app.remote_file(entry.name, entry.size or entry.size_about, entry.sources, entry.sha256, "")
    if not entry.size or (not entry.sha256 and len(entry.sources) == 1):
        file = await _as_told(app, entry.repo, entry.name)
    if not is_coming(app.state, entry.name, tab) and not model_of(app.state, key):  # pressed again while the Hub was asked
        transfers.start(app, file, entry.name, tab)


async def _as_told(app: App, repo: str, name: str) -> ModelFile:
    """The file with the size and the SHA-256 that the Hub tells now."""
    files = await hugging_face.list_files(app.transport, repo)
    found = next((f for f in files if f.name == name), None)
    if found is None:
        raise NotFound(f"{repo} no longer has {name}.", f"Look at huggingface.co/{repo} for a newer file.")
    return app.remote_file(found.name, found.size, (found.url,), found.sha256, "")

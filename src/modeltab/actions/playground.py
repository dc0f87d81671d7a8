"""The Playground's page Code: the language, the model, the code as it was written for them or as a person has changed it."""

from typing import Any

from modeltab.actions import code_running, kept_pages
from modeltab.actions.app import App, UiEvent
from modeltab.actions.code_snippets import snippet_for
from modeltab.domain.code_examples import code_of
from modeltab.domain.code_runs import LANGUAGES, CodeRun, run_from_json
from modeltab.domain.errors import StorageFailed
from modeltab.state.code_page import CODE, CodePage
from modeltab.state.store import Dialog
from modeltab.state.updates import code_model

#: So many edits are kept, the latest ones: localStorage is small.
_EDITS_KEPT = 40


def begin(app: App) -> None:
    """Bring back what was on the page."""
    kept = app.drafts.read(CODE)
    kept = kept if isinstance(kept, dict) else {}
    edits = kept.get("edits")
    app.code.edits = {k: v for k, v in edits.items() if isinstance(v, str)} if isinstance(edits, dict) else {}
    tab, model = kept.get("tab"), kept.get("model")
    page = CodePage(tab=tab if tab in LANGUAGES else "python", model=model if isinstance(model, str) else "")
    app.update(code_page=page)


async def show(app: App) -> None:
    """The page is opened: its editor, what ran before, and a sandbox for the next run."""
    code_running.warm(app)
    await _show_code(app)
    if app.state.code_page.loaded:
        return
    try:
        records = await app.code.records.all()
    except Exception as error:
        app.alert(StorageFailed("What ran before could not be read.", "Allow site data for this page.", str(error)))
        records = []
    runs = tuple(run for record in records if (run := run_from_json(record)))
    app.update(code_page=app.state.code_page._replace(runs=runs, loaded=True))


def choose_tab(app: App, event: UiEvent) -> None:
    """Another language."""
    if event.id in LANGUAGES:
        _set(app, tab=event.id)
        _changed(app)


def tab_key(app: App, event: UiEvent) -> bool:
    """The arrows go from tab to tab."""
    steps = {"ArrowRight": 1, "ArrowLeft": -1}
    place = LANGUAGES.index(app.state.code_page.tab)
    if event.key in steps:
        place = (place + steps[event.key]) % len(LANGUAGES)
    elif event.key in ("Home", "End"):
        place = 0 if event.key == "Home" else len(LANGUAGES) - 1
    else:
        return False
    choose_tab(app, event._replace(id=LANGUAGES[place]))
    app.page.focus(f"playground-tab-{LANGUAGES[place]}")
    return True


def choose_model(app: App, event: UiEvent) -> None:
    """Another model: the code is the one for it."""
    _set(app, model=event.value)
    _changed(app)


def edit(app: App, event: UiEvent) -> None:
    """The code was changed by hand."""
    place = _place(app)
    app.code.edits.pop(place, None)  # the latest comes last
    if event.value != snippet_for(app, app.state.code_page.tab, code_model(app.state)):
        app.code.edits[place] = event.value
        for old in list(app.code.edits)[:-_EDITS_KEPT]:
            del app.code.edits[old]
    if app.state.code_page.edited != (place in app.code.edits):
        _set(app, edited=place in app.code.edits)
    _keep(app)


async def reset(app: App, event: UiEvent) -> None:
    """The code as it was written for the model."""
    app.code.edits.pop(_place(app), None)
    _keep(app)
    await _show_code(app)
    app.say("The code is as it was written for the model")


async def take_example(app: App, event: UiEvent) -> None:
    """An example, in place of the Python that is there."""
    if event.value:
        await _show_as_edit(app, "python", code_of(event.value, code_model(app.state)))


async def copy(app: App, event: UiEvent) -> None:
    """The code to the clipboard."""
    await app.page.copy(text_of(app))
    app.say("The code is copied")


def run(app: App, event: UiEvent) -> None:
    """Run the code that is shown."""
    code_running.run(app, text_of(app))


async def reopen(app: App, event: UiEvent) -> None:
    """Show a run again: its code and what came out of it."""
    found = _run_of(app, event.id)
    if found is None or app.state.code_page.phase:
        return
    _set(app, model=found.model, shown=found)
    app.update(code_output=found.output)
    await _show_as_edit(app, found.language, found.code)


def ask_delete_all(app: App, event: UiEvent) -> None:
    """Ask before all runs are deleted."""
    values = {"title": "Delete all runs?", "confirm": "Delete", "action": "playground.runs.clear"}
    app.update(
        dialog=Dialog("confirm", "", values, "The code that ran and its output are deleted; what is in the editor stays.")
    )


async def delete_all(app: App, event: UiEvent) -> None:
    """Delete all runs."""
    await app.code.records.clear()
    app.update(dialog=None, code_page=app.state.code_page._replace(runs=()))


async def delete(app: App, event: UiEvent) -> None:
    """Delete one run."""
    await app.code.records.delete([event.id])
    _set(app, runs=tuple(run for run in app.state.code_page.runs if run.id != event.id))
    app.say("The run is deleted")


def text_of(app: App) -> str:
    """The code that is shown."""
    edited = app.code.edits.get(_place(app))
    return snippet_for(app, app.state.code_page.tab, code_model(app.state)) if edited is None else edited


def _run_of(app: App, run_id: str) -> CodeRun | None:
    return next((run for run in app.state.code_page.runs if run.id == run_id), None)


def _set(app: App, **changes: Any) -> None:
    app.update(code_page=app.state.code_page._replace(**changes))


def _changed(app: App) -> None:
    _keep(app)
    code_running.warm(app)
    app.spawn(_show_code(app))


async def _show_as_edit(app: App, language: str, code: str) -> None:
    _set(app, tab=language)
    app.code.edits[_place(app)] = code
    _changed(app)


async def _show_code(app: App) -> None:
    _set(app, edited=_place(app) in app.code.edits)
    await app.code.editor.show(text_of(app), app.state.code_page.tab)


def _place(app: App) -> str:
    return f"{app.state.code_page.tab} {code_model(app.state)}"


def _keep(app: App) -> None:
    page = app.state.code_page
    kept_pages.soon(app, CODE, lambda: {"tab": page.tab, "model": page.model, "edits": app.code.edits})

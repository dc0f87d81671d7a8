"""The prompt library: list, add, edit, delete, and use with its variables filled in."""

from modeltab.actions import drafts
from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import BadRequest
from modeltab.domain.prompts import Prompt, filled, named, variables
from modeltab.state.store import Dialog

#: Before the name of a variable in the names of a form's fields.
_VARIABLE = "v:"


def open_(app: App, event: UiEvent) -> None:
    """Open the list."""
    app.update(dialog=Dialog("prompts"))


def add(app: App, event: UiEvent) -> None:
    """Open the form for a new one, with what stands in the message box."""
    app.update(dialog=Dialog("prompt", values={"text": app.page.value(drafts.BOX).strip()}))


def edit(app: App, event: UiEvent) -> None:
    """Open the form for one that is there."""
    prompt = app.state.settings.prompts[int(event.id)]
    app.update(dialog=Dialog("prompt", event.id, prompt._asdict()))


def save(app: App, event: UiEvent) -> None:
    """Keep a prompt."""
    dialog, prompts = app.state.dialog, app.state.settings.prompts
    if dialog is None:
        return
    name, text = event.values.get("name", "").strip(), event.values.get("text", "").strip()
    place = int(dialog.subject) if dialog.subject else len(prompts)
    problem = ""
    if not name or not text:
        problem = "A prompt has a name and a text."
    elif named(prompts, name) not in (None, place):
        problem = f"There is a prompt “{name}” already."
    if problem:
        error = BadRequest(problem, "Correct it, then save again.").record()
        app.update(dialog=dialog._replace(values=dict(event.values), error=error))
        return
    app.set_setting(prompts=(*prompts[:place], Prompt(name, text), *prompts[place + 1 :]))
    app.update(dialog=Dialog("prompts"))
    app.say("The prompt is saved")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a prompt is deleted."""
    name = app.state.settings.prompts[int(event.id)].name
    values = {"title": "Delete prompt?", "confirm": "Delete", "action": "prompts.delete"}
    app.update(dialog=Dialog("confirm", event.id, values, f"“{name}” is deleted for good."))


def delete(app: App, event: UiEvent) -> None:
    """Delete a prompt."""
    prompts, place = app.state.settings.prompts, int(event.id)
    app.set_setting(prompts=(*prompts[:place], *prompts[place + 1 :]))
    app.update(dialog=Dialog("prompts"))
    app.say("The prompt is deleted")


def use(app: App, event: UiEvent) -> None:
    """Use the prompt of the list."""
    begin(app, app.state.settings.prompts[int(event.id)])


def begin(app: App, prompt: Prompt) -> None:
    """Bring a prompt into the message box, after asking for its variables."""
    if variables(prompt.text):
        app.update(dialog=Dialog("fill-prompt", values={"text": prompt.text}, note=f"“{prompt.name}” asks for:"))
        return
    _insert(app, prompt.text)


def fill(app: App, event: UiEvent) -> None:
    """Bring the prompt into the message box, its variables filled in."""
    dialog = app.state.dialog
    if dialog is None:
        return
    given = {name.removeprefix(_VARIABLE): value for name, value in event.values.items() if name.startswith(_VARIABLE)}
    _insert(app, filled(dialog.values["text"], given))


def _insert(app: App, text: str) -> None:
    """After what stands in the message box."""
    before = app.page.value(drafts.BOX).rstrip()
    whole = f"{before}\n\n{text}" if before else text
    app.page.set_value(drafts.BOX, whole)
    app.update(dialog=None)
    drafts.touch(app)
    app.page.focus(drafts.BOX)
    app.say("The prompt is in the message box")

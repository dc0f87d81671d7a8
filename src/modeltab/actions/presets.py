"""Presets: a model with a system prompt and parameters under a name, for the conversation that is shown."""

from modeltab.actions import parameters
from modeltab.actions.app import App, UiEvent
from modeltab.domain.errors import BadRequest, ModelTabError
from modeltab.domain.prompts import Preset, named
from modeltab.state.store import Dialog
from modeltab.state.updates import model_of, parameters_of


def open_(app: App, event: UiEvent) -> None:
    """Open the list. What was typed into the form "Parameters" is saved first: a preset is made of what applies."""
    if app.state.dialog and app.state.dialog.name == "parameters":
        parameters.save(app, event)
        if app.state.dialog:
            return  # something in it is wrong, and is told there
    app.update(dialog=Dialog("presets"))


def save(app: App, event: UiEvent) -> None:
    """Keep the chosen model and the parameters that apply now, under a name."""
    name = event.values.get("name", "").strip()
    presets = app.state.settings.presets
    if not name or named(presets, name) is not None:
        problem = f"There is a preset “{name}” already." if name else "A preset has a name."
        error = BadRequest(problem, "Choose another name, or edit that preset.").record()
        app.update(dialog=Dialog("presets", values={"name": name}, error=error))
        return
    app.set_setting(presets=(*presets, Preset(name, app.state.settings.model, parameters_of(app.state))))
    app.update(dialog=Dialog("presets", revision=len(presets) + 1))
    app.say(f"The preset {name} is saved")


def edit(app: App, event: UiEvent) -> None:
    """Open the form of a preset."""
    preset = app.state.settings.presets[int(event.id)]
    values = {**parameters.texts(preset.parameters), "name": preset.name, "model": preset.model}
    app.update(dialog=Dialog("preset", event.id, values))


def change(app: App, event: UiEvent) -> None:
    """Keep an edited preset."""
    dialog, presets = app.state.dialog, app.state.settings.presets
    if dialog is None:
        return
    place, name = int(dialog.subject), event.values.get("name", "").strip()
    try:
        if not name or named(presets, name) not in (None, place):
            problem = f"There is a preset “{name}” already." if name else "A preset has a name."
            raise BadRequest(problem, "Choose another name.")
        preset = Preset(name, event.values.get("model", ""), parameters.read(event.values))
    except ModelTabError as error:
        app.update(dialog=dialog._replace(values=dict(event.values), error=error.record()))
        return
    app.set_setting(presets=(*presets[:place], preset, *presets[place + 1 :]))
    app.update(dialog=Dialog("presets"))
    app.say(f"The preset {name} is saved")


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a preset is deleted."""
    name = app.state.settings.presets[int(event.id)].name
    values = {"title": "Delete preset?", "confirm": "Delete", "action": "presets.delete"}
    app.update(dialog=Dialog("confirm", event.id, values, f"“{name}” is deleted for good. Conversations keep what it has set."))


def delete(app: App, event: UiEvent) -> None:
    """Delete a preset."""
    presets, place = app.state.settings.presets, int(event.id)
    app.set_setting(presets=(*presets[:place], *presets[place + 1 :]))
    app.update(dialog=Dialog("presets"))
    app.say("The preset is deleted")


def use(app: App, event: UiEvent) -> None:
    """Use a preset of the list."""
    apply(app, app.state.settings.presets[int(event.id)])


def apply(app: App, preset: Preset) -> None:
    """Choose a preset's model, and give the conversation its parameters."""
    parameters.set_own(app, preset.parameters)
    if preset.model:
        app.set_setting(model=preset.model)
    app.update(dialog=None)
    missing = preset.model and model_of(app.state, preset.model) is None
    app.say(f"{preset.name}: its model is not there now" if missing else f"{preset.name} applies to this conversation")

"""The dialogs of the prompt library, of the presets, and of the commands."""

from modeltab.domain.models import split_key
from modeltab.domain.prompts import Preset, variables
from modeltab.state.store import Dialog, State
from modeltab.state.updates import all_models, connection_name, model_of
from modeltab.views import parameters
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, form_error, grouped_select, icon_button, text_area, text_input

TITLES = {
    "prompts": "Prompts",
    "prompt": "Prompt",
    "fill-prompt": "Fill in the prompt",
    "presets": "Presets",
    "preset": "Preset",
    "help": "Commands",
}
_LIST = Template(
    '<p class="dialog-lead">{lead}</p><ul class="library" role="list" aria-label="{label}">{items}</ul>{extra}'
    '<div class="dialog-bar">{add}<span class="spacer"></span>{close}</div>'
)
_ITEM = Template(
    '<li class="library-item"><div class="library-text"><strong>{name}</strong><span class="library-about">{about}</span></div>'
    "{use}{edit}{delete}</li>"
)
_FORM = Template(
    '<form data-submit="{action}" data-id="{id}" class="dialog-form">{error}<p class="dialog-lead">{lead}</p>{fields}'
    '<div class="dialog-bar"><span class="spacer"></span>{cancel}<button class="button primary" type="submit">{text}</button>'
    "</div></form>"
)
_FIELDS = Template('<div class="fields">{fields}</div>')
_SAVE_AS = Template(
    '<form data-submit="presets.save" class="library-form">{error}{name}'
    '<button class="button primary" type="submit">Save as preset</button></form>'
)
_HELP = Template('<dl class="details">{rows}</dl><div class="dialog-bar"><span class="spacer"></span>{close}</div>')
_ROW = Template("<div><dt><code>{command}</code></dt><dd>{about}</dd></div>")


def body(state: State, item: Dialog) -> Html:
    """What is in one of these dialogs."""
    if item.name == "prompts":
        return _prompts(state)
    if item.name == "prompt":
        return _prompt(item)
    if item.name == "fill-prompt":
        return _fill(item)
    if item.name == "presets":
        return _presets(state, item)
    if item.name == "preset":
        return _preset(state, item)
    rows = (_ROW(command=command, about=about) for command, about in item.values.items())
    return _HELP(rows=join(rows), close=button("Close", "dialog.close"))


def _prompts(state: State) -> Html:
    items = [
        _ITEM(
            name=prompt.name,
            about=prompt.text,
            use=button("Use", "prompts.use", str(place), f"Use {prompt.name}", "small"),
            edit=icon_button("edit", f"Edit {prompt.name}", "prompts.edit", str(place)),
            delete=icon_button("delete", f"Delete {prompt.name}", "prompts.delete.ask", str(place)),
        )
        for place, prompt in enumerate(state.settings.prompts)
    ]
    return _LIST(
        lead="Texts for the message box; /prompt and a name brings one, too." if items else "No prompts yet.",
        label="Prompts",
        items=join(items),
        extra=EMPTY,
        add=button("Add prompt", "prompts.add", kind="primary"),
        close=button("Close", "dialog.close"),
    )


def _prompt(item: Dialog) -> Html:
    values = item.values
    controls = [
        field("prompt-name", "Name", text_input("prompt-name", "name", values.get("name", ""), required=True)),
        field(
            "prompt-text",
            "Text",
            text_area("prompt-text", "text", values.get("text", ""), "", 6),
            "{{name}} asks for a value when the prompt is used, {{name:value}} proposes one.",
        ),
    ]
    return _FORM(
        action="prompts.save",
        id=item.subject,
        error=form_error(item.error),
        lead="",
        fields=join(controls),
        cancel=button("Cancel", "prompts.open"),
        text="Save",
    )


def _fill(item: Dialog) -> Html:
    controls = [
        field(f"variable-{n}", variable.name, text_area(f"variable-{n}", f"v:{variable.name}", variable.default, "", 1))
        for n, variable in enumerate(variables(item.values.get("text", "")))
    ]
    return _FORM(
        action="prompts.fill",
        id=item.subject,
        error=EMPTY,
        lead=item.note,
        fields=join(controls),
        cancel=button("Cancel", "dialog.close"),
        text="Use",
    )


def _presets(state: State, item: Dialog) -> Html:
    items = [
        _ITEM(
            name=preset.name,
            about=about(preset),
            use=button("Use", "presets.use", str(place), f"Use {preset.name}", "small"),
            edit=icon_button("edit", f"Edit {preset.name}", "presets.edit", str(place)),
            delete=icon_button("delete", f"Delete {preset.name}", "presets.delete.ask", str(place)),
        )
        for place, preset in enumerate(state.settings.presets)
    ]
    name = field(
        "preset-name",
        "Name",
        text_input("preset-name", "name", item.values.get("name", ""), required=True),
        "Saves the chosen model, and what this conversation has of system prompt and parameters.",
    )
    return _LIST(
        lead="A preset chooses its model and sets its system prompt and parameters for this conversation.",
        label="Presets",
        items=join(items),
        extra=_SAVE_AS(error=form_error(item.error), name=name),
        add=EMPTY,
        close=button("Close", "dialog.close"),
    )


def about(preset: Preset) -> str:
    """A preset in a line."""
    parts = [split_key(preset.model)[1]] if preset.model else []
    for item in parameters.FIELDS:
        value = getattr(preset.parameters, item.name)
        if value is not None:
            parts.append(f"{item.label}: {value}")
    return " · ".join(parts) or "Everything as by default"


def _preset(state: State, item: Dialog) -> Html:
    chosen = item.values.get("model", "")
    groups: dict[str, list[tuple[str, str]]] = {"": [("", "Leave the model as it is")]}
    if chosen and model_of(state, chosen) is None:
        groups[""].append((chosen, f"{split_key(chosen)[1]} (not there now)"))
    for model in all_models(state):
        groups.setdefault(connection_name(state, model.connection_id), []).append((model.key, model.name))
    controls = [
        field("preset-name", "Name", text_input("preset-name", "name", item.values.get("name", ""), required=True)),
        field("preset-model", "Model", grouped_select("preset-model", "model", list(groups.items()), chosen, "")),
        parameters.fields(item, None, state.settings.parameters),
    ]
    return _FORM(
        action="presets.change",
        id=item.subject,
        error=form_error(item.error),
        lead="An empty field follows the defaults.",
        fields=_FIELDS(fields=join(controls)),
        cancel=button("Cancel", "presets.open"),
        text="Save",
    )

"""The dialog that adds or edits a connection."""

from collections.abc import Mapping

from modeltab.domain.connections import address_space, host_of
from modeltab.providers.connection_type import ConnectionType, Preset
from modeltab.state.store import Dialog, State
from modeltab.views import keys
from modeltab.views.diagnosis import diagnosis
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, form_error, grouped_select, select, text_input

_FORM = Template(
    '<form class="dialog-form" data-submit="connection.save">{error}<div class="fields">{fields}</div>{note}'
    '<div class="dialog-bar">{test}<span class="spacer"></span>{cancel}<button class="button primary" type="submit">'
    "Save</button></div></form>"
)
_NOTE = Template('<p class="form-note" role="status">{text}</p>')


def form(state: State, dialog: Dialog) -> Html:
    """The dialog's form: a new connection, or the one that `dialog.subject` names."""
    values = dialog.values
    types = [t for t in state.types if not t.permanent or t.name == values.get("type")]
    chosen = next((t for t in types if t.name == values.get("type")), types[0])
    preset = _preset(chosen, values)
    return _FORM(
        error=form_error(dialog.error),
        fields=join(
            [
                *([] if dialog.subject else [_preset_field(types, values)]),
                _type_field(types, chosen, fixed=bool(dialog.subject)),
                _name_field(chosen, preset, values),
                *([_url_field(chosen, preset, values)] if chosen.takes_url else []),
                _key_field(state, dialog, chosen, preset),
                *([keys.keeping_fields(state.keys, values)] if chosen.key != "none" else []),
                _model_field(chosen, values),
            ]
        ),
        note=_note(dialog),
        test=button("Test", "connection.try", dialog.subject, disabled=dialog.busy),
        cancel=button("Cancel", "dialog.close"),
    )


def _note(dialog: Dialog) -> Html:
    if dialog.diagnosis:
        return diagnosis(dialog.diagnosis)
    return _NOTE(text=dialog.note) if dialog.note else EMPTY


def _preset(chosen: ConnectionType, values: Mapping[str, str]) -> Preset | None:
    name = values.get("preset", "").partition("/")[2]
    return next((preset for preset in chosen.presets if preset.name == name), None)


def _preset_field(types: list[ConnectionType], values: Mapping[str, str]) -> Html:
    choices = [(f"{type_.name}/{preset.name}", preset) for type_ in types for preset in type_.presets]
    groups = [
        ("On this machine", [(value, preset.label) for value, preset in choices if preset.local]),
        ("Hosted", [(value, preset.label) for value, preset in choices if not preset.local and preset.base_url]),
        ("Other", [(value, preset.label) for value, preset in choices if not preset.local and not preset.base_url]),
    ]
    groups[2][1].append(("", "By its type and address"))
    control = grouped_select("connection-preset", "preset", groups, values.get("preset", ""), "connection.preset")
    return field("connection-preset", "Preset", control, "Fills in what it knows; all of it can be changed.")


def _type_field(types: list[ConnectionType], chosen: ConnectionType, fixed: bool) -> Html:
    options = [(t.name, t.label if not t.unavailable else f"{t.label}: not in this browser") for t in types]
    control = select("connection-type", "type", options, chosen.name, "connection.type", fixed)
    return field("connection-type", "Type", control, chosen.unavailable or chosen.about)


def _name_field(chosen: ConnectionType, preset: Preset | None, values: Mapping[str, str]) -> Html:
    label = preset.label if preset else chosen.label
    return field(
        "connection-name", "Name", text_input("connection-name", "name", values.get("name", ""), label), "How it is listed."
    )


def _url_field(chosen: ConnectionType, preset: Preset | None, values: Mapping[str, str]) -> Html:
    example = (preset.base_url if preset else "") or chosen.default_url
    control = text_input("connection-url", "base_url", values.get("base_url", ""), example, "url")
    hint = preset.about if preset and preset.is_example else f"Up to where its paths begin. Default: {example}"
    return field("connection-url", "Base URL", control, hint)


def _key_field(state: State, dialog: Dialog, chosen: ConnectionType, preset: Preset | None) -> Html:
    takes = chosen.key != "none"
    kept = state.keys.hints.get(dialog.subject)
    placeholder = (kept.masked or "Saved, locked") if kept else ""
    control = text_input("connection-key", "key", placeholder=placeholder, type_="password", disabled=not takes)
    if kept and takes:
        control = join([control, button("Erase key", "key.erase", dialog.subject, kind="small danger")])
    return field("connection-key", "API key", control, _key_hint(dialog, chosen, preset, kept.origin if kept else ""))


def _key_hint(dialog: Dialog, chosen: ConnectionType, preset: Preset | None, kept_for: str) -> str:
    if chosen.key == "none":
        return f"{chosen.label} takes no key."
    url = dialog.values.get("base_url", "")
    if kept_for:
        return f"The saved key is for {kept_for} and is sent nowhere else. Leave this empty to keep it."
    parts = []
    if preset and preset.keys_at:
        parts.append(f"You get one at {preset.keys_at}.")
    elif chosen.key == "optional":
        parts.append("Only where the server wants one.")
    parts.append("It is sent to this address alone, in a header.")
    if url.startswith("http:") and address_space(host_of(url)) != "loopback":
        parts.append("This address is not encrypted: anyone on the way can read the key.")
    return " ".join(parts)


def _model_field(chosen: ConnectionType, values: Mapping[str, str]) -> Html:
    if chosen.takes_models:
        hint = "Optional. One or several, with commas: only these are listed. Empty: all that the API lists."
    else:
        hint = f"{chosen.label} lists its models itself."
    control = text_input("connection-model", "model", values.get("model", ""), disabled=not chosen.takes_models)
    return field("connection-model", "Model name", control, hint)

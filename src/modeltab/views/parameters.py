"""The form "Parameters": each with its default, and disabled with the reason where the model's connection cannot take it."""

from typing import NamedTuple

from modeltab.domain.requests import REASONING_EFFORTS, Parameters, ParameterValue
from modeltab.state.store import Dialog, Facts
from modeltab.views.html import Html, Template, join
from modeltab.views.parts import button, field, form_error, number_input, select, text_area

_FORM = Template(
    '<form data-submit="parameters.save" data-input="parameters.input" class="dialog-form">{error}{scopes}'
    '<p class="dialog-lead">{lead}</p>'
    '<div class="fields">{fields}</div>'
    '<div class="dialog-bar">{reset}{presets}<span class="spacer"></span>{cancel}'
    '<button class="button primary" type="submit">Save</button></div></form>'
)
_LIVE = Template(
    '<section class="field template-preview" aria-label="What will be sent"><p class="field-label">What will be sent</p>'
    '<pre class="preview" tabindex="0">{text}</pre><p class="field-hint">{hint}</p></section>'
)
_SCOPES = Template('<div class="scopes" role="group" aria-label="These apply to">{items}</div>')
_SCOPE = Template(
    '<button class="button small scope" type="button" data-action="parameters.scope" data-id="{scope}" '
    'aria-pressed="{pressed}">{text}</button>'
)


class Field(NamedTuple):
    """One parameter's control. `step`, `low` and `high` are for numbers; a text has rows instead, a choice has options."""

    name: str
    label: str
    hint: str
    rows: int = 0
    step: str = "1"
    low: str = "0"
    high: str = ""
    options: tuple[tuple[str, str], ...] = ()


_EFFORTS = (("", "Default: the model's own"), *((effort, effort.capitalize()) for effort in REASONING_EFFORTS))

FIELDS = (
    Field("system_prompt", "System prompt", "Said before the conversation, to every model that takes one.", rows=3),
    Field("template", "Template", "Your own prompt template, such as “{question}” with text around it.", rows=2),
    Field("temperature", "Temperature", "0 is always the likeliest word; higher is freer.", step="0.05", high="2"),
    Field("max_tokens", "Max tokens", "The longest answer.", low="1"),
    Field("top_p", "Top P", "Only the likeliest words that make up this share.", step="0.01", high="1"),
    Field("top_k", "Top K", "Only this many of the likeliest words.", low="0"),
    Field("seed", "Seed", "The same seed, the same answer.", low="0"),
    Field("reasoning", "Reasoning", "How much the model thinks before it answers.", options=_EFFORTS),
    Field("n_gpu_layers", "GPU layers", "Layers of the model that go to the GPU.", low="0"),
    Field("n_batch", "Batch size", "Tokens of the prompt that are read at a time.", low="1"),
    Field(
        "n_ctx",
        "Context size",
        "Tokens that the model can look back on. A change loads the model again.",
        low="256",
        step="1",
    ),
    Field("extra_json", "Extra JSON", "Fields for the request that are not listed here.", rows=2),
)


def form(dialog: Dialog, facts: Facts | None, lead: str, defaults: Parameters) -> Html:
    """The form for the chosen model's connection; without one, all fields are open.

    :param defaults: those of all conversations, which apply where one conversation has nothing of its own.
    """
    scope = dialog.subject or "defaults"
    names = (("conversation", "This conversation"), ("defaults", "Every conversation (the defaults)"))
    return _FORM(
        error=form_error(dialog.error),
        scopes=_SCOPES(
            items=join(_SCOPE(scope=key, text=text, pressed="true" if key == scope else "false") for key, text in names)
        ),
        lead=lead,
        fields=fields(dialog, facts, defaults if scope == "conversation" else Parameters()),
        reset=button("Use defaults", "parameters.reset"),
        presets=button("Presets", "presets.open"),
        cancel=button("Cancel", "dialog.close"),
    )


def fields(dialog: Dialog, facts: Facts | None, defaults: Parameters) -> Html:
    """A control for each parameter."""
    controls = []
    for item in FIELDS:
        controls.append(_control(item, dialog.values.get(item.name, ""), facts, getattr(defaults, item.name)))
        if item.name == "template" and "preview" in dialog.values:
            controls.append(_LIVE(text=dialog.values["preview"], hint=_template_hint(dialog, defaults)))
    return join(controls)


def _template_hint(dialog: Dialog, defaults: Parameters) -> str:
    template = dialog.values.get("template") or defaults.template
    if not template:
        return "Without a template of yours, the server puts this into the model's own."
    if "{question}" not in template:
        return "The template has no {question}: nothing of what you write would be in it."
    return "The template with the conversation, and what stands in the message box, in place of {question}."


def _control(item: Field, value: str, facts: Facts | None, own: ParameterValue | None) -> Html:
    taken = facts is None or item.name in facts.capabilities.parameters
    default = own if own is not None else facts.capabilities.defaults.get(item.name) if facts else None
    placeholder = f"Default: {default}" if default is not None else "Default: the model's own"
    if item.rows and own is None:
        placeholder = "Default: none"
    hint = item.hint
    if facts and not taken:
        hint = facts.capabilities.reasons.get(item.name) or f"{facts.type_label} does not take it."
    element_id = f"parameter-{item.name}"
    if item.options:
        control = select(element_id, item.name, list(item.options), value, disabled=not taken)
    elif item.rows:
        control = text_area(element_id, item.name, value, placeholder, item.rows, disabled=not taken)
    else:
        control = number_input(element_id, item.name, value, placeholder, item.step, item.low, item.high, not taken)
    return field(element_id, item.label, control, hint)

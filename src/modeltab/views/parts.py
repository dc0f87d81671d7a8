"""Small parts that more than one page uses."""

from modeltab.domain.errors import ErrorRecord
from modeltab.views.html import EMPTY, Html, Template, join

_ERROR = Template(
    '<p class="error-message">{message}</p>{advice}{detail}',
)
_FORM_ERROR = Template('<div class="form-error" role="alert">{error}</div>')
_ADVICE = Template('<p class="error-advice">{advice}</p>')
_DETAIL = Template('<details class="error-detail"><summary>Details</summary><pre>{detail}</pre></details>')
_ICON_BUTTON = Template(
    '<button class="icon-button" type="button" data-action="{action}" data-id="{id}" aria-label="{label}" title="{label}" '
    '{?disabled}><span class="icon icon-{icon}" aria-hidden="true"></span></button>'
)
_BUTTON = Template(
    '<button class="button {kind}" type="button" data-action="{action}" data-id="{id}" aria-label="{name}" {?disabled}>'
    "{text}</button>"
)
_FIELD = Template(
    '<div class="field"><label class="field-label" for="{id}">{label}</label>{control}'
    '<p class="field-hint" id="{id}-hint">{hint}</p></div>'
)
_OPTION = Template('<option value="{value}" {?selected}>{text}</option>')
_INPUT = Template(
    '<input class="input" id="{id}" name="{name}" type="{type}" value="{value}" placeholder="{placeholder}" '
    'aria-describedby="{id}-hint" autocomplete="off" spellcheck="false" {?disabled} {?required}>'
)
_NUMBER = Template(
    '<input class="input" id="{id}" name="{name}" type="number" step="{step}" min="{min}" max="{max}" value="{value}" '
    'placeholder="{placeholder}" aria-describedby="{id}-hint" {?disabled}>'
)
_TEXTAREA = Template(
    '<textarea class="input" id="{id}" name="{name}" rows="{rows}" placeholder="{placeholder}" '
    'aria-describedby="{id}-hint" spellcheck="false" {?disabled}>{value}</textarea>'
)
_GROUP = Template('<optgroup label="{label}">{options}</optgroup>')
_SELECT = Template(
    '<select class="input" id="{id}" name="{name}" aria-describedby="{id}-hint" data-change="{change}" {?disabled}>'
    "{options}</select>"
)


def error_text(error: ErrorRecord) -> Html:
    """What happened, what to do, and the technical detail behind "Details"."""
    return _ERROR(
        message=error.message,
        advice=_ADVICE(advice=error.advice) if error.advice else EMPTY,
        detail=_DETAIL(detail=error.detail) if error.detail else EMPTY,
    )


def form_error(error: ErrorRecord | None) -> Html:
    """The error of a form, where there is one; it is read out when it appears."""
    return _FORM_ERROR(error=error_text(error)) if error else EMPTY


def icon_button(icon: str, label: str, action: str, id_: str, disabled: bool = False) -> Html:
    """A button that shows an icon and is named `label`."""
    return _ICON_BUTTON(icon=icon, label=label, action=action, id=id_, disabled=disabled)


def button(text: str, action: str, id_: str = "", name: str = "", kind: str = "", disabled: bool = False) -> Html:
    """A button with text; `name` is its accessible name where the text alone says too little."""
    return _BUTTON(text=text, action=action, id=id_, name=name or text, kind=kind, disabled=disabled)


def field(id_: str, label: str, control: Html, hint: str = "") -> Html:
    """A labelled control with a hint below it."""
    return _FIELD(id=id_, label=label, control=control, hint=hint)


def text_input(
    id_: str,
    name: str,
    value: str = "",
    placeholder: str = "",
    type_: str = "text",
    disabled: bool = False,
    required: bool = False,
) -> Html:
    """A one-line text field."""
    return _INPUT(id=id_, name=name, value=value, placeholder=placeholder, type=type_, disabled=disabled, required=required)


def number_input(id_: str, name: str, value: str, placeholder: str, step: str, low: str, high: str, disabled: bool) -> Html:
    """A number field."""
    return _NUMBER(id=id_, name=name, value=value, placeholder=placeholder, step=step, min=low, max=high, disabled=disabled)


def text_area(id_: str, name: str, value: str, placeholder: str, rows: int, disabled: bool = False) -> Html:
    """A field for several lines."""
    return _TEXTAREA(id=id_, name=name, value=value, placeholder=placeholder, rows=rows, disabled=disabled)


def select(id_: str, name: str, choices: list[tuple[str, str]], chosen: str, change: str = "", disabled: bool = False) -> Html:
    """A choice from a list of (value, text). `change` is the action when it changes."""
    return _SELECT(id=id_, name=name, options=options(choices, chosen), change=change, disabled=disabled)


def grouped_select(id_: str, name: str, groups: list[tuple[str, list[tuple[str, str]]]], chosen: str, change: str) -> Html:
    """A choice from lists of (value, text), each under a label."""
    rows = join(_GROUP(label=label, options=options(choices, chosen)) for label, choices in groups if choices)
    return _SELECT(id=id_, name=name, options=rows, change=change, disabled=False)


def options(choices: list[tuple[str, str]], chosen: str) -> Html:
    """The options of a choice from a list of (value, text)."""
    return join(_OPTION(value=value, text=text, selected=value == chosen) for value, text in choices)

"""The dialog "Copy as code"."""

import re

from modeltab.state.code import Code
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, select

_BODY = Template(
    '<div class="dialog-form"><p class="dialog-lead">{lead}</p><div class="code-choices">{operation}{form}{stream}</div>'
    '<div class="prose" id="code-text" data-markdown="">{text}</div>{notes}'
    '<div class="dialog-bar"><span class="spacer"></span>{close}{copy}</div></div>'
)
_STREAM = Template(
    '<div class="check"><input type="checkbox" id="code-stream" data-change="snippet.stream" {?checked}>'
    '<label for="code-stream">Stream the answer</label></div>'
)
_NOTE = Template('<p class="field-hint">{text}</p>')


def body(code: Code) -> Html:
    """The dialog's content."""
    forms = [(form.id, form.label) for form in code.forms]
    return _BODY(
        lead=code.lead,
        operation=_operations(code) if len(code.subjects) > 1 else EMPTY,
        form=field("code-form", "Form", select("code-form", "form", forms, code.shown_form.id, "snippet.form")),
        stream=_STREAM(checked=code.streams) if code.can_stream else EMPTY,
        text=_fenced(code.shown_form.language, code.shown_text),
        notes=join(_NOTE(text=note) for note in code.notes),
        close=button("Close", "dialog.close"),
        copy=button("Copy", "snippet.copy", name="Copy code", kind="primary"),
    )


def _operations(code: Code) -> Html:
    labels = [(str(place), subject.label) for place, subject in enumerate(code.subjects)]
    return field(
        "code-operation", "Operation", select("code-operation", "operation", labels, str(code.subject), "snippet.operation")
    )


def _fenced(language: str, text: str) -> str:
    """The code as a block of Markdown, which the page colours; its fence is longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}{fence}"

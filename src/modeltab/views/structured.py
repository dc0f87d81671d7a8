"""The Playground's page Structured output: the schema's state, the answer, and what of it does not keep to the schema."""

from modeltab.domain.json_schema import Problem
from modeltab.domain.models import split_key
from modeltab.domain.schema_examples import EXAMPLES
from modeltab.state.playground import Structured
from modeltab.state.store import State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, form_error, options
from modeltab.views.playground_models import model_field, reason_of
from modeltab.views.playground_nav import playground_nav

_HEAD = Template(
    '{nav}<header class="page-header"><div><h1>Structured output</h1><p class="page-lead">An answer that keeps to a JSON '
    "schema, and is held against it.</p></div></header>{model}"
)
_TOOLS = Template(
    '<label class="visually-hidden" for="structured-example">Example</label>'
    '<select class="input" id="structured-example" data-change="structured.example">{options}</select>{format}'
)
_STATE = Template('<p class="schema-state" data-valid="{valid}">{text}</p>')
_PROBLEMS = Template('<ul class="problems" aria-label="{label}">{items}</ul>')
_PROBLEM = Template("<li>{place}{text}</li>")
_PLACE = Template("<code>{place}</code> ")
_BAR = Template('<div class="card-actions">{main}<p class="field-hint" id="structured-reason">{reason}</p></div>')
_SEND = Template('<button class="button primary" type="submit" aria-describedby="structured-reason" {?disabled}>Send</button>')
_ANSWER = Template(
    '<section class="card structured-answer" aria-label="Answer"><header class="completion-head"><h2>Answer</h2>'
    '<p class="muted">{by}</p></header>{waiting}<pre class="preview" tabindex="0" aria-label="Answer" data-status="{status}">'
    '{text}</pre>{verdict}{error}<div class="card-actions">{copy}</div></section>'
)
_EMPTY = Template(
    '<section class="card structured-answer" aria-label="Answer"><h2>Answer</h2>'
    '<p class="muted">Write a schema and a prompt, or take an example, and press Send.</p></section>'
)
_WAITING = Template('<p class="completion-waiting" role="status">{text}</p>')


def head(state: State) -> Html:
    """The links, the title, and the model."""
    chosen = state.structured.model or state.settings.model
    return _HEAD(
        nav=playground_nav("playground/structured"), model=model_field(state, "structured-model", chosen, "structured.model")
    )


def tools(state: State) -> Html:
    """The examples, and the button that writes the schema anew."""
    page = state.structured
    choices = [("", "Take an example…"), *((item.id, item.label) for item in EXAMPLES)]
    choices += [("before", "What was here before")] if page.before else []
    broken = page.is_empty or any(problem.place.startswith("line ") for problem in page.problems)
    return _TOOLS(options=options(choices, ""), format=button("Format", "structured.format", kind="small", disabled=broken))


def schema_state(state: State) -> Html:
    """Whether the schema is one, and where it is not."""
    page = state.structured
    if page.is_empty:
        return _STATE(valid="", text="No schema yet.")
    if not page.problems:
        return _STATE(valid="true", text="The schema is valid.")
    return join([_STATE(valid="false", text="The schema is not valid:"), _problems("Problems of the schema", page.problems)])


def _problems(label: str, problems: tuple[Problem, ...]) -> Html:
    return _PROBLEMS(
        label=label,
        items=join(_PROBLEM(place=_PLACE(place=p.place) if p.place else EMPTY, text=p.text) for p in problems),
    )


def bar(state: State) -> Html:
    """The button, and why it cannot be pressed."""
    page = state.structured
    reason = reason_of(state, page.model or state.settings.model, "schema")
    blocked = bool(reason) or page.is_empty or bool(page.problems)
    main = button("Stop", "structured.stop") if page.status == "streaming" else _SEND(disabled=blocked)
    return _BAR(main=main, reason=reason)


def answer(state: State) -> Html:
    """The answer, and what of it does not keep to the schema."""
    page = state.structured
    if not page.status:
        return _EMPTY()
    return _ANSWER(
        by=split_key(page.answered_by)[1],
        waiting=_WAITING(text=page.progress) if page.progress and page.status == "streaming" else EMPTY,
        status=page.status,
        text=page.pretty or page.answer,
        verdict=_verdict(page),
        error=form_error(page.error),
        copy=button("Copy", "structured.copy", kind="small") if page.answer and page.status != "streaming" else EMPTY,
    )


def _verdict(page: Structured) -> Html:
    if page.status == "stopped":
        return _STATE(valid="", text="Stopped: it is not held against the schema.")
    if not page.is_checked:
        return EMPTY
    if not page.errors:
        return _STATE(valid="true", text="The answer keeps to the schema.")
    words = "The answer does not keep to the schema:"
    return join([_STATE(valid="false", text=words), _problems("Problems of the answer", page.errors)])

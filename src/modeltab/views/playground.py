"""The Playground's page Code: the languages, the buttons around the editor, the output, and what ran before."""

from datetime import datetime
from urllib.parse import quote

from modeltab.domain.code_examples import EXAMPLES
from modeltab.domain.code_runs import RUNNABLE, CodeRun, Part
from modeltab.domain.models import split_key
from modeltab.state.code_page import CodePage
from modeltab.state.store import State
from modeltab.state.updates import code_model
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, icon_button, options
from modeltab.views.playground_models import model_field
from modeltab.views.playground_nav import playground_nav

LABELS = {"curl": "curl", "python": "Python", "javascript": "JavaScript"}
_KEYS = "Ctrl+Enter runs it. In the editor, Tab indents; Esc, then Tab, leaves it."
_WORDS = {"done": "Done", "stopped": "Stopped", "error": "Failed"}

_HEAD = Template(
    '{nav}<header class="page-header"><div><h1>Code</h1><p class="page-lead">Every model is an API. Python and JavaScript run '
    "here, in a sandbox that sees nothing of this page.</p></div></header>{model}"
)
_TABS = Template(
    '<div class="tabs" role="tablist" aria-label="Language" data-keydown="playground.tab.key">{tabs}</div>{example}'
)
_TAB = Template(
    '<button class="tab" type="button" role="tab" id="playground-tab-{id}" aria-selected="{selected}" tabindex="{tabindex}" '
    'aria-controls="playground-panel" data-action="playground.tab" data-id="{id}">{text}</button>'
)
_EXAMPLE = Template(
    '<label class="visually-hidden" for="playground-example">Example</label>'
    '<select class="input" id="playground-example" data-change="playground.example">{options}</select>'
)
_BAR = Template('<div class="card-actions">{main}{reset}{copy}</div><p class="field-hint" id="playground-reason">{reason}</p>')
_RUN = Template(
    '<button class="button primary" type="button" data-action="playground.run" aria-keyshortcuts="Control+Enter" '
    'aria-describedby="playground-reason" {?disabled}>Run</button>'
)
_QUESTION = Template(
    '<section class="card code-question" role="alert" aria-label="Permission"><h2>Let this code use your models?</h2>'
    "<p>It asks for their names and their answers. What it sends goes where a chat with the model goes, and costs what that "
    'costs.</p><div class="card-actions">{run}{always}{no}</div></section>'
)
_ALLOW = Template(
    '<button class="button primary" type="button" id="playground-allow" data-action="playground.allow" data-id="run">'
    "Allow for this run</button>"
)
_ALWAYS = Template(
    '<p class="code-always muted">Code in the playground uses your models without asking. {ask}</p>',
)
_OUTPUT_HEAD = Template('<h2>Output</h2><p class="muted" role="status">{text}</p>')
_TEXT = Template('<pre class="code-text" data-kind="{kind}">{text}</pre>')
_HINT = Template('<p class="code-hint">{text}</p>')
_SVG = Template('<figure class="code-figure"><img src="data:image/svg+xml;charset=utf-8,{data}" alt="Figure"></figure>')
_PNG = Template('<figure class="code-figure"><img src="data:image/png;base64,{data}" alt="Figure"></figure>')
_HTML = Template('<div class="prose code-html" data-html="">{text}</div>')
_TABLE = Template(
    '<div class="code-table" tabindex="0" role="region" aria-label="Table"><table><thead><tr>{columns}</tr></thead>'
    "<tbody>{rows}</tbody></table>{more}</div>"
)
_COLUMN = Template('<th scope="col">{text}</th>')
_ROW = Template("<tr>{cells}</tr>")
_CELL = Template("<td>{text}</td>")
_MORE = Template('<p class="field-hint">and {count} more rows</p>')
_EMPTY = Template('<p class="muted">{text}</p>')
_RUNS = Template(
    '<section class="code-runs" aria-label="Earlier runs"><header class="compare-results-head"><h2>Runs</h2>{clear}</header>'
    '<ul role="list" aria-label="Runs">{items}</ul></section>'
)
_ITEM = Template(
    '<li class="code-run" aria-label="{first}" aria-current="{current}"><button class="code-run-open" type="button" '
    'data-action="playground.reopen" data-id="{id}" aria-label="Open {first}" {?disabled}>'
    '<span class="code-run-code">{first}</span><span class="muted">{about}</span></button>{delete}</li>'
)


def head(state: State) -> Html:
    """The links, the title, and the model."""
    return _HEAD(
        nav=playground_nav("playground"), model=model_field(state, "playground-model", code_model(state), "playground.model")
    )


def tabs(state: State) -> Html:
    """The languages, and the examples."""
    shown = state.code_page.tab
    rows = join(
        _TAB(id=id_, text=text, selected="true" if id_ == shown else "false", tabindex="0" if id_ == shown else "-1")
        for id_, text in LABELS.items()
    )
    choices = [("", "Examples…"), *((example.id, example.label) for example in EXAMPLES)]
    return _TABS(tabs=rows, example=_EXAMPLE(options=options(choices, "")))


def bar(state: State) -> Html:
    """The buttons below the editor."""
    page = state.code_page
    runs_here = page.tab in RUNNABLE
    main = button("Stop", "playground.stop", kind="danger") if page.phase else _RUN(disabled=not runs_here)
    reason = _KEYS if runs_here else "curl runs in a terminal: copy it."
    return _BAR(
        main=main,
        reset=button("Reset", "playground.reset", disabled=not page.edited),
        copy=button("Copy", "playground.copy", name="Copy code"),
        reason=reason,
    )


def question(state: State) -> Html:
    """Whether the code that runs may use the models; or that all code may."""
    if state.code_page.asks:
        return _QUESTION(
            run=_ALLOW(),
            always=button("Always in the playground", "playground.allow", "always"),
            no=button("No", "playground.allow", "no"),
        )
    if state.settings.code_uses_models:
        return _ALWAYS(ask=button("Ask again", "playground.ask-again", kind="small"))
    return EMPTY


def output_head(state: State) -> Html:
    """What goes on, or how it ended."""
    return _OUTPUT_HEAD(text=_progress(state.code_page))


def _progress(page: CodePage) -> str:
    if page.phase:
        return {"starting": f"Starting {LABELS[page.tab]}…", "running": "Running…"}[page.phase]
    if page.shown is None:
        return ""
    return f"{_WORDS[page.shown.status]} after {page.shown.seconds:.1f} s"


def output(state: State) -> Html:
    """What came out."""
    parts = join(map(_part, state.code_output))
    if parts:
        return parts
    if state.code_page.shown or state.code_page.phase:
        return _EMPTY(text="Nothing was printed." if state.code_page.shown else "")
    return _EMPTY(text="Press Run: what the code prints and shows appears here.")


def _part(part: Part) -> Html:
    if part.kind == "svg":
        return _SVG(data=quote(part.text))
    if part.kind == "png":
        return _PNG(data=part.text)
    if part.kind == "html":
        return _HTML(text=part.text)
    if part.kind == "table":
        return _table(part)
    if part.kind in ("hint", "note"):
        return _HINT(text=part.text)
    return _TEXT(kind=part.kind, text=part.text)


def _table(part: Part) -> Html:
    return _TABLE(
        columns=join(_COLUMN(text=text) for text in part.columns),
        rows=join(_ROW(cells=join(_CELL(text=text) for text in row)) for row in part.rows),
        more=_MORE(count=part.left_out) if part.left_out else EMPTY,
    )


def runs(state: State) -> Html:
    """What ran before, to be opened again."""
    page = state.code_page
    if not page.runs:
        return EMPTY
    return _RUNS(
        items=join(_item(run, page) for run in page.runs),
        clear=button("Delete all", "playground.runs.ask", kind="small"),
    )


def _item(run: CodeRun, page: CodePage) -> Html:
    lines = [line for line in run.code.splitlines() if line.strip() and not line.startswith(("import ", "from ", "#"))]
    first = lines[0][:80] if lines else "Empty"
    model = split_key(run.model)[1]
    when = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
    about = " · ".join(filter(None, (when, LABELS[run.language], model, _WORDS[run.status])))
    return _ITEM(
        id=run.id,
        first=first,
        about=about,
        current="true" if page.shown and page.shown.id == run.id else "false",
        disabled=bool(page.phase),
        delete=icon_button("delete", f"Delete {first}", "playground.run.delete", run.id),
    )

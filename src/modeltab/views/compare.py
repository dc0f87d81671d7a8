"""The Compare page: columns that answer the same message, and the vote."""

from modeltab.domain.comparisons import (
    ALL_THE_SAME,
    MAX_COLUMNS,
    MIN_COLUMNS,
    NONE_IS_GOOD,
    Column,
    Comparison,
    Round,
    answer_id,
    letter,
)
from modeltab.domain.messages import Message
from modeltab.domain.models import split_key
from modeltab.state.store import State
from modeltab.state.updates import connection_name
from modeltab.views.figures import AnswerNotes, place_words, stats_parts
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, error_text, icon_button, options

_HEAD = Template(
    '<header class="page-header"><div><h1>{title}</h1><p class="page-lead">{lead}</p></div><div class="page-actions">{actions}'
    '</div></header><div class="compare-tools"><div class="switch-row"><button class="switch" type="button" role="switch" '
    'aria-checked="{blind}" aria-label="Blind" data-action="compare.blind" {?disabled}><span></span></button><div>'
    '<strong>Blind</strong><p class="field-hint">{hint}</p></div></div></div>'
)
_COLUMNS = Template('<div class="compare-columns" data-count="{count}">{columns}</div>{votes}')
_COLUMN = Template(
    '<section class="compare-column" id="column-{id}" role="region" aria-label="{name}" data-best="{best}">'
    '<header class="compare-column-head">{chooser}{remove}</header>'
    '<div class="compare-log" role="log" aria-label="Answers of {name}" aria-live="off">{rounds}</div>'
    '<footer class="compare-column-foot">{actions}</footer></section>'
)
_CHOOSER = Template(
    '<select class="input" id="compare-model-{id}" aria-label="Model" data-id="{id}" data-change="compare.model">'
    "{options}</select>"
)
_GROUP = Template('<optgroup label="{label}">{options}</optgroup>')
_HIDDEN = Template('<h2 class="compare-hidden">{name}</h2>')
_QUESTION = Template('<p class="compare-question">{text}</p>')
_ANSWER = Template(
    '<article class="compare-answer" id="answer-{id}" data-role="assistant" data-status="{status}" aria-label="{name}">'
    "{waiting}{reasoning}"
    '<div class="prose message-text" data-part="text" id="answer-text-{id}" data-markdown="{flow}">{text}</div>'
    '{error}<footer class="compare-answer-foot"><span class="message-stats" data-part="stats">{stats}</span>{copy}</footer>'
    "</article>"
)
_WAITING = Template(
    '<div class="waiting"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>{text}</span></div>'
)
_REASONING = Template(
    '<details class="reasoning"><summary>Reasoning</summary>'
    '<div class="prose" data-part="reasoning" data-markdown="">{text}</div></details>'
)
_ERROR = Template('<div class="message-error" role="alert">{text}<div class="error-actions">{retry}</div></div>')
_HIDDEN_ERROR = Template(
    '<p class="error-message">This model could not answer.</p><p class="error-advice">Vote to see why.</p>'
)
_VOTE = Template(
    '<button class="button small vote" type="button" data-action="compare.vote" data-id="{id}" aria-pressed="{pressed}" '
    'aria-label="{label}" {?disabled}>{text}</button>'
)
_VOTES = Template('<div class="compare-votes" role="group" aria-label="Vote">{buttons}<p class="field-hint">{hint}</p></div>')
_BAR = Template('<div class="compare-bar-tools">{tools}</div>{main}')
_SEND = Template('<button class="button primary" type="submit">Send to all</button>')

_notes = AnswerNotes()


def head(state: State) -> Html:
    """The page's title, and the switch for blind mode."""
    comparison = state.comparison
    begun = comparison is not None and bool(comparison.rounds)
    hint = "Names and figures are hidden until the vote."
    if comparison and begun:
        hint = "It is set before the first message." if not comparison.blind else hint
        hint = "The names were hidden until the vote." if comparison.blind and comparison.revealed else hint
    return _HEAD(
        title=comparison.title if comparison and comparison.title else "Compare",
        lead="One message to two to six models, side by side.",
        actions=button("New comparison", "compare.new") if begun else EMPTY,
        blind="true" if comparison and comparison.blind else "false",
        hint=hint,
        disabled=begun,
    )


def columns(state: State) -> Html:
    """The columns with what has been answered. What is flowing in is not in it: it is `streamed`, which changes oftener."""
    comparison = state.comparison
    if comparison is None:
        return EMPTY
    drawn = join(_column(state, comparison, column, place) for place, column in enumerate(comparison.shown))
    return _COLUMNS(count=len(comparison.shown), columns=drawn, votes=_votes(state, comparison))


def _column(state: State, comparison: Comparison, column: Column, place: int) -> Html:
    hidden = comparison.hides_names
    name = letter(place) if hidden else split_key(column.model)[1] or f"Column {place + 1}"
    last = comparison.rounds[-1] if comparison.rounds else None
    return _COLUMN(
        id=column.id,
        name=name,
        best="true" if last and last.vote == column.id else "false",
        chooser=_HIDDEN(name=name) if hidden else _CHOOSER(id=column.id, options=_models(state, column)),
        remove=icon_button(
            "close", f"Remove {name}", "compare.remove", column.id, disabled=len(comparison.shown) <= MIN_COLUMNS
        ),
        rounds=join(_round(state, comparison, round_, column, name) for round_ in comparison.rounds),
        actions=_column_actions(state, comparison, column, name),
    )


def _models(state: State, column: Column) -> Html:
    """The models of every connection; the chosen one also when it is not listed now."""
    groups = [
        (connection_name(state, c.id), [(model.key, model.name) for model in state.models.get(c.id, ())])
        for c in state.connections
    ]
    known = any(column.model == key for _, models in groups for key, _ in models)
    first = [("", "Choose a model")] if not column.model else []
    gone = [(column.model, f"{split_key(column.model)[1]} (not there now)")] if column.model and not known else []
    rows = [_GROUP(label=label, options=options(models, column.model)) for label, models in groups if models]
    return join([options([*first, *gone], column.model), *rows])


def _round(state: State, comparison: Comparison, round_: Round, column: Column, name: str) -> Html:
    answer = state.compared.get(answer_id(round_.id, column.id))
    if answer is None:
        return EMPTY
    return join([_QUESTION(text=round_.text), _answer(state, comparison, answer, name, round_ is comparison.rounds[-1])])


def _answer(state: State, comparison: Comparison, answer: Message, name: str, is_last: bool) -> Html:
    coming = answer.status == "streaming"
    progress = state.compare_progress.get(answer.id, "") if coming else ""
    copy = icon_button("copy", f"Copy the answer of {name}", "compare.copy", answer.id)
    return _ANSWER(
        id=answer.id,
        status=answer.status,
        name=name if comparison.hides_names else answer.model or name,
        waiting=_WAITING(text=progress) if progress else EMPTY,
        reasoning=_REASONING(text=answer.reasoning) if answer.reasoning else EMPTY,
        flow="live" if coming else "",
        text="" if coming else answer.text,
        error=_error(comparison, answer, is_last),
        stats="" if coming or comparison.hides_names else _figures(state, answer),
        copy=copy if answer.text and not coming else EMPTY,
    )


def _error(comparison: Comparison, answer: Message, is_last: bool) -> Html:
    if answer.error is None:
        return EMPTY
    column_id = answer.id.rpartition(".")[2]
    return _ERROR(
        text=_HIDDEN_ERROR() if comparison.hides_names else error_text(answer.error),
        retry=button("Retry", "compare.retry", column_id, kind="small") if is_last else EMPTY,
    )


def _figures(state: State, answer: Message) -> str:
    """Time to first token, speed, tokens and cost, and where it went."""
    parts = ["Stopped"] if answer.status == "stopped" else []
    if answer.finish_reason == "length":
        parts.append("Cut off at the token limit")
    words = (*parts, *stats_parts(answer.stats), _notes.cost(state, answer), place_words(answer.went_to))
    return " · ".join(filter(None, words))


def _is_coming(state: State, comparison: Comparison) -> bool:
    return any(answer.status == "streaming" for answer in _last_answers(state, comparison))


def _last_answers(state: State, comparison: Comparison) -> list[Message]:
    if not comparison.rounds:
        return []
    found = (state.compared.get(answer_id(comparison.rounds[-1].id, column.id)) for column in comparison.columns)
    return [answer for answer in found if answer]


def _can_vote(state: State, comparison: Comparison) -> bool:
    last = comparison.rounds[-1] if comparison.rounds else None
    return last is not None and not (last.vote and last.blind) and not _is_coming(state, comparison)


def _column_actions(state: State, comparison: Comparison, column: Column, name: str) -> Html:
    last = comparison.rounds[-1] if comparison.rounds else None
    answer = state.compared.get(answer_id(last.id, column.id)) if last else None
    if last is None or answer is None:
        return EMPTY
    if answer.status == "streaming":
        return button("Stop", "compare.stop", column.id, f"Stop {name}", "small")
    if not answer.text:
        return EMPTY
    best = last.vote == column.id
    return _VOTE(
        id=column.id,
        pressed="true" if best else "false",
        label=f"This one is best: {name}",
        text="Best" if best else "This one is best",
        disabled=not _can_vote(state, comparison),
    )


def _votes(state: State, comparison: Comparison) -> Html:
    """The votes for no single column, once all have answered."""
    if not comparison.rounds or _is_coming(state, comparison):
        return EMPTY
    last = comparison.rounds[-1]
    buttons = [
        _VOTE(
            id=id_,
            pressed="true" if last.vote == id_ else "false",
            label=text,
            text=text,
            disabled=not _can_vote(state, comparison),
        )
        for id_, text in ((ALL_THE_SAME, "All the same"), (NONE_IS_GOOD, "None is good"))
    ]
    hint = "Vote to see which model is which." if comparison.hides_names else ""
    return _VOTES(buttons=join(buttons), hint=hint)


def bar(state: State) -> Html:
    """The controls below the message box."""
    comparison = state.comparison
    if comparison is None:
        return EMPTY
    removed = sum(1 for column in comparison.columns if column.removed)
    full = len(comparison.shown) >= MAX_COLUMNS
    tools = [button("Add column", "compare.add", kind="small", disabled=full)]
    if removed and not full:
        text = "Bring back the removed column" if removed == 1 else f"Bring back {removed} removed columns"
        tools.append(button(text, "compare.restore", kind="small"))
    main = button("Stop all", "compare.stop") if _is_coming(state, comparison) else _SEND()
    return _BAR(tools=join(tools), main=main)


def streamed(state: State) -> list[tuple[str, str]]:
    """(element id, text so far) of each answer that is flowing into the comparison that is shown."""
    shown = state.comparison.id if state.comparison else ""
    return [(f"answer-text-{m.id}", m.text) for m in state.comparing.values() if m.conversation_id == shown and m.text]

"""The Playground's page Completion: a prompt, its completion as a heat map of probabilities, and the branches."""

from modeltab.domain.completions import Branch
from modeltab.domain.messages import INTERRUPTED
from modeltab.domain.models import split_key
from modeltab.domain.tokens import Alternative, Token, probability
from modeltab.state.playground import branch_of
from modeltab.state.store import Facts, State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, form_error, icon_button, number_input
from modeltab.views.playground_models import model_field, reason_of
from modeltab.views.playground_nav import playground_nav

_HEAD = Template(
    '{nav}<header class="page-header"><div><h1>Completion</h1><p class="page-lead">The exact text that a model reads, and what '
    "it makes of it, token by token.</p></div></header>{model}"
)
_RENDER = Template('<div class="card-actions">{typed}{conversation}</div><p class="field-hint" role="status">{note}</p>{error}')
_BAR = Template(
    '<div class="fields completion-numbers">{numbers}</div><div class="card-actions">{main}'
    '<p class="field-hint" id="completion-reason">{reason}</p></div>'
)
_COMPLETE = Template(
    '<button class="button primary" type="submit" aria-describedby="completion-reason" {?disabled}>Complete</button>'
)
_OUTPUT = Template(
    '<section class="card completion-output" aria-label="Completion"><header class="completion-head"><h2>Completion</h2>'
    '<p class="muted" data-part="stats">{figures}</p></header>{waiting}{legend}'
    '<div class="tokens" id="completion-tokens" role="group" aria-label="Tokens" data-status="{status}" '
    'data-keydown="completion.key"><span class="tokens-prompt">{prompt}</span>{tokens}</div>{error}'
    '<div class="card-actions">{actions}</div>{panel}</section>'
)
_EMPTY = Template(
    '<section class="card completion-output" aria-label="Completion"><h2>Completion</h2>'
    '<p class="muted">Write a prompt, or render one, and press Complete.</p></section>'
)
_TOKEN = Template(
    '<span class="token" role="button" id="token-{place}" tabindex="{tabindex}" data-heat="{heat}" aria-pressed="{pressed}" '
    'data-action="completion.select" data-id="{place}" aria-label="{name}" title="{title}">{text}</span>'
)
_PLAIN = Template("<span>{text}</span>")
_LEGEND = Template('<ul class="heat-legend" aria-label="Legend">{items}</ul>')
_LEGEND_ITEM = Template('<li><span class="token" data-heat="{heat}" aria-hidden="true">Aa</span> {text}</li>')
_WAITING = Template('<p class="completion-waiting" role="status">{text}</p>')
_PANEL = Template(
    '<section class="alternatives" aria-label="Token"><h3>Token {number}: <code>{text}</code></h3>'
    '<p class="field-hint">{hint}</p><ul role="list" aria-label="Alternatives">{items}</ul></section>'
)
_ALTERNATIVE = Template(
    '<li><button class="button small alternative" type="button" data-action="completion.branch" data-id="{place}" '
    'aria-label="{name}" {?disabled}><code>{text}</code></button>'
    '<meter class="alternative-bar" min="0" max="1" value="{share}" aria-label="Probability"></meter>'
    '<span class="alternative-share">{percent}<span class="muted">{note}</span></span></li>'
)
_BRANCHES = Template(
    '<section class="branches" aria-label="Branches"><h2>Branches</h2><p class="field-hint">{hint}</p>'
    '<ol aria-label="Branches">{items}</ol></section>'
)
_BRANCH = Template(
    '<li><button class="branch" type="button" data-action="completion.show" data-id="{id}" aria-current="{current}">'
    '<span class="branch-text">{text}</span><span class="muted">{about}</span></button>{delete}</li>'
)

#: The least probability of each shade of the heat map, likeliest first, and its words in the legend.
HEAT = ((0.9, "90 % or more"), (0.5, "50–90 %"), (0.2, "20–50 %"), (0.05, "5–20 %"), (0.0, "below 5 %"))
#: What a model does that answers messages only, and tells probabilities.
ONE_MESSAGE = "The prompt goes to it as one message, and nothing branches off from its answer."
#: Of a long prompt the end is shown.
PROMPT_SHOWN = 240
_NUMBERS = (
    ("temperature", "Temperature", "0.05", "0", "2"),
    ("max_tokens", "Max tokens", "1", "1", ""),
    ("seed", "Seed", "1", "0", ""),
)
_ENDS = {
    "stop": "ended by itself",
    "length": "ended at the token limit",
    "content_filter": "ended by a filter",
    INTERRUPTED: "cut off when the page was closed",
}


def head(state: State) -> Html:
    """The links, the title, and the model."""
    choice = model_field(state, "completion-model", _chosen(state), "completion.model")
    return _HEAD(nav=playground_nav("playground/completion"), model=choice)


def _chosen(state: State) -> str:
    """The key of the model that the page asks."""
    of_chat = state.settings.model
    return state.completion.model or of_chat


def _goes_on(state: State) -> bool:
    """Whether the chosen model can go on with a text, rather than only answer a message."""
    facts = _facts(state)
    return facts is not None and facts.completion is not None


def _facts(state: State) -> Facts | None:
    return state.facts.get(split_key(_chosen(state))[0])


def rendering(state: State) -> Html:
    """The buttons that render a prompt, and what came of it."""
    page, facts = state.completion, _facts(state)
    can = facts is not None and facts.previews
    note = page.note
    if facts and not can:
        note = f"{facts.type_label} does not show what its template makes of messages: write the prompt as the model wants it."
    return _RENDER(
        typed=button("Render", "completion.render", "typed", disabled=not can or page.rendering),
        conversation=button("Render the conversation", "completion.render", "conversation", disabled=not can or page.rendering),
        note="Rendering…" if page.rendering else note,
        error=form_error(page.error),
    )


def bar(state: State) -> Html:
    """The numbers and the button."""
    facts = _facts(state)
    taken = (facts.completion or facts.capabilities) if facts else None
    controls = []
    for name, label, step, low, high in _NUMBERS:
        takes = taken is not None and name in taken.parameters
        hint = "" if takes or not taken or not facts else taken.reasons.get(name) or f"{facts.type_label} does not take it."
        controls.append(_number(state, name, label, hint, step, low, high, takes))
    most = taken.alternatives if taken else 0
    hint = f"How many likely tokens are told for each place, up to {most}; 0 for no heat map."
    if taken and not most and facts:
        hint = taken.reasons.get("alternatives") or f"{facts.type_label} tells no probabilities."
    controls.append(_number(state, "alternatives", "Alternatives", hint, "1", "0", str(most), most > 0))
    reason = reason_of(state, _chosen(state), "completion")
    note = ""
    if facts and not facts.completion and not reason:
        note = f"{facts.capabilities.reasons.get('completion', '')} {ONE_MESSAGE}".strip()
    coming = state.completing is not None
    return _BAR(
        numbers=join(controls),
        main=button("Stop", "completion.stop") if coming else _COMPLETE(disabled=bool(reason)),
        reason=reason or note,
    )


def _number(state: State, name: str, label: str, hint: str, step: str, low: str, high: str, takes: bool) -> Html:
    element_id = f"completion-{name}"
    value = state.completion.values.get(name, "")
    default = getattr(state.settings.parameters, name, None)
    placeholder = "Default" if default is None else f"Default: {default}"
    return field(element_id, label, number_input(element_id, name, value, placeholder, step, low, high, not takes), hint)


def output(state: State) -> Html:
    """The completion that is shown, as a heat map, with the alternatives of the token that is selected."""
    page, live = state.completion, state.completing
    found = live if live and live.id == page.shown else branch_of(page, page.shown)
    if found is None:
        return _EMPTY()
    coming = found is live
    known = any(token.logprob is not None for token in found.tokens)
    selected = page.selected if page.selected is not None and page.selected < len(found.tokens) else None
    waiting = page.progress if coming else ""
    return _OUTPUT(
        figures=_figures(found),
        waiting=_WAITING(text=waiting) if waiting else EMPTY,
        legend=_legend() if known else EMPTY,
        status=found.status,
        prompt=found.prompt if len(found.prompt) <= PROMPT_SHOWN else "…" + found.prompt[-PROMPT_SHOWN:],
        tokens=join(_token(token, place, selected) for place, token in enumerate(found.tokens)),
        error=form_error(found.error),
        actions=EMPTY if coming else _actions(state, found),
        panel=EMPTY if selected is None else _panel(state, found.tokens[selected], selected, coming),
    )


def _actions(state: State, found: Branch) -> Html:
    cannot = not _goes_on(state)
    busy = state.completing is not None
    parts = [
        button("Continue", "completion.continue", disabled=cannot or busy, kind="small") if found.model else EMPTY,
        button("Use as prompt", "completion.take", kind="small"),
        button("Copy", "completion.copy", kind="small"),
    ]
    return join(parts)


def _figures(found: Branch) -> str:
    if not found.model:
        return "a prompt that was replaced"
    count = len(found.tokens)
    ends = {"streaming": "", "stopped": "stopped", "error": "failed"}
    end = _ENDS.get(found.finish_reason) or ends.get(found.status, "")
    return " · ".join(filter(None, [split_key(found.model)[1], "1 token" if count == 1 else f"{count} tokens", end]))


def _token(token: Token, place: int, selected: int | None) -> Html:
    is_selected = place == selected
    name = f"“{_visible(token.text)}”" + ("" if token.logprob is None else f", {percent(token.logprob)}")
    return _TOKEN(
        place=place,
        tabindex="0" if is_selected or (selected is None and place == 0) else "-1",
        heat=_heat(token),
        pressed="true" if is_selected else "false",
        name=name,
        title="" if token.logprob is None else percent(token.logprob),
        text=token.text.replace("\n", "↵\n"),
    )


def _heat(token: Token) -> str:
    if token.logprob is None:
        return ""
    share = probability(token.logprob)
    return str(next(shade for shade, (least, _) in enumerate(HEAT) if share >= least))


def percent(logprob: float) -> str:
    """A probability for people: "77 %", "0.4 %"."""
    share = probability(logprob) * 100
    if share >= 99.95:
        return "100 %"
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.05 else "below 0.1 %"


def _visible(text: str) -> str:
    """A token with its spaces and line breaks to be seen."""
    return text.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥") or "the end of the text"


def _legend() -> Html:
    return _LEGEND(items=join(_LEGEND_ITEM(heat=shade, text=words) for shade, (_, words) in enumerate(HEAT)))


def _panel(state: State, token: Token, place: int, coming: bool) -> Html:
    if not token.alternatives:
        hint = "Nothing more is known of this token."
        if token.logprob is not None:
            hint = f"It had {percent(token.logprob)}. No alternatives were told."
    else:
        hint = "What the model might have said here."
        if _goes_on(state):
            hint += " Choose one to go on from it; what there is stays in the branches."
    cannot = coming or not _goes_on(state)
    items = join(_alternative(item, n, item.text == token.text, cannot) for n, item in enumerate(token.alternatives))
    return _PANEL(number=place + 1, text=_visible(token.text), hint=hint, items=items)


def _alternative(item: Alternative, place: int, is_chosen: bool, cannot: bool) -> Html:
    share = percent(item.logprob)
    note = "this one" if is_chosen else "" if item.can_follow else "no text of its own"
    return _ALTERNATIVE(
        place=place,
        text=_visible(item.text),
        name=f"Branch: “{_visible(item.text)}”, {share}",
        share=f"{probability(item.logprob):.4f}",
        percent=share,
        note=note,
        disabled=cannot or is_chosen or not item.can_follow,
    )


def branches(state: State) -> Html:
    """Every completion, newest first, each with where it branches off."""
    page = state.completion
    if not page.branches:
        return EMPTY
    hint = "Every completion is kept; choose one to look at it again."
    if page.unkept:
        hint = f"There is no more room for {page.unkept} of the oldest: they stay until the page is closed. Delete some."
    return _BRANCHES(hint=hint, items=join(_branch(state, item) for item in reversed(page.branches)))


def _branch(state: State, item: Branch) -> Html:
    parent = branch_of(state.completion, item.parent)
    if not item.model:
        about, text = "prompt", item.prompt
    elif item.parent:
        where = f"token {item.place + 1}" + ("" if parent else " of one that is deleted")
        about, text = f"from {where}", "".join(token.text for token in item.tokens[item.place :])
    else:
        about, text = split_key(item.model)[1], item.text
    shown = " ".join(text.split())[:80] or "…"
    return _BRANCH(
        id=item.id,
        current="true" if item.id == state.completion.shown else "false",
        text=shown,
        about=about,
        delete=icon_button("delete", f"Delete “{shown}”", "completion.delete.ask", item.id),
    )

"""A verdict of the connection doctor: what it is, what to do, and the steps that led to it."""

from modeltab.domain.diagnosis import Diagnosis, Step
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button

_DIAGNOSIS = Template(
    '<section class="diagnosis" data-kind="{kind}" data-verdict="{state}" aria-label="Diagnosis" role="status">'
    '<p class="diagnosis-title">{title}</p>{text}{recipes}<ol class="steps" aria-label="Steps">{steps}</ol>{detail}'
    '<div class="card-actions">{actions}</div></section>'
)
_TEXT = Template('<p class="diagnosis-text">{text}</p>')
_RECIPE = Template(
    '<div class="recipe"><p class="recipe-where">{where}</p><div class="recipe-code"><pre>{code}</pre>{copy}</div></div>'
)
_STEP = Template('<li data-state="{state}"><span class="step-name">{name}</span><span class="step-text">{text}</span></li>')
_DETAIL = Template('<details class="error-detail"><summary>Details</summary><pre>{detail}</pre></details>')

_STATE_WORDS = {"passed": "", "failed": "here it stops", "skipped": "not reached"}


def diagnosis(item: Diagnosis, actions: Html = EMPTY) -> Html:
    """The verdict, with further buttons."""
    return _DIAGNOSIS(
        kind=item.kind,
        state="good" if item.kind == "healthy" else "warn" if item.kind == "no-models" else "bad",
        title=item.title,
        text=_TEXT(text=item.text) if item.text else EMPTY,
        recipes=join(
            _RECIPE(where=recipe.where, code=recipe.code, copy=button("Copy", "recipe.copy", recipe.code, kind="small"))
            for recipe in item.recipes
        ),
        steps=join(map(_step, item.steps)),
        detail=_DETAIL(detail=item.detail) if item.detail else EMPTY,
        actions=actions,
    )


def _step(step: Step) -> Html:
    text = _STATE_WORDS[step.state] or step.text
    return _STEP(state=step.state, name=step.name, text=text)

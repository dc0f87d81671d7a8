"""The Playground's page Structured output: a JSON schema, a prompt, and an answer that is held against the schema."""

import json
from typing import Any

from modeltab.actions import kept_pages
from modeltab.actions.app import App, UiEvent
from modeltab.actions.asking import ask
from modeltab.domain.errors import ErrorRecord, ModelTabError
from modeltab.domain.json_schema import Problem, read_json, read_schema
from modeltab.domain.messages import Message, Status
from modeltab.domain.models import split_key
from modeltab.domain.requests import ChatRequest, Event, TextDelta
from modeltab.domain.schema_examples import EXAMPLES
from modeltab.providers.base import Provider
from modeltab.state.playground import ENDS, STRUCTURED, Structured

SCHEMA, PROMPT = "structured-schema", "structured-prompt"
#: The example that stands for what was in the fields before one took their place.
BEFORE = "before"


def begin(app: App) -> None:
    """Bring back what was on the page."""
    kept = app.drafts.read(STRUCTURED)
    kept = kept if isinstance(kept, dict) else {}
    for field, name in ((SCHEMA, "schema"), (PROMPT, "prompt")):
        if not app.page.value(field):
            app.page.set_value(field, str(kept.get(name) or ""))
    before, problems = kept.get("before"), kept.get("errors")
    texts = {name: str(kept.get(name) or "") for name in ("model", "answer", "pretty", "answered_by")}
    status = kept.get("status") if kept.get("status") in ENDS else "stopped" if texts["answer"] else ""
    pairs = problems if isinstance(problems, list) and all(map(_is_pair, problems)) else []
    page = Structured(
        **texts,  # type: ignore[arg-type]
        before=(str(before[0]), str(before[1])) if isinstance(before, list) and _is_pair(before) else None,
        schema=str(kept.get("asked_schema") or ""),
        status=status,  # type: ignore[arg-type]
        errors=tuple(Problem(str(place), str(text)) for place, text in pairs),
        is_checked=kept.get("is_checked") is True,
    )
    app.update(structured=page)
    _check(app)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _set(app: App, **changes: Any) -> None:
    app.update(structured=app.state.structured._replace(**changes))


def _keep(app: App) -> None:
    kept_pages.soon(app, STRUCTURED, lambda: _record(app))


def _record(app: App) -> dict[str, Any]:
    page = app.state.structured
    return {
        "schema": app.page.value(SCHEMA),
        "prompt": app.page.value(PROMPT),
        "model": page.model,
        "before": page.before,
        "answer": page.answer,
        "pretty": page.pretty,
        "answered_by": page.answered_by,
        "asked_schema": page.schema,
        "status": page.status,
        "errors": [list(problem) for problem in page.errors],
        "is_checked": page.is_checked,
    }


def choose_model(app: App, event: UiEvent) -> None:
    """Choose the page's model."""
    _set(app, model=event.value)
    _keep(app)


def type_(app: App, event: UiEvent) -> None:
    """Something was typed: say what the schema is now."""
    _check(app)
    _keep(app)


def _check(app: App) -> None:
    text = app.page.value(SCHEMA)
    problems = read_schema(text)[1] if text.strip() else ()
    if (problems, not text.strip()) != (app.state.structured.problems, app.state.structured.is_empty):
        _set(app, problems=problems, is_empty=not text.strip())


def take_example(app: App, event: UiEvent) -> None:
    """Put an example into the fields; what stood there can be had again."""
    schema, prompt = app.page.value(SCHEMA), app.page.value(PROMPT)
    example = next((item for item in EXAMPLES if item.id == event.value), None)
    before = app.state.structured.before
    texts = before if event.value == BEFORE else (_pretty(example.schema), example.prompt) if example else None
    if texts is None:
        return
    given = {(_pretty(item.schema), item.prompt) for item in EXAMPLES}
    if (schema.strip() or prompt.strip()) and (schema, prompt) not in given:
        before = (schema, prompt)
    app.page.set_value(SCHEMA, texts[0])
    app.page.set_value(PROMPT, texts[1])
    _set(app, before=before)
    _check(app)
    _keep(app)


def format_(app: App, event: UiEvent) -> None:
    """Write the schema with one thing a line."""
    value, problem = read_json(app.page.value(SCHEMA))
    if problem:
        raise ModelTabError(f"The schema is no JSON: {problem.text} at {problem.place}.", "Correct it there.")
    app.page.set_value(SCHEMA, _pretty(value))
    _keep(app)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


async def copy(app: App, event: UiEvent) -> None:
    """Copy the answer."""
    await app.page.copy(app.state.structured.pretty or app.state.structured.answer)
    app.say("Copied")


def send(app: App, event: UiEvent) -> None:
    """Ask for an answer that keeps to the schema."""
    text, prompt = app.page.value(SCHEMA), app.page.value(PROMPT).strip()
    key = app.state.structured.model or app.state.settings.model
    if app.state.structured.status == "streaming":
        raise ModelTabError("An answer is still coming.", "Stop it, or wait for its end.")
    if not split_key(key)[1]:
        raise ModelTabError("No model is chosen.", "Choose one above.")
    schema, problems = read_schema(text)
    if schema is None:
        raise ModelTabError(f"The schema cannot be used: {problems[0].text}", "Correct it, or take an example.")
    if not prompt:
        raise ModelTabError("There is no prompt.", "Type what the model is to answer.")
    page = app.state.structured
    app.update(structured=Structured(page.model, (), False, page.before, schema=text, status="streaming", answered_by=key))
    app.say("The answer is coming")
    app.structuring = app.spawn(_run(app, key, schema, prompt))


def stop(app: App, event: UiEvent) -> None:
    """Stop the answer that is coming. What has come of it stays."""
    app.cancel(app.structuring)


async def _run(app: App, key: str, schema: Any, prompt: str) -> None:
    """Take the answer in until it ends, is stopped or fails, then hold it against the schema."""
    parameters = app.state.settings.parameters
    question = Message("structured", "", None, "user", prompt, app.clock())

    def begin_(provider: Provider, name: str) -> Any:
        if not provider.capabilities.schema:
            raise ModelTabError(f"{name} cannot be held to a schema.", "Choose another model.")
        return provider.generate(ChatRequest(name, (question,), parameters, schema=schema))

    def take(event: Event) -> None:
        if isinstance(event, TextDelta):
            tell("")
            _set(app, answer=app.state.structured.answer + event.text)

    def tell(text: str) -> None:
        if app.state.structured.progress != text:
            _set(app, progress=text)

    status: Status = "error"
    error: ErrorRecord | None = None
    try:
        status, error = await ask(app, key, parameters, begin_, take, tell)
        if status == "done":
            error = await _hold(app, schema)
    finally:
        _set(app, status=status, error=error)
        app.structuring = None
        _keep(app)
    app.say({"done": _verdict(app), "stopped": "Answer stopped", "error": "The answer failed"}[status])


async def _hold(app: App, schema: Any) -> ErrorRecord | None:
    """Hold the answer against the schema; why that could not be done, or None."""
    value, problem = read_json(app.state.structured.answer)
    if problem:
        where = f" ({problem.place})" if problem.place else ""
        _set(app, errors=(Problem("", f"The answer is no JSON: {problem.text}{where}"),), is_checked=True)
        return None
    _set(app, pretty=_pretty(value))
    try:
        errors = await app.schemas.problems(schema, value)
    except ModelTabError as failure:
        return failure.record()
    _set(app, errors=errors, is_checked=True)
    return None


def _verdict(app: App) -> str:
    page = app.state.structured
    if not page.is_checked:
        return "Answer complete; it could not be held against the schema"
    return "Answer complete. It does not keep to the schema" if page.errors else "Answer complete. It keeps to the schema"

"""The Playground's page Completion: a prompt as the model reads it, completed token by token, and branched off from."""

from math import isfinite
from typing import Any

from modeltab.actions import kept_pages
from modeltab.actions.answer import images_of
from modeltab.actions.app import App, UiEvent
from modeltab.actions.asking import ask
from modeltab.actions.preview import conversation_messages
from modeltab.domain.completions import Branch, branched
from modeltab.domain.errors import BadRequest, ErrorRecord, ModelTabError
from modeltab.domain.messages import Message, Status
from modeltab.domain.models import split_key
from modeltab.domain.parameters import Parameters, overlaid
from modeltab.domain.requests import (
    ChatRequest,
    CompletionRequest,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    TokenProbabilities,
)
from modeltab.domain.tokens import Token, aligned
from modeltab.providers.base import Provider
from modeltab.state.context import about
from modeltab.state.playground import (
    COMPLETION,
    FIRST_VALUES,
    MOST_CHARACTERS,
    Completion,
    branch_from_json,
    branch_of,
    branch_to_json,
    with_branch,
)
from modeltab.state.store import Dialog
from modeltab.state.updates import parameters_of

PROMPT, SYSTEM, MESSAGE = "completion-prompt", "completion-system", "completion-message"
#: Seconds after which a completion that is coming is kept again.
KEEP_EVERY = 2.0
#: The numbers of the form: label, lowest, highest, whether it is a whole number.
NUMBERS = {
    "temperature": ("Temperature", 0.0, 2.0, False),
    "max_tokens": ("Max tokens", 1.0, 100_000.0, True),
    "seed": ("Seed", 0.0, 2.0**32 - 1, True),
    "alternatives": ("Alternatives", 0.0, 50.0, True),
}


def begin(app: App) -> None:
    """Bring back what was on the page."""
    kept = app.drafts.read(COMPLETION)
    kept = kept if isinstance(kept, dict) else {}
    for field, name in ((PROMPT, "prompt"), (SYSTEM, "system"), (MESSAGE, "message")):
        if not app.page.value(field):  # what was typed while Python was on its way stays
            app.page.set_value(field, str(kept.get(name) or ""))
    values, found = kept.get("values"), kept.get("branches")
    branches = [branch_from_json(value) for value in found] if isinstance(found, list) else []
    app.update(
        completion=Completion(
            str(kept.get("model") or ""),
            {name: str(values.get(name, "")) for name in NUMBERS} if isinstance(values, dict) else FIRST_VALUES,
            tuple(branch for branch in branches if branch),
            str(kept.get("shown") or ""),
        )
    )


def _set(app: App, **changes: Any) -> None:
    app.update(completion=app.state.completion._replace(**changes))


def _keep(app: App) -> None:
    kept_pages.soon(app, COMPLETION, lambda: _record(app))


def _record(app: App) -> dict[str, Any]:
    """What is on the page, as it is kept: the newest completions for which there is room, those of other tabs among them."""
    page, there = app.state.completion, app.drafts.read(COMPLETION)
    found = there.get("branches") if isinstance(there, dict) else None
    kept_before = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    known = {branch.id for branch in page.branches} | app.deleted_branches
    others = [item for item in kept_before if item.get("id") not in known]
    live = app.state.completing
    own = [branch_to_json(live if live and live.id == branch.id else branch) for branch in page.branches]
    records, room = [], MOST_CHARACTERS
    for record in sorted((*others, *own), key=lambda item: -float(item.get("created") or 0)):
        room -= len(str(record))
        if room < 0:
            break
        records.append(record)
    kept = {record["id"] for record in records}
    unkept = sum(1 for branch in page.branches if branch.id not in kept)
    if unkept != page.unkept:
        _set(app, unkept=unkept)
    return {
        "prompt": app.page.value(PROMPT),
        "system": app.page.value(SYSTEM),
        "message": app.page.value(MESSAGE),
        "model": page.model,
        "values": dict(page.values),
        "branches": records[::-1],
        "shown": page.shown,
    }


def model_key(app: App) -> str:
    """The key of the model that the page asks: its own choice, or that of the chat."""
    return app.state.completion.model or app.state.settings.model


def choose_model(app: App, event: UiEvent) -> None:
    """Choose the page's model."""
    _set(app, model=event.value, error=None, note="")
    _keep(app)


def type_(app: App, event: UiEvent) -> None:
    """Something was typed: the numbers are in the state, the texts in their fields."""
    values = {name: event.values.get(name, app.state.completion.values.get(name, "")) for name in NUMBERS}
    if values != app.state.completion.values:
        _set(app, values=values)
    _keep(app)


# ---- Prompts ----


async def render(app: App, event: UiEvent) -> None:
    """Put the prompt that the template makes into the box: of the conversation in Chat, or of what is typed on the page."""
    connection_id, name = split_key(model_key(app))
    preview = app.provider(connection_id).preview if name else None
    if preview is None:
        raise ModelTabError("This model does not show its prompt.", "Choose another one, or write the prompt as it wants it.")
    if event.id == "conversation":
        messages, parameters = conversation_messages(app), parameters_of(app.state)
        if not messages:
            raise ModelTabError("There is no conversation to render.", "Open one in Chat, or type messages here.")
    else:
        messages, parameters = _typed(app)
    _set(app, rendering=True, error=None, note="")
    try:
        request = ChatRequest(name, messages, parameters)
        rendered = await preview.render(request._replace(images=await images_of(app, request)))
    except ModelTabError as error:
        _set(app, rendering=False, error=error.record())
        return
    count = f"about {about(len(rendered.text)):,}" if rendered.tokens is None else f"{rendered.tokens:,}"
    window = f" of {rendered.n_ctx:,}" if rendered.n_ctx else ""
    _set(app, rendering=False, note=f"Rendered by the template of {name}: {count}{window} tokens")
    _replace_prompt(app, rendered.text)
    app.say("The prompt is rendered")


def _typed(app: App) -> tuple[tuple[Message, ...], Parameters]:
    text = app.page.value(MESSAGE).strip()
    if not text:
        raise ModelTabError("There is no message to render.", "Type one under “Messages”.")
    system = app.page.value(SYSTEM).strip() or None
    parameters = app.state.settings.parameters._replace(system_prompt=system)
    return (Message("typed", "", None, "user", text, app.clock()),), parameters


def _replace_prompt(app: App, text: str) -> None:
    """Put another prompt into the box. The one that stood there stays in the list, unless a completion has it."""
    before = app.page.value(PROMPT)
    page = app.state.completion
    if before.strip() and before != text and all(before not in (b.prompt, b.whole) for b in page.branches):
        _set(app, branches=(*page.branches, Branch(app.new_id(), "", before, created=app.clock())))
    app.page.set_value(PROMPT, text)
    _keep(app)


def take(app: App, event: UiEvent) -> None:
    """Put the text that is shown, prompt and completion, into the box."""
    found = branch_of(app.state.completion, app.state.completion.shown)
    if found:
        _replace_prompt(app, found.whole)
        app.page.focus(PROMPT)


async def copy(app: App, event: UiEvent) -> None:
    """Copy the text that is shown."""
    found = branch_of(app.state.completion, app.state.completion.shown)
    if found:
        await app.page.copy(found.whole)
        app.say("Copied")


# ---- Completions ----


def send(app: App, event: UiEvent) -> None:
    """Complete the prompt."""
    prompt = app.page.value(PROMPT)
    if not prompt:
        raise ModelTabError("There is no prompt.", "Type one, or render one from messages.")
    _start(app, Branch(app.new_id(), model_key(app), prompt, (), app.clock(), "streaming"))


def continue_(app: App, event: UiEvent) -> None:
    """Go on where the completion that is shown ended."""
    found = branch_of(app.state.completion, app.state.completion.shown)
    if found and found.tokens:
        _check_completes(app)
        _start(app, found._replace(model=model_key(app), status="streaming", finish_reason="", error=None))


def branch(app: App, event: UiEvent) -> None:
    """Go on with another token in the place of the one that is selected; `event.id` is which of its alternatives."""
    page = app.state.completion
    found, place = branch_of(page, page.shown), page.selected
    if found is None or place is None or place >= len(found.tokens):
        return
    alternatives = found.tokens[place].alternatives
    if event.id.isdigit() and int(event.id) < len(alternatives):
        _check_completes(app)
        chosen = alternatives[int(event.id)]
        _start(app, branched(found, place, chosen, app.new_id(), app.clock())._replace(model=model_key(app)))


def _check_completes(app: App) -> None:
    """An answer to a message is no text that goes on. :raises ModelTabError: when the model only answers messages."""
    connection_id, name = split_key(model_key(app))
    if name and app.provider(connection_id).completes is None:
        raise ModelTabError(f"{name} cannot go on with a text.", "Choose a model that completes text.")


def stop(app: App, event: UiEvent) -> None:
    """Stop the completion that is coming. What has come of it stays."""
    app.cancel(app.completing)


def _start(app: App, new: Branch) -> None:
    if app.state.completing:
        raise ModelTabError("A completion is still coming.", "Stop it, or wait for its end.")
    if not split_key(new.model)[1]:
        raise ModelTabError("No model is chosen.", "Choose one above.")
    parameters, n_alternatives = _parameters(app, new.model)
    page = with_branch(app.state.completion, new)
    app.update(completion=page._replace(shown=new.id, selected=None, error=None, progress=""), completing=new)
    app.say("The completion is coming")
    app.completing = app.spawn(_run(app, new, parameters, n_alternatives))


def _parameters(app: App, key: str) -> tuple[Parameters, int]:
    """What goes with the request: the page's own numbers over the defaults.

    :raises BadRequest: naming the number that is wrong.
    """
    found = {name: _number(name, text) for name, text in app.state.completion.values.items() if text.strip()}
    n_alternatives = int(found.pop("alternatives", 0))
    own = Parameters(**found)  # type: ignore[arg-type]
    facts = app.state.facts.get(split_key(key)[0])
    most = (facts.completion or facts.capabilities).alternatives if facts else 0
    return overlaid(app.state.settings.parameters, own), min(n_alternatives, most)


def _number(name: str, text: str) -> float | int:
    label, low, high, is_whole = NUMBERS[name]
    try:
        value: float | int = int(text) if is_whole else float(text)
    except ValueError:
        kind = "a whole number" if is_whole else "a number"
        raise BadRequest(f"{label} is {kind}, not “{text}”.", "Correct it, or empty it for the default.") from None
    if not isfinite(value) or not low <= value <= high:
        raise BadRequest(f"{label} is from {low:g} to {high:.10g}.", "Correct it, or empty it for the default.")
    return value


async def _run(app: App, new: Branch, parameters: Parameters, n_alternatives: int) -> None:
    """Take the completion in until it ends, is stopped or fails. Whatever happens, its text is kept."""
    intake = Intake(app, new)

    def begin_(provider: Provider, name: str) -> Any:
        if provider.completes:
            return provider.completes.complete(CompletionRequest(name, new.whole, parameters, n_alternatives))
        if not provider.capabilities.alternatives:
            raise ModelTabError(f"{name} cannot complete a text.", "Choose another model.")
        # It answers messages only, but tells how sure it is of its words: the prompt goes to it as one.
        asked = Message("prompt", "", None, "user", new.prompt, app.clock())
        own = parameters._replace(system_prompt=app.page.value(SYSTEM).strip() or None)
        return provider.generate(ChatRequest(name, (asked,), own, n_alternatives=n_alternatives))

    status: Status = "error"
    error: ErrorRecord | None = None
    try:
        status, error = await ask(app, new.model, parameters, begin_, intake.take, intake.tell)
    finally:
        intake.end(status, error)
    app.say({"done": "Completion complete", "stopped": "Completion stopped", "error": "The completion failed"}[status])


class Intake:
    """A completion as it comes in: events → its tokens."""

    def __init__(self, app: App, new: Branch) -> None:
        self._app = app
        self._branch = new
        self._told: tuple[Token, ...] = ()
        self._kept_at = app.clock()
        _keep(app)

    def tell(self, text: str) -> None:
        """Say what goes on before tokens come."""
        if self._app.state.completion.progress != text:
            _set(self._app, progress=text)

    def take(self, event: Event) -> None:
        """Apply one event."""
        if isinstance(event, TokenProbabilities):
            self._told = (*self._told, *event.tokens)
        elif isinstance(event, TextDelta):
            self.tell("")
            tokens, self._told = aligned(event.text, self._told), ()
            self._show(self._branch._replace(tokens=(*self._branch.tokens, *tokens)))
        elif isinstance(event, ReasoningDelta):
            self._told = ()  # of the reasoning, which is not shown here
            self.tell("Reasoning…")
        elif isinstance(event, Finished):
            self._branch = self._branch._replace(finish_reason=event.reason)

    def _show(self, new: Branch) -> None:
        self._branch = new
        self._app.update(completing=new)
        if self._app.clock() - self._kept_at >= KEEP_EVERY:
            self._kept_at = self._app.clock()
            _keep(self._app)

    def end(self, status: Status, error: ErrorRecord | None) -> None:
        """It came to its end."""
        self._branch = self._branch._replace(status=status, error=error)
        page = with_branch(self._app.state.completion, self._branch)
        self._app.update(completion=page, completing=None)
        self._app.completing = None
        _keep(self._app)


# ---- Looking at them ----


def show(app: App, event: UiEvent) -> None:
    """Look at a completion."""
    if branch_of(app.state.completion, event.id):
        _set(app, shown=event.id, selected=None)
        _keep(app)


def select(app: App, event: UiEvent) -> None:
    """Look at a token's alternatives."""
    if event.id.isdigit():
        _set(app, selected=int(event.id))


def key(app: App, event: UiEvent) -> bool:
    """Arrows, Home and End move from token to token; Enter and the space bar look at the first."""
    page = app.state.completion
    found = app.state.completing or branch_of(page, page.shown)
    count = len(found.tokens) if found else 0
    moves = {"ArrowRight": 1, "ArrowDown": 1, "ArrowLeft": -1, "ArrowUp": -1, "Home": -count, "End": count, "Enter": 0, " ": 0}
    if not count or event.key not in moves:
        return False
    place = 0 if page.selected is None else min(count - 1, max(0, page.selected + moves[event.key]))
    _set(app, selected=place)
    app.page.focus(f"token-{place}")
    return True


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a completion is deleted."""
    values = {"title": "Delete this completion?", "confirm": "Delete", "action": "completion.delete"}
    note = "It cannot be had again. What branches off from it stays."
    app.update(dialog=Dialog("confirm", event.id, values, note))


def delete(app: App, event: UiEvent) -> None:
    """Delete a completion; one that is coming is stopped first."""
    app.update(dialog=None)
    if app.state.completing and app.state.completing.id == event.id:
        raise ModelTabError("This completion is still coming.", "Stop it first.")
    page = app.state.completion
    left = tuple(b for b in page.branches if b.id != event.id)
    app.deleted_branches.add(event.id)
    shown = page.shown if page.shown != event.id else left[-1].id if left else ""
    _set(app, branches=left, shown=shown, selected=None)
    _keep(app)

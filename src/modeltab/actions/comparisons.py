"""Comparisons: which one is shown, its columns, the vote, the list of them, and their export."""

import json

from modeltab import __version__
from modeltab.actions.app import App, UiEvent
from modeltab.domain.comparisons import MAX_COLUMNS, MIN_COLUMNS, Column, Comparison, answer_id, to_csv, with_vote
from modeltab.domain.errors import StorageFailed
from modeltab.domain.messages import Message
from modeltab.exchange.archive import COMPARISONS, hidden
from modeltab.state.comparisons import comparison_from_json, comparison_to_json
from modeltab.state.records import UnreadableError, message_from_json, message_to_json
from modeltab.state.store import Dialog, Route


async def show(app: App, route: Route) -> None:
    """Show the comparison that the address names; without one, that which is going on, else a new one."""
    await _load_list(app)
    shown = app.state.comparison
    if shown and route.id in ("", shown.id) and (route.id or not shown.rounds):
        return
    if not route.id:
        if shown and is_coming(app, shown):
            app.page.replace_route(f"#/compare/{shown.id}")
        else:
            _show(app, _draft(app), {})
        return
    found = next((c for c in app.state.comparisons if c.id == route.id), None)
    if found is None:
        app.say("That comparison does not exist in this browser")
        app.page.replace_route("#/compare")
        return
    answers = await read_answers(app, found.id)
    if app.state.route == route:
        current = next((c for c in app.state.comparisons if c.id == route.id), found)
        _show(app, current, answers)


async def _load_list(app: App) -> None:
    if app.state.comparisons_loaded:
        return
    try:
        records = await app.comparisons.all()
    except Exception as error:
        advice = "Leave private browsing and allow site data for this page. New comparisons may be lost when it is closed."
        app.alert(StorageFailed("The comparisons could not be read.", advice, str(error)))
        records = []
    known = {c.id for c in app.state.comparisons}
    read = tuple(c for c in map(_comparison, records) if c and c.id not in known)
    app.update(comparisons=(*app.state.comparisons, *read), comparisons_loaded=True)


def _comparison(record: object) -> Comparison | None:
    try:
        return comparison_from_json(record)
    except UnreadableError:
        return None  # left where it is: a newer version may read it


async def read_answers(app: App, comparison_id: str) -> dict[str, Message]:
    """The answers of a comparison by their ids. One that nobody writes any more, because the page was closed, was stopped."""
    answers = {}
    for record in await app.comparisons.answers(comparison_id):
        try:
            answer = message_from_json(record)
        except UnreadableError:
            continue
        if answer.status == "streaming" and answer.id not in app.comparing:
            answer = answer._replace(status="stopped")
        answers[answer.id] = answer
    return answers


def _show(app: App, comparison: Comparison, answers: dict[str, Message]) -> None:
    app.update(comparison=comparison, compared=answers)


def _draft(app: App) -> Comparison:
    """A new comparison, with the models of the one before it; without one, with the chosen model."""
    before = app.state.comparison or next(iter(app.state.comparisons), None)
    models = [column.model for column in before.shown] if before else [app.state.settings.model, ""]
    columns = tuple(Column(app.new_id(), model) for model in models)
    now = app.clock()
    return Comparison(app.new_id(), "", now, now, columns, blind=before.blind if before else False)


def is_coming(app: App, comparison: Comparison) -> bool:
    """Whether an answer of a comparison is coming."""
    return any(message.conversation_id == comparison.id for message in app.state.comparing.values())


def new(app: App, event: UiEvent) -> None:
    """An empty comparison with the same models. It is kept from its first message on."""
    _show(app, _draft(app), {})
    app.page.go("#/compare")
    app.page.focus("compare-message")


def set_comparison(app: App, comparison: Comparison) -> None:
    """Replace a comparison, where it is shown and, once it has a message, in the list, the latest first; and keep it."""
    shown = app.state.comparison
    if shown and shown.id == comparison.id:
        app.update(comparison=comparison)
    if comparison.rounds:
        others = tuple(c for c in app.state.comparisons if c.id != comparison.id)
        app.update(comparisons=tuple(sorted((*others, comparison), key=lambda c: -c.updated)))
        app.spawn(keep(app, comparison))


async def keep(app: App, comparison: Comparison | None, *answers: Message) -> None:
    """Write a comparison and answers on record. Where the browser keeps nothing, that is told, and the comparison goes on."""
    try:
        await app.comparisons.save(comparison_to_json(comparison) if comparison else None, *map(message_to_json, answers))
    except Exception as error:
        advice = "Leave private browsing, allow site data for this page, or free disk space; export what you want to keep."
        app.alert(StorageFailed("This comparison cannot be kept: the browser's storage refuses it.", advice, str(error)))


# ---- Columns ----


def add_column(app: App, event: UiEvent) -> None:
    """One more column, if there is room for it."""
    comparison = app.state.comparison
    if comparison and len(comparison.shown) < MAX_COLUMNS:
        column = Column(app.new_id())
        set_comparison(app, comparison._replace(columns=(*comparison.columns, column)))
        app.page.focus(f"compare-model-{column.id}")


async def remove_column(app: App, event: UiEvent) -> None:
    """Take a column away. What it has answered is kept, and it can be brought back."""
    comparison = app.state.comparison
    if comparison is None or len(comparison.shown) <= MIN_COLUMNS:
        return
    for round_ in comparison.rounds:
        await app.cancel_and_wait(app.comparing.get(answer_id(round_.id, event.id)))
    comparison = app.state.comparison or comparison
    if comparison.rounds:
        columns = tuple(c._replace(removed=c.removed or c.id == event.id) for c in comparison.columns)
    else:
        columns = tuple(c for c in comparison.columns if c.id != event.id)
    set_comparison(app, comparison._replace(columns=columns))
    app.say("The column is removed")


def restore_columns(app: App, event: UiEvent) -> None:
    """Bring removed columns back, as many as there is room for."""
    comparison = app.state.comparison
    if comparison is None:
        return
    room = MAX_COLUMNS - len(comparison.shown)
    back = [c.id for c in comparison.columns if c.removed][:room]
    columns = tuple(c._replace(removed=False) if c.id in back else c for c in comparison.columns)
    set_comparison(app, comparison._replace(columns=columns))


def choose_model(app: App, event: UiEvent) -> None:
    """Choose a column's model; it answers from the next message on."""
    comparison = app.state.comparison
    if comparison:
        columns = tuple(c._replace(model=event.value) if c.id == event.id else c for c in comparison.columns)
        set_comparison(app, comparison._replace(columns=columns))


def toggle_blind(app: App, event: UiEvent) -> None:
    """Hide names and figures until the vote, or not; only before the first message, for after it everything was seen."""
    comparison = app.state.comparison
    if comparison and not comparison.rounds:
        set_comparison(app, comparison._replace(blind=not comparison.blind))


def vote(app: App, event: UiEvent) -> None:
    """Say who answered best; `event.id` is a column, or that all are the same, or that none is good."""
    comparison = app.state.comparison
    if comparison is None or not comparison.rounds or is_coming(app, comparison):
        return
    was_hidden = comparison.hides_names
    set_comparison(app, with_vote(comparison, comparison.rounds[-1].id, event.id))
    app.say("The vote is kept; now the names are shown" if was_hidden else "The vote is kept")


async def copy(app: App, event: UiEvent) -> None:
    """Copy an answer's text."""
    answer = app.state.compared.get(event.id)
    if answer:
        await app.page.copy(answer.text)
        app.say("Copied")


# ---- The list ----


def ask_delete(app: App, event: UiEvent) -> None:
    """Ask before a comparison is deleted."""
    found = next((c for c in app.state.comparisons if c.id == event.id), None)
    if found:
        values = {"title": "Delete comparison?", "confirm": "Delete", "action": "comparison.delete"}
        note = f"“{found.title}”, its answers and its votes are deleted for good."
        app.update(dialog=Dialog("confirm", event.id, values, note))


async def delete(app: App, event: UiEvent) -> None:
    """Delete a comparison."""
    app.update(dialog=None)
    for id_, message in app.state.comparing.items():
        if message.conversation_id == event.id:
            await app.cancel_and_wait(app.comparing.get(id_))
    await app.comparisons.delete(event.id)
    app.update(comparisons=tuple(c for c in app.state.comparisons if c.id != event.id))
    if app.state.comparison and app.state.comparison.id == event.id:
        _show(app, _draft(app), {})
        app.page.replace_route("#/compare")
    app.say("Comparison deleted")


def export_csv(app: App, event: UiEvent) -> None:
    """All results as a table: one line an answer."""
    app.page.save_file("modeltab-comparisons.csv", app.keys.hide(to_csv(app.state.comparisons)))
    app.say("The results are exported")


async def export_json(app: App, event: UiEvent) -> None:
    """All comparisons with every answer."""
    answers = [answer for c in app.state.comparisons for answer in await app.comparisons.answers(c.id)]
    value = {
        "format": COMPARISONS,
        "modeltab": __version__,
        "comparisons": list(map(comparison_to_json, app.state.comparisons)),
        "answers": answers,
    }
    app.page.save_file("modeltab-comparisons.json", json.dumps(hidden(value, app.keys.hide), ensure_ascii=False, indent=1))
    app.say("The comparisons are exported")

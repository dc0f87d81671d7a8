"""The table of models: sort, filter, group; undo what was deleted."""

from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.domain.models import split_key
from modeltab.state.inventory import BEFORE


def sort(app: App, event: UiEvent) -> None:
    """A column's name was pressed: sort by it; pressed again, the other way round; once more, not at all."""
    inventory = app.state.inventory
    if inventory.sort != event.id:
        inventory = inventory._replace(sort=event.id, descending=False)
    elif not inventory.descending:
        inventory = inventory._replace(descending=True)
    else:
        inventory = inventory._replace(sort="", descending=False)
    app.update(inventory=inventory._replace(first=0))


def filter_(app: App, event: UiEvent) -> None:
    """Something was typed into the filter."""
    app.update(inventory=app.state.inventory._replace(query=event.value, first=0))


def choose_place(app: App, event: UiEvent) -> None:
    """Show the models of one connection, or of all."""
    app.update(inventory=app.state.inventory._replace(place=event.value, first=0))


def group(app: App, event: UiEvent) -> None:
    """Group the rows, or no longer."""
    app.update(inventory=app.state.inventory._replace(group=event.value, first=0))


def scroll(app: App, event: UiEvent) -> None:
    """A long list was scrolled: "first row that is seen:height of a row"."""
    first, _, height = event.value.partition(":")
    inventory = app.state.inventory
    moved = abs(int(first) - inventory.first)
    if moved > BEFORE // 2 or int(height) != inventory.row_height:
        app.update(inventory=inventory._replace(first=int(first), row_height=int(height)))


def close_note(app: App, event: UiEvent) -> None:
    """What was told has been read."""
    app.update(inventory_note="")


async def undo(app: App, event: UiEvent) -> None:
    """Have a deleted model again."""
    connection_id, name = split_key(event.id)
    app.update(deleted=tuple(key for key in app.state.deleted if key != event.id))
    trash = app.provider(connection_id).trash
    if trash:
        await trash.restore(name)
        await refresh(app, connection_id)
        app.say(f"{name} is there again")


async def give_up_deleted(app: App) -> None:
    """The page has moved on: what was deleted is gone for good, and its room is free."""
    places = {split_key(key)[0] for key in app.state.deleted}
    app.update(deleted=())
    for connection in app.state.connections:
        trash = app.provider(connection.id).trash if connection.id in places else None
        if trash:
            await trash.empty()

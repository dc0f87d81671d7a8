"""Where the person is: the address's hash."""

from modeltab.actions import (
    code_running,
    comparisons,
    connections,
    conversations,
    importing,
    inventory,
    offline,
    playground,
    settings,
)
from modeltab.actions.app import App, UiEvent
from modeltab.state.store import Route
from modeltab.views.shell import PLACES

_NAMES = frozenset(name for name, _ in PLACES)


def parse(hash_: str) -> Route:
    """A hash as a route. What is not known is the chat."""
    page, _, rest = hash_.removeprefix("#").removeprefix("/").partition("/")
    if page == "playground" and f"{page}-{rest}" in _NAMES:  # a part of the Playground with a page of its own
        return Route(f"{page}-{rest}")
    if page not in _NAMES:
        return Route()
    return Route(page, rest if page in ("chat", "compare", "shared") else "")


def visit(app: App, event: UiEvent) -> None:
    """Go to a page, or a conversation: `event.id` is "models", "chat/{id}". The focus goes along."""
    route = parse(event.id)
    app.page.go(f"#/{event.id}")
    app.update(route=route)  # before the browser tells of it: what is focused has to be shown
    app.page.focus("message" if route.page == "chat" else "main")


async def go(app: App, hash_: str) -> None:
    """The hash has changed: show what it names, as it is now."""
    route = parse(hash_)
    app.update(route=route)
    if route.page != "models":
        app.spawn(inventory.give_up_deleted(app))
    if route.page != "playground":
        code_running.leave(app)
    await show(app, route)
    if route.page in ("models", "connections"):
        await connections.refresh_all(app)


async def show(app: App, route: Route) -> None:
    """Bring what a route shows."""
    if route.page == "chat":
        await conversations.show(app, route)
    elif route.page == "compare":
        await comparisons.show(app, route)
    elif route.page == "playground":
        await playground.show(app)
    elif route.page == "shared":
        importing.open_link(app, route.id)
    elif route.page in ("settings", "models"):
        await settings.measure(app)
        await offline.look(app)

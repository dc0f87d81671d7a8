"""The context meter: measured anew when what it depends on has changed, but not with each token of an answer."""

from modeltab.actions.app import App
from modeltab.state.context import context_use
from modeltab.state.store import State

_WATCHED = ("conversation", "typed", "attachments", "settings", "models", "facts", "new_parameters")


def begin(app: App) -> None:
    """Follow the state from now on."""
    seen: list[object] = []

    def follow(state: State) -> None:
        watched: list[object] = [getattr(state, name) for name in _WATCHED]
        watched.append(state.generation is None)
        if len(seen) != len(watched) or any(a is not b for a, b in zip(seen, watched, strict=True)):
            seen[:] = watched
            use = context_use(state)
            if use != state.context:
                app.update(context=use)

    app.store.subscribe(follow)

"""The dialog that copies a model: to another place, or under a second name where it is."""

from modeltab.domain.models import split_key
from modeltab.state.store import Dialog, State
from modeltab.state.updates import connection_name
from modeltab.views.html import EMPTY, Html, Template
from modeltab.views.parts import button, field, form_error, select, text_input

_COPY = Template(
    '<form class="dialog-form" data-submit="model.copy">{error}{place}{name}<div class="dialog-bar">'
    '<span class="spacer"></span>{cancel}<button class="button primary" type="submit">Copy</button></div></form>'
)


def places(state: State, model_key: str) -> list[tuple[str, str]]:
    """Where a model can be copied to: connection id and words; its own connection when that keeps second names."""
    own, _ = split_key(model_key)
    facts = state.facts[own]
    found = [(own, f"{connection_name(state, own)}, under another name")] if facts.copies else []
    if facts.gives:
        found += [(c.id, c.name) for c in state.connections if c.id != own and state.facts[c.id].adds]
    return found


def form(state: State, dialog: Dialog) -> Html:
    """The dialog's content."""
    own, _ = split_key(dialog.subject)
    options = places(state, dialog.subject)
    chosen = dialog.values.get("to") or (options[0][0] if options else "")
    hint = "The same model under a second name; it takes no further space."
    name = text_input("copy-name", "name", dialog.values.get("name", ""), required=True)
    return _COPY(
        error=form_error(dialog.error),
        place=field("copy-to", "To", select("copy-to", "to", options, chosen, "model.copy.to")),
        name=field("copy-name", "New name", name, hint) if chosen == own else EMPTY,
        cancel=button("Cancel", "dialog.close"),
    )

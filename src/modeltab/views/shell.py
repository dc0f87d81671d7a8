"""What surrounds the pages: navigation, alerts."""

from modeltab.state.store import Alert, State
from modeltab.views.html import Html, Template, join
from modeltab.views.parts import error_text, icon_button

PAGES = (
    ("chat", "Chat"),
    ("models", "Models"),
    ("connections", "Connections"),
    ("compare", "Compare"),
    ("playground", "Playground"),
    ("settings", "Settings"),
)

#: What an address may lead to: the pages of the navigation, and what is shown only by its own address.
PLACES = (
    *PAGES,
    ("shared", "Shared conversation"),
    ("playground-completion", "Completion"),
    ("playground-structured", "Structured output"),
)

_LINK = Template(
    '<a class="nav-link" href="#/{page}" aria-current="{current}"><span class="icon icon-{page}" aria-hidden="true"></span>'
    "{text}</a>"
)
_ALERT = Template('<div class="alert" role="alert" id="alert-{id}"><div class="alert-text">{text}</div>{close}</div>')
_SPOKEN = Template('<p id="spoken-{id}">{text}</p>')


def spoken(state: State) -> Html:
    """What a screen reader hears of the answer that is coming: its sentences, as they are complete."""
    return join(_SPOKEN(id=id_, text=text) for id_, text in state.spoken)


def navigation(state: State) -> Html:
    """The links to the pages."""
    shown = state.route.page.partition("-")[0]  # a part of a page, such as playground-completion, belongs to it
    return join(_LINK(page=page, text=text, current="page" if shown == page else "false") for page, text in PAGES)


def alerts(state: State) -> Html:
    """The errors that need the person."""
    return join(map(_alert, state.alerts))


def _alert(alert: Alert) -> Html:
    return _ALERT(
        id=alert.id,
        text=error_text(alert.error),
        close=icon_button("close", "Close this message", "alert.close", alert.id),
    )

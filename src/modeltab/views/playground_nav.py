"""The links between the parts of the Playground."""

from modeltab.views.html import Html, Template, join

#: (route, label) of each part.
SECTIONS = (
    ("playground", "Code"),
    ("playground/completion", "Completion"),
    ("playground/structured", "Structured output"),
)

_NAV = Template('<nav class="sections" aria-label="Playground">{links}</nav>')
_LINK = Template('<a class="section-link" href="#/{route}" aria-current="{current}">{text}</a>')


def playground_nav(route: str) -> Html:
    """The links, with the one to `route` marked as the page that is shown."""
    return _NAV(links=join(_LINK(route=to, text=text, current="page" if to == route else "false") for to, text in SECTIONS))

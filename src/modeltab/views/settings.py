"""The Settings page."""

from modeltab import __version__
from modeltab.state.store import State
from modeltab.views import endpoint, exchange, keyboard, keys, offline, prices
from modeltab.views import format as fmt
from modeltab.views.html import Html, Template
from modeltab.views.parts import button, field, select

_PAGE = Template(
    '<header class="page-header"><div><h1>Settings</h1><p class="page-lead">Kept in this browser only.</p></div></header>'
    '<section class="card" aria-label="Appearance"><h2>Appearance</h2>{theme}</section>{keyboard}'
    '<section class="card" aria-label="Privacy"><h2>Privacy</h2><div class="switch-row"><button class="switch" type="button" '
    'role="switch" aria-checked="{offline}" aria-label="Offline only" data-action="settings.offline"><span></span></button>'
    '<div><strong>Offline only</strong><p class="field-hint">Only this tab and servers on this machine are asked; every other '
    "address is refused.</p></div></div></section>"
    "{keys}{api}{prices}{copy}"
    '<section class="card" aria-label="Storage"><h2>Storage</h2><meter class="gauge" min="0" max="{quota}" value="{used}" '
    'aria-label="Storage used">{used_text}</meter><p class="field-hint">{used_text} of at most {quota_text} used by models and '
    'conversations. {persisted}</p><div class="card-actions">{persist}</div></section>'
    '<section class="card" aria-label="Your data"><h2>Your data</h2>{data}'
    '<p class="field-hint">Erasing deletes every conversation, model, connection and setting that is kept in this browser.'
    '</p><div class="card-actions">{erase}</div></section>'
    '<section class="card" aria-label="About"><h2>About</h2>'
    '<p class="field-hint">ModelTab {version}. Models in this tab run {threads}.'
    "</p></section>"
)

THEMES = [("auto", "As the system"), ("light", "Light"), ("dark", "Dark")]


def page(state: State) -> Html:
    """The page."""
    storage = state.storage
    return _PAGE(
        theme=field("theme", "Theme", select("theme", "theme", THEMES, state.settings.theme, "settings.theme")),
        offline="true" if state.settings.offline_only else "false",
        keyboard=keyboard.section(state),
        keys=keys.section(state),
        api=endpoint.section(state),
        prices=prices.section(state),
        copy=offline.section(state),
        used=storage.used,
        quota=max(storage.quota, 1),
        used_text=fmt.size(storage.used),
        quota_text=fmt.size(storage.quota),
        persisted="The browser keeps it." if storage.persisted else "The browser may delete it when space runs out.",
        persist=button("Ask the browser to keep it", "storage.persist", disabled=storage.persisted),
        data=exchange.data_section(state),
        erase=button("Erase everything", "data.erase.ask", kind="danger"),
        version=__version__,
        threads="on several threads" if state.isolated else "on one thread, because this page is not isolated",
    )

"""The copy of the app: its part of the Settings page, and the notice of a new version."""

from modeltab.state.machine import Offline
from modeltab.state.store import State
from modeltab.views import format as fmt
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, icon_button

_SECTION = Template(
    '<section class="card" aria-label="Offline"><h2>Offline</h2><div class="switch-row"><button class="switch" type="button" '
    'role="switch" aria-checked="{on}" aria-label="Work offline" aria-describedby="offline-hint" data-action="offline.toggle" '
    "{?disabled}><span></span></button><div><strong>Work offline</strong>"
    '<p class="field-hint" id="offline-hint">{hint}</p></div></div><p class="field-hint">{text}</p>{actions}</section>'
)
_ACTIONS = Template('<div class="card-actions">{buttons}</div>')
_NOTICE = Template('<div class="toast"><p>{text}</p>{reload}{close}</div>')

_NEWS = {
    "new": "A new version is ready.",
    "incomplete": "A file of this version is lost. The server has a newer version.",
}


def section(state: State) -> Html:
    """The part of the Settings page."""
    offline, is_on = state.offline, state.settings.work_offline
    buttons = [
        button("Save it now", "offline.keep") if is_on and not offline.kept and not offline.busy else EMPTY,
        button("Remove offline copy", "offline.remove", disabled=not offline.kept and not offline.busy),
    ]
    size = f", {fmt.size(offline.size)}," if offline.size else ""
    return _SECTION(
        on="true" if is_on and offline.possible else "false",
        disabled=not offline.possible,
        hint=f"A copy of the app{size} is kept in this browser, so ModelTab starts without a network, and models in this tab "
        "answer. A new version replaces it as a whole.",
        text=_text(offline, is_on),
        actions=_ACTIONS(buttons=join(buttons)) if offline.possible else EMPTY,
    )


def notice(state: State) -> Html:
    """What is new of the app's version."""
    text = _NEWS.get(state.offline.news)
    if text is None:
        return EMPTY
    return _NOTICE(
        text=text,
        reload=button("Reload", "offline.reload", kind="small primary"),
        close=icon_button("close", "Not now", "offline.later", ""),
    )


def _text(offline: Offline, is_on: bool) -> str:
    if not offline.version:
        return "Only the built app has one (python run.py build): this is a development tree."
    if not offline.possible:
        return "This page cannot have one: it takes https, or a server on this machine, and a window that is not private."
    if offline.busy and not offline.kept:
        return "The copy is being made."
    if offline.error:
        return f"There is no copy: {offline.error}"
    if offline.kept:
        return f"Version {offline.version} is kept."
    return "There is no copy yet. It is made while the app has nothing to do." if is_on else "There is no copy."

"""The dialog "Keyboard shortcuts", made of the same table that the keys follow, and the part of the Settings page."""

from modeltab.state.controls import CONTROLS, EVERYWHERE
from modeltab.state.shortcuts import COMMAND, EDIT_LAST, NEW_LINE, SEND, words
from modeltab.state.store import State
from modeltab.views.html import Html, Template, join
from modeltab.views.parts import button

_DIALOG = Template(
    '<div class="switch-row"><button class="switch" type="button" role="switch" aria-checked="{single}" '
    'aria-label="Single-key shortcuts" data-action="settings.single-keys"><span></span></button><div>'
    '<strong>Single-key shortcuts</strong><p class="field-hint">“?” and “/” where no text is written.</p></div></div>'
    '<table class="shortcuts" aria-label="Keyboard shortcuts"><thead><tr><th scope="col">What</th>'
    '<th scope="col">Keys</th></tr></thead>{groups}</table><div class="dialog-bar"><span class="spacer"></span>{close}</div>'
)
_GROUP = Template('<tbody><tr><th class="shortcuts-group" scope="rowgroup" colspan="2">{name}</th></tr>{rows}</tbody>')
_ROW = Template('<tr><th scope="row">{name}</th><td>{keys}</td></tr>')
_KEYS = Template('<kbd class="keys">{keys}</kbd>')
_OR = Template(" or ")
_SECTION = Template(
    '<section class="card" aria-label="Keyboard"><h2>Keyboard</h2><p class="field-hint">Every command is in the palette '
    "({palette}), and everything can be reached with Tab.</p>"
    '<div class="card-actions">{open}{shortcuts}</div></section>'
)

#: What the keys of the message box do.
MESSAGE = (
    ("Send", SEND),
    ("Break the line", NEW_LINE),
    ("Edit your last message, where the box is empty", EDIT_LAST),
    ("Commands, at the beginning", COMMAND),
)
_ESCAPE = "Close what is on top, leave an edit or a selection, then stop the answer"


def body(state: State) -> Html:
    """What is in the dialog."""
    groups: dict[str, list[tuple[str, tuple[str, ...]]]] = {EVERYWHERE: []}
    for control in CONTROLS:
        keys = tuple(name for name in control.keys if name != "Escape")
        if keys:
            groups.setdefault(control.group, []).append((control.name.removesuffix("…"), keys))
    groups[EVERYWHERE].append((_ESCAPE, ("Escape",)))
    groups["In the message box"] = [(name, (keys,)) for name, keys in MESSAGE]
    return _DIALOG(
        single="true" if state.settings.single_keys else "false",
        groups=join(
            _GROUP(name=group, rows=join(_row(name, keys, state.apple) for name, keys in rows))
            for group, rows in groups.items()
        ),
        close=button("Close", "dialog.close"),
    )


def _row(name: str, keys: tuple[str, ...], apple: bool) -> Html:
    parts = [_KEYS(keys=words(key, apple)) for key in keys]
    return _ROW(name=name, keys=join([parts[0], *(part for key in parts[1:] for part in (_OR(), key))]))


def section(state: State) -> Html:
    """The part of the Settings page."""
    return _SECTION(
        palette=words("Mod+K", state.apple),
        open=button("Command palette", "palette.toggle"),
        shortcuts=button("Keyboard shortcuts", "shortcuts.open"),
    )

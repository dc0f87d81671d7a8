"""The keys: how they are kept, on the Settings page and in the dialogs that ask for a passphrase."""

from collections.abc import Mapping

from modeltab.domain.keys import PROTECTION_HINTS, PROTECTIONS, KeysStatus
from modeltab.state.store import Dialog, State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, form_error, select, text_input

_SECTION = Template(
    '<section class="card" aria-label="Keys"><h2>Keys</h2><fieldset class="choices"><legend class="field-label">'
    "Keep API keys</legend>{choices}</fieldset>{auto_lock}"
    '<p class="field-hint">{count}</p><div class="card-actions">{actions}</div></section>'
)
_CHOICE = Template(
    '<div class="choice"><input type="radio" id="protection-{value}" name="protection" value="{value}" '
    'data-change="keys.protect" aria-describedby="protection-{value}-hint" {?checked} {?disabled}>'
    '<div><label for="protection-{value}">{text}</label>'
    '<p class="field-hint" id="protection-{value}-hint">{hint}</p></div></div>'
)
_FORM = Template(
    '<form class="dialog-form" data-submit="{action}">{error}<p class="dialog-lead">{lead}</p>'
    '<div class="fields">{fields}</div><div class="dialog-bar">{extra}<span class="spacer"></span>{cancel}'
    '<button class="button primary" type="submit" {?disabled}>{save}</button></div></form>'
)

AUTO_LOCK = [("5", "5 minutes"), ("15", "15 minutes"), ("60", "1 hour"), ("0", "Never, until the page is closed")]
_NOT_SECURE = "Browsers encrypt only in pages that come over https or from this machine."


def section(state: State) -> Html:
    """The part of the Settings page."""
    keys = state.keys
    return _SECTION(
        choices=join(
            _CHOICE(
                value=value,
                text=text,
                hint=_hint(keys, value),
                checked=value == keys.protection,
                disabled=value == "passphrase" and not keys.can_encrypt,
            )
            for value, text in PROTECTIONS.items()
        ),
        auto_lock=_auto_lock(state) if keys.protection == "passphrase" else EMPTY,
        count=_count(keys),
        actions=_actions(keys),
    )


def _hint(keys: KeysStatus, value: str) -> str:
    if value == "passphrase" and not keys.can_encrypt:
        return _NOT_SECURE
    return {str(name): hint for name, hint in PROTECTION_HINTS.items()}[value]


def _auto_lock(state: State) -> Html:
    chosen = str(state.settings.auto_lock)
    options = AUTO_LOCK if any(value == chosen for value, _ in AUTO_LOCK) else [*AUTO_LOCK, (chosen, f"{chosen} minutes")]
    control = select("auto-lock", "auto_lock", options, chosen, "keys.auto-lock")
    return field("auto-lock", "Lock when unused for", control, "The passphrase is asked for again then.")


def _count(keys: KeysStatus) -> str:
    count = len(keys.hints)
    if not count:
        return "No key is kept."
    words = "1 key is kept" if count == 1 else f"{count} keys are kept"
    return f"{words}, locked." if keys.locked else f"{words}. Exports never have one."


def _actions(keys: KeysStatus) -> Html:
    actions = []
    if keys.locked:
        actions.append(button("Unlock keys", "keys.unlock"))
    elif keys.protection == "passphrase":
        actions += [button("Lock now", "keys.lock"), button("Change passphrase", "keys.passphrase")]
    actions.append(button("Erase all keys", "keys.erase.ask", kind="danger", disabled=not (keys.hints or keys.locked)))
    return join(actions)


def passphrase_form(dialog: Dialog) -> Html:
    """The dialog that asks for a new passphrase."""
    return _FORM(
        action="keys.passphrase.save",
        error=form_error(dialog.error),
        lead="The keys are encrypted with it in this browser. Nobody can restore a forgotten one.",
        fields=new_passphrase_fields(),
        extra=EMPTY,
        cancel=button("Cancel", "dialog.close"),
        save="Encrypt",
        disabled=dialog.busy,
    )


def unlock_form(dialog: Dialog) -> Html:
    """The dialog that asks for the passphrase."""
    return _FORM(
        action="keys.unlock.save",
        error=form_error(dialog.error),
        lead=dialog.note or "The keys are encrypted.",
        fields=passphrase_field("Type it to use the keys."),
        extra=button("Erase all keys", "keys.erase.ask", kind="danger"),
        cancel=button("Cancel", "dialog.close"),
        save="Unlock",
        disabled=dialog.busy,
    )


def passphrase_field(hint: str) -> Html:
    """The field for the passphrase."""
    return field("passphrase", "Passphrase", text_input("passphrase", "passphrase", type_="password"), hint)


def new_passphrase_fields() -> Html:
    """The fields for a new one."""
    repeat = field("repeat", "Repeat it", text_input("repeat", "repeat", type_="password"), "To be sure of it.")
    return join([passphrase_field("Eight characters or more; four or five words are easy to keep."), repeat])


def keeping_fields(keys: KeysStatus, values: Mapping[str, str]) -> Html:
    """How the key in a connection's dialog is kept: the choice, and the passphrase where it needs one."""
    if keys.locked:
        return passphrase_field("The keys are locked: a new one is encrypted with the passphrase that you chose.")
    chosen = values.get("protection") or keys.protection
    options = [(str(name), text) for name, text in PROTECTIONS.items() if name != "passphrase" or keys.can_encrypt]
    control = select("protection", "protection", options, chosen, "connection.protection")
    hint = {str(name): text for name, text in PROTECTION_HINTS.items()}[chosen]
    parts = [field("protection", "Keep keys", control, hint)]
    if chosen == "passphrase" and keys.protection != "passphrase":
        parts.append(new_passphrase_fields())
    return join(parts)

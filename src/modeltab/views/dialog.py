"""The dialog that is open, if any."""

from modeltab.state.store import Dialog, State
from modeltab.state.updates import model_of
from modeltab.views import (
    add_model,
    code,
    connection_form,
    connections,
    conversations,
    copy_model,
    exchange,
    keys,
    library,
    model_details,
    parameters,
    prices,
)
from modeltab.views.html import EMPTY, Html, Template
from modeltab.views.parts import button, form_error, icon_button

_DIALOG = Template(
    '<dialog class="dialog" id="the-dialog" aria-labelledby="dialog-title" data-name="{name}" '
    'data-revision="{subject}/{revision}"><header class="dialog-header">'
    '<h2 id="dialog-title">{title}</h2>{close}</header><div class="dialog-body">{body}</div></dialog>'
)
_PREVIEW = Template(
    '{error}<p class="dialog-lead" role="status">{note}</p><pre class="preview" tabindex="0" aria-label="Prompt">{text}</pre>'
    '<div class="dialog-bar"><span class="spacer"></span>{close}</div>'
)
_CONFIRM = Template(
    '<p>{text}</p><div class="dialog-bar"><span class="spacer"></span>{cancel}{confirm}</div>',
)


def dialog(state: State) -> Html:
    """The open dialog, empty when there is none."""
    if state.dialog is None:
        return EMPTY
    title, body = _content(state, state.dialog)
    return _DIALOG(
        name=state.dialog.name,
        subject=state.dialog.subject,
        revision=state.dialog.revision,
        title=title,
        body=body,
        close=icon_button("close", "Close dialog", "dialog.close", ""),
    )


def _content(state: State, item: Dialog) -> tuple[str, Html]:
    if item.name == "add-model":
        return "Add model", add_model.form(state, item)
    if item.name == "details":
        return "Details", model_details.body(state, item)
    if item.name == "connection":
        return ("Edit connection" if item.subject else "Add connection"), connection_form.form(state, item)
    if item.name == "find-servers":
        return "Local servers", connections.found_servers(state, item)
    if item.name == "passphrase":
        return "Set a passphrase", keys.passphrase_form(item)
    if item.name == "unlock":
        return "Unlock keys", keys.unlock_form(item)
    if item.name == "copy-model":
        return "Copy model", copy_model.form(state, item)
    if item.name == "code" and state.code:
        return "Copy as code", code.body(state.code)
    if item.name == "prices":
        return "Prices", prices.dialog(state, item)
    if item.name in library.TITLES:
        return library.TITLES[item.name], library.body(state, item)
    if item.name == "export":
        return "Export conversation", exchange.export_form(item)
    if item.name == "import":
        return "Import", exchange.import_form(state, item)
    if item.name == "preview":
        return "Prompt", _preview(item)
    if item.name == "conversation":
        return ("Rename or move" if item.subject else "Move to a folder"), conversations.edit_form(state, item)
    if item.name == "parameters":
        return "Parameters", _parameters(state, item)
    return _confirmation(item)


def _parameters(state: State, item: Dialog) -> Html:
    model = model_of(state, state.settings.model)
    facts = state.facts.get(model.connection_id) if model else None
    lead = f"For every model; what {model.name} cannot take is disabled." if model else "For every model that takes them."
    if item.subject == "conversation":
        lead += " An empty field follows the defaults."
    return parameters.form(item, facts, lead, state.settings.parameters)


def _preview(item: Dialog) -> Html:
    """What the model would read."""
    return _PREVIEW(
        error=form_error(item.error),
        note="Asking the server…" if item.busy else item.note,
        text=item.values.get("text", ""),
        close=button("Close", "dialog.close"),
    )


def _confirmation(item: Dialog) -> tuple[str, Html]:
    """A question before something is lost: `values` hold its words and the action that goes on."""
    values = item.values
    body = _CONFIRM(
        text=item.note,
        cancel=button("Cancel", "dialog.close"),
        confirm=button(values["confirm"], values["action"], item.subject, kind="danger solid"),
    )
    return values["title"], body

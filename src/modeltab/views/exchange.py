"""Export and import: the button in the chat's header, the two dialogs, and the part of the Settings page."""

from modeltab.domain.exchange import ImportPreview
from modeltab.state.store import Dialog, State
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, form_error, icon_button

_EXPORT = Template(
    '{error}<p class="dialog-lead">{lead}</p><ul class="export-choices" role="list" aria-label="Formats">{choices}</ul>'
    '<div class="dialog-bar"><span class="spacer"></span>{close}</div>'
)
_CHOICE = Template('<li class="export-choice"><div><strong>{name}</strong><p class="field-hint">{hint}</p></div>{button}</li>')
_IMPORT = Template(
    '<form class="dialog-form" data-submit="data.import.start"><p class="dialog-lead" role="status">{lead}</p>{facts}{settings}'
    '{problems}<div class="dialog-bar"><span class="spacer"></span>{cancel}'
    '<button class="button primary" type="submit" {?disabled}>Import</button></div></form>'
)
_FACTS = Template('<dl class="details">{items}</dl>')
_FACT = Template("<div><dt>{name}</dt><dd>{value}</dd></div>")
_SETTINGS = Template(
    '<div class="check"><input type="checkbox" id="import-settings" name="settings" value="yes" {?checked}>'
    '<label for="import-settings">Take over the settings, too: theme, parameters, chosen model. They replace yours.</label>'
    "</div>"
)
_PROBLEMS = Template('<div class="import-problems"><p>{lead}</p><ul aria-label="What cannot be imported">{items}</ul></div>')
_PROBLEM = Template("<li>{text}</li>")
_DATA = Template(
    '<p class="field-hint">Conversations with their images, comparisons, connections and settings, as one ZIP file that '
    "another ModelTab reads back. Models and keys are never in it. Exports of ChatGPT, Open WebUI, llama.cpp and NextChat "
    "can be imported, too.</p>"
    '<div class="card-actions">{export}{import_}{folder}'
    '<input type="file" id="import-input" multiple="" accept=".zip,.json,.jsonl,application/zip,application/json" '
    'aria-label="File to import" data-change="data.import" hidden="">'
    '<input type="file" id="import-folder" webkitdirectory="" aria-label="Folder to import" '
    'data-change="data.import" hidden="">'
    '</div><p class="field-hint">The same files in a folder of your choice, to back up to again and again. {folders}</p>'
    '<div class="card-actions">{backup}</div><p class="field-hint" role="status">{working}</p>'
)

_FORMATS = (
    ("HTML", "html", "A page that any browser shows, with its images, to read or to send."),
    ("Markdown", "md", "Text for notes, documents and other programs."),
    ("JSON", "json", "All versions of all messages, with images: ModelTab can import it again."),
)
_SHOWN_PROBLEMS = 50


def button_of_chat(state: State) -> Html:
    """The button at the conversation that is shown."""
    return icon_button("export", "Export", "export.open", "") if state.conversation else EMPTY


def export_form(item: Dialog) -> Html:
    """The dialog that asks how a conversation is to leave."""
    choices = [
        _CHOICE(name=name, hint=hint, button=button("Save", "export.save", ending, name=f"Save as {name}"))
        for name, ending, hint in _FORMATS
    ]
    hint = "The messages that are shown, without images, inside the link itself. Whoever has it can read it."
    choices.append(_CHOICE(name="Link", hint=hint, button=button("Copy", "export.link", name="Copy link")))
    return _EXPORT(
        error=form_error(item.error),
        lead="Keys are in none of them.",
        choices=join(choices),
        close=button("Close", "dialog.close"),
    )


def import_form(state: State, item: Dialog) -> Html:
    """The dialog that shows what is in a file before it is imported."""
    preview = state.exchange.preview or ImportPreview("")
    return _IMPORT(
        lead=_lead(preview, item),
        facts=EMPTY if item.busy else _facts(preview),
        settings=_SETTINGS(checked=preview.takes_settings) if preview.has_settings and not item.busy else EMPTY,
        problems=_problems(preview.problems),
        cancel=button("Cancel" if preview.done is None else "Close", "dialog.close"),
        disabled=item.busy or preview.done is not None or _is_empty(preview),
    )


def _is_empty(preview: ImportPreview) -> bool:
    return not (preview.conversations or preview.comparisons or preview.connections or preview.has_settings)


def _lead(preview: ImportPreview, item: Dialog) -> str:
    if item.busy:
        return f"Reading {preview.file}…"
    if preview.done is not None:
        return f"Importing: {preview.done} of {preview.conversations} conversations"
    if _is_empty(preview):
        return f"Nothing in {preview.file} can be imported."
    return f"{preview.file}, from {preview.source}. What is here already stays as it is."


def _facts(preview: ImportPreview) -> Html:
    known = (
        f"{preview.conversations:,}, {preview.known:,} of them here already" if preview.known else f"{preview.conversations:,}"
    )
    facts = [("Conversations", known), ("Messages", f"{preview.messages:,}")]
    if preview.images:
        facts.append(("Images", f"{preview.images:,}"))
    if preview.comparisons:
        facts.append(("Comparisons", f"{preview.comparisons:,}"))
    if preview.connections:
        facts.append(("Connections", ", ".join(preview.connections)))
    return _FACTS(items=join(_FACT(name=name, value=value) for name, value in facts))


def _problems(problems: tuple[str, ...]) -> Html:
    if not problems:
        return EMPTY
    count = "1 thing cannot" if len(problems) == 1 else f"{len(problems)} things cannot"
    more = len(problems) - _SHOWN_PROBLEMS
    rows = [_PROBLEM(text=text) for text in problems[:_SHOWN_PROBLEMS]]
    if more > 0:
        rows.append(_PROBLEM(text=f"and {more} more"))
    return _PROBLEMS(lead=f"{count} be imported:", items=join(rows))


def data_section(state: State) -> Html:
    """The controls of the Settings page for everything at once."""
    exchange = state.exchange
    busy = bool(exchange.working)
    return _DATA(
        export=button("Export data", "data.export", disabled=busy),
        import_=button("Import data", "data.import.pick"),
        folder=button("Import a folder", "data.import.folder"),
        folders=EMPTY if exchange.has_folders else "This browser lets no page write into a folder; Chrome and Edge do.",
        backup=button("Back up to a folder", "data.backup", disabled=busy or not exchange.has_folders),
        working=exchange.working,
    )

"""The list of conversations: what it is narrowed to and sorted by, its rows, the dialog that renames and files one, and what
can be undone.
"""

import re

from modeltab.domain.messages import Conversation
from modeltab.domain.models import split_key
from modeltab.state.listing import Heading, Page, Row, drawn_of, folders_of, found, page_of, words_of
from modeltab.state.store import Dialog, State
from modeltab.state.updates import model_of
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, field, form_error, icon_button

_TOOLS = Template(
    '<div class="list-tools"><select class="input select list-sort" id="conversation-sort" aria-label="Sort conversations" '
    'data-change="conversations.sort">{sorts}</select>{select}</div>'
)
_SELECTION = Template(
    '<div class="list-tools selection" role="group" aria-label="Selected conversations"><span class="selection-count">{count}'
    "</span>{all_}{move}{delete}{done}</div>"
)
_OPTION = Template('<option value="{value}" {?selected}>{text}</option>')
_LIST = Template(
    '<ul class="conversations" role="list" aria-label="Conversations" data-long="{long}" data-found="{found}" '
    'data-selecting="{selecting}">{above}{items}{below}</ul>{note}'
)
_SPACE = Template('<li class="list-space" role="presentation"><svg width="1" height="{height}" aria-hidden="true"></svg></li>')
_HEADING = Template(
    '<li class="conversation-folder" id="f-{name}" aria-setsize="{size}" aria-posinset="{place}"><button class="folder" '
    'type="button" aria-expanded="{expanded}" data-action="conversations.fold" data-id="{name}">'
    '<span class="icon icon-chevron" aria-hidden="true"></span><span class="folder-name">{name}</span> '
    '<span class="folder-count">{count}</span></button></li>'
)
_ITEM = Template(
    '<li class="conversation-item" id="c-{id}" aria-setsize="{size}" aria-posinset="{place}" data-filed="{filed}">{check}'
    '<a class="conversation-link" id="open-{id}" href="#/chat/{id}" aria-current="{current}" data-keydown="conversations.key" '
    'data-id="{id}">{pin}{title}{snippet}</a>{actions}</li>'
)
_CHECK = Template(
    '<input class="conversation-check" type="checkbox" aria-label="Select {title}" data-change="conversations.check" '
    'data-id="{id}" {?checked}>'
)
_TITLE = Template('<span class="conversation-title">{text}</span>')
_PINNED = Template('<span class="icon icon-pin pinned" role="img" aria-label="Pinned:"></span> ')
_SNIPPET = Template(' <span class="conversation-snippet">{text}</span>')
_ACTIONS = Template('<span class="conversation-actions">{buttons}</span>')
_PLAIN = Template("{text}")
_MARK = Template("<mark>{text}</mark>")
_NOTE = Template('<p class="history-note" role="status">{text}</p>')
_REMOVED = Template('<div class="toast" id="removed-{id}"><p>{text}</p>{undo}{close}</div>')
_EARLIER = Template('<div class="earlier">{button}</div>')
_EDIT = Template(
    '<form class="dialog-form" data-submit="conversation.save">{error}{title}{folder}{pinned}<p class="dialog-lead" '
    'role="status">{note}</p><div class="dialog-bar"><span class="spacer"></span>{cancel}'
    '<button class="button primary" type="submit">Save</button></div></form>'
)
_TITLE_INPUT = Template(
    '<span class="input-row"><input class="input" id="conversation-title" name="title" value="{value}" maxlength="200" '
    'aria-describedby="conversation-title-hint" autocomplete="off" required>{write}</span>'
)
_FOLDER_INPUT = Template(
    '<input class="input" id="conversation-folder" name="folder" value="{value}" maxlength="60" list="folders" '
    'aria-describedby="conversation-folder-hint" autocomplete="off"><datalist id="folders">{options}</datalist>'
)
_FOLDER = Template('<option value="{name}"></option>')
_PIN_INPUT = Template(
    '<div class="check-line"><input type="checkbox" id="conversation-pinned" name="pinned" value="yes" {?checked}>'
    '<label for="conversation-pinned">Pin it to the top of the list</label></div>'
)

_SORT_NAMES = {"newest": "Newest first", "oldest": "Oldest first", "title": "By title"}


def tools(state: State) -> Html:
    """The order of the list, and what can be done with several conversations at once."""
    if not state.conversations:
        return EMPTY
    selected = state.listing.selected
    if selected is None:
        chosen = state.settings.conversation_sort
        sorts = join(_OPTION(value=value, text=text, selected=value == chosen) for value, text in _SORT_NAMES.items())
        select = icon_button("check", "Select conversations", "conversations.select", "")
        return _TOOLS(sorts=sorts, select=select)
    count = len(selected)
    everything = count == len(found(state))
    return _SELECTION(
        count=f"{count:,} selected",
        all_=button("None" if everything else "All", "conversations.all", name="Select none" if everything else "Select all"),
        move=icon_button("folder", "Move selected conversations", "conversations.move", "", disabled=not count),
        delete=icon_button("delete", "Delete selected conversations", "conversations.delete.ask", "", disabled=not count),
        done=icon_button("close", "End selection", "conversations.select", ""),
    )


def listed(state: State) -> Html:
    """The conversations, as far as they are near what is seen."""
    page = page_of(state)
    above, below = page.first, page.total - page.first - len(page.rows)
    height = state.listing.row_height
    words = words_of(state.search)
    return _LIST(
        long="true" if above or below else "false",
        found="true" if words and state.listing.snippets is not None else "false",
        selecting="false" if state.listing.selected is None else "true",
        above=_SPACE(height=above * height) if above else EMPTY,
        items=join(_row(state, row, page, place, words) for place, row in enumerate(page.rows, page.first + 1)),
        below=_SPACE(height=below * height) if below else EMPTY,
        note=_note(state, page),
    )


def _note(state: State, page: Page) -> Html:
    if words_of(state.search):
        if state.listing.reading:
            return _NOTE(text="Reading the messages…")
        if not page.total:
            return _NOTE(text="No conversation has this in its title or its messages.")
    elif not page.total and state.conversations_loaded:
        return _NOTE(text="Your conversations appear here.")
    return EMPTY


def _row(state: State, row: Row, page: Page, place: int, words: tuple[str, ...]) -> Html:
    if isinstance(row, Heading):
        return _HEADING(
            place=place, size=page.total, name=row.folder, count=row.size, expanded="false" if row.folded else "true"
        )
    snippet = (state.listing.snippets or {}).get(row.id, "") if words else ""
    selected = state.listing.selected
    return _ITEM(
        id=row.id,
        size=page.total,
        place=place,
        filed="true" if row.folder and not row.pinned and not words else "false",
        check=EMPTY if selected is None else _CHECK(id=row.id, title=row.title, checked=row.id in selected),
        current="page" if state.conversation and state.conversation.id == row.id else "false",
        pin=_PINNED() if row.pinned else EMPTY,
        title=_TITLE(text=marked(row.title, words)),
        snippet=_SNIPPET(text=marked(snippet, words)) if snippet else EMPTY,
        actions=_actions(row) if selected is None else EMPTY,
    )


def _actions(item: Conversation) -> Html:
    pin = icon_button("pin", f"Unpin {item.title}" if item.pinned else f"Pin {item.title}", "conversation.pin", item.id)
    edit = icon_button("edit", f"Rename or move {item.title}", "conversation.edit", item.id)
    return _ACTIONS(buttons=join([pin, edit, icon_button("delete", f"Delete {item.title}", "conversation.delete", item.id)]))


def marked(text: str, words: tuple[str, ...]) -> Html:
    """The text with these words marked wherever they stand in it."""
    if not words:
        return _PLAIN(text=text)
    pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    pieces = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return join((_MARK if n % 2 else _PLAIN)(text=piece) for n, piece in enumerate(pieces) if piece)


def removed(state: State) -> Html:
    """What was deleted and can be had again."""
    return join(
        _REMOVED(
            id=item.id,
            text=item.text,
            undo=button("Undo", "removed.undo", item.id, f"Undo: {item.text}", "small"),
            close=icon_button("close", f"Close: {item.text}", "removed.close", item.id),
        )
        for item in state.removed
    )


def earlier(state: State) -> Html:
    """The button for the messages of a long conversation that are not drawn yet; scrolling up to it presses it, too."""
    shown, before = drawn_of(state)
    if not before:
        return EMPTY
    words = f"Show earlier messages ({before:,})"
    return _EARLIER(button=button(words, "conversation.earlier", shown[0].id, kind="small"))


def edit_form(state: State, dialog: Dialog) -> Html:
    """The dialog that renames a conversation and puts it into a folder; of several, only the folder."""
    values = dialog.values
    model = model_of(state, state.settings.model)
    write = button("Write a title", "conversation.title", dialog.subject, kind="small", disabled=dialog.busy or model is None)
    name = split_key(state.settings.model)[1]
    hint = f"“Write a title” sends the first messages to {name}." if model else "With a model chosen, it can write a title."
    options = join(_FOLDER(name=folder) for folder in folders_of(state))
    folder = _FOLDER_INPUT(value=values.get("folder", ""), options=options)
    title = field("conversation-title", "Title", _TITLE_INPUT(value=values.get("title", ""), write=write), hint)
    return _EDIT(
        error=form_error(dialog.error),
        title=title if dialog.subject else EMPTY,
        folder=field("conversation-folder", "Folder", folder, "A new name makes a folder; empty for none."),
        pinned=_PIN_INPUT(checked=values.get("pinned") == "yes") if dialog.subject else EMPTY,
        note=dialog.note,
        cancel=button("Cancel", "dialog.close"),
    )

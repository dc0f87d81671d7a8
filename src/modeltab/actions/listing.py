"""The list of conversations: search, sort, fold, select; pin, rename, file."""

from collections.abc import Mapping

from modeltab.actions import conversations
from modeltab.actions.app import App, UiEvent
from modeltab.actions.keeping import keep
from modeltab.domain.errors import StorageFailed
from modeltab.domain.messages import Conversation, path
from modeltab.state.listing import BEFORE, MORE, beside, drawn_of, found, words_of
from modeltab.state.store import SORTS, Dialog

_SEARCH = "conversation-search"
#: What the search box is called where a conversation's id would stand: above all of them.
_TOP = "top"
_ADVICE = "Titles are searched all the same. Reload the page, then try again."


async def read_texts(app: App, event: UiEvent) -> None:
    """The search box got the focus: read what is to be searched, so that it is there when something is typed."""
    await _read(app)


def search(app: App, event: UiEvent) -> None:
    """Something was typed into the search box: look through titles at once, and through the messages as soon as can be."""
    app.query = event.value
    listing = app.state.listing
    if words_of(event.value) and listing.ready:
        app.spawn(_find(app))  # it is there in a moment; drawing what the titles alone have would only hold it up
        return
    _show(app, None)
    if words_of(event.value):
        app.spawn(_find(app) if listing.reading else _read(app))


def focus_search(app: App, event: UiEvent) -> None:
    """Put the focus into the search box. Where the page has no room for it, it stands beside an empty chat."""
    if not app.page.is_shown(_SEARCH):
        conversations.new(app, event)
    app.page.focus(_SEARCH)


def key(app: App, event: UiEvent) -> bool:
    """ArrowDown and ArrowUp go from the search box into the list, and along it."""
    if event.key not in ("ArrowDown", "ArrowUp"):
        return False
    found = beside(app.state, 1 if event.key == "ArrowDown" else -1, event.id)
    if not found and (event.key == "ArrowDown" or event.id == _TOP):
        return False
    app.page.focus(f"open-{found}" if found else _SEARCH)
    return True


def _show(app: App, snippets: Mapping[str, str] | None) -> None:
    app.update(search=app.query, listing=app.state.listing._replace(snippets=snippets, first=0))


async def _read(app: App) -> None:
    app.update(listing=app.state.listing._replace(reading=True))
    try:
        await app.conversations.read_texts()
        app.update(listing=app.state.listing._replace(ready=True))
    except Exception as error:
        raise StorageFailed("The messages could not be read for the search.", _ADVICE, str(error)) from error
    finally:
        app.update(listing=app.state.listing._replace(reading=False))
    if words_of(app.query):
        await _find(app)  # typed while the texts were read


async def _find(app: App) -> None:
    query = app.query
    try:
        snippets = await app.conversations.find(words_of(query))
    except Exception as error:
        _show(app, None)
        raise StorageFailed("The messages could not be searched.", _ADVICE, str(error)) from error
    if app.query == query:
        _show(app, snippets)


def sort(app: App, event: UiEvent) -> None:
    """Another order was chosen."""
    if event.value in SORTS:
        app.set_setting(conversation_sort=event.value)
        app.update(listing=app.state.listing._replace(first=0))


def fold(app: App, event: UiEvent) -> None:
    """Fold a folder up, or down."""
    folded = app.state.settings.folded_folders
    changed = tuple(name for name in folded if name != event.id) if event.id in folded else (*folded, event.id)
    app.set_setting(folded_folders=changed)


def scroll(app: App, event: UiEvent) -> None:
    """A long list was scrolled: "first row that is seen:height of a row"."""
    first, _, height = event.value.partition(":")
    listing = app.state.listing
    if abs(int(first) - listing.first) > BEFORE // 2 or int(height) != listing.row_height:
        app.update(listing=listing._replace(first=int(first), row_height=int(height)))


def select(app: App, event: UiEvent) -> None:
    """Begin to select conversations, or end it."""
    selected = frozenset[str]() if app.state.listing.selected is None else None
    app.update(listing=app.state.listing._replace(selected=selected))


def select_all(app: App, event: UiEvent) -> None:
    """Select all that the search has found, or none when all are."""
    everything = frozenset(c.id for c in found(app.state))
    selected = frozenset[str]() if app.state.listing.selected == everything else everything
    app.update(listing=app.state.listing._replace(selected=selected))


def check(app: App, event: UiEvent) -> None:
    """Select one, or no longer."""
    app.update(listing=app.state.listing._replace(selected=(app.state.listing.selected or frozenset()) ^ {event.id}))


async def pin(app: App, event: UiEvent) -> None:
    """Pin a conversation to the top of the list, or no longer."""
    conversation = _conversation(app, event.id)
    if conversation:
        await change(app, conversation._replace(pinned=not conversation.pinned))
        app.say("No longer pinned" if conversation.pinned else "Pinned")


def edit(app: App, event: UiEvent) -> None:
    """Open the dialog for title and folder."""
    conversation = _conversation(app, event.id)
    if conversation:
        values = {"title": conversation.title, "folder": conversation.folder, "pinned": "yes" if conversation.pinned else ""}
        app.update(dialog=Dialog("conversation", conversation.id, values))


def move(app: App, event: UiEvent) -> None:
    """Open the dialog for the folder of the selected conversations."""
    app.update(dialog=Dialog("conversation"))


async def save(app: App, event: UiEvent) -> None:
    """Keep what was typed into the dialog."""
    dialog = app.state.dialog
    if dialog is None:
        return
    folder = " ".join(event.values.get("folder", "").split())
    if not dialog.subject:
        chosen = app.state.listing.selected or frozenset()
        app.update(dialog=None, listing=app.state.listing._replace(selected=None))
        await change(app, *(c._replace(folder=folder) for c in app.state.conversations if c.id in chosen))
        return
    conversation = _conversation(app, dialog.subject)
    title = " ".join(event.values.get("title", "").split())
    app.update(dialog=None)
    if conversation:
        pinned = event.values.get("pinned") == "yes"
        await change(app, conversation._replace(title=title or conversation.title, folder=folder, pinned=pinned))


async def change(app: App, *changes: Conversation) -> None:
    """Replace conversations where they are shown, and on record. Their places in the order of time stay."""
    changed = {c.id: c for c in changes}
    shown = app.state.conversation
    app.update(
        conversations=tuple(changed.get(c.id, c) for c in app.state.conversations),
        conversation=changed.get(shown.id, shown) if shown else None,
    )
    for conversation in changes:
        await keep(app, conversation)


def show_earlier(app: App, event: UiEvent) -> None:
    """Draw more of a long conversation, above the first message that is drawn now, which the event names."""
    shown, before = drawn_of(app.state)
    conversation = app.state.conversation
    if conversation and before and shown[0].id == event.id:
        messages = path(app.state.messages, conversation.leaf_id)
        app.update(first_shown=messages[max(0, before - MORE)].id)


def _conversation(app: App, id_: str) -> Conversation | None:
    return next((c for c in app.state.conversations if c.id == id_), None)

"""The draft of each conversation: kept a moment after each keystroke, brought back when its conversation is shown.

What has still to be written is in `app.unkept`, and is read before what is stored: where the browser refuses to keep it,
it is lost to a closed page only, not to a change of the conversation.
"""

import asyncio

from modeltab.actions.app import App
from modeltab.domain.errors import StorageFull
from modeltab.state.drafts import Draft, draft_from_json, draft_to_json
from modeltab.state.store import State
from modeltab.state.updates import place_of
from modeltab.state.writing import NEW_CHAT, Attachment, Menu

BOX = "message"
#: Seconds from a keystroke until what stands in the message box is kept.
KEEP_AFTER = 0.3
#: The meter follows what is typed in steps of so many characters: each one draws the page, which keystrokes would wait for.
STEP = 40
#: Why a queue that was found in storage does not go by itself.
FOUND = "The page was closed before these were sent."


def begin(app: App) -> None:
    """Bring the draft back that the page begins with, and from now on follow which conversation is shown."""
    typed = app.page.value(BOX)  # while Python was still on its way
    app.box = place_of(app.state)
    draft = _take(app, app.box)
    if typed.strip() and typed.strip() != draft.text.strip():
        app.page.set_value(BOX, f"{draft.text}\n{typed}".lstrip())
        touch(app)
    app.store.subscribe(lambda state: _follow(app, state))


def _follow(app: App, state: State) -> None:
    """Another conversation is shown: its draft takes the place of the one before."""
    place = place_of(state)
    if place == app.box:
        return
    before, app.box = app.box, place
    if before:
        put(app, before, _draft(app, before, app.page.value(BOX), state.attachments))
        _take(app, place)


def _take(app: App, place: str) -> Draft:
    """Show the draft of a conversation."""
    draft = stored(app, place)
    known = {item.id for item in app.state.queue}
    found = tuple(item for item in draft.queue if item.id not in known)
    app.page.set_value(BOX, draft.text)
    app.update(attachments=draft.attachments, queue=(*app.state.queue, *found), typed=len(draft.text), menu=Menu())
    if place == NEW_CHAT and draft.parameters:
        app.update(new_parameters=draft.parameters)
    if any(item.is_unread for item in _all_attachments(app)):
        app.spawn(fill(app))
    return draft


def stored(app: App, place: str) -> Draft:
    """The draft of a conversation as it was last put away."""
    if place in app.unkept:
        return app.unkept[place]
    return draft_from_json(app.drafts.read(place), place, FOUND)


def touch(app: App) -> None:
    """Something was typed: keep it soon."""
    app.touched = True
    _soon(app)


def put(app: App, place: str, draft: Draft) -> None:
    """Keep a draft soon."""
    app.unkept[place] = draft
    _soon(app)


def renew(app: App, place: str) -> None:
    """The queue of a conversation has changed: keep it with its draft."""
    if place == app.box:
        touch(app)
    else:
        before = stored(app, place)
        put(app, place, _draft(app, place, before.text, before.attachments))


def clear_box(app: App) -> None:
    """Empty the message box: what stood in it is on its way."""
    app.page.set_value(BOX, "")
    app.update(attachments=(), typed=0, menu=Menu())
    touch(app)


def carry(app: App, place: str) -> None:
    """The new chat has become the conversation `place`: what is in the box, and in its queue, is that conversation's now."""
    moved = tuple(q._replace(place=place) if q.place == NEW_CHAT else q for q in app.state.queue)
    put(app, NEW_CHAT, Draft())
    app.update(queue=moved)
    renew(app, place)


def _draft(app: App, place: str, text: str, attachments: tuple[Attachment, ...]) -> Draft:
    queue = tuple(item for item in app.state.queue if item.place == place)
    return Draft(text, attachments, queue, app.state.new_parameters if place == NEW_CHAT else None)


def _soon(app: App) -> None:
    if app.keeping_drafts is None or app.keeping_drafts.done():
        app.keeping_drafts = app.spawn(_keep_after(app))


async def _keep_after(app: App) -> None:
    await asyncio.sleep(KEEP_AFTER)
    keep(app)


def keep(app: App) -> None:
    """Write what has still to be written. Where the browser refuses, that is told once, and the text stays where it is."""
    if app.touched:
        app.touched = False
        text = app.page.value(BOX)
        app.unkept[app.box] = _draft(app, app.box, text, app.state.attachments)
        if abs(app.state.typed - len(text)) >= STEP or (app.state.typed and not text):
            app.update(typed=len(text))
    problem = ""
    for place, draft in list(app.unkept.items()):
        found = "" if draft != Draft() else app.drafts.remove(place)
        if draft != Draft():
            found = app.drafts.write(place, draft_to_json(draft))
        if found:
            problem = found
        else:
            del app.unkept[place]
    if problem and not app.told_of_drafts:
        app.alert(StorageFull(problem, "What you write stays in the message box until the page is closed. Free some space."))
    app.told_of_drafts = bool(problem)


def _all_attachments(app: App) -> tuple[Attachment, ...]:
    return (*app.state.attachments, *(a for item in app.state.queue for a in item.attachments))


async def fill(app: App) -> None:
    """Read the texts of the files that a draft, or a queue, has brought back. One that is gone is told, and left out."""
    texts: dict[str, str | None] = {}
    for item in _all_attachments(app):
        if item.is_unread and item.digest not in texts:
            content = await app.images.read(item.digest)
            texts[item.digest] = content.decode("utf-8", "replace") if content else None
    gone = {a.name for a in _all_attachments(app) if a.is_unread and texts.get(a.digest, "") is None}

    def filled(items: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        read = (a._replace(text=texts[a.digest] or "") if a.is_unread and a.digest in texts else a for a in items)
        return tuple(a for a in read if not (a.is_unread and a.digest in texts))

    queue = tuple(item._replace(attachments=filled(item.attachments)) for item in app.state.queue)
    app.update(attachments=filled(app.state.attachments), queue=queue)
    if gone:
        app.say(f"No longer in this browser's storage: {', '.join(sorted(gone))}. Attach it again.")

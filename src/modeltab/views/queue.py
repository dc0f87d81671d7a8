"""The queue above the message box: what goes when the answer is done, or waits to be told to."""

from modeltab.state.store import State
from modeltab.state.updates import place_of
from modeltab.state.writing import Queued
from modeltab.views.html import EMPTY, Html, Template, join
from modeltab.views.parts import button, icon_button

_QUEUE = Template(
    '<section class="queue" aria-label="Queue"><div class="queue-head"><p class="queue-note" data-waits="{waits}">{note}</p>'
    '{resume}</div><ol class="queue-items" role="list" aria-label="Queued messages">{items}</ol></section>'
)
_ITEM = Template(
    '<li class="queue-item" id="queue-{id}"><span class="queue-text">{text}</span><span class="queue-files">{files}</span>'
    '<span class="queue-actions">{now}{edit}{remove}</span></li>'
)
_EDITOR = Template(
    '<li class="queue-item" id="queue-{id}"><form class="editor" data-submit="queue.edit.save" data-id="{id}">'
    '<textarea class="input" id="queued-{id}" name="text" rows="2" aria-label="Queued message">{text}</textarea>'
    '<div class="editor-bar">{cancel}<button class="button primary small" type="submit">Save</button></div></form></li>'
)


def queue(state: State) -> Html:
    """The queue of the conversation that is shown; empty where nothing is in it."""
    place = place_of(state)
    items = [item for item in state.queue if item.place == place]
    if not items:
        return EMPTY
    waits = next((item.waits for item in items if item.waits), "")
    count = "1 message" if len(items) == 1 else f"{len(items)} messages"
    verb = "waits" if len(items) == 1 else "wait"
    them = "it" if len(items) == 1 else "them"
    note = f"{waits} {count} {verb} here until you send {them}." if waits else f"{count} {verb} for the answer that is coming."
    return _QUEUE(
        note=note,
        waits="true" if waits else "false",
        resume=button("Send the queue", "queue.resume", kind="small") if waits else EMPTY,
        items=join(_item(item, state.editing == item.id) for item in items),
    )


def _item(item: Queued, editing: bool) -> Html:
    if editing:
        return _EDITOR(id=item.id, text=item.text, cancel=button("Cancel", "queue.edit.cancel", item.id, kind="small"))
    short = item.text if len(item.text) <= 40 else item.text[:39] + "…"
    return _ITEM(
        id=item.id,
        text=item.text,
        files=", ".join(a.name for a in item.attachments),
        now=icon_button("send", f"Send now: {short}", "queue.now", item.id),
        edit=icon_button("edit", f"Edit queued message: {short}", "queue.edit", item.id),
        remove=icon_button("close", f"Remove from queue: {short}", "queue.remove", item.id),
    )

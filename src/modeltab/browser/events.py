"""Page → actions: one listener a kind of event on the document, and a data attribute that names the action."""

import asyncio
from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_once_callable, create_proxy

from modeltab.actions.app import UiEvent
from modeltab.browser.dom import element
from modeltab.browser.files import BrowserFile
from modeltab.browser.interop import from_object
from modeltab.state.shortcuts import Field, Pressed

#: DOM event → the data attribute that names its action.
ATTRIBUTES = {
    "click": "data-action",
    "submit": "data-submit",
    "input": "data-input",
    "change": "data-change",
    "keydown": "data-keydown",
    "focusin": "data-focus",
    "focusout": "data-blur",
    "mousedown": "data-mousedown",
}

#: What `keyCode` is while an input method composes text, also where the browser does not say so otherwise.
_COMPOSING = 229

#: When fewer pixels than this of a long conversation are left above what is seen, earlier messages are drawn.
EARLIER_PX = 1200


class Events:
    """Hears the page for as long as it lives.

    :param perform: does what an event names; True when the browser should not do its own part.
    :param event_of: what a key does that no control has taken, None where it is the browser's.
    :param on_hash: called with the address's new hash.
    :param on_storage: called with the name of an entry of localStorage that another tab has changed.
    :param on_visible: called with whether the page is seen; `on_sleep`, when the browser is about to stop the page.
    :param is_busy: whether leaving the page would lose something.
    """

    def __init__(
        self,
        perform: Callable[[UiEvent], bool],
        event_of: Callable[[Pressed], UiEvent | None],
        on_hash: Callable[[str], object],
        on_visible: Callable[[bool], object],
        on_sleep: Callable[[], object],
        on_storage: Callable[[str], object],
        is_busy: Callable[[], bool],
    ) -> None:
        self._perform = perform
        self._event_of = event_of
        self._is_busy = is_busy
        for kind in ATTRIBUTES:
            _listen(js.document, kind, self._event)
        _listen(js.document, "keydown", self._shortcut)
        _listen(js.document, "paste", self._pasted)
        _listen(js.document, "cancel", self._dialog_cancelled, capture=True)  # it does not bubble
        _listen(js.document, "visibilitychange", lambda _: on_visible(js.document.visibilityState == "visible"))
        _listen(js.document, "freeze", lambda _: on_sleep())
        _listen(js.window, "hashchange", lambda _: on_hash(js.location.hash))
        _listen(js.window, "storage", lambda event: on_storage(str(event.key or "")))
        _listen(js.window, "beforeunload", self._leaving)
        _listen(js.document, "scroll", self._scrolled, capture=True)  # it does not bubble
        for kind in ("dragover", "dragleave", "drop"):
            _listen(js.window, kind, self._drag)

    def _event(self, event: Any) -> None:
        attribute = ATTRIBUTES[event.type]
        if not hasattr(event.target, "closest"):
            return
        source = event.target.closest(f"[{attribute}]")
        action = source.getAttribute(attribute) if source else ""
        if not action:
            return
        if event.type == "submit":
            event.preventDefault()
        if self._perform(_ui_event(event, source, action)):
            event.preventDefault()
        if event.type == "change" and source.type == "file" and source.id != "model-file":
            source.value = ""  # so that the same file can be chosen again; in "Add model" it shows what was chosen

    def _shortcut(self, event: Any) -> None:
        """A key that nothing on the page has taken. One that is held down counts once; what composes text is none."""
        if event.defaultPrevented or event.isComposing or event.repeat or event.keyCode == _COMPOSING:
            return
        found = self._event_of(_pressed(event))
        if found:
            event.preventDefault()
            self._perform(found)

    def _pasted(self, event: Any) -> None:
        """Files that are pasted into the message box go with the message; text, also of a file's name, is pasted as text."""
        files = list(event.clipboardData.files) if event.clipboardData else []
        if files and event.target.id == "message" and not event.clipboardData.getData("text/plain"):
            event.preventDefault()
            self._perform(UiEvent("attach.files", files=tuple(map(BrowserFile, files))))

    def _dialog_cancelled(self, event: Any) -> None:
        if event.target.tagName == "DIALOG":
            event.preventDefault()  # the state closes it
            self._perform(UiEvent("palette.close") if event.target.id == "the-palette" else UiEvent("dialog.close"))

    def _scrolled(self, event: Any) -> None:
        """Something of which only a part is drawn was moved: tell which row is seen first, and how high one is."""
        moved = getattr(event.target, "id", "")
        if moved == "conversation-list":
            self._list_scrolled(event.target)
        elif moved == "conversation-scroll":
            earlier = event.target.querySelector(".earlier button")
            if earlier and event.target.scrollTop < EARLIER_PX:
                self._perform(UiEvent("conversation.earlier", earlier.getAttribute("data-id")))
        else:
            self._table_scrolled()

    def _list_scrolled(self, scroll: Any) -> None:
        rows = scroll.querySelectorAll("ul[data-long=true] > li[id]")
        if rows.length > 1:
            height = max(1, round(rows[1].offsetTop - rows[0].offsetTop))
            self._perform(UiEvent("conversations.scroll", value=f"{max(0, int(scroll.scrollTop / height))}:{height}"))

    def _table_scrolled(self) -> None:
        table = js.document.querySelector("table[data-long=true]")
        row = table.querySelector("tbody tr[id]") if table else None
        if row:
            height = max(1, round(row.offsetHeight))
            above = -table.tBodies[0].getBoundingClientRect().top
            self._perform(UiEvent("inventory.scroll", value=f"{max(0, int(above / height))}:{height}"))

    def _leaving(self, event: Any) -> None:
        if self._is_busy():
            event.preventDefault()

    def _drag(self, event: Any) -> None:
        if "Files" not in list(event.dataTransfer.types):
            return
        event.preventDefault()
        inside = event.type == "dragover" or (event.type == "dragleave" and event.relatedTarget)
        element("drop-hint").hidden = not inside
        if event.type == "drop":
            self._dropping = asyncio.ensure_future(self._drop(event.dataTransfer))

    async def _drop(self, transfer: Any) -> None:
        """Files, and all that is in folders, were dropped."""
        # The entries have to be asked for now: the transfer is empty as soon as the event is over.
        entries = [item.webkitGetAsEntry() for item in transfer.items]
        plain = [] if any(entries) else list(transfer.files)  # what a script made has no entries
        handles = [handle for entry in entries if entry for handle in await _files_of(entry)]
        if handles or plain:
            self._perform(UiEvent("files.drop", files=tuple(map(BrowserFile, handles or plain))))


async def _files_of(entry: Any) -> list[Any]:
    """The file behind an entry, or all files in its folder."""
    if entry.isFile:
        return [await _promised(entry.file.bind(entry))]
    reader = entry.createReader()
    files: list[Any] = []
    while batch := list(await _promised(reader.readEntries.bind(reader))):  # a hundred at a time
        for item in batch:
            files += await _files_of(item)
    return files


def _promised(ask: Any) -> Any:
    """A promise of what an old interface tells to a callback."""
    return js.Promise.new(create_once_callable(lambda resolve, reject: ask(resolve, reject)))


def _listen(target: Any, kind: str, handler: Callable[[Any], object], capture: bool = False) -> None:
    target.addEventListener(kind, create_proxy(handler), capture)  # for as long as the page lives


def _ui_event(event: Any, source: Any, action: str) -> UiEvent:
    form = source if source.tagName == "FORM" else getattr(source, "form", None)
    inputs = form.querySelectorAll("input[type=file]") if form else [source]
    files = tuple(BrowserFile(file) for item in inputs if getattr(item, "type", "") == "file" for file in item.files)
    return UiEvent(
        action,
        id=source.getAttribute("data-id") or "",
        value=_value(source),
        values=_values(form) if form else {},
        key=_key(event) if event.type == "keydown" and not event.isComposing else "",
        files=files,
    )


def _value(source: Any) -> str:
    """A field's text; of a button with `data-takes`, the text of what that selector finds in the part that it stands in."""
    selector = source.getAttribute("data-takes")
    if selector:
        block, _, inner = selector.partition(" ")
        return str(source.closest(block).querySelector(inner).textContent)
    return str(getattr(source, "value", "") or "")


def _pressed(event: Any) -> Pressed:
    held = (bool(event.ctrlKey), bool(event.altKey), bool(event.shiftKey), bool(event.metaKey))
    return Pressed(str(event.key), str(event.code), *held, field=_field(event.target))


def _field(target: Any) -> Field:
    """What has the focus, as far as it matters for keys."""
    if not hasattr(target, "matches"):
        return ""
    if target.tagName == "SELECT" or target.getAttribute("role") == "combobox":
        return "choice"
    if target.tagName == "INPUT" and target.type == "search" and target.value:
        return "search"
    return "text" if target.matches("textarea, input:not([type=checkbox], [type=radio], [type=file])") else ""


def _key(event: Any) -> str:
    held = (("Shift", event.shiftKey), ("Alt", event.altKey), ("Ctrl", event.ctrlKey or event.metaKey))
    return "+".join([*(name for name, down in held if down), str(event.key)])


def _values(form: Any) -> dict[str, str]:
    """A form's texts by name. Fields that are disabled are not in it."""
    entries = from_object(js.Object.fromEntries(js.FormData.new(form)))
    return {name: value for name, value in entries.items() if isinstance(value, str)}

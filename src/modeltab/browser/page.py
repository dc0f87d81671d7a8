"""What actions may do to the page besides changing the state: fields, focus, the address, files, storage."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from modeltab.browser import folder
from modeltab.browser.dom import element
from modeltab.browser.growing import let_grow
from modeltab.browser.interop import absolute, error_text, from_object, to_object
from modeltab.domain.catalogue import CatalogueEntry
from modeltab.domain.connections import is_loopback
from modeltab.domain.errors import ModelTabError
from modeltab.domain.prices import Price
from modeltab.sources.catalogue import entries_from
from modeltab.state.prices import listed
from modeltab.state.store import Storage

CATALOGUE = "./static/catalogue.json"
PRICES = "./static/prices.json"


class BrowserPage:
    """The page in the browser.

    :param on_focus: puts the focus into an element once it is drawn: by its id, or by the action and the id of a control.
    """

    def __init__(self, on_focus: Callable[[tuple[str, ...]], None]) -> None:
        self.is_loopback = is_loopback(js.location.hostname)
        self._on_focus = on_focus
        self._grow = let_grow("message")

    def value(self, element_id: str) -> str:
        """A field's text."""
        return str(element(element_id).value)

    def set_value(self, element_id: str, value: str) -> None:
        """Change a field's text."""
        element(element_id).value = value
        if element_id == "message":
            self._grow()

    def focus(self, element_id: str) -> None:
        """Put the focus there, with the next drawing."""
        self._on_focus((element_id,))

    def focus_control(self, action: str, id_: str) -> None:
        """Put the focus on the control that does that, with the next drawing."""
        self._on_focus((action, id_))

    def is_shown(self, element_id: str) -> bool:
        """Whether it can be seen."""
        return bool(element(element_id).getClientRects().length)

    def click(self, element_id: str) -> None:
        """Press it."""
        element(element_id).click()

    def go(self, route: str) -> None:
        """Change the hash."""
        js.location.hash = route

    def replace_route(self, route: str) -> None:
        """Change the hash without a step in the history."""
        js.location.replace(route)

    def set_theme(self, theme: str) -> None:
        """Apply a theme."""
        root = js.document.documentElement
        if theme == "auto":
            root.removeAttribute("data-theme")
        else:
            root.setAttribute("data-theme", theme)

    async def copy(self, text: str) -> None:
        """To the clipboard."""
        try:
            await js.navigator.clipboard.writeText(text)
        except (AttributeError, JsException) as error:
            detail = error_text(error) if isinstance(error, JsException) else "this page has no clipboard"
            raise ModelTabError("The browser did not let this page copy.", "Select the text and copy it.", detail) from None

    def save_file(self, name: str, content: str | Sequence[bytes], media_type: str = "application/json") -> None:
        """Save a file: a text, or pieces that come one after the other."""
        parts: Any = js.Array.new()
        for piece in [content.encode("utf-8", "replace")] if isinstance(content, str) else content:
            parts.push(to_js(piece))
        url = js.URL.createObjectURL(js.Blob.new(parts, to_object({"type": media_type})))
        link = js.document.createElement("a")
        link.href = url
        link.download = name
        link.click()
        js.URL.revokeObjectURL(url)

    def address(self, route: str) -> str:
        """The page's address with another hash."""
        return str(js.location.href).partition("#")[0] + route

    def has_folders(self) -> bool:
        """Whether this browser lets a page write into a folder."""
        return folder.are_there()

    async def pick_folder(self) -> folder.BrowserFolder | None:
        """Ask for a folder to write into."""
        return await folder.pick()

    def reload(self) -> None:
        """Load the page again."""
        js.location.reload()

    async def read_catalogue(self) -> tuple[CatalogueEntry, ...]:
        """The models that the app offers; none where the file beside it cannot be read."""
        try:
            return entries_from(json.loads(await (await js.fetch(absolute(CATALOGUE))).text()))
        except (JsException, ValueError):
            return ()

    async def read_prices(self) -> tuple[Price, ...]:
        """The list prices that come with the app; none where the file beside it cannot be read."""
        try:
            return listed(json.loads(await (await js.fetch(absolute(PRICES))).text()))
        except (JsException, ValueError):
            return ()

    async def storage(self) -> Storage:
        """How full the storage is."""
        try:
            estimate = from_object(await js.navigator.storage.estimate())
            return Storage(int(estimate["usage"]), int(estimate["quota"]), bool(await js.navigator.storage.persisted()))
        except (AttributeError, JsException):
            return Storage()

    async def persist(self) -> bool:
        """Ask the browser to keep the storage."""
        try:
            return bool(await js.navigator.storage.persist())
        except (AttributeError, JsException):
            return False

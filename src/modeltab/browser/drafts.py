"""Drafts in localStorage, one entry a conversation: written at once, so that a page that closes loses none."""

import json
from typing import Any

import js
from pyodide.ffi import JsException

from modeltab.browser.interop import error_text

PREFIX = "modeltab.draft."


class LocalDrafts:
    """The entries whose names begin with `PREFIX`."""

    def __init__(self) -> None:
        self._written: dict[str, str] = {}

    def read(self, place: str) -> Any:
        """A draft as JSON-like values, None where there is none that can be read."""
        try:
            text = js.localStorage.getItem(PREFIX + place)
            value = json.loads(text) if isinstance(text, str) else None
        except (JsException, ValueError):
            return None
        if value is not None:
            self._written[place] = text
        return value

    def write(self, place: str, value: Any) -> str:
        """Keep a draft; what went wrong, or an empty text."""
        text = json.dumps(value, ensure_ascii=False)
        try:
            js.localStorage.setItem(PREFIX + place, text)
        except JsException as error:
            return f"The browser does not let this page keep the draft ({error_text(error)})."
        self._written[place] = text
        return ""

    def remove(self, place: str) -> str:
        """Forget a draft, unless another tab has written it since; what went wrong, or an empty text."""
        try:
            if js.localStorage.getItem(PREFIX + place) == self._written.get(place):
                js.localStorage.removeItem(PREFIX + place)
        except JsException as error:
            return f"The browser does not let this page delete a draft ({error_text(error)})."
        return ""

    def clear(self) -> None:
        """Forget all."""
        for name in list(js.Object.keys(js.localStorage)):
            if name.startswith(PREFIX):
                js.localStorage.removeItem(name)

"""The configuration in localStorage: one JSON entry with a version."""

import json
from typing import Any

import js
from pyodide.ffi import JsException

from modeltab.browser.interop import error_text

KEY = "modeltab.config"
ASIDE = "modeltab.config.unreadable"


class LocalStorage:
    """Reads and writes the entry."""

    def read(self) -> tuple[Any, str]:
        """The entry as JSON-like values, None when there is none; and what is wrong with it, or an empty text.

        An entry that is not JSON is moved aside, so that it neither breaks the start nor is lost.
        """
        try:
            text = js.localStorage.getItem(KEY)
        except JsException as error:
            return None, f"The browser does not let this page keep settings ({error_text(error)})."
        if not isinstance(text, str):
            return None, ""
        try:
            return json.loads(text), ""
        except ValueError as error:
            return None, self.set_aside(f"not JSON: {error}")

    def set_aside(self, reason: str) -> str:
        """Move an entry that cannot be used out of the way; what to tell about it."""
        js.localStorage.setItem(ASIDE, js.localStorage.getItem(KEY))
        js.localStorage.removeItem(KEY)
        return f"The saved configuration could not be read ({reason}). It was set aside under “{ASIDE}”."

    def write(self, value: Any) -> str:
        """Keep the entry; what went wrong, or an empty text."""
        try:
            js.localStorage.setItem(KEY, json.dumps(value))
        except JsException as error:
            return f"The browser does not let this page keep settings ({error_text(error)})."
        return ""

    def clear(self) -> None:
        """Forget everything."""
        js.localStorage.removeItem(KEY)
        js.localStorage.removeItem(ASIDE)

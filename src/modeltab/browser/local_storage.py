"""What is kept in localStorage: the configuration and the keys, each as one JSON entry with a version."""

import json
from typing import Any

import js
from pyodide.ffi import JsException

from modeltab.browser.interop import error_text

CONFIG = "modeltab.config"
KEYS = "modeltab.keys"
CALLS = "modeltab.calls"
CALIBRATIONS = "modeltab.measured"


class LocalStorage:
    """Reads and writes one entry.

    :param name: its key in localStorage; `what` is what it is, for a person.
    """

    def __init__(self, name: str, what: str) -> None:
        self._name = name
        self._aside = name + ".unreadable"
        self._what = what

    def read(self) -> tuple[Any, str]:
        """The entry as JSON-like values, None when there is none; and what is wrong with it, or an empty text.

        An entry that is not JSON is moved aside, so that it neither breaks the start nor is lost.
        """
        try:
            text = js.localStorage.getItem(self._name)
        except JsException as error:
            return None, f"The browser does not let this page keep {self._what} ({error_text(error)})."
        if not isinstance(text, str):
            return None, ""
        try:
            return json.loads(text), ""
        except ValueError as error:
            return None, self.set_aside(f"not JSON: {error}")

    def set_aside(self, reason: str) -> str:
        """Move an entry that cannot be used out of the way; what to tell about it."""
        try:
            js.localStorage.setItem(self._aside, js.localStorage.getItem(self._name))
        except JsException as error:  # no room for a second one
            return f"The saved {self._what} could not be read ({reason}), nor set aside ({error_text(error)})."
        js.localStorage.removeItem(self._name)
        return f"The saved {self._what} could not be read ({reason}). It was set aside under “{self._aside}”."

    def write(self, value: Any) -> str:
        """Keep the entry; what went wrong, or an empty text."""
        try:
            js.localStorage.setItem(self._name, json.dumps(value))
        except JsException as error:
            return f"The browser does not let this page keep {self._what} ({error_text(error)})."
        return ""

    def drop_aside(self) -> None:
        """Forget what was set aside."""
        js.localStorage.removeItem(self._aside)

    def clear(self) -> None:
        """Forget everything."""
        js.localStorage.removeItem(self._name)
        js.localStorage.removeItem(self._aside)

"""The message box grows with its text, in browsers whose style sheets cannot let it (`field-sizing`)."""

from typing import Any

import js
from pyodide.ffi import create_proxy

from modeltab.browser.dom import element


def let_grow(element_id: str) -> Any:
    """From now on, a text field is as high as its text, as far as its style sheet allows; returns what does it now."""
    field = element(element_id)
    if js.CSS.supports("field-sizing", "content"):
        return lambda *_: None

    def grow(*_: Any) -> None:
        field.style.height = "auto"
        field.style.height = f"{field.scrollHeight}px"

    field.addEventListener("input", create_proxy(grow))
    return grow

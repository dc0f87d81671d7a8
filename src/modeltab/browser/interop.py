"""Values across the border between Python and JavaScript.

Structured values cross as JSON text: exact, no proxies to destroy, and quicker than converting object by object.
"""

import json
from typing import Any

import js
from pyodide.ffi import JsException

_STATIC, _MODELS = "./static/", "./static/models/"


def to_object(value: Any) -> Any:
    """A plain JavaScript object from JSON-like values."""
    return js.JSON.parse(json.dumps(value))


def from_object(value: Any) -> Any:
    """JSON-like values from a plain JavaScript object."""
    return json.loads(js.JSON.stringify(value))


def absolute(path: str) -> str:
    """A path beside index.html as a full URL: a module resolves relative ones against itself.

    In dist/ what the app is made of lies in a folder that is named by its content; models do not.
    """
    if path.startswith(_STATIC) and not path.startswith(_MODELS):
        path = f"./{js.document.documentElement.dataset.static}/{path.removeprefix(_STATIC)}"
    return str(js.URL.new(path, js.document.baseURI).href)


async def module(path: str) -> Any:
    """A JavaScript module beside index.html."""
    return await js.modeltabBoot.load(absolute(path))  # static/js/start.js


def error_name(error: JsException) -> str:
    """The name of the JavaScript error behind an exception: "AbortError", "QuotaExceededError", …"""
    return str(getattr(error, "name", "") or "")


def error_text(error: JsException) -> str:
    """The message of the JavaScript error behind an exception."""
    return str(getattr(error, "message", "") or error)

"""Lets `requests` and `urllib` send by the browser, through pyodide-http, with the failures that they have elsewhere."""

import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError

import pyodide_http
import requests
from pyodide.ffi import JsException
from pyodide_http import _core, _requests, _urllib


def patch() -> None:
    """From now on they do."""
    pyodide_http.patch_all()
    _requests.send = _refusing(requests.ConnectionError)
    _urllib.send = _refusing(URLError)
    urlopen = _urllib.urlopen

    def checked(url: Any, *given: Any, **named: Any) -> Any:
        response = urlopen(url, *given, **named)
        if response.status >= 400:  # pyodide-http hands it back as if all were well
            raise HTTPError(response.url, response.status, response.reason, response.headers, response)
        return response

    urllib.request.urlopen = checked
    urllib.request.OpenerDirector.open = lambda self, url, *given, **named: checked(url, *given, **named)  # type: ignore[method-assign]


def _refusing(kind: type[Exception]) -> Callable[..., Any]:
    """pyodide-http's way out, whose failures are of a kind that the caller knows."""

    def send(request: Any, stream: bool = False) -> Any:
        try:
            return _core.send(request, stream)
        except JsException as error:
            raise kind(f"No answer from {request.url}: {error}") from None

    return send

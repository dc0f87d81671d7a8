"""Calls: what other pages ask of the models here, as it is shown and kept."""

from typing import NamedTuple

#: How a call ended that its caller left, or that was stopped here: no HTTP status says so. nginx writes the first one too.
LEFT, STOPPED = 499, 498


class Call(NamedTuple):
    """One call of the API in this tab.

    :param caller: the address of a page of this origin, or the origin of another page.
    :param path: below the app's folder, such as "v1/models".
    :param started: seconds since 1970; `seconds`, how long it took.
    :param model: as the caller named it; empty where none was.
    :param status: the HTTP status, `LEFT` or `STOPPED`; 0 while it goes on.
    """

    id: str
    caller: str
    method: str
    path: str
    started: float
    model: str = ""
    status: int = 0
    seconds: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

"""What the HTTP providers share: reading replies, and errors from statuses."""

import json
from contextlib import aclosing

from modeltab.domain import errors
from modeltab.providers.base import HttpRequest, HttpResponse, Json, Transport

_BY_STATUS: dict[int, type[errors.ModelTabError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Unauthorized,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.BadRequest,
    429: errors.RateLimited,
}


async def read(response: HttpResponse) -> bytes:
    """The whole body. Closes the response."""
    async with aclosing(response):
        return b"".join([chunk async for chunk in response.iter_bytes()])


def decode_json(body: bytes, url: str) -> Json:
    """A body as JSON.

    :raises BadReply: when it is something else.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        start = body[:200].decode("utf-8", "replace")
        raise errors.BadReply(
            "The server answered, but not with JSON: this may be another program.",
            "Check the base URL: its host, its port and the path at its end.",
            f"{url} answered: {start}",
        ) from None


async def call(transport: Transport, request: HttpRequest, advice: dict[str, str]) -> Json:
    """Send a request that is answered with JSON, in one piece.

    :param advice: what to do, by the server's own error message; the key "" serves for every other.
    :raises ModelTabError: the error that the status stands for.
    """
    response = await transport.send(request)
    body = await read(response)
    if response.status >= 400:
        raise error_from(response.status, body, request.url, advice)
    return decode_json(body, request.url)


def error_from(status: int, body: bytes, url: str, advice: dict[str, str]) -> errors.ModelTabError:
    """The error that a failed reply stands for, in the server's own words where it has any."""
    words = _words_of(body)
    kind = _BY_STATUS.get(status) or (errors.ServerFailed if status >= 500 else errors.BadRequest)
    what = words or f"The server answered with status {status}"
    todo = next((text for start, text in advice.items() if start and what.startswith(start)), advice.get("", ""))
    shown = body[:400].decode("utf-8", "replace")
    return kind(what if what.endswith((".", "!", "?")) else what + ".", todo, f"{status} from {url}: {shown}")


def _words_of(body: bytes) -> str:
    try:
        reply = json.loads(body)
    except ValueError:
        return ""
    words = reply.get("error") if isinstance(reply, dict) else None
    return words if isinstance(words, str) else ""


def json_request(method: str, url: str, value: Json) -> HttpRequest:
    """A request with a JSON body."""
    return HttpRequest(method, url, {"Content-Type": "application/json"}, json.dumps(value).encode())

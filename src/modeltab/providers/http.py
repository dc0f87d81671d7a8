"""What the HTTP providers share: requests with the key in their headers, replies, streams, and errors from statuses."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager

from modeltab.domain import errors
from modeltab.providers.base import HttpRequest, HttpResponse, Json, KeySource, Transport
from modeltab.providers.ndjson import NdjsonDecoder
from modeltab.providers.sse import SseDecoder
from modeltab.snippets.call import Api, Call, KeyPlace

_BY_STATUS: dict[int, type[errors.ModelTabError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    402: errors.OutOfCredit,
    403: errors.Unauthorized,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.BadRequest,
    429: errors.RateLimited,
}
#: What may well work a little later: too many requests, and what gateways and overloaded servers answer (529 is Anthropic's).
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 529})

#: The environment variable that code takes the key of an API from which is nobody's that is known.
KEY_VARIABLE = "API_KEY"
#: What stands in a key's place, and how long a key must be to be told from a word.
HIDDEN = "[key]"
_HIDDEN_FROM = 8

#: Codes of a 429 that no waiting helps against (OpenAI's).
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})

#: What to do, by the beginning of the server's own words; the key "" serves for every other.
Advice = Mapping[str, str]
GENERAL: Advice = {}
ADVICE_KEY = "Check the key: that it is whole, not expired, and allowed to use this API and model."
GENERAL_ADVICE: dict[type[errors.ModelTabError], str] = {
    errors.Unauthorized: ADVICE_KEY,
    errors.OutOfCredit: "Add credit to the account at the provider, or use another connection.",
    errors.RateLimited: "Wait a little, then try again; or use another model.",
    errors.ServerFailed: "Try again a little later; the provider's status page may say more.",
    errors.NotFound: "Check the base URL and the model's name.",
    errors.TooLarge: "Shorten the conversation, or start a new one.",
}


class Endpoint:
    """One API at one base URL: how it is asked, with the key where it belongs, and what goes wrong told in words.

    :param key: asked at each request, so that a key that was locked, changed or erased counts at once.
    :param headers: key → the headers that go with every request.
    :param advice: see `Advice`; what it does not know, `GENERAL_ADVICE` does.
    :param needs_key: who it is that answers nothing without a key; empty when a key is optional.
    :param key_variable: the environment variable that usually has such a key.
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        key: KeySource = lambda: "",
        headers: Callable[[str], Mapping[str, str]] = lambda key: {},
        advice: Advice = GENERAL,
        needs_key: str = "",
        key_variable: str = KEY_VARIABLE,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.transport = transport
        self._key = key
        self._headers = headers
        self._advice = advice
        self._needs_key = needs_key
        self._key_variable = key_variable

    def describe(self, method: str, path: str, value: Json = None, api: Api = "json", streams: bool = False) -> Call:
        """The request that `call`, `open`, `sse` and `ndjson` send, with the place of the key in the key's stead.

        :param api: how its answer is read; `streams`, whether that comes in pieces.
        """
        request = self._request(method, path, value, HIDDEN)
        headers, place = dict(request.headers), None
        for name, text in request.headers.items():
            before, found, _ = text.partition(HIDDEN)
            if found:
                del headers[name]
                place = KeyPlace(name, before, self._key_variable, bool(self._needs_key))
        body = None if request.body is None else json.loads(request.body)
        return Call(method, request.url, headers, place, body, api=api, streams=streams)

    def _request(self, method: str, path: str, value: Json, key: str) -> HttpRequest:
        headers = dict(self._headers(key))
        body = None
        if value is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(value).encode()
        return HttpRequest(method, self.base_url + path, headers, body)

    async def call(self, method: str, path: str, value: Json = None) -> Json:
        """Send a request, with `value` as JSON if it is given; the reply's JSON, None for an empty reply.

        :raises ModelTabError: the error that the status stands for.
        """
        async with self.open(method, path, value) as response:
            body = await read(response)
        return decode_json(body, self.base_url + path) if body.strip() else None

    @asynccontextmanager
    async def open(self, method: str, path: str, value: Json = None) -> AsyncIterator[HttpResponse]:
        """A reply whose body is still to be read; the connection is closed when the block ends.

        What the server repeats of the key is not in it, nor in an error: nothing that is shown, kept or exported has it.

        :raises ModelTabError: the error that the status stands for.
        """
        key = self._key()
        if self._needs_key and not key:
            raise errors.KeyMissing(f"{self._needs_key} needs an API key.", "Edit the connection and paste one.")
        request = self._request(method, path, value, key)
        url = request.url
        with redacted(key):
            response = _Hiding(await self.transport.send(request), key)
            async with aclosing(response):
                if 300 <= response.status < 400:
                    raise errors.Redirected(
                        f"{url} sends this request on to another address.",
                        "Type the address that it leads to as the base URL: a key and a prompt go only where you said.",
                    )
                if response.status >= 400:
                    raise error_from(response.status, await read(response), url, self._advice, response.headers)
                yield response

    async def sse(self, path: str, value: Json) -> AsyncGenerator[Json, None]:
        """Post a request that is answered with server-sent events; each one's JSON, and None for "[DONE]", an end mark.

        A server that does not stream answers with one JSON value, which is then the only one.

        :raises BadReply: when an event is no JSON, or the reply is a web page.
        """
        async with self.open("POST", path, value) as response:
            kind = response.headers.get("content-type", "").lower()
            if "json" in kind and "ndjson" not in kind:
                yield decode_json(await read(response), self.base_url + path)
                return
            if "text/html" in kind:
                raise not_json(await read(response), self.base_url + path)
            decoder = SseDecoder()
            async for chunk in response.iter_bytes():
                for event in decoder.feed(chunk):
                    data = event.data.strip().encode()
                    if data == b"[DONE]":
                        yield None
                    elif data:
                        yield decode_json(data, self.base_url + path)

    async def ndjson(self, path: str, value: Json) -> AsyncGenerator[Json, None]:
        """Post a request that is answered with one JSON value a line; each value."""
        async with self.open("POST", path, value) as response:
            if "text/html" in response.headers.get("content-type", "").lower():
                raise not_json(await read(response), self.base_url + path)
            decoder = NdjsonDecoder()
            async for chunk in response.iter_bytes():
                for item in decoder.feed(chunk):
                    yield item
            for item in decoder.end():
                yield item


class _Hiding:
    """A reply without the key that its request had, in whatever pieces it arrives."""

    def __init__(self, response: HttpResponse, key: str) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        # As it was sent, and as JSON may write it.
        forms = (key, json.dumps(key)[1:-1]) if len(key) >= _HIDDEN_FROM else ()
        self._forms = tuple({written.encode() for form in forms for written in (form, form.replace("/", "\\/"))})

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        held = b""  # what may be the beginning of a key: it goes on with the next piece
        async for chunk in self._response.iter_bytes():
            chunk = held + chunk
            for form in self._forms:
                chunk = chunk.replace(form, HIDDEN.encode())
            begun = max((_begun(chunk, form) for form in self._forms), default=0)
            held = chunk[len(chunk) - begun :]
            if begun < len(chunk):
                yield chunk[: len(chunk) - begun]
        if held:
            yield held

    async def aclose(self) -> None:
        """End it."""
        await self._response.aclose()


def _begun(chunk: bytes, form: bytes) -> int:
    """How many bytes at the end of a chunk are the beginning of a form of the key."""
    return next((n for n in range(min(len(form) - 1, len(chunk)), 0, -1) if chunk.endswith(form[:n])), 0)


class redacted:
    """Takes a key out of every error that leaves the block: servers repeat what they were sent."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        """Nothing to do before there is an error."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if len(self._key) >= _HIDDEN_FROM and isinstance(error, errors.ModelTabError):
            error.message, error.advice, error.detail = (
                text.replace(self._key, HIDDEN) for text in (error.message, error.advice, error.detail)
            )
            error.args = (error.message,)


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
        raise not_json(body, url) from None


def not_json(body: bytes, url: str) -> errors.BadReply:
    """The error for a reply that should have been JSON."""
    return errors.BadReply(
        "The server answered, but not with JSON: this may be another program.",
        "Check the base URL: its host, its port and the path at its end.",
        f"{url} answered: {body[:200].decode('utf-8', 'replace')}",
    )


def error_from(
    status: int, body: bytes, url: str, advice: Advice, headers: Mapping[str, str] | None = None
) -> errors.ModelTabError:
    """The error that a failed reply stands for, in the server's own words where it has any."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    what = words_of(value) or f"The server answered with status {status}"
    detail = f"{status} from {url}: {body[:400].decode('utf-8', 'replace')}"
    if status == 429 and _code_of(value) in _NO_CREDIT:
        return errors.OutOfCredit(what, GENERAL_ADVICE[errors.OutOfCredit], detail)
    error = error_of(status, what, advice, detail)
    error.retry_after = _seconds(headers or {}) or retry_delay_of(value)
    if error.retry_after and error.retry_after >= 1:
        error.advice = f"The server asks to wait {error.retry_after:.0f} s; try again then."
    return error


def error_of(status: int, what: str, advice: Advice, detail: str) -> errors.ModelTabError:
    """The error of a status and the server's words, wherever in a reply or a stream they stood."""
    kind = _BY_STATUS.get(status) or (errors.ServerFailed if status >= 500 else errors.BadRequest)
    todo = next((text for start, text in advice.items() if start and what.startswith(start)), "")
    todo = todo or advice.get("") or GENERAL_ADVICE.get(kind, "")
    error = kind(what if what.endswith((".", "!", "?")) else what + ".", todo, detail)
    error.transient = status in TRANSIENT_STATUSES
    return error


def _code_of(reply: Json) -> str:
    error = reply.get("error") if isinstance(reply, dict) else None
    return str(error.get("code") or error.get("type")) if isinstance(error, dict) else ""


def words_of(reply: Json) -> str:
    """The message of an error reply, in each of the shapes that APIs give it; empty when there is none."""
    if isinstance(reply, list):  # Gemini's, when the stream was asked for as one array
        reply = reply[0] if reply else None
    if not isinstance(reply, dict):
        return ""
    for value in (reply.get("error"), reply.get("message"), reply.get("detail")):
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, list) and value and isinstance(value[0], dict):  # FastAPI's validation errors
            value = "; ".join(str(item.get("msg", "")) for item in value if isinstance(item, dict))
        if isinstance(value, str) and value:
            return value
    return ""


def retry_delay_of(reply: Json) -> float | None:
    """The seconds to wait that an error's body names, as Google's APIs do ("retryDelay": "17s"); None when it names none."""
    if isinstance(reply, list):
        reply = reply[0] if reply else None
    error = reply.get("error") if isinstance(reply, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str):
            return _number(delay.removesuffix("s"))
    return None


def _seconds(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that the headers name. A date is not understood: clocks differ, and no LLM API sends one."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    return milliseconds / 1000 if milliseconds is not None else _number(headers.get("retry-after", ""))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e6 else None


def bearer(key: str) -> dict[str, str]:
    """The key as RFC 6750 has it; nothing where there is none."""
    return {"Authorization": f"Bearer {key}"} if key else {}

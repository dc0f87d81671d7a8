"""Files on the web, read in ranges: what they are is known before they are fetched."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import js
from pyodide.ffi import JsException

from modeltab.browser.interop import absolute, error_text, to_object
from modeltab.browser.transport import target_space
from modeltab.domain.connections import host_of
from modeltab.domain.errors import BadReply, ModelTabError, NotFound, ServerFailed, Unauthorized, Unreachable
from modeltab.providers.base import OnBytes
from modeltab.sources.hugging_face import refused


class RemoteFile:
    """A file at one of several addresses, which are tried in order.

    :param check_allowed: raises OfflineOnly for an address that must not be asked.
    """

    def __init__(
        self, name: str, size: int, sources: tuple[str, ...], sha256: str, stamp: str, check_allowed: Callable[[str], None]
    ) -> None:
        self.name = name
        self.size = size
        self.sources = tuple(absolute(url) for url in sources)
        self.stamp = stamp
        self.expected = sha256
        self._check_allowed = check_allowed

    def allowed_sources(self) -> tuple[str, ...]:
        """The addresses that may be asked. :raises OfflineOnly: when there is none."""
        allowed = []
        refusal: ModelTabError | None = None
        for url in self.sources:
            try:
                self._check_allowed(url)
                allowed.append(url)
            except ModelTabError as error:
                refusal = error
        if refusal and not allowed:
            raise refusal
        return tuple(allowed)

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""
        response = await self._ask(start, end)
        if response.status == 206:
            return (await _body(response)).to_bytes()  # type: ignore[no-any-return]
        return await _beginning(response, start, end)

    async def sha256(self, on_bytes: OnBytes) -> str:
        """What the source says that it is.

        :raises BadReply: when it does not say: it would have to be fetched for it.
        """
        if not self.expected:
            raise BadReply(f"The SHA-256 of {self.name} is not known.", "Add it to this tab first, then copy it from there.")
        return self.expected

    async def look(self) -> None:
        """Ask for its size, its stamp and its name."""
        response = await self._ask(0, 1)
        response.body.cancel()
        headers = response.headers
        total = re.search(r"/(\d+)$", headers.get("content-range") or "")
        self.size = int(total[1]) if total else await self._length(response)
        self.stamp = str(headers.get("etag") or headers.get("last-modified") or "")
        if not self.size:
            raise BadReply(
                f"{host_of(self.sources[0])} does not say how large {self.name} is.",
                "Download the file with the browser, then add it from there.",
            )
        told = re.search(r"""filename\*?=(?:UTF-8'')?"?([^";]+)""", headers.get("content-disposition") or "")
        if told:
            self.name = unquote(told[1]).rpartition("/")[2] or self.name

    async def _length(self, response: Any) -> int:
        """Its size, where the host does not let a page read Content-Range: the length of the whole, which any page may read."""
        if response.status == 206:
            response = await self._ask()
            response.body.cancel()
        return 0 if response.headers.get("content-encoding") else int(response.headers.get("content-length") or 0)

    async def _ask(self, start: int = 0, end: int | None = None) -> Any:
        """The answer with the bytes from `start` up to `end`, or with the whole file."""
        problem: ModelTabError | None = None
        wanted = {} if end is None else {"Range": f"bytes={start}-{end - 1}"}
        for url in self.allowed_sources():
            options = {"credentials": "omit", "referrerPolicy": "no-referrer", "cache": "no-store", **target_space(url)}
            try:
                response = await js.fetch(url, to_object({**options, "headers": wanted}))
            except JsException as error:
                problem = problem or _no_answer(url, error_text(error))
                continue
            if response.ok:
                return response
            problem = _refusal(response, url)
        assert problem is not None
        raise problem


async def open_url(url: str, check_allowed: Callable[[str], None]) -> RemoteFile:
    """The file at an address.

    :raises ModelTabError: when it is not there, or may not be asked for.
    """
    file = RemoteFile(unquote(urlsplit(url).path.rpartition("/")[2]) or "model", 0, (url,), "", "", check_allowed)
    await file.look()
    return file


async def _body(response: Any) -> Any:
    try:
        return await response.arrayBuffer()
    except JsException as error:
        raise _no_answer(response.url, error_text(error)) from None


async def _beginning(response: Any, start: int, end: int) -> bytes:
    """What was asked for, from a server that sends the whole file whatever is asked."""
    reader = response.body.getReader()
    found = bytearray()
    try:
        while len(found) < end and not (chunk := await reader.read()).done:
            found += chunk.value.to_bytes()
    except JsException as error:
        raise _no_answer(response.url, error_text(error)) from None
    finally:
        reader.cancel()
    return bytes(found[start:end])


def _no_answer(url: str, detail: str) -> Unreachable:
    host = host_of(url)
    return Unreachable(
        f"{host} gave no answer, or none that a page may read.",
        f"Check the address and the network. If it opens in a new tab, {host} does not allow pages to read it (CORS): "
        "download the file there, then add it.",
        f"{url}: {detail}",
    )


def _refusal(response: Any, url: str) -> ModelTabError:
    status, host = int(response.status), host_of(url)
    detail = f"{url} answered {status}"
    if response.headers.get("x-error-code") == "GatedRepo":
        return refused("/".join(urlsplit(url).path.split("/")[1:3]), detail)
    if status in (401, 403):
        return Unauthorized(
            f"{host} gives this file only to people who are signed in.", "Download it there, then add it.", detail
        )
    if status in (404, 410):
        return NotFound(f"There is no such file on {host}.", "Check the address.", detail)
    return ServerFailed(f"{host} answered with an error ({status}).", "Try again later.", detail)

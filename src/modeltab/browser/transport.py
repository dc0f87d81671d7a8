"""Requests: fetch for what is answered, XMLHttpRequest for a file that goes up (it alone tells progress)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy, to_js

from modeltab.browser.files import BrowserFile
from modeltab.browser.interop import error_text, from_object, to_object
from modeltab.domain.connections import address_space, host_of, is_loopback
from modeltab.domain.errors import CutOff, OfflineOnly, Redirected, Unreachable
from modeltab.providers.base import HttpRequest, ModelFile, OnBytes


class FetchResponse:
    """A response of fetch, read as it comes."""

    def __init__(self, response: Any, controller: Any, url: str) -> None:
        self._response = response
        self._controller = controller
        self._url = url
        self._read = False
        self.status: int = response.status
        self.headers: Mapping[str, str] = from_object(js.Object.fromEntries(response.headers))

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they arrive."""
        body = self._response.body
        if not body:
            return
        reader = body.getReader()
        try:
            while not (chunk := await reader.read()).done:
                yield chunk.value.to_bytes()
            self._read = True
        except JsException as error:
            raise CutOff(
                "The connection broke before the answer was complete.",
                "Check that the server is still running, then try again.",
                f"{self._url}: {error_text(error)}",
            ) from None

    async def aclose(self) -> None:
        """Abort what has not been read, so that the server sees it."""
        if not self._read:
            self._controller.abort()


class XhrResponse:
    """The answer to an upload: small, and here as a whole."""

    headers: Mapping[str, str] = {}

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in one piece."""
        yield self._body

    async def aclose(self) -> None:
        """Nothing is open."""


class BrowserTransport:
    """Requests from this page.

    :param offline_only: whether the person's setting keeps requests on this machine.
    """

    def __init__(self, offline_only: Callable[[], bool]) -> None:
        self._offline_only = offline_only

    async def send(self, request: HttpRequest) -> FetchResponse:
        """Send a request; cancelling the task aborts it."""
        self.check_allowed(request.url)
        controller = js.AbortController.new()
        options = to_object(
            {
                "method": request.method,
                "headers": dict(request.headers),
                "credentials": "omit",
                "referrerPolicy": "no-referrer",
                "cache": "no-store",
                # To another origin neither a key nor a prompt may go on; and to which it leads, a page is not told.
                "redirect": "manual",
                **target_space(request.url),
            }
        )
        options.signal = controller.signal
        if request.body is not None:
            options.body = to_js(request.body)
        try:
            response = await js.fetch(request.url, options)
        except JsException as error:
            raise unreachable(request.url, error_text(error)) from None
        except asyncio.CancelledError:
            controller.abort()
            raise
        if response.type == "opaqueredirect":
            raise Redirected(
                f"{js.URL.new(request.url).origin} sends this request on to another address.",
                "Type the address that it leads to as the base URL: a key and a prompt go only where you said.",
                request.url,
            )
        return FetchResponse(response, controller, request.url)

    async def upload(
        self, url: str, field: str, file: ModelFile, name: str, on_bytes: OnBytes, headers: Mapping[str, str] = {}
    ) -> XhrResponse:
        """Post a file. The browser reads it from disk as it goes: memory stays flat."""
        assert isinstance(file, BrowserFile)
        self.check_allowed(url)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        sent = 0

        def progress(event: Any) -> None:
            nonlocal sent
            sent = min(int(event.loaded), file.size)  # `loaded` counts the multipart frame too
            on_bytes(sent)

        def end(event: Any) -> None:
            if not ended.done():
                ended.set_result(event.type)

        body = file.handle
        if field:
            body = js.FormData.new()
            body.append(field, file.handle, name)
        request = js.XMLHttpRequest.new()
        request.open("POST", url)
        request.responseType = "arraybuffer"
        for header, value in headers.items():
            request.setRequestHeader(header, value)
        proxies = [create_proxy(progress), create_proxy(end)]
        request.upload.addEventListener("progress", proxies[0])
        for kind in ("load", "error", "abort", "timeout"):
            request.addEventListener(kind, proxies[1])
        try:
            request.send(body)
            if await ended != "load":
                raise broken_upload(url, sent, file.size)
            return XhrResponse(request.status, request.response.to_bytes())
        except asyncio.CancelledError:
            request.abort()
            raise
        finally:
            for proxy in proxies:
                proxy.destroy()

    def check_allowed(self, url: str) -> None:
        """Nothing but this machine and the app's own files, when the person wants it so. :raises OfflineOnly:"""
        own = url.startswith(f"{js.location.origin}/")
        if self._offline_only() and not own and not is_loopback(host_of(url)):
            raise OfflineOnly(
                f"“Offline only” is on, so {host_of(url)} is not asked.",
                "Switch it off in Settings to use this connection.",
            )


def target_space(url: str) -> dict[str, str]:
    """What lets a secure page ask an unencrypted server in the network, where the browser knows Local Network Access.

    A wrong word fails the request, so it is said only where the address itself tells, and only by pages from elsewhere.
    """
    space = address_space(host_of(url))
    known = js.Reflect.has(js.Request.prototype, "targetAddressSpace")
    if space == "public" or is_loopback(js.location.hostname) or not known:
        return {}
    return {"targetAddressSpace": space}


def unreachable(url: str, detail: str) -> Unreachable:
    """The error for a request without an answer. The browser hides the cause from a page, so all likely ones are named."""
    origin = js.URL.new(url).origin
    return Unreachable(
        f"No answer from {origin}.",
        f"Start the server there, or correct the address. If it runs, it must allow requests from {js.location.origin} (CORS).",
        f"{url}: {detail}",
    )


def broken_upload(url: str, sent: int, size: int) -> Unreachable:
    """The error for an upload that ended without an answer."""
    if not sent:
        return unreachable(url, "the upload did not start")
    return Unreachable(
        f"The connection broke after {sent / 1e6:,.0f} of {size / 1e6:,.0f} MB.",
        "It may have stopped, run out of disk space, or take only smaller files (MAX_CONTENT_LENGTH): its log tells.",
        f"{url}: the request ended without an answer",
    )

"""What the browser tells of the page's circumstances: permissions, security, and whether anything answers at all."""

import asyncio

import js
from pyodide.ffi import JsException

from modeltab.browser.interop import to_object
from modeltab.browser.transport import target_space
from modeltab.domain.connections import AddressSpace
from modeltab.domain.diagnosis import PERMISSIONS, PageFacts, Permission

_STATES: tuple[Permission, ...] = ("granted", "denied", "prompt")


class BrowserSurroundings:
    """The circumstances of this page."""

    def page(self) -> PageFacts:
        """The page's own."""
        browser = _browser(js.navigator.userAgent)
        return PageFacts(js.location.origin, bool(js.isSecureContext), browser, bool(js.navigator.onLine))

    async def permission(self, space: AddressSpace) -> Permission:
        """Whether the page may reach servers there; "unknown" where the browser does not know such a permission."""
        for name in PERMISSIONS[space]:
            try:
                state = (await js.navigator.permissions.query(to_object({"name": name}))).state
            except (AttributeError, JsException):
                continue
            if state in _STATES:
                return state  # type: ignore[no-any-return]
        return "unknown"

    async def answers_without_cors(self, url: str, seconds: float) -> bool | None:
        """Whether anything answers a request that needs no permission of the server. What it says stays hidden.

        None where the page cannot tell, because the headers that isolate it hide such an answer, too.
        """
        controller = js.AbortController.new()
        options = to_object(
            {
                "mode": "no-cors",
                "credentials": "omit",
                "referrerPolicy": "no-referrer",
                "cache": "no-store",
                **target_space(url),
            }
        )
        options.signal = controller.signal
        try:
            async with asyncio.timeout(seconds):
                await js.fetch(url, options)
            return True
        except (JsException, TimeoutError):
            return None if await _hides_opaque_replies() else False
        finally:
            controller.abort()


def is_apple() -> bool:
    """Whether the keyboard is one of Apple's systems."""
    return str(js.navigator.platform).startswith(("Mac", "iPhone", "iPad", "iPod"))


async def _hides_opaque_replies() -> bool:
    """Whether this page was sent with the policy under which replies without CORS do not arrive."""
    if not js.crossOriginIsolated:
        return False
    try:
        reply = await js.fetch(js.location.pathname, to_object({"method": "HEAD"}))
    except JsException:
        return True  # what cannot be looked up is not claimed
    return str(reply.headers.get("cross-origin-embedder-policy")) == "require-corp"


def _browser(user_agent: str) -> str:
    """The family of a browser, whose rules differ. Chromium's own name is in no other's, Safari's is in all."""
    if "Chrome/" in user_agent or "Chromium/" in user_agent:
        return "chromium"
    if "Firefox/" in user_agent:
        return "firefox"
    return "safari" if "Safari/" in user_agent else "other"

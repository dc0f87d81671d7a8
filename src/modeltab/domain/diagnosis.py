"""Why a connection does not work: what is found out about it, and what a verdict is. `verdicts` leads from one to the other.

A browser tells a page the same nothing for a server that is down, a missing CORS header, a permission that was denied and
an address that it blocks. So the reason is concluded, from the page's own circumstances, from the permissions, and from
three requests: the API's own, one that needs no CORS, and one that carries no key.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from modeltab.domain.connections import AddressSpace, address_space, host_of
from modeltab.domain.errors import ErrorRecord

Kind = Literal[
    "healthy",
    "no-models",
    "offline-only",
    "not-for-browsers",
    "offline",
    "insecure-context",
    "safari-loopback",
    "mixed-content",
    "permission-denied",
    "permission-needed",
    "not-listening",
    "silent",
    "no-answer",
    "no-cors",
    "no-cors-header",
    "key-refused-unseen",
    "redirected",
    "other-api",
    "key-missing",
    "keys-locked",
    "unauthorized",
    "failed",
]
Permission = Literal["granted", "denied", "prompt", "unknown"]
#: How the API's own request ended.
Outcome = Literal[
    "answered",
    "unreachable",
    "no-answer",
    "redirected",
    "offline-only",
    "not-for-browsers",
    "key-missing",
    "keys-locked",
    "unauthorized",
    "wrong",
    "failed",
]
StepState = Literal["passed", "failed", "skipped"]

#: From the most private to the least: a request to a more private space needs a permission.
_SPACES: tuple[AddressSpace, ...] = ("loopback", "local", "public")
#: The permission for each space; the older one that stands for both comes last.
PERMISSIONS: Mapping[AddressSpace, tuple[str, ...]] = {
    "loopback": ("loopback-network", "local-network-access"),
    "local": ("local-network", "local-network-access"),
    "public": (),
}


class Recipe(NamedTuple):
    """A setting of a server or a browser, to be copied and used there.

    In `code`, `{origin}` stands for this page's origin until it is shown.
    """

    where: str
    code: str


class PageFacts(NamedTuple):
    """The page's own circumstances.

    :param browser: "chromium", "firefox", "safari" or "other".
    """

    origin: str
    is_secure: bool = True
    browser: str = "chromium"
    online: bool = True

    @property
    def space(self) -> AddressSpace:
        """Where the page comes from."""
        return address_space(host_of(self.origin))


class Evidence(NamedTuple):
    """What was found out.

    :param label: what the server should be, in words.
    :param outcome: how the API's own request ended; `error` is its error.
    :param version: what the API says of itself.
    :param milliseconds: the round trip of that request.
    :param models: how many it has, None when that was not learnt.
    :param permission: the state of the permission that the target's space needs.
    :param answers_without_cors: whether a request that needs no CORS was answered; None when that cannot be seen.
    :param answers_without_key: whether a request without any header was answered with CORS; None when it was not tried.
    :param hides_refusal: whether this API answers a wrong key without CORS.
    :param has_key: whether a key went along.
    :param found: which other API answers there, in words; empty when none was recognised. `found_type`, `found_label`
        and `found_url` are the type of a connection to it, what that is called, and its base URL.
    :param allow: how such a server is told to answer this page; `start`, how it is started.
    """

    page: PageFacts
    base_url: str
    label: str
    outcome: Outcome = "answered"
    error: ErrorRecord = ErrorRecord("")
    version: str = ""
    milliseconds: float = 0.0
    models: int | None = None
    permission: Permission = "unknown"
    answers_without_cors: bool | None = False
    answers_without_key: bool | None = None
    hides_refusal: bool = False
    has_key: bool = False
    found: str = ""
    found_type: str = ""
    found_label: str = ""
    found_url: str = ""
    allow: tuple[Recipe, ...] = ()
    start: str = ""

    @property
    def space(self) -> AddressSpace:
        """Where the server is."""
        return address_space(host_of(self.base_url)) if self.base_url else "loopback"

    @property
    def needs_permission(self) -> bool:
        """Whether the browser asks the person before a page from here may ask a server there."""
        return _SPACES.index(self.space) < _SPACES.index(self.page.space)


class Step(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: StepState
    text: str = ""


class Diagnosis(NamedTuple):
    """The verdict.

    :param title: what it is, one sentence; `text` is why, and what to do.
    :param recipes: what can be copied and used, most likely first.
    :param found_type: the type of the API that answers instead, for the offer to use that at `found_url`.
    """

    kind: Kind
    title: str
    text: str = ""
    recipes: tuple[Recipe, ...] = ()
    steps: tuple[Step, ...] = ()
    detail: str = ""
    found_type: str = ""
    found_label: str = ""
    found_url: str = ""

    def record(self) -> ErrorRecord:
        """The verdict as an error."""
        return ErrorRecord(self.title, self.text, self.detail)

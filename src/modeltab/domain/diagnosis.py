"""Why a connection does not work: what was found → one verdict, with what to do.

A browser tells a page the same nothing for a server that is down, a missing CORS header, a permission that was denied and
an address that it blocks. So the reason is concluded, from the page's own circumstances, from the permissions, and from
three requests: the API's own, one that needs no CORS, and one that carries no key.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from modeltab.domain.connections import AddressSpace, address_space, host_of, origin_of
from modeltab.domain.errors import ErrorRecord

Kind = Literal[
    "healthy",
    "no-models",
    "offline-only",
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


def diagnose(evidence: Evidence) -> Diagnosis:
    """The one verdict that the evidence allows, and the steps that led to it."""
    kind = _kind(evidence)
    title, text = _WORDS[kind](evidence)
    recipes: tuple[Recipe, ...] = ()
    if kind in ("no-cors", "no-cors-header", "silent"):
        recipes = tuple(r._replace(code=r.code.replace("{origin}", evidence.page.origin)) for r in evidence.allow)
    elif kind in ("not-listening", "permission-needed") and evidence.start and evidence.space == "loopback":
        recipes = (Recipe("Start it with", evidence.start),)
    return Diagnosis(
        kind,
        title,
        text,
        recipes,
        _steps(evidence, kind),
        evidence.error.detail,
        evidence.found_type,
        evidence.found_label,
        evidence.found_url,
    )


def _kind(evidence: Evidence) -> Kind:
    outcome = evidence.outcome
    if outcome == "answered":
        return "no-models" if evidence.models == 0 else "healthy"
    if outcome == "wrong":
        return "other-api"
    if outcome != "unreachable":
        return outcome
    if not evidence.base_url:
        return "failed"  # the browser itself, which says why
    return _kind_of_silence(evidence)


def _kind_of_silence(evidence: Evidence) -> Kind:
    """Why a request came to nothing, from the surest reason to the last that is left."""
    page = evidence.page
    if evidence.answers_without_key:
        return "no-cors-header"
    if evidence.answers_without_cors:
        return "key-refused-unseen" if evidence.hides_refusal and evidence.has_key else "no-cors"
    if not page.online and evidence.space == "public":
        return "offline"
    if page.origin.startswith("https:") and evidence.base_url.startswith("http:"):
        if evidence.space == "loopback" and page.browser == "safari":
            return "safari-loopback"
        if evidence.space == "public" or (evidence.space == "local" and page.browser != "chromium"):
            return "mixed-content"
    if evidence.needs_permission:
        if not page.is_secure:
            return "insecure-context"
        if evidence.permission == "denied":
            return "permission-denied"
        if evidence.permission == "prompt":
            return "permission-needed"
    return "silent" if evidence.answers_without_cors is None else "not-listening"


_Words = tuple[str, str]


def _healthy(e: Evidence) -> _Words:
    return f"{e.version or e.label + ' answers'}, in {e.milliseconds:.0f} ms", ""


def _no_models(e: Evidence) -> _Words:
    return (
        f"{e.version or e.label} answers, but has no models",
        "Add one on the Models page or with its own tools.",
    )


def _offline(e: Evidence) -> _Words:
    return (
        "This computer is offline.",
        "Connect to the internet, then test again. Models on this machine work without.",
    )


def _insecure(e: Evidence) -> _Words:
    return (
        f"This page is not secure, so the browser keeps it from {origin_of(e.base_url)}.",
        f"Open the app over https, or from this machine (python run.py), instead of {e.page.origin}.",
    )


def _safari(e: Evidence) -> _Words:
    return (
        f"Safari keeps secure pages from {origin_of(e.base_url)}.",
        "Open the app from this machine (python run.py, then http://127.0.0.1:8000), or use another browser.",
    )


def _mixed(e: Evidence) -> _Words:
    return (
        f"The browser blocks it: this page is https, {origin_of(e.base_url)} is not.",
        "Give the server https, reach it through a tunnel that has it, or open the app from this machine (python run.py).",
    )


def _permission_denied(e: Evidence) -> _Words:
    return (
        f"This browser does not let the page reach {_place(e.space)}.",
        "Click the icon before the address bar's text, open the site's settings, and allow "
        f"{'“Apps on device”' if e.space == 'loopback' else '“Local network”'} (older versions: “Local network access”). "
        "Then test again.",
    )


def _permission_needed(e: Evidence) -> _Words:
    return (
        f"Nothing listens at {origin_of(e.base_url)}, or the browser's question has no answer yet.",
        "The browser asks only when a server answers: start it, test again, and choose “Allow” when the browser asks.",
    )


def _not_listening(e: Evidence) -> _Words:
    origin = origin_of(e.base_url)
    if e.space == "public":
        return (
            f"No answer from {origin}.",
            "Check the address. If it is right: the service may be down, or an extension or a firewall blocks it.",
        )
    return f"Nothing listens at {origin}.", f"Start {e.label} there, or correct the address and the port."


def _silent(e: Evidence) -> _Words:
    return (
        f"No answer from {origin_of(e.base_url)} that this page may see.",
        f"Either nothing listens there: start {e.label}, or correct the address. Or it does not allow {e.page.origin} (CORS): "
        "tell it to. This page cannot tell which, because it was sent with Cross-Origin-Embedder-Policy: require-corp.",
    )


def _no_cors(e: Evidence) -> _Words:
    return (
        f"{origin_of(e.base_url)} answers, but does not allow this page (CORS).",
        f"Tell the server to allow {e.page.origin}, start it again, then test again.",
    )


def _no_cors_header(e: Evidence) -> _Words:
    return (
        f"{origin_of(e.base_url)} allows this page, but not the headers of the request (CORS).",
        "It has to answer OPTIONS requests, and to name content-type"
        f"{' and the header of the key' if e.has_key else ''} in Access-Control-Allow-Headers.",
    )


def _refused_unseen(e: Evidence) -> _Words:
    return (
        f"{e.label} most likely refuses the key.",
        "It answers a wrong key in a way that browsers do not show to pages. Paste the key again, alone and whole.",
    )


def _other_api(e: Evidence) -> _Words:
    if e.found:
        return f"Not {e.label}: {e.found} answers there.", "Use it as what it is, or correct the address."
    return (
        f"Something answers there, but not as {e.label}.",
        e.error.advice or "Check the base URL.",
    )


def _as_told(e: Evidence) -> _Words:
    return e.error.message, e.error.advice


_WORDS = {
    "healthy": _healthy,
    "no-models": _no_models,
    "offline-only": _as_told,
    "offline": _offline,
    "insecure-context": _insecure,
    "safari-loopback": _safari,
    "mixed-content": _mixed,
    "permission-denied": _permission_denied,
    "permission-needed": _permission_needed,
    "not-listening": _not_listening,
    "silent": _silent,
    "no-answer": _as_told,
    "no-cors": _no_cors,
    "no-cors-header": _no_cors_header,
    "key-refused-unseen": _refused_unseen,
    "redirected": _as_told,
    "other-api": _other_api,
    "key-missing": _as_told,
    "keys-locked": _as_told,
    "unauthorized": _as_told,
    "failed": _as_told,
}


def _place(space: AddressSpace) -> str:
    return "servers on this machine" if space == "loopback" else "servers in your network"


#: The steps in their order, and the one that each verdict says has failed.
_STEPS = ("Page", "Permission", "Server", "CORS", "API", "Key", "Models")
_FAILS_AT: Mapping[Kind, str] = {
    **dict.fromkeys(("offline-only", "offline", "insecure-context", "safari-loopback", "mixed-content"), "Page"),
    **dict.fromkeys(("permission-denied", "permission-needed"), "Permission"),
    **dict.fromkeys(("not-listening", "silent", "no-answer"), "Server"),
    **dict.fromkeys(("no-cors", "no-cors-header"), "CORS"),
    **dict.fromkeys(("other-api", "failed", "redirected"), "API"),
    **dict.fromkeys(("key-missing", "keys-locked", "unauthorized", "key-refused-unseen"), "Key"),
    "no-models": "Models",
}


def _steps(evidence: Evidence, kind: Kind) -> tuple[Step, ...]:
    failed = _FAILS_AT.get(kind, "")
    place = _STEPS.index(failed) if failed else len(_STEPS)
    texts = {
        "Page": evidence.page.origin,
        "Permission": f"{evidence.permission}" if evidence.needs_permission else "not needed",
        "Server": origin_of(evidence.base_url) if evidence.base_url else "this browser",
        "CORS": "allows this page" if place > _STEPS.index("CORS") else "",
        "API": evidence.version if kind in ("healthy", "no-models") else "",
        "Key": ("accepted" if evidence.has_key else "none is needed") if place > _STEPS.index("Key") else "",
        "Models": f"{evidence.models}" if evidence.models is not None else "",
    }
    states: list[StepState] = ["passed" if n < place else "failed" if n == place else "skipped" for n in range(len(_STEPS))]
    return tuple(Step(name, state, texts[name]) for name, state in zip(_STEPS, states, strict=True))

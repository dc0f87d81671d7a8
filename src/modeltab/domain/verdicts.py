"""Evidence → the one verdict that it allows, in words, with the steps that led to it."""

from collections.abc import Mapping

from modeltab.domain.connections import AddressSpace, origin_of
from modeltab.domain.diagnosis import Diagnosis, Evidence, Kind, Permission, Recipe, Step, StepState


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
    if evidence.answers_without_key or evidence.answers_without_cors:
        if evidence.hides_refusal and evidence.has_key:
            return "key-refused-unseen"
        return "no-cors-header" if evidence.answers_without_key else "no-cors"
    if not page.online and evidence.space == "public":
        return "offline"
    if page.origin.startswith("https:") and evidence.base_url.startswith("http:"):
        if evidence.space == "loopback" and page.browser == "safari":
            return "safari-loopback"
        if evidence.space == "public" or (evidence.space == "local" and page.browser != "chromium"):
            return "mixed-content"
    if evidence.needs_permission:
        if not page.is_secure and page.browser == "chromium":  # others keep such pages from nothing
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
    text = f"Start {e.label} there, or correct the address and the port."
    if e.space == "local":
        text += " If it runs: it has to listen for other computers, too, and its firewall has to let them in."
    return f"Nothing listens at {origin}.", text


def _silent(e: Evidence) -> _Words:
    reasons = ["Either the service does not answer: correct the address."]
    if e.space != "public":
        reasons = [f"Either nothing listens there: start {e.label}, or correct the address."]
    if e.hides_refusal and e.has_key:
        reasons.append("Or it refuses the key: paste it again.")
    reasons.append(f"Or it does not allow {e.page.origin} (CORS): tell it to.")
    reasons.append("This page cannot tell which, because it was sent with Cross-Origin-Embedder-Policy: require-corp.")
    return f"No answer from {origin_of(e.base_url)} that this page may see.", " ".join(reasons)


def _no_cors(e: Evidence) -> _Words:
    return (
        f"{origin_of(e.base_url)} answers, but does not allow this page (CORS).",
        f"Tell the server to allow {e.page.origin}, start it again, then test again.",
    )


def _no_cors_header(e: Evidence) -> _Words:
    if not e.has_key:
        return (
            f"{origin_of(e.base_url)} allows this page, but not this request (CORS).",
            "Check the path of the base URL. If it is right: the server has to allow this page there too, to answer OPTIONS "
            "requests, and to name content-type in Access-Control-Allow-Headers.",
        )
    return (
        f"{origin_of(e.base_url)} allows this page, but not the headers of the request (CORS).",
        "It has to answer OPTIONS requests, and to name content-type and the header of the key in "
        "Access-Control-Allow-Headers.",
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
    "not-for-browsers": _as_told,
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
    **dict.fromkeys(("no-cors", "no-cors-header", "not-for-browsers"), "CORS"),
    **dict.fromkeys(("other-api", "failed", "redirected"), "API"),
    **dict.fromkeys(("key-missing", "keys-locked", "unauthorized", "key-refused-unseen"), "Key"),
    "no-models": "Models",
}


_PERMISSION_TEXTS: Mapping[Permission, str] = {
    "granted": "granted",
    "denied": "denied",
    "prompt": "not answered yet",
    "unknown": "not told by this browser",
}
#: Steps before that one which such a verdict says nothing of: nothing was asked, or the answer is hidden from the page.
_NOT_SEEN: Mapping[Kind, tuple[str, ...]] = {
    **dict.fromkeys(("key-missing", "keys-locked"), ("Permission", "Server", "CORS", "API")),
    "not-for-browsers": ("Permission", "Server"),
    "key-refused-unseen": ("CORS", "API"),
}


def _steps(evidence: Evidence, kind: Kind) -> tuple[Step, ...]:
    failed = _FAILS_AT.get(kind, "")
    place = _STEPS.index(failed) if failed else len(_STEPS)
    texts = {
        "Page": evidence.page.origin,
        "Permission": _PERMISSION_TEXTS[evidence.permission] if evidence.needs_permission else "not needed",
        "Server": origin_of(evidence.base_url) if evidence.base_url else "this browser",
        "CORS": "allows this page" if place > _STEPS.index("CORS") else "",
        "API": evidence.version if kind in ("healthy", "no-models") else "",
        "Key": ("accepted" if evidence.has_key else "none is needed") if place > _STEPS.index("Key") else "",
        "Models": f"{evidence.models}" if evidence.models is not None else "",
    }
    unseen = _NOT_SEEN.get(kind, ())
    steps = []
    for n, name in enumerate(_STEPS):
        passed = n < place and name not in unseen
        state: StepState = "passed" if passed else "failed" if n == place else "skipped"
        steps.append(Step(name, state, "" if name in unseen else texts[name]))
    return tuple(steps)

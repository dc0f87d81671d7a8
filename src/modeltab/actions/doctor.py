"""The connection doctor: a fixed sequence of looks at one connection, and the verdict that they lead to.

Runs only from a click: a request to this machine may make the browser ask the person.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from modeltab.actions.app import App
from modeltab.domain import errors
from modeltab.domain.connections import Connection, host_of, is_loopback, origin_of
from modeltab.domain.diagnosis import Diagnosis, Evidence, Outcome
from modeltab.domain.verdicts import diagnose
from modeltab.providers.base import HttpRequest, Provider
from modeltab.providers.connection_type import ConnectionType, Fingerprint
from modeltab.providers.http import decode_json, read

#: Seconds for an API to answer, and for each of the looks that follow when it does not.
ANSWER_WITHIN = 15.0
LOOK_WITHIN = 5.0

_OUTCOMES: tuple[tuple[type[errors.ModelTabError], Outcome], ...] = (
    (errors.NoAnswerInTime, "no-answer"),
    (errors.Unreachable, "unreachable"),
    (errors.Redirected, "redirected"),
    (errors.OfflineOnly, "offline-only"),
    (errors.NotForBrowsers, "not-for-browsers"),
    (errors.KeyMissing, "key-missing"),
    (errors.KeysLocked, "keys-locked"),
    (errors.Unauthorized, "unauthorized"),
    (errors.BadReply, "wrong"),
    (errors.NotFound, "wrong"),
    (errors.BadRequest, "wrong"),
)


async def examine(app: App, connection: Connection, provider: Provider, has_key: bool) -> Diagnosis:
    """Look at a connection in the fixed sequence."""
    type_ = app.registry.type_of(connection.type)
    preset = type_.preset_at(connection.base_url) if connection.base_url else None
    evidence = Evidence(
        app.surroundings.page(),
        connection.base_url,
        preset.label if preset and preset.label else type_.label,
        has_key=has_key,
        hides_refusal=type_.hides_refusal(connection.base_url),
        allow=type_.allow(connection.base_url),
        start=type_.start,
    )
    evidence = await _ask(app, evidence, provider)
    if evidence.needs_permission:  # looked up afterwards: the request may have made the browser ask
        evidence = evidence._replace(permission=await app.surroundings.permission(evidence.space))
    if connection.base_url and evidence.outcome in ("unreachable", "wrong"):
        evidence = await (_ask_around if evidence.outcome == "unreachable" else _ask_who)(app, evidence, type_)
    return diagnose(evidence)


async def _ask(app: App, evidence: Evidence, provider: Provider) -> Evidence:
    """The API's own requests."""
    began = time.perf_counter()
    try:
        async with answered_in_time(evidence.base_url):
            version = await provider.check()
            milliseconds = (time.perf_counter() - began) * 1000
            models = len(await provider.models())
    except Exception as error:
        if not isinstance(error, errors.ModelTabError):
            app.alert(error)  # a defect; the look comes to its end all the same
        outcome: Outcome = next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "failed")
        return evidence._replace(outcome=outcome, error=errors.record_of(error))
    return evidence._replace(version=version, milliseconds=milliseconds, models=models)


async def _ask_around(app: App, evidence: Evidence, type_: ConnectionType) -> Evidence:
    """No answer came: whether anything listens, and whether it is the key's header."""
    there = await app.surroundings.answers_without_cors(evidence.base_url, LOOK_WITHIN)
    plainly = there is not False and await _answers_plainly(app, evidence.base_url)
    return evidence._replace(answers_without_cors=there, answers_without_key=plainly)


async def _answers_plainly(app: App, url: str) -> bool:
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            await read(await app.transport.send(HttpRequest("GET", url)))
    except (errors.ModelTabError, TimeoutError):
        return False
    return True


async def _ask_who(app: App, evidence: Evidence, type_: ConnectionType) -> Evidence:
    """Something answered, but not as it should: which of the APIs that are known it is."""
    origin = origin_of(evidence.base_url)
    found = await recognise(app, origin, besides=type_.name)
    if found is None:
        return evidence
    other, words, fingerprint = found
    return evidence._replace(
        found=words, found_type=other.name, found_label=other.label, found_url=origin + fingerprint.base_path
    )


async def recognise(app: App, origin: str, besides: str = "") -> tuple[ConnectionType, str, Fingerprint] | None:
    """Which API answers at an origin: its type, its own words, and by what it was recognised. None when none is known.

    :param besides: a type that it is not.
    """
    port = origin.rpartition(":")[2]
    pairs = [(type_, item) for type_ in app.registry.types for item in type_.fingerprints if type_.name != besides]
    for type_, fingerprint in sorted(pairs, key=lambda pair: port not in map(str, pair[1].ports)):  # the likeliest first
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                response = await app.transport.send(HttpRequest("GET", origin + fingerprint.path))
                body = await read(response)
            words = fingerprint.recognise(decode_json(body, origin)) if response.status < 400 else ""
        except (errors.ModelTabError, TimeoutError):
            continue
        if words:
            return type_, words, fingerprint
    return None


@asynccontextmanager
async def answered_in_time(url: str) -> AsyncIterator[None]:
    """A server that takes a request and never answers it is told as one that cannot be reached."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            yield
    except TimeoutError:
        what = f"{url or 'It'} takes requests but does not answer them."
        todo = "It may be busy with an answer. Wait, or start it again; then test it."
        if url and not is_loopback(host_of(url)):  # elsewhere, what is not there refuses nothing either
            what = f"{url} did not answer in {ANSWER_WITHIN:.0f} seconds."
            todo = "Check the address, and that no firewall is between. If both are right it may be busy: wait, then test it."
        raise errors.NoAnswerInTime(what, todo, f"no answer within {ANSWER_WITHIN:.0f} s") from None

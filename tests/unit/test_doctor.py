"""The connection doctor: what it asks, in which order, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from modeltab.actions import doctor
from modeltab.domain.connections import Connection
from modeltab.domain.diagnosis import Diagnosis, PageFacts
from modeltab.domain.errors import ModelTabError, NotForBrowsers, OfflineOnly, Redirected, Unreachable
from modeltab.providers.base import HttpRequest
from tests.servers.scripted import Reply, ScriptedServer, json_reply
from tests.unit.fakes import CannedResponse, canned
from tests.unit.rig import SERVER, TAB, Rig

ORIGIN = "http://127.0.0.1:5000"
URL = ORIGIN + "/api/v1"
HEALTH = {"status": "healthy", "service": "Local LLM API", "version": "1.0.0"}
HEALTHY = {
    "/api/v1/health": HEALTH,
    "/api/v1/models": {"models": [{"name": "a.gguf"}], "count": 1},
    "/api/v1/cache/status": {"cached_models": [], "count": 0},
}
OLLAMA = {"/api/version": {"version": "0.17.9"}, "/api/tags": {"models": []}, "/api/ps": {"models": []}}
LLAMA = {"/props": {"total_slots": 4, "default_generation_settings": {"n_ctx": 4096}, "model_path": "m.gguf"}}
OPENAI = {"/v1/models": {"object": "list", "data": [{"id": "m1", "owned_by": "vllm"}]}}
GONE = Unreachable("No answer.", "Start it.", "TypeError: Failed to fetch")


class Site:
    """Answers by path: a value as JSON, a reply, an error to raise, or an event to wait for. What it has not is a 404."""

    def __init__(self, pages: Mapping[str, object], log: list[str]) -> None:
        self.pages = dict(pages)
        self.log = log
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> CannedResponse:
        """The path's answer."""
        path = request.url.removeprefix(ORIGIN)
        self.log.append(f"{request.method} {path}")
        self.requests.append(request)
        await asyncio.sleep(0)
        found = self.pages.get(path, self.pages.get("*", CannedResponse(b"Not here", 404, "text/plain")))
        if isinstance(found, Exception):
            raise found
        if isinstance(found, asyncio.Event):
            await found.wait()
            raise AssertionError("waited in vain")
        return found if isinstance(found, CannedResponse) else canned(found)

    async def upload(self, *arguments: object) -> CannedResponse:
        """Not asked for."""
        raise NotImplementedError


class Patient(Rig):
    """An app with one connection to a site. `log` has every look in its order, `there` is what needs no CORS."""

    def __init__(self, pages: Mapping[str, object], type_: str = "local-llm", url: str = URL, key: str = "") -> None:
        self.log: list[str] = []
        self.site = Site(pages, self.log)
        super().__init__(transport=self.site)
        self.there: bool | None = False
        self.key = key
        self.connect(Connection(SERVER, type_, "Workshop", url))
        looks = self.surroundings

        async def answers(url: str, seconds: float) -> bool | None:
            self.log.append(f"without CORS {url}")
            assert seconds == doctor.LOOK_WITHIN
            return self.there

        async def permission(space):
            self.log.append(f"permission for {space}")
            return looks.permissions.get(space, "unknown")

        looks.answers_without_cors = answers  # type: ignore[method-assign]
        looks.permission = permission  # type: ignore[method-assign]

    async def test(self) -> Diagnosis:
        """Presses "Test"."""
        self.watch()
        if self.key:
            await self.keys.set(SERVER, self.state.connections[1].base_url, self.key)
        self.log.clear()
        await self.do("connection.test", SERVER)
        return self.state.diagnoses[SERVER]


def passed(item: Diagnosis) -> list[str]:
    """The steps that passed."""
    return [step.name for step in item.steps if step.state == "passed"]


# ---- An answer -------------------------------------------------------------------------------------------------------


async def test_a_healthy_server_is_asked_as_its_api_is_and_nothing_more():
    rig = Patient(HEALTHY)
    found = await rig.test()
    assert found.kind == "healthy"
    assert found.title.startswith("Local LLM API 1.0.0, in ") and found.title.endswith(" ms")
    assert rig.log[:2] == ["GET /api/v1/health", "GET /api/v1/models"]
    assert not any("without CORS" in look or "permission" in look for look in rig.log)
    assert (rig.health(SERVER), rig.models(SERVER)) == ("healthy", ["a.gguf"])
    assert rig.state.status == f"Workshop: {found.title}"


async def test_the_round_trip_is_that_of_the_first_request(monkeypatch):
    times = iter([10.0, 10.25])
    monkeypatch.setattr("modeltab.actions.doctor.time", SimpleNamespace(perf_counter=lambda: next(times)))
    assert (await Patient(HEALTHY).test()).title == "Local LLM API 1.0.0, in 250 ms"


async def test_a_server_without_models_says_so_and_is_healthy_all_the_same():
    rig = Patient({**HEALTHY, "/api/v1/models": {"models": [], "count": 0}})
    assert (await rig.test()).kind == "no-models"
    assert rig.health(SERVER) == "healthy"


async def test_the_tab_is_examined_without_any_request():
    rig = Patient(HEALTHY)
    rig.watch()
    await rig.do("connection.test", TAB)
    assert rig.state.diagnoses[TAB].kind == "no-models"
    assert rig.log == []


@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_wants_other_credentials_is_unauthorized(status):
    rig = Patient({**HEALTHY, "/api/v1/health": canned({"error": "Who are you?"}, status)})
    found = await rig.test()
    assert (found.kind, found.title) == ("unauthorized", "Who are you?")
    assert passed(found) == ["Page", "Permission", "Server", "CORS", "API"]
    assert (rig.health(SERVER), rig.models(SERVER)) == ("unauthorized", [])
    assert rig.log == ["GET /api/v1/health"]


async def test_a_key_that_is_refused_is_not_in_the_verdict():
    key = "sk-secret-0123456789"
    refused = canned({"error": {"message": f"Incorrect API key provided: {key}."}}, 401)
    rig = Patient({"/v1/models": refused}, "openai", ORIGIN + "/v1", key)
    found = await rig.test()
    assert found.title == "Incorrect API key provided: [key]."
    assert key not in repr(rig.state)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Redirected("It leads elsewhere.", "Type that address."), "redirected"),
        (OfflineOnly("Offline only is on.", "Switch it off."), "offline-only"),
        (NotForBrowsers("It answers no page.", "Use a gateway."), "not-for-browsers"),
        (ModelTabError("Something else.", "Do that."), "failed"),
    ],
)
async def test_an_error_that_says_why_is_the_verdict_and_nothing_else_is_asked(error, kind):
    rig = Patient({"*": error})
    found = await rig.test()
    assert (found.kind, found.title, found.text) == (kind, error.message, error.advice)
    assert rig.log == ["GET /api/v1/health"]
    assert rig.health(SERVER) == "unreachable"


async def test_a_defect_is_told_and_the_examination_comes_to_its_end(capsys):
    rig = Patient({"*": ZeroDivisionError("a defect")})
    found = await rig.test()
    assert found.kind == "failed" and "ZeroDivisionError" in found.detail
    assert (rig.health(SERVER), rig.alerts) == ("unreachable", ["ModelTab met an error that it did not expect."])
    assert "a defect" in capsys.readouterr().err


# ---- Another API -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pages", "type_", "url", "found_type", "words", "found_url"),
    [
        (OLLAMA, "local-llm", URL, "ollama", "Ollama 0.17.9", ORIGIN),
        (LLAMA, "local-llm", URL, "llama-server", "llama-server", ORIGIN),
        (OPENAI, "local-llm", URL, "openai", "vLLM, 1 model", ORIGIN + "/v1"),
        (HEALTHY, "ollama", ORIGIN, "local-llm", "Local LLM API 1.0.0", URL),
        ({**OPENAI, **OLLAMA}, "local-llm", URL, "ollama", "Ollama 0.17.9", ORIGIN),
    ],
)
async def test_another_api_at_that_address_is_recognised_and_can_be_used(pages, type_, url, found_type, words, found_url):
    rig = Patient(pages, type_, url)
    found = await rig.test()
    assert found.kind == "other-api"
    assert words in found.title
    assert (found.found_type, found.found_url) == (found_type, found_url)
    await rig.do("connection.adopt", SERVER)
    item = rig.state.connections[1]
    assert (item.type, item.base_url, item.id, item.name) == (found_type, found_url, SERVER, "Workshop")
    assert rig.config.value["connections"][1]["type"] == found_type


async def test_what_is_recognised_by_nothing_is_only_said_to_be_something_else():
    rig = Patient({"*": CannedResponse(b"<h1>A wiki</h1>", content_type="text/html")})
    found = await rig.test()
    assert (found.kind, found.found_type) == ("other-api", "")
    assert found.title == "Something answers there, but not as Local LLM API."
    asked = {look.removeprefix("GET ") for look in rig.log[1:]}
    assert asked == {fp.path for type_ in rig.state.types for fp in type_.fingerprints if type_.name != "local-llm"}
    await rig.do("connection.adopt", SERVER)
    assert rig.state.connections[1].type == "local-llm"


async def test_no_key_goes_along_when_it_is_looked_who_answers():
    key = "sk-secret-0123456789"
    rig = Patient(OLLAMA, "openai", ORIGIN + "/v1", key)
    assert (await rig.test()).found_type == "ollama"
    assert rig.site.requests[0].headers["Authorization"] == f"Bearer {key}"
    assert all(not request.headers for request in rig.site.requests[1:])


async def test_looks_that_fail_or_never_end_do_not_hide_what_answers(monkeypatch):
    monkeypatch.setattr(doctor, "LOOK_WITHIN", 0.02)
    never = asyncio.Event()
    rig = Patient({"/props": never, "/v1/models": GONE, **OLLAMA}, url=ORIGIN + "/api/v1")
    rig.surroundings.permissions = {}
    assert (await rig.test()).found_type == "ollama"


# ---- No answer -------------------------------------------------------------------------------------------------------


async def test_when_no_answer_comes_it_is_looked_whether_anything_listens():
    rig = Patient({"*": GONE})
    found = await rig.test()
    assert (found.kind, found.detail) == ("not-listening", "TypeError: Failed to fetch")
    assert rig.log == ["GET /api/v1/health", f"without CORS {URL}"]


async def test_what_answers_without_cors_is_asked_once_more_plainly_and_told_to_allow_the_page():
    rig = Patient({"*": GONE})
    rig.there = True
    found = await rig.test()
    assert found.kind == "no-cors"
    assert rig.log == ["GET /api/v1/health", f"without CORS {URL}", "GET /api/v1"]
    assert rig.site.requests[-1] == HttpRequest("GET", URL)
    assert "http://127.0.0.1:8000" in found.text


async def test_what_answers_plainly_refuses_the_headers():
    rig = Patient({"/v1/models": GONE, "/v1": CannedResponse(b"", 404)}, "openai", ORIGIN + "/v1", "sk-secret-0123456789")
    rig.there = True
    found = await rig.test()
    assert found.kind == "no-cors-header"
    assert "sk-secret" not in repr(rig.site.requests[-1])


async def test_where_the_page_cannot_tell_it_says_so():
    rig = Patient({"*": GONE})
    rig.there = None
    assert (await rig.test()).kind == "silent"


async def test_a_plain_look_that_never_ends_is_left_after_its_time(monkeypatch):
    monkeypatch.setattr(doctor, "LOOK_WITHIN", 0.02)
    rig = Patient({"/api/v1/health": GONE, "/api/v1": asyncio.Event()})
    rig.there = True
    assert (await rig.test()).kind == "no-cors"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("denied", "permission-denied"),
        ("prompt", "permission-needed"),
        ("granted", "not-listening"),
        ("unknown", "not-listening"),
    ],
)
async def test_a_page_from_elsewhere_looks_at_its_permission_for_that_space(answer, kind):
    rig = Patient({"*": GONE})
    rig.surroundings.facts = PageFacts("https://models.example")
    rig.surroundings.permissions = {"loopback": answer}
    assert (await rig.test()).kind == kind
    assert "permission for loopback" in rig.log and "permission for local" not in rig.log


async def test_a_page_of_this_machine_asks_for_no_permission():
    rig = Patient({"*": GONE})
    rig.surroundings.permissions = {"loopback": "denied"}
    assert (await rig.test()).kind == "not-listening"
    assert not any("permission" in look for look in rig.log)


@pytest.mark.parametrize(
    ("url", "title"),
    [
        (URL, f"{URL} takes requests but does not answer them."),
        ("http://192.168.1.7:5000", "http://192.168.1.7:5000 did not answer in 0 seconds."),
    ],
)
async def test_a_server_that_never_answers_is_told_and_only_on_this_machine_said_to_take_requests(monkeypatch, url, title):
    monkeypatch.setattr(doctor, "ANSWER_WITHIN", 0.02)
    rig = Patient({"*": asyncio.Event()}, url=url)
    rig.site.pages["/health"] = rig.site.pages["*"]
    found = await rig.test()
    assert (found.kind, found.title) == ("no-answer", title)
    assert not any("without CORS" in look for look in rig.log)


# ---- Again, and at the same time -------------------------------------------------------------------------------------


async def test_when_the_cause_is_gone_the_next_test_says_so():
    rig = Patient({"*": GONE})
    assert (await rig.test()).kind == "not-listening"
    rig.site.pages = dict(HEALTHY)
    assert (await rig.test()).kind == "healthy"
    assert (rig.health(SERVER), rig.models(SERVER)) == ("healthy", ["a.gguf"])
    rig.site.pages = {"*": GONE}
    assert (await rig.test()).kind == "not-listening"
    assert (rig.health(SERVER), rig.models(SERVER)) == ("unreachable", [])


async def test_two_tests_at_once_end_with_the_same_verdict_and_no_alert():
    rig = Patient(HEALTHY)
    rig.watch()
    rig.press("connection.test", SERVER)
    rig.press("connection.test", SERVER)
    await rig.idle()
    assert (rig.state.diagnoses[SERVER].kind, rig.health(SERVER), rig.alerts) == ("healthy", "healthy", [])
    assert rig.models(SERVER) == ["a.gguf"]


@pytest.mark.parametrize("action", ["connection.remove", "edit"])
async def test_a_verdict_on_a_connection_that_was_changed_meanwhile_is_not_shown(action):
    rig = Patient(HEALTHY)
    rig.watch()
    rig.press("connection.test", SERVER)
    await asyncio.sleep(0)
    if action == "edit":
        moved = rig.state.connections[1]._replace(base_url="http://127.0.0.1:5001")
        rig.app.set_connections((rig.state.connections[0], moved))
    else:
        rig.press(action, SERVER)
    await rig.idle()
    assert (dict(rig.state.diagnoses), rig.alerts) == ({}, [])


async def test_a_test_of_a_connection_that_is_gone_does_nothing():
    rig = Patient(HEALTHY)
    rig.watch()
    await rig.do("connection.test", "gone")
    assert (dict(rig.state.diagnoses), rig.alerts, rig.log) == ({}, [], [])


async def test_a_verdict_can_be_folded_away_and_its_recipe_copied():
    rig = Patient({"*": GONE})
    rig.there = True
    found = await rig.test()
    await rig.do("recipe.copy", found.recipes[0].code)
    assert (rig.page.clipboard, rig.state.status) == (found.recipes[0].code, "Copied")
    await rig.do("diagnosis.close", SERVER)
    assert dict(rig.state.diagnoses) == {}


# ---- At an answer ----------------------------------------------------------------------------------------------------


async def test_an_answer_that_does_not_come_says_why_with_the_doctors_reason(scripted: ScriptedServer):
    scripted.on("GET", "/health", json_reply(HEALTH))
    scripted.on("GET", "/models", json_reply({"models": [{"name": "m.gguf"}], "count": 1}))
    scripted.on("GET", "/cache/status", json_reply({"cached_models": [], "count": 0}))
    scripted.on("POST", "/generate", Reply(drop_upload_after=1))
    rig = Rig(url=scripted.url)
    await rig.start(f"{SERVER}/m.gguf")
    scripted.on("GET", "/health", Reply(drop_upload_after=0))
    progress: list[str] = []
    rig.app.store.subscribe(lambda state: progress.append(state.generation.progress if state.generation else ""))
    answer = await rig.say("Hello?")
    assert answer.error is not None
    assert "Looking for the reason" in progress
    assert (answer.status, rig.texts[0]) == ("error", "Hello?")
    assert answer.error.message == f"{scripted.url} allows this page, but not this request (CORS)."

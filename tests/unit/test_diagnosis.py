"""The doctor's verdicts: which one each evidence allows, what it says, and that it says no more than was seen."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from modeltab.domain.diagnosis import Diagnosis, Evidence, Kind, PageFacts, Recipe
from modeltab.domain.errors import ErrorRecord
from modeltab.domain.verdicts import diagnose
from modeltab.providers import llama_server, local_llm, ollama, openai
from modeltab.providers.connection_type import ConnectionType
from modeltab.views.diagnosis import diagnosis as view
from tests.unit.fakes import CannedTransport
from tests.unit.markup import parse

PAGE = "https://models.example"
HERE = "http://127.0.0.1:8000"
LOOPBACK = "http://127.0.0.1:5000/api/v1"
LOCAL = "http://192.168.1.7:5000/api/v1"
HOSTED = "https://api.example/v1"
ALLOW = (Recipe("Flask", 'CORS(app, origins=["{origin}"])'), Recipe("Any", "Allow: {origin} {braces}"))
TOLD = ErrorRecord("It said no.", "Do this.", "status 418")

STEPS = ["Page", "Permission", "Server", "CORS", "API", "Key", "Models"]


def page(origin: str = PAGE, **facts: Any) -> PageFacts:
    """A page."""
    return PageFacts(origin, **facts)


def verdict(base_url: str = LOOPBACK, from_: PageFacts | None = None, **found: Any) -> Diagnosis:
    """The verdict on evidence, by default of a request that came to nothing."""
    found = {"outcome": "unreachable", "permission": "granted", "start": "python app.py", "allow": ALLOW, **found}
    return diagnose(Evidence(from_ or page(HERE), base_url, "Local LLM API", **found))


def states(item: Diagnosis) -> dict[str, str]:
    """How each step ended."""
    return {step.name: step.state for step in item.steps}


def texts(item: Diagnosis) -> dict[str, str]:
    """What each step says."""
    return {step.name: step.text for step in item.steps}


HTTP_PAGE = page("http://models.example", is_secure=False)
SAFARI, FIREFOX = page(browser="safari"), page(browser="firefox")

#: (evidence, the verdict, at which step it stops, words of its title, words of what to do)
VERDICTS: list[tuple[dict[str, Any], Kind, str, str, str]] = [
    ({"outcome": "answered", "models": 2, "version": "API 1.0", "milliseconds": 12.4}, "healthy", "", "API 1.0, in 12 ms", ""),
    ({"outcome": "answered", "models": None}, "healthy", "", "Local LLM API answers, in 0 ms", ""),
    (
        {"outcome": "answered", "models": 0, "version": "API 1.0"},
        "no-models",
        "Models",
        "API 1.0 answers, but has no",
        "Add one",
    ),
    ({"outcome": "offline-only", "error": TOLD}, "offline-only", "Page", "It said no.", "Do this."),
    ({"outcome": "not-for-browsers", "error": TOLD}, "not-for-browsers", "CORS", "It said no.", "Do this."),
    ({"outcome": "no-answer", "error": TOLD}, "no-answer", "Server", "It said no.", "Do this."),
    ({"outcome": "redirected", "error": TOLD}, "redirected", "API", "It said no.", "Do this."),
    ({"outcome": "key-missing", "error": TOLD}, "key-missing", "Key", "It said no.", "Do this."),
    ({"outcome": "keys-locked", "error": TOLD}, "keys-locked", "Key", "It said no.", "Do this."),
    ({"outcome": "unauthorized", "error": TOLD, "has_key": True}, "unauthorized", "Key", "It said no.", "Do this."),
    ({"outcome": "failed", "error": TOLD}, "failed", "API", "It said no.", "Do this."),
    ({"base_url": "", "error": TOLD}, "failed", "API", "It said no.", "Do this."),
    ({"outcome": "wrong", "error": TOLD}, "other-api", "API", "but not as Local LLM API", "Do this."),
    ({"outcome": "wrong"}, "other-api", "API", "but not as Local LLM API", "Check the base URL."),
    ({"outcome": "wrong", "found": "Ollama 1"}, "other-api", "API", "Not Local LLM API: Ollama 1 answers there.", "Use it as"),
    ({"base_url": HOSTED, "from_": page(online=False)}, "offline", "Page", "This computer is offline.", "Connect to the int"),
    ({"from_": HTTP_PAGE}, "insecure-context", "Page", "is not secure", "instead of http://models.example."),
    ({"from_": HTTP_PAGE, "base_url": LOCAL}, "insecure-context", "Page", "from http://192.168.1.7:5000", "over https"),
    ({"from_": SAFARI}, "safari-loopback", "Page", "Safari keeps secure pages from http://127.0.0.1:5000.", "python run.py"),
    ({"from_": FIREFOX, "base_url": LOCAL}, "mixed-content", "Page", "http://192.168.1.7:5000 is not", "Give the server https"),
    ({"from_": SAFARI, "base_url": LOCAL}, "mixed-content", "Page", "this page is https", "Give the server https"),
    ({"from_": page(), "base_url": "http://api.example"}, "mixed-content", "Page", "http://api.example is not", "https"),
    ({"from_": page(), "permission": "denied"}, "permission-denied", "Permission", "on this machine", "“Apps on device”"),
    (
        {"from_": page(), "permission": "denied", "base_url": LOCAL},
        "permission-denied",
        "Permission",
        "in your network",
        "allow “Local network”",
    ),
    ({"from_": page(), "permission": "prompt"}, "permission-needed", "Permission", "no answer yet", "choose “Allow”"),
    ({}, "not-listening", "Server", "Nothing listens at http://127.0.0.1:5000.", "Start Local LLM API there"),
    ({"base_url": LOCAL}, "not-listening", "Server", "Nothing listens at http://192.168.1.7:5000.", "its firewall"),
    ({"base_url": HOSTED}, "not-listening", "Server", "No answer from https://api.example.", "the service may be down"),
    ({"from_": page()}, "not-listening", "Server", "Nothing listens at", "Start Local LLM API there"),
    ({"from_": page(), "permission": "unknown"}, "not-listening", "Server", "Nothing listens at", "Start"),
    ({"answers_without_cors": None}, "silent", "Server", "that this page may see", "start Local LLM API, or correct"),
    ({"answers_without_cors": True}, "no-cors", "CORS", "does not allow this page (CORS).", f"allow {HERE}, start it again"),
    ({"answers_without_cors": True, "from_": page()}, "no-cors", "CORS", "does not allow this page", f"allow {PAGE}, "),
    (
        {"answers_without_cors": True, "answers_without_key": True, "has_key": True},
        "no-cors-header",
        "CORS",
        "but not the headers of the request",
        "the header of the key",
    ),
    (
        {"answers_without_cors": None, "answers_without_key": True},
        "no-cors-header",
        "CORS",
        "but not this request",
        "Check the path of the base URL",
    ),
    (
        {"base_url": HOSTED, "answers_without_cors": True, "hides_refusal": True, "has_key": True},
        "key-refused-unseen",
        "Key",
        "most likely refuses the key",
        "Paste the key again",
    ),
]


@pytest.mark.parametrize(("evidence", "kind", "stops_at", "title", "text"), VERDICTS)
def test_each_evidence_leads_to_its_verdict_with_what_to_do(evidence, kind, stops_at, title, text):
    found = verdict(**evidence)
    assert found.kind == kind
    assert title in found.title and text in found.text
    assert [name for name, state in states(found).items() if state == "failed"] == ([stops_at] if stops_at else [])
    assert list(states(found)) == STEPS
    after = STEPS[STEPS.index(stops_at) + 1 :] if stops_at else []
    assert {states(found)[name] for name in after} <= {"skipped"}
    assert found.record() == ErrorRecord(found.title, found.text, found.detail)


def test_every_verdict_that_there_is_has_its_evidence_here():
    assert {kind for _, kind, *_ in VERDICTS} == set(get_args(Kind))


# ---- No more than was seen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["key-missing", "keys-locked", "not-for-browsers", "offline-only"])
def test_where_nothing_was_asked_no_step_of_the_server_is_said_to_have_passed(outcome):
    found = verdict(HOSTED, outcome=outcome, error=TOLD, has_key=True)
    assert {states(found)[name] for name in ("Server", "API", "Models")} == {"skipped"}
    assert states(found)["CORS"] != "passed"
    assert "allows this page" not in texts(found).values()
    assert "accepted" not in texts(found).values()


def test_an_answer_that_the_page_did_not_see_is_no_proof_that_it_is_allowed():
    found = verdict(HOSTED, answers_without_cors=True, hides_refusal=True, has_key=True)
    assert (states(found)["CORS"], states(found)["API"], states(found)["Server"]) == ("skipped", "skipped", "passed")
    assert "most likely" in found.title


def test_a_wrong_key_that_is_hidden_is_suspected_only_where_a_key_went_along_to_an_api_that_hides_it():
    assert verdict(HOSTED, answers_without_cors=True, hides_refusal=True).kind == "no-cors"
    assert verdict(HOSTED, answers_without_cors=True, has_key=True).kind == "no-cors"
    both: dict[str, Any] = {"hides_refusal": True, "has_key": True}
    assert verdict(HOSTED, answers_without_cors=True, answers_without_key=True, **both).kind == "key-refused-unseen"
    assert verdict(HOSTED, answers_without_cors=False, **both).kind == "not-listening"


def test_what_cannot_be_told_apart_is_named_whole():
    found = verdict(answers_without_cors=None)
    assert "Either nothing listens there" in found.text and f"Or it does not allow {HERE} (CORS)" in found.text
    assert "Cross-Origin-Embedder-Policy" in found.text
    assert "key" not in found.text
    hosted = verdict(HOSTED, answers_without_cors=None, hides_refusal=True, has_key=True)
    assert "Or it refuses the key" in hosted.text and "start" not in hosted.text


def test_what_a_server_answered_counts_more_than_what_may_keep_the_page_from_it():
    facts = page("http://models.example", is_secure=False, online=False)
    assert verdict(from_=facts, permission="denied", answers_without_cors=True).kind == "no-cors"


def test_being_offline_explains_nothing_about_this_machine_or_the_network():
    assert verdict(from_=page(HERE, online=False)).kind == "not-listening"
    assert verdict(LOCAL, from_=page(HERE, online=False)).kind == "not-listening"


def test_only_chromium_keeps_pages_that_are_not_secure_from_more_private_addresses():
    for browser in ("firefox", "safari", "other"):
        facts = page("http://models.example", is_secure=False, browser=browser)
        assert verdict(from_=facts, permission="unknown").kind == "not-listening"


def test_a_page_of_this_machine_needs_no_permission_whatever_the_browser_says():
    found = verdict(permission="denied")
    assert (found.kind, texts(found)["Permission"]) == ("not-listening", "not needed")


@pytest.mark.parametrize(
    ("from_", "to", "needed"),
    [
        (PAGE, LOOPBACK, True),
        (PAGE, LOCAL, True),
        (PAGE, HOSTED, False),
        ("http://192.168.1.2", LOOPBACK, True),
        ("http://192.168.1.2", LOCAL, False),
        ("http://localhost:8000", LOCAL, False),
        (HERE, "http://[::1]:5000", False),
        (HERE, "", False),
    ],
)
def test_a_permission_is_needed_for_what_is_more_private_than_the_page(from_, to, needed):
    assert Evidence(page(from_), to, "API").needs_permission is needed


def test_a_healthy_connection_says_what_was_seen_at_each_step():
    found = verdict(from_=page(), outcome="answered", models=3, version="API 1.0", has_key=True)
    assert texts(found) == {
        "Page": PAGE,
        "Permission": "granted",
        "Server": "http://127.0.0.1:5000",
        "CORS": "allows this page",
        "API": "API 1.0",
        "Key": "accepted",
        "Models": "3",
    }
    assert set(states(found).values()) == {"passed"}
    assert texts(verdict(outcome="answered", models=1))["Key"] == "none is needed"


def test_a_permission_that_the_browser_does_not_tell_is_not_said_to_be_given():
    found = verdict(from_=page(), permission="unknown", outcome="answered", models=1)
    assert texts(found)["Permission"] == "not told by this browser"


# ---- Recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [PAGE, HERE, "http://localhost:8000"])
@pytest.mark.parametrize(
    "found",
    [
        {"answers_without_cors": True},
        {"answers_without_cors": None},
        {"answers_without_cors": True, "answers_without_key": True},
    ],
)
def test_what_lets_the_page_in_names_exactly_its_origin(origin, found):
    recipes = verdict(from_=page(origin), **found).recipes
    assert recipes == (Recipe("Flask", f'CORS(app, origins=["{origin}"])'), Recipe("Any", f"Allow: {origin} {{braces}}"))


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [({}, True), ({"from_": page(), "permission": "prompt"}, True), ({"base_url": LOCAL}, False), ({"start": ""}, False)],
)
def test_how_a_server_is_started_is_shown_where_it_would_be_on_this_machine(evidence, shown):
    assert verdict(**evidence).recipes == ((Recipe("Start it with", "python app.py"),) if shown else ())


@pytest.mark.parametrize(
    "evidence", [evidence for evidence, kind, *_ in VERDICTS if kind not in ("no-cors", "no-cors-header", "silent")]
)
def test_no_other_verdict_tells_to_let_the_page_in(evidence):
    assert all(recipe.where == "Start it with" for recipe in verdict(**evidence).recipes)


TYPES: list[ConnectionType] = [
    module.connection_type(CannedTransport()) for module in (local_llm, ollama, llama_server, openai)
]


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.name)
@pytest.mark.parametrize("url", ["http://127.0.0.1:1234/v1", "http://127.0.0.1:8000/v1", "http://192.168.1.7:9999"])
def test_every_server_can_be_told_to_let_exactly_this_page_in_and_never_every_page(type_, url):
    found = diagnose(Evidence(page(), url, type_.label, "unreachable", answers_without_cors=True, allow=type_.allow(url)))
    assert found.recipes
    assert any(PAGE in recipe.code for recipe in found.recipes)
    for recipe in found.recipes:
        assert recipe.where and recipe.code
        assert "{origin}" not in recipe.code and "*" not in recipe.code


# ---- How it is shown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("evidence", "kind"), [(evidence, kind) for evidence, kind, *_ in VERDICTS])
def test_every_verdict_is_shown_with_its_steps_and_each_recipe_can_be_copied(evidence, kind):
    found = verdict(**evidence)
    shown = parse(str(view(found)))
    section = shown.one("status", "Diagnosis")
    assert section["data-kind"] == kind
    assert section["data-verdict"] == {"healthy": "good", "no-models": "warn"}.get(kind, "bad")
    assert found.title in section.text and found.text in section.text
    copies = [node["data-id"] for node in shown.all("button") if node["data-action"] == "recipe.copy"]
    assert copies == [recipe.code for recipe in found.recipes]
    assert len(shown.all("listitem")) == len(STEPS)


def test_nothing_of_a_server_becomes_markup():
    error = ErrorRecord("<img src=x onerror=alert(1)>", "<b>", "<script>")
    html = str(view(verdict(outcome="failed", error=error)))
    assert "<img" not in html and "<script" not in html and "<b>" not in html

"""Who may call the API in the tab, what a person sees of it, and how they stop it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from modeltab.actions import endpoint
from modeltab.domain.calls import Call
from modeltab.domain.connections import Connection
from modeltab.domain.errors import KeysLocked, OfflineOnly
from modeltab.state.calls import MOST_CALLS, calls_from_json, calls_to_json
from modeltab.state.records import config_from_json
from modeltab.state.store import Settings, State
from modeltab.views import settings
from tests.unit.calling import BASE, BRIDGE, PAGE, Beside, opened
from tests.unit.fakes import CannedTransport, words
from tests.unit.markup import parse
from tests.unit.rig import Rig

TAB = "In this tab/a.gguf"
CHAT = "v1/chat/completions"
HELLO = {"model": TAB, "messages": [{"role": "user", "content": "Hello?"}]}
SITE = "https://site.example"
CONSENT = "v1/bridge/consent"


class FakeDoor:
    """Notes whether it is open."""

    def __init__(self, exists: bool = True) -> None:
        self.is_open = False
        self._exists = exists

    def exists(self) -> bool:
        """As the test says."""
        return self._exists

    async def open(self) -> None:
        """Opens."""
        self.is_open = True

    def close(self) -> None:
        """Closes."""
        self.is_open = False


async def code(page: Beside, path: str = "v1/models", method: str = "GET", body: Any = None) -> tuple[int, str]:
    """A call's status, and the code of its error."""
    reply = await page.call(method, path, body)
    error = reply.json().get("error") or {}
    return reply.status, error.get("code") or ""


# ---- On and off ------------------------------------------------------------------------------------------------------


async def test_it_is_off_by_default_and_a_person_switches_it():
    rig = Rig("a.gguf")
    rig.app.door = door = FakeDoor()
    rig.app.update(api_base=BASE)
    endpoint.begin(rig.app)
    await rig.start()
    page = Beside(rig)
    assert await code(page) == (403, "api_off")
    reply = await page.call("GET", "api/v1/models")
    assert (reply.status, reply.json()) == (403, {"error": endpoint.OFF})
    assert not door.is_open
    await rig.do("api.toggle")
    assert door.is_open
    assert await code(page) == (200, "")
    assert config_from_json(rig.config.value)[1].api is True
    await rig.do("api.toggle")
    assert not door.is_open
    assert await code(page) == (403, "api_off")


async def test_what_was_on_is_open_from_the_start():
    rig = Rig()
    rig.app.door = door = FakeDoor()
    rig.app.set_setting(api=True)
    endpoint.begin(rig.app)
    await asyncio.sleep(0)
    assert door.is_open


async def test_where_the_browser_has_no_service_worker_it_stays_off():
    rig = Rig()
    await rig.start()
    await rig.do("api.toggle")
    assert not rig.state.settings.api
    assert rig.alerts == ["This page cannot answer other pages: the browser has no service worker for it."]


async def test_switching_it_off_stops_what_runs():
    rig, page = await opened("a.gguf")
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    streamed, first = page.begin("POST", CHAT, {**HELLO, "stream": True})
    await rig.until(lambda: "Hello" in streamed.text)
    waiting, second = page.begin("POST", CHAT, HELLO)
    await asyncio.sleep(0.01)
    rig.app.set_setting(api=False)
    await asyncio.wait([first, second])
    assert streamed.events()[-1]["error"]["code"] == "stopped"
    assert (waiting.status, waiting.json()["error"]["code"]) == (503, "stopped")
    assert rig.engine.log[-1] == "stopped"
    assert [call.status for call in rig.state.api_calls] == [498, 498]


@pytest.mark.parametrize("action", ["models.free", "model.unload"])
async def test_what_takes_the_model_away_stops_what_uses_it(action: str):
    rig, page = await opened("a.gguf")
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    out, task = page.begin("POST", CHAT, {**HELLO, "stream": True})
    await rig.until(lambda: "Hello" in out.text)
    await rig.do(action, "" if action == "models.free" else "in-tab/a.gguf")
    assert task.done()
    assert rig.engine.info is None


# ---- Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (PAGE, (200, "")),
        (PAGE + "?a=1#b", (200, "")),
        ("http://host.example/other/page.html", (200, "")),
        (BASE, (403, "own_page")),
        (BASE + "index.html#/chat", (403, "own_page")),
        ("", (403, "unknown_page")),
        ("https://host.example/modeltab/beside.html", (403, "unknown_page")),
        ("http://host.example.evil.example/", (403, "unknown_page")),
        (BRIDGE, (403, "origin_not_allowed")),
    ],
)
async def test_pages_of_this_origin_may_call_but_the_app_itself(url: str, expected: tuple[int, str]):
    rig, _ = await opened("a.gguf")
    assert await code(Beside(rig, url)) == expected


async def test_another_page_cannot_pass_for_an_allowed_origin_or_allow_one():
    rig, _ = await opened("a.gguf")
    rig.app.set_setting(api=True, api_origins=(SITE,))
    assert await code(Beside(rig, BRIDGE, modeltab_origin=SITE)) == (200, "")
    page = Beside(rig, PAGE, modeltab_origin="https://other.example")
    assert await code(page, CONSENT, "POST", {"remember": True}) == (403, "not_the_bridge")
    assert await code(Beside(rig, PAGE + "/bridge.html", modeltab_origin=SITE), CONSENT) == (403, "not_the_bridge")
    await page.get("v1/models")
    assert rig.state.api_calls[0].caller == PAGE  # whatever its header says
    assert rig.state.settings.api_origins == (SITE,)


async def test_an_origin_is_allowed_once_for_one_window_or_always():
    rig, _ = await opened("a.gguf")
    bridge = Beside(rig, BRIDGE, "window-1", modeltab_origin=SITE)
    assert (await bridge.get(CONSENT)) == {"allowed": False}
    reply = await bridge.call("POST", CONSENT, {"remember": False})
    assert reply.json() == {"allowed": True}
    assert await code(bridge) == (200, "")
    assert await code(Beside(rig, BRIDGE, "window-2", modeltab_origin=SITE)) == (403, "origin_not_allowed")
    assert await code(Beside(rig, BRIDGE, "window-1", modeltab_origin="https://other.example")) == (403, "origin_not_allowed")
    await bridge.call("POST", CONSENT, {"remember": True})
    assert rig.state.settings.api_origins == (SITE,)
    assert await code(Beside(rig, BRIDGE, "window-2", modeltab_origin=SITE)) == (200, "")
    assert {call.caller for call in rig.state.api_calls} == {SITE, "https://other.example"}


@pytest.mark.parametrize("origin", ["", "null", "file://", SITE + "/", "javascript:x", "https://[", SITE + ":443"])
async def test_what_is_no_origin_cannot_be_allowed(origin: str):
    rig, _ = await opened()
    bridge = Beside(rig, BRIDGE, modeltab_origin=origin)
    assert await code(bridge, CONSENT, "POST", {"remember": True}) == (403, "not_the_bridge")
    assert rig.state.settings.api_origins == ()


async def test_while_it_is_off_nobody_is_asked():
    rig, _ = await opened()
    rig.app.set_setting(api=False)
    bridge = Beside(rig, BRIDGE, modeltab_origin=SITE)
    assert await code(bridge, CONSENT) == (403, "api_off")
    assert await code(bridge, CONSENT, "POST", {"remember": True}) == (403, "api_off")
    assert rig.state.settings.api_origins == ()


async def test_what_is_no_answer_to_the_question_allows_nothing():
    rig, _ = await opened()
    bridge = Beside(rig, BRIDGE, modeltab_origin=SITE)
    assert await code(bridge, CONSENT, "POST", b"yes") == (400, "invalid_json")
    assert await bridge.get(CONSENT) == {"allowed": False}


@pytest.mark.parametrize("remember", [True, False])
async def test_an_origin_that_is_revoked_is_stopped_and_has_to_ask_again(remember: bool):
    rig, page = await opened("a.gguf")
    bridge = Beside(rig, BRIDGE, modeltab_origin=SITE)
    await bridge.call("POST", CONSENT, {"remember": remember})
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    out, task = bridge.begin("POST", CHAT, {**HELLO, "stream": True})
    await rig.until(lambda: "Hello" in out.text)
    _, waits = page.begin("POST", CHAT, HELLO)
    rig.press("api.revoke", SITE)
    await asyncio.wait([task])
    assert not waits.done()
    assert out.events()[-1]["error"]["code"] == "stopped"
    assert await code(bridge) == (403, "origin_not_allowed")
    assert rig.state.settings.api_origins == ()
    waits.cancel()
    await asyncio.wait([waits])


async def test_an_origin_that_is_revoked_in_another_tab_is_stopped_here():
    rig, _ = await opened("a.gguf")
    rig.app.set_setting(api_origins=(SITE, "https://other.example"))
    bridge = Beside(rig, BRIDGE, modeltab_origin=SITE)
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    out, task = bridge.begin("POST", CHAT, {**HELLO, "stream": True})
    await rig.until(lambda: "Hello" in out.text)
    rig.app.update(settings=rig.state.settings._replace(api_origins=("https://other.example",)))
    await asyncio.wait([task])
    assert rig.state.api_calls[0].status == 498


# ---- The log ---------------------------------------------------------------------------------------------------------


async def test_the_log_tells_who_called_what_and_is_kept_and_cleared():
    rig, page = await opened("a.gguf")
    await page.get("v1/models")
    _, running = page.begin("POST", CHAT, HELLO)
    await asyncio.sleep(0)
    assert [(call.path, call.status) for call in rig.state.api_calls] == [(CHAT, 0), ("v1/models", 200)]
    await asyncio.wait([running])
    call = rig.state.api_calls[0]
    assert (call.caller, call.method, call.path, call.model, call.status) == (PAGE, "POST", CHAT, TAB, 200)
    assert call.seconds > 0
    assert (call.prompt_tokens or 0) > 0
    assert call.completion_tokens == 3
    html = settings.page(rig.state)
    for text in (PAGE, "POST v1/chat/completions", TAB, "Clear log"):
        assert text in html

    again = Rig()
    again.call_log.value = rig.call_log.value
    endpoint.begin(again.app)
    assert again.state.api_calls == rig.state.api_calls
    await rig.do("api.log.clear")
    assert rig.state.api_calls == ()
    assert rig.call_log.value is None


async def test_what_another_tab_answers_is_shown_beside_what_runs_here():
    rig, page = await opened("a.gguf")
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    out, task = page.begin("POST", CHAT, {**HELLO, "stream": True})
    await rig.until(lambda: "Hello" in out.text)
    elsewhere = Call("other", PAGE, "GET", "v1/models", 1.0, status=200)
    rig.call_log.value = calls_to_json((elsewhere,))
    endpoint.show_log(rig.app)
    assert [call.id for call in rig.state.api_calls][1:] == ["other"]
    task.cancel()
    await asyncio.wait([task])


def test_only_the_latest_calls_are_kept_and_what_is_no_call_is_left_out():
    calls = tuple(Call(str(n), PAGE, "GET", "v1/models", float(n), status=200) for n in range(3))
    assert calls_from_json(calls_to_json(calls)) == calls
    assert calls_to_json((Call("running", PAGE, "GET", "v1/models", 1.0),)) == []
    assert calls_from_json([None, {}, *calls_to_json(calls), {"id": 1}]) == calls
    assert calls_from_json({"a": 1}) == ()
    assert len(calls_from_json(calls_to_json(calls * 100))) == MOST_CALLS


async def test_erasing_everything_stops_the_calls_and_forgets_the_log():
    rig, page = await opened("a.gguf")
    await page.get("v1/models")
    rig.engine.steps = (*words("Hello"), asyncio.Event())
    _, task = page.begin("POST", CHAT, HELLO)
    await asyncio.sleep(0.01)
    await rig.do("data.erase")
    assert task.done()
    assert rig.call_log.value is None


# ---- What a person sees ----------------------------------------------------------------------------------------------


def test_the_page_of_settings_has_the_switch_the_addresses_and_the_sites():
    off = State(api_base=BASE)
    root = parse(settings.page(off))
    assert root.one("switch", "Let other pages use these models")["aria-checked"] == "false"
    assert not list(root.all("button", "Copy the address of OpenAI"))
    on = parse(settings.page(off._replace(settings=Settings(api=True, api_origins=(SITE,)))))
    assert on.one("switch", "Let other pages use these models")["aria-checked"] == "true"
    addresses = {name: on.one("button", f"Copy the address of {name}")["data-id"] for name in ("OpenAI", "Local LLM API")}
    assert addresses == {"OpenAI": BASE + "v1", "Local LLM API": BASE + "api/v1"}
    assert on.one("button", f"Revoke {SITE}")["data-id"] == SITE


@pytest.mark.parametrize(
    ("status", "word"), [(0, "running"), (200, "200"), (403, "403"), (499, "cancelled"), (498, "stopped here")]
)
def test_a_call_says_how_it_went(status: int, word: str):
    call = Call("1", PAGE, "POST", CHAT, 1_800_000_000.0, TAB, status, 0.25, 3, 4)
    row = parse(settings.page(State(api_calls=(call,)))).one("table", "Calls").all("row")[-1].text
    for text in (PAGE, f"POST {CHAT}", TAB, word, "3 + 4"):
        assert text in row
    assert ("250 ms" in row) == bool(status)


# ---- What other sites need ----------------------------------------------------------------------------------------------


def test_the_client_for_other_sites_is_small():
    lines = (Path(__file__).parents[2] / "static/js/modeltab-client.mjs").read_text(encoding="utf-8").splitlines()
    assert len("\n".join(line for line in lines if not line.startswith("//"))) <= 2048


# ---- What holds for the chat holds here ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected"),
    [(OfflineOnly("Offline."), (403, "offline_only")), (KeysLocked("Locked."), (401, "keys_locked"))],
)
async def test_settings_and_locked_keys_hold_for_callers_too(error: Exception, expected: tuple[int, str]):
    rig, page = await opened(transport=CannedTransport(error))
    rig.connect(Connection("lab", "openai", "Lab", "https://lab.example/v1"))
    assert await code(page, CHAT, "POST", {**HELLO, "model": "Lab/m"}) == expected


async def test_a_caller_never_gets_the_persons_own_prompt_or_parameters_but_the_context():
    rig, page = await opened("a.gguf")
    own = rig.state.settings.parameters._replace(system_prompt="Secret.", temperature=1.5, n_ctx=2048)
    rig.app.set_setting(parameters=own)
    await page.call("POST", CHAT, HELLO)
    assert rig.engine.bodies[-1] == {"messages": HELLO["messages"], "return_progress": True}
    assert rig.engine.log[0] == "load a.gguf with 2048 from a.gguf"

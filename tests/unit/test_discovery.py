"""Find local servers: the usual ports, on a click alone, and what is found becomes a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.diagnosis import PageFacts
from modeltab.domain.errors import Unreachable
from modeltab.providers.base import HttpRequest
from modeltab.views import connections as view
from tests.unit.fakes import CannedResponse, canned
from tests.unit.markup import parse
from tests.unit.rig import Rig

USUAL = {5000, 8080, 9931, 11434, 1234, 8000}
LOCAL_LLM = {"/api/v1/health": {"status": "healthy", "service": "Local LLM API", "version": "1.0.0"}}
OLLAMA = {"/api/version": {"version": "0.17.9"}, "/api/tags": {"models": []}, "/api/ps": {"models": []}}
LM_STUDIO = {"/v1/models": {"data": [{"id": "m1", "owned_by": "organization_owner"}]}}
HERE = PageFacts("http://127.0.0.1:7777")


class Machine:
    """Servers by their ports: what each answers by path. None: it does not allow this page."""

    def __init__(self, servers: Mapping[int, Mapping[str, object] | None]) -> None:
        self.servers = servers
        self.requests: list[HttpRequest] = []
        self.looked: list[str] = []
        self.hides = False
        self.gate: asyncio.Event | None = None

    async def send(self, request: HttpRequest) -> CannedResponse:
        """As the server there answers."""
        self.requests.append(request)
        origin, _, path = request.url.removeprefix("http://").partition("/")
        pages = self.servers.get(int(origin.rpartition(":")[2]))
        if pages is None:
            raise Unreachable("No answer.")
        return canned(pages["/" + path]) if "/" + path in pages else CannedResponse(b"no", 404)

    async def upload(self, *arguments: object) -> CannedResponse:
        """Not asked for."""
        raise NotImplementedError

    async def answers_without_cors(self, url: str, seconds: float) -> bool | None:
        """Whether there is a server."""
        self.looked.append(url)
        if self.gate:
            await self.gate.wait()
        return None if self.hides else int(url.rpartition(":")[2]) in self.servers


def rig_on(machine: Machine, facts: PageFacts = HERE) -> Rig:
    """An app on that machine."""
    rig = Rig(transport=machine)
    rig.surroundings.facts = facts
    rig.surroundings.answers_without_cors = machine.answers_without_cors  # type: ignore[method-assign]
    return rig


async def found(rig: Rig) -> list[tuple[str, str, str, bool]]:
    """What a search finds."""
    rig.watch()
    await rig.do("servers.find")
    assert rig.state.dialog is not None
    return [tuple(server) for server in rig.state.dialog.found]  # type: ignore[misc]


async def test_the_usual_ports_of_this_machine_are_looked_at_and_nothing_else():
    machine = Machine({})
    rig = rig_on(machine)
    assert await found(rig) == []
    ports = [int(url.removeprefix("http://127.0.0.1:")) for url in machine.looked]
    assert set(ports) >= USUAL and len(ports) == len(set(ports))
    assert machine.requests == []
    assert rig.state.dialog is not None
    assert rig.state.dialog.note.startswith("No server answers on the usual ports (1234, ")


async def test_nothing_is_looked_at_without_a_click():
    machine = Machine({5000: LOCAL_LLM})
    rig = rig_on(machine)
    await rig.start()
    await rig.visit("#/connections")
    await rig.do("connection.add")
    assert (machine.looked, machine.requests) == ([], [])


async def test_servers_are_recognised_by_what_they_answer_whatever_their_port():
    machine = Machine({1234: LM_STUDIO, 5000: OLLAMA, 8080: LOCAL_LLM})
    assert await found(rig_on(machine)) == [
        ("openai", "http://127.0.0.1:1234/v1", "LM Studio, 1 model", True),
        ("ollama", "http://127.0.0.1:5000", "Ollama 0.17.9", True),
        ("local-llm", "http://127.0.0.1:8080/api/v1", "Local LLM API 1.0.0", True),
    ]
    assert all(not request.headers and request.method == "GET" for request in machine.requests)


async def test_the_likeliest_api_of_a_port_is_asked_for_first():
    machine = Machine({11434: OLLAMA})
    await found(rig_on(machine))
    assert [request.url for request in machine.requests] == ["http://127.0.0.1:11434/api/version"]


async def test_a_server_that_does_not_allow_this_page_is_said_to_be_only_what_is_usual_there():
    (server,) = await found(rig_on(Machine({11434: None})))
    type_, url, words, allows = server
    assert (type_, url, allows) == ("ollama", "http://127.0.0.1:11434", False)
    assert words == "Something answers, but not this page. On this port it is usually Ollama."


async def test_where_the_page_cannot_tell_only_what_answers_it_is_found():
    machine = Machine({11434: None, 5000: LOCAL_LLM})
    machine.hides = True
    assert [server[0] for server in await found(rig_on(machine))] == ["local-llm"]


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:8000", "https://localhost:8000"])
async def test_the_page_does_not_find_itself(origin):
    machine = Machine({8000: None})
    assert await found(rig_on(machine, PageFacts(origin))) == []


@pytest.mark.parametrize("origin", ["http://models.example:8000", "http://192.168.1.7:8000"])
async def test_a_page_from_elsewhere_with_that_port_is_not_the_server_here(origin):
    assert len(await found(rig_on(Machine({8000: None}), PageFacts(origin)))) == 1


async def test_what_is_found_is_added_once_and_asked():
    rig = rig_on(Machine({11434: OLLAMA, 1234: LM_STUDIO}))
    await found(rig)
    rig.press("servers.add", "http://127.0.0.1:11434")
    rig.press("servers.add", "http://127.0.0.1:11434")
    await rig.idle()
    await rig.do("servers.add", "http://127.0.0.1:1234/v1")
    added = [(c.type, c.name, c.base_url) for c in rig.state.connections[1:]]
    assert added == [("ollama", "Ollama", "http://127.0.0.1:11434"), ("openai", "LM Studio", "http://127.0.0.1:1234/v1")]
    assert [rig.health(c.id) for c in rig.state.connections[1:]] == ["healthy", "healthy"]
    assert [entry["name"] for entry in rig.config.value["connections"][1:]] == ["Ollama", "LM Studio"]
    assert rig.state.dialog is not None  # to add another


async def test_a_name_that_is_taken_is_numbered():
    rig = rig_on(Machine({11434: OLLAMA}))
    rig.connect(Connection("o", "ollama", "Ollama", "http://192.168.1.7:11434"))
    await found(rig)
    await rig.do("servers.add", "http://127.0.0.1:11434")
    assert [c.name for c in rig.state.connections[1:]] == ["Ollama", "Ollama 2"]


async def test_what_was_not_found_is_not_added():
    rig = rig_on(Machine({11434: OLLAMA}))
    await found(rig)
    await rig.do("servers.add", "http://127.0.0.1:9")
    await rig.do("dialog.close")
    await rig.do("servers.add", "http://127.0.0.1:11434")
    assert len(rig.state.connections) == 1


async def test_a_search_whose_dialog_was_closed_opens_none():
    machine = Machine({11434: OLLAMA})
    machine.gate = asyncio.Event()
    rig = rig_on(machine)
    rig.watch()
    rig.press("servers.find")
    await rig.until(lambda: len(machine.looked) >= len(USUAL))
    assert rig.state.dialog is not None and rig.state.dialog.busy
    rig.press("dialog.close")
    machine.gate.set()
    await rig.idle()
    assert not rig.state.dialog


async def test_the_dialog_lists_what_was_found_and_what_is_connected_already():
    rig = rig_on(Machine({11434: OLLAMA, 5000: LOCAL_LLM}))
    rig.connect(Connection("o", "ollama", "Mine", "http://127.0.0.1:11434/"))
    await found(rig)
    assert rig.state.dialog is not None
    page = parse(str(view.found_servers(rig.state, rig.state.dialog)))
    first, second = page.all("listitem")
    assert "Local LLM API 1.0.0" in first.text
    assert first.one("button", "Add http://127.0.0.1:5000/api/v1")["data-id"] == "http://127.0.0.1:5000/api/v1"
    assert "Connected" in second.text and not second.all("button")
    assert "Looked at the ports 1234, " in page.one("status").text

"""Find servers on this machine: the usual ports, looked at on a click."""

import asyncio

from modeltab.actions.app import App, UiEvent
from modeltab.actions.connections import refresh
from modeltab.actions.doctor import LOOK_WITHIN, recognise
from modeltab.domain.connections import Connection, host_of, is_loopback, origin_of
from modeltab.state.store import Dialog, FoundServer

HOST = "http://127.0.0.1"


async def find(app: App, event: UiEvent) -> None:
    """Look at the usual ports of every kind of server."""
    searching = Dialog("find-servers", busy=True)
    app.update(dialog=searching)
    ports = sorted({port for type_ in app.registry.types for item in type_.fingerprints for port in item.ports})
    looked = await asyncio.gather(*(_look(app, port) for port in ports))
    if app.state.dialog is searching:
        found = tuple(server for server in looked if server)
        app.update(dialog=searching._replace(busy=False, found=found, note=_words(found, ports)))


def _words(found: tuple[FoundServer, ...], ports: list[int]) -> str:
    places = ", ".join(map(str, ports))
    if not found:
        return f"No server answers on the usual ports ({places}). Start one, then search again; or add one by its address."
    return f"Looked at the ports {places}."


async def _look(app: App, port: int) -> FoundServer | None:
    origin = f"{HOST}:{port}"
    page = app.surroundings.page().origin
    if is_loopback(host_of(page)) and page.rpartition(":")[2] == str(port):
        return None  # this very page, by whichever of this machine's names
    there = await app.surroundings.answers_without_cors(origin, LOOK_WITHIN)
    if there is False:
        return None
    found = await recognise(app, origin)
    if found:
        type_, words, fingerprint = found
        return FoundServer(type_.name, origin + fingerprint.base_path, words)
    if not there:
        return None  # it cannot be told whether anything is there at all
    usual = next((t, item) for t in app.registry.types for item in t.fingerprints if port in item.ports)
    words = f"Something answers, but not this page. On this port it is usually {usual[0].label}."
    return FoundServer(usual[0].name, origin + usual[1].base_path, words, allows=False)


async def add(app: App, event: UiEvent) -> None:
    """Connect to a server that was found."""
    dialog = app.state.dialog
    server = next((s for s in dialog.found if s.base_url == event.id), None) if dialog else None
    if server is None or is_connected(app.state.connections, server.base_url):
        return
    type_ = app.registry.type_of(server.type)
    preset = type_.preset_at(server.base_url)
    label = preset.label if preset else type_.label
    taken = {c.name for c in app.state.connections}
    name = next(f"{label} {n}" if n > 1 else label for n in range(1, 1000) if (f"{label} {n}" if n > 1 else label) not in taken)
    item = Connection(app.new_id(), server.type, name, server.base_url)
    app.set_connections((*app.state.connections, item))
    await refresh(app, item.id)


def is_connected(connections: tuple[Connection, ...], base_url: str) -> bool:
    """Whether there is a connection to that server already."""
    return any(c.base_url and origin_of(c.base_url) == origin_of(base_url) for c in connections)

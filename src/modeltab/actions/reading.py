"""What a reader does with an answer's parts."""

from modeltab.actions.app import App, UiEvent
from modeltab.domain.connections import host_of, is_loopback
from modeltab.domain.errors import OfflineOnly
from modeltab.state.store import State


async def copy_code(app: App, event: UiEvent) -> None:
    """Copy the code of a block."""
    await app.page.copy(event.value)
    app.say("Copied")


def show_images(app: App, event: UiEvent) -> None:
    """Fetch images in answers from this host (a name, with its port where it has one) until the tab is closed.

    :raises OfflineOnly: when that is on and the host is another machine.
    """
    host = event.id
    if app.state.settings.offline_only and not _is_here(host):
        raise OfflineOnly(f"“Offline only” is on, so {host} is not asked.", "Switch it off in Settings to see its images.")
    if host not in app.state.image_hosts:
        app.update(image_hosts=(*app.state.image_hosts, host))
    app.say(f"Images from {host} are shown")


def allowed_hosts(state: State) -> tuple[str, ...]:
    """The hosts that images may be fetched from now: "Offline only" leaves this machine's."""
    return tuple(host for host in state.image_hosts if not state.settings.offline_only or _is_here(host))


def _is_here(host: str) -> bool:
    return is_loopback(host_of(f"http://{host}"))

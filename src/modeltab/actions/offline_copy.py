"""What an action may do with the copy of the app that it starts from without a network."""

from modeltab.state.machine import Offline


class OfflineCopy:
    """The copy, which the service worker keeps (`browser.service_worker`). This one is for a page that has none."""

    name = ""

    def facts(self) -> Offline:
        """What is known of it without a look."""
        return Offline()

    def saves_data(self) -> bool:
        """Whether the person has asked the browser to load little."""
        return False

    async def is_kept(self) -> bool:
        """Whether this page's version is there as a whole."""
        return False

    async def listen(self) -> None:
        """Hear of a newer version from now on, where a copy has been kept before."""

    async def quiet(self) -> None:
        """Wait until the page has done what it begins with."""

    async def keep(self) -> None:
        """Make the copy, unless it is there, and look for a newer version. :raises ModelTabError: when it fails."""

    async def drop(self) -> None:
        """Delete the copy, also one that is being made."""

    async def remove(self) -> None:
        """Delete the copy, and the service worker with it."""

    async def clear(self) -> None:
        """Delete all that is kept of the app's own files."""

    async def take_over(self) -> None:
        """Let the newer version be what the next load gets."""

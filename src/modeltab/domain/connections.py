"""Connections: where models are."""

import ipaddress
import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from modeltab.domain.errors import BadRequest

Health = Literal["unknown", "checking", "healthy", "unreachable", "unauthorized"]
#: Where an address is, as Local Network Access sees it: this machine, this network, or anywhere.
AddressSpace = Literal["loopback", "local", "public"]

LOOPBACK_HOSTS = frozenset({"localhost", "::1"})
_LOOPBACK_ADDRESS = re.compile(r"127(?:\.\d{1,3}){3}")
_CARRIER_NETWORK = ipaddress.ip_network("100.64.0.0/10")
_PORTS = {"http": 80, "https": 443}
#: What no address has, and what browsers read in their own way: white space, control characters, backslashes.
_STRANGE = re.compile(r"[\s\x00-\x20\x7f\\]")


class Connection(NamedTuple):
    """One connection, as it is kept.

    :param type: the name of a connection type in `providers.registry`.
    :param base_url: empty for a type that has no address.
    :param model: the models that a person named, with commas between them; empty for all that the API lists.

    Its key is not in it: keys are kept apart (`state.keyring`), so that no list, log or export of connections has one.
    """

    id: str
    type: str
    name: str
    base_url: str = ""
    model: str = ""

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models that a person named, each once."""
        names = (name.strip() for name in self.model.split(","))
        return tuple(dict.fromkeys(name for name in names if name))


class HealthRecord(NamedTuple):
    """What is known of a connection's health, and why it is so."""

    health: Health = "unknown"
    text: str = ""
    advice: str = ""
    detail: str = ""


def is_loopback(host: str) -> bool:
    """Whether a host name means this very machine."""
    host = host.lower().strip("[]")
    return host in LOOPBACK_HOSTS or host.endswith(".localhost") or _LOOPBACK_ADDRESS.fullmatch(host) is not None


def address_space(host: str) -> AddressSpace:
    """Where a host is, as far as its name tells. A public name may still lead into this network: only the browser knows.

    The ranges are those of the Local Network Access specification.
    """
    host = host.lower().strip("[]")
    if is_loopback(host):
        return "loopback"
    if host.endswith(".local"):
        return "local"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "public"
    return "local" if address.is_private or address.is_link_local or address in _CARRIER_NETWORK else "public"


def origin_of(url: str) -> str:
    """The origin of an address: scheme, host and port, the port only where it is not the scheme's own."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def host_of(url: str) -> str:
    """The host of an address, empty when it has none."""
    return urlsplit(url).hostname or ""


def clean_base_url(text: str) -> str:
    """A base URL as it is kept: http or https, a host, no trailing slash.

    :raises BadRequest: when it cannot be one.
    """
    url = text.strip()
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:/", url):
        url = "http://" + url
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 — reading it is what checks it
    except ValueError as error:
        raise BadRequest(f"“{text}” is not an address.", "Type it like http://127.0.0.1:5000/api/v1.", str(error)) from None
    if not re.match(r"https?://", url, re.IGNORECASE) or not parts.hostname or _STRANGE.search(url):
        raise BadRequest(f"“{text}” is not an http address.", "Type it like http://127.0.0.1:5000/api/v1.")
    if parts.username or parts.password:
        raise BadRequest("An address must not contain a user name or password.", "Remove the part before the @.")
    if "?" in url or "#" in url:
        raise BadRequest("A base URL ends before any ? or #.", "Remove that part of the address.")
    return url.rstrip("/")

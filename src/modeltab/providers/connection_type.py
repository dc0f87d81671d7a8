"""The kinds of connections: what a person chooses in "Type", and how each one is told from the others."""

from collections.abc import Callable
from typing import NamedTuple

from modeltab.domain.connections import Connection, origin_of
from modeltab.domain.diagnosis import Recipe
from modeltab.providers.base import Json, KeySource, Provider


class Preset(NamedTuple):
    """A service or a program that a connection can be made to without knowing its address.

    :param base_url: what is filled in; where it depends on the account, an example that has to be completed.
    :param is_example: whether `base_url` has to be completed.
    :param local: whether it runs on a person's own machine.
    :param keys_at: where a person gets a key, as host and path.
    :param about: what a person should know before they choose it.
    """

    name: str
    label: str
    base_url: str
    is_example: bool = False
    local: bool = False
    keys_at: str = ""
    about: str = ""


class Fingerprint(NamedTuple):
    """How an API is told from others that may answer on a port.

    :param path: what to ask for, from the origin on.
    :param recognise: a reply → what answers, in words; empty when it is something else.
    :param base_path: what a base URL has after its origin.
    :param ports: where such a server usually listens.
    """

    path: str
    recognise: Callable[[Json], str]
    base_path: str
    ports: tuple[int, ...]


class ConnectionType(NamedTuple):
    """A kind of connection: what a person chooses in "Type".

    :param takes_url: whether it has an address.
    :param build: makes the provider of a connection.
    :param default_url: the address that is filled in.
    :param key: whether it authenticates with a key: "none", "optional" or "required".
    :param lists_models: whether its API lists models, so that none has to be named.
    :param takes_models: whether models can be named.
    :param permanent: whether it exists from the start, once, and cannot be removed.
    :param initial: whether there is one from the start, which can be removed.
    :param unavailable: why it cannot be used in this browser, empty when it can.
    :param presets: the services and programs that speak its API.
    :param fingerprints: how its servers are recognised.
    :param allow: what lets a page of another origin ask its servers, one recipe a system or way.
    :param start: how its server is started.
    :param hides_refusal: whether the API at an address answers a wrong key so that a page sees no answer at all.
    """

    name: str
    label: str
    takes_url: bool
    build: Callable[[Connection, KeySource], Provider]
    default_url: str = ""
    permanent: bool = False
    initial: bool = False
    about: str = ""
    key: str = "none"
    lists_models: bool = True
    takes_models: bool = False
    unavailable: str = ""
    presets: tuple[Preset, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    allow: Callable[[str], tuple[Recipe, ...]] = lambda base_url: ()
    start: str = ""
    hides_refusal: Callable[[str], bool] = lambda base_url: False

    def preset_at(self, base_url: str) -> Preset | None:
        """The preset that an address belongs to, by its origin."""
        return next((p for p in self.presets if p.base_url and origin_of(p.base_url) == origin_of(base_url)), None)

"""The connection types that exist, and the provider of each connection."""

from collections.abc import Callable, Iterable

from modeltab.domain.connections import Connection
from modeltab.domain.errors import NotFound
from modeltab.providers.base import Provider
from modeltab.providers.connection_type import ConnectionType


class Registry:
    """Connection types by name; providers by connection, built once each.

    :param key_of: the key of a connection, at the moment when it is asked for.
    """

    def __init__(self, types: Iterable[ConnectionType], key_of: Callable[[Connection], str]) -> None:
        self._types = {type_.name: type_ for type_ in types}
        self._key_of = key_of
        self._providers: dict[Connection, Provider] = {}

    @property
    def types(self) -> tuple[ConnectionType, ...]:
        """Every type, in the order of the list in "Type"."""
        return tuple(self._types.values())

    def type_of(self, name: str) -> ConnectionType:
        """A type by its name.

        :raises NotFound: when there is none.
        """
        try:
            return self._types[name]
        except KeyError:
            raise NotFound(f"This version of ModelTab does not know connections of type “{name}”.", "Remove it.") from None

    def provider(self, connection: Connection) -> Provider:
        """The connection's provider. A changed connection gets a new one."""
        if connection not in self._providers:
            type_ = self.type_of(connection.type)
            self._providers[connection] = type_.build(connection, lambda: self._key_of(connection))
        return self._providers[connection]

    def default_connections(self) -> tuple[Connection, ...]:
        """The connections that exist from the start."""
        first = (type_ for type_ in self.types if type_.permanent or type_.initial)
        return tuple(Connection(type_.name, type_.name, type_.label, type_.default_url) for type_ in first)

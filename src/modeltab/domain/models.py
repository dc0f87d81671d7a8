"""Models, as a connection lists them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

ModelState = Literal["On disk", "Loaded", "Loading", "Downloading", "Remote"]

#: Between the connection's id and the model's name in a key. A connection's id has no slash, a model's name may.
SEPARATOR = "/"


class Model(NamedTuple):
    """One model of one connection.

    :param size: bytes, or None when the API does not tell.
    :param size_text: the size as the API words it, for people; empty when `size` is known.
    :param modified: ISO 8601, or empty.
    :param progress: 0 to 1 while loading or downloading.
    :param details: what else the API told, for "Details".
    :param digest: the SHA-256 of the model's file in hexadecimal, empty while it is unknown.
    :param memory: bytes that it takes in memory, None when the API does not tell.
    """

    connection_id: str
    name: str
    size: int | None = None
    size_text: str = ""
    modified: str = ""
    state: ModelState = "On disk"
    progress: float = 0.0
    details: Mapping[str, str] = {}
    digest: str = ""
    memory: int | None = None

    @property
    def key(self) -> str:
        """What names the model across all connections."""
        return model_key(self.connection_id, self.name)


def model_key(connection_id: str, name: str) -> str:
    """The name of a model across all connections."""
    return connection_id + SEPARATOR + name


def split_key(key: str) -> tuple[str, str]:
    """A key's connection id and model name."""
    connection_id, _, name = key.partition(SEPARATOR)
    return connection_id, name

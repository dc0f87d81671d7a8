"""What models are called to other pages: `{connection}/{model}`, for one list of all of them."""

from collections.abc import Mapping, Sequence

from modeltab.domain.connections import Connection
from modeltab.domain.models import Model
from modeltab.endpoint.errors import CallError

_SUFFIX = ".gguf"


def label_of(connection: Connection, connections: Sequence[Connection]) -> str:
    """What stands before the slash: the connection's name, or its id where another one has that name, too."""
    same = sum(1 for other in connections if other.name == connection.name)
    return connection.name if same == 1 and connection.name else connection.id


def named(connections: Sequence[Connection], models: Mapping[str, Sequence[Model]]) -> dict[str, Model]:
    """Every model by its name, in the order of the connections."""
    return {f"{label_of(c, connections)}/{model.name}": model for c in connections for model in models.get(c.id, ())}


def connections_of(name: str, connections: Sequence[Connection]) -> list[tuple[Connection, str]]:
    """The connections that a name may begin with, and what is left of it as the model's; the longest name first.

    Connections have slashes in their names, and models, too.
    """
    found = []
    for connection in connections:
        for label in {connection.name, connection.id} - {""}:
            if name.startswith(label + "/"):
                found.append((len(label), connection, name[len(label) + 1 :]))
    found.sort(key=lambda item: -item[0])
    return [(connection, rest) for _, connection, rest in found]


def find(name: str, connections: Sequence[Connection], models: Mapping[str, Sequence[Model]]) -> Model | None:
    """The model of a name; of a model's name alone, when only one connection has it. None when there is none.

    :raises CallError: when several connections have it.
    """
    for connection, rest in connections_of(name, connections):
        model = with_suffix(rest, models.get(connection.id, ()))
        if model:
            return model
    bare = [model for c in connections if (model := with_suffix(name, models.get(c.id, ())))]
    if len(bare) > 1:
        full = [key for key, model in named(connections, models).items() if model in bare]
        raise CallError(400, f"Several connections have {name}. Name one: {', '.join(full)}.", "ambiguous_model", "model")
    return bare[0] if bare else None


def with_suffix(name: str, models: Sequence[Model]) -> Model | None:
    """A model by its name, with or without .gguf."""
    found = {model.name: model for model in models}
    return found.get(name) or (None if name.lower().endswith(_SUFFIX) else found.get(name + _SUFFIX))

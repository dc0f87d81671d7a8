"""Pure updates: a state and what happened → the changes to make. And questions that more than one part asks of a state."""

from collections.abc import Mapping
from typing import Any

from modeltab.domain.connections import Connection, HealthRecord
from modeltab.domain.messages import Message
from modeltab.domain.models import Model, ModelState, split_key
from modeltab.domain.parameters import Parameters, overlaid
from modeltab.domain.transfers import ACTIVE, Transfer
from modeltab.state.store import State
from modeltab.state.writing import NEW_CHAT

Changes = dict[str, Any]


def place_of(state: State) -> str:
    """The conversation that the message box writes to: its id, or `NEW_CHAT`."""
    return state.conversation.id if state.conversation else state.route.id or NEW_CHAT


def own_parameters(state: State) -> Parameters | None:
    """What the conversation that is shown, or about to begin, has of its own over the defaults."""
    return state.conversation.parameters if state.conversation else state.new_parameters


def parameters_of(state: State) -> Parameters:
    """What goes with the next request of the conversation that is shown."""
    return overlaid(state.settings.parameters, own_parameters(state))


def connection(state: State, connection_id: str) -> Connection | None:
    """A connection by its id."""
    return next((c for c in state.connections if c.id == connection_id), None)


def connection_name(state: State, connection_id: str) -> str:
    """A connection's name, or its id when it is gone."""
    found = connection(state, connection_id)
    return found.name if found else connection_id


def all_models(state: State) -> list[Model]:
    """The models of every connection, in the connections' order."""
    return [model for c in state.connections for model in state.models.get(c.id, ())]


def model_of(state: State, key: str) -> Model | None:
    """A model by its key."""
    connection_id, name = split_key(key)
    return next((m for m in state.models.get(connection_id, ()) if m.name == name), None)


def can_continue(state: State, answer: Message) -> bool:
    """Whether an answer was cut off, and the chosen model can go on where it was."""
    return model_continues(state) and is_cut_off(answer)


def model_continues(state: State) -> bool:
    """Whether the chosen model can go on where an answer was cut off."""
    facts = state.facts.get(split_key(state.settings.model)[0])
    return facts is not None and facts.capabilities.continues


def is_cut_off(answer: Message) -> bool:
    """Whether there is more of an answer to be had."""
    is_whole = answer.status == "done" and answer.finish_reason != "length"
    return answer.role == "assistant" and bool(answer.text) and not is_whole


def code_model(state: State) -> str:
    """The key of the model that the Playground's page Code is about: the chosen one, that of the chat, or any."""
    first = next((model.key for model in all_models(state)), "")
    return state.code_page.model or state.settings.model or first


def with_health(state: State, connection_id: str, record: HealthRecord) -> Changes:
    """A connection's health became known."""
    return {"health": {**state.health, connection_id: record}}


def with_models(state: State, connection_id: str, models: tuple[Model, ...], loaded: tuple[str, ...] = ()) -> Changes:
    """A connection's models became known, and which of them are in memory."""
    marked = tuple(m._replace(state="Loaded") if m.name in loaded else m for m in models)
    return {"models": {**state.models, connection_id: marked}}


def with_model_state(state: State, key: str, model_state: ModelState, progress: float = 0.0) -> Changes:
    """A model's state changed."""
    connection_id, name = split_key(key)
    models = tuple(
        m._replace(state=model_state, progress=progress) if m.name == name else m for m in state.models.get(connection_id, ())
    )
    return {"models": {**state.models, connection_id: models}}


def with_transfer(state: State, transfer: Transfer) -> Changes:
    """A transfer is new or changed."""
    if any(t.id == transfer.id for t in state.transfers):
        return {"transfers": tuple(transfer if t.id == transfer.id else t for t in state.transfers)}
    return {"transfers": (*state.transfers, transfer)}


def transfer_of(state: State, transfer_id: str) -> Transfer | None:
    """A transfer by its id."""
    return next((t for t in state.transfers if t.id == transfer_id), None)


def running_transfers(state: State) -> tuple[Transfer, ...]:
    """The transfers that go on by themselves: those that have not ended and are not paused."""
    return tuple(t for t in state.transfers if t.phase in ACTIVE)


def is_coming(state: State, name: str, connection_id: str) -> bool:
    """Whether a model of that name is on its way to a connection."""
    return any((t.name, t.connection_id) == (name, connection_id) for t in running_transfers(state))


def with_message(state: State, message: Message) -> Changes:
    """A message is new or changed, in the conversation that is shown."""
    messages: Mapping[str, Message] = {**state.messages, message.id: message}
    return {"messages": messages}

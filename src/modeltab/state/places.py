"""Whether a candidate will run somewhere: what is known of it against what is known of the place."""

from modeltab.files.fit import COMPAT_HEAP_LIMIT, HEAP_LIMIT, Fit, Place, fits
from modeltab.files.shards import ShardSet
from modeltab.state.store import Candidate, State

#: Tokens of context when a person sets none: enough for a long conversation, small enough for a phone's memory.
DEFAULT_CONTEXT = 4096


def fit_of(state: State, candidate: Candidate, connection_id: str) -> Fit:
    """Whether a candidate will run at a connection."""
    if candidate.reason:
        return Fit("no", candidate.reason.message)
    item = candidate.item
    if item is None:
        return Fit("unknown", "Its header is still being read.")
    if candidate.source and not state.facts[connection_id].fetches:
        return Fit("no", "It takes files of this machine only: add this one to the tab first, then copy it there.")
    first = item.parts[0] if isinstance(item, ShardSet) else item
    names = {item.name, first.stored_name} if isinstance(item, ShardSet) else {first.stored_name}
    if any(model.name in names for model in state.models.get(connection_id, ())):
        return Fit("no", "A model of this name is there already.")
    return fits(item.facts, first.header, candidate.size, place_of(state, connection_id))


def place_of(state: State, connection_id: str) -> Place:
    """What a connection is, as a place for models."""
    facts, device = state.facts[connection_id], state.device
    place = Place(facts.engine, facts.adds, facts.max_file_bytes, facts.takes_shards)
    if facts.engine != "tab":
        return place
    return place._replace(
        free_bytes=state.storage.quota - state.storage.used if state.storage.quota else None,
        n_ctx=state.settings.parameters.n_ctx or DEFAULT_CONTEXT,
        n_threads=device.n_threads,
        gpu=device.gpu,
        heap_limit=HEAP_LIMIT if device.has_memory64 else COMPAT_HEAP_LIMIT,
        device_bytes=device.memory,
    )

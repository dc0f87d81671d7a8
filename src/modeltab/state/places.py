"""Whether a candidate can go somewhere: what is known of it against what is known of the place."""

from typing import Literal, NamedTuple

from modeltab.state.store import Candidate, State


class Fit(NamedTuple):
    """An answer and its reason."""

    verdict: Literal["yes", "no", "unknown"]
    reason: str


def fit_of(state: State, candidate: Candidate, connection_id: str) -> Fit:
    """Whether a candidate will run at a connection."""
    if candidate.reason:
        return Fit("no", candidate.reason.message)
    if not state.facts[connection_id].adds:
        return Fit("no", "It takes no files from here.")
    return Fit("unknown", "")

"""What a benchmark finds out, as values: the rounds' figures, ratios of their medians, and whether a goal was reached."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

OURS = "ModelTab"


def figure(values: Sequence[float], digits: int = 0) -> str:
    """Median, least and most; of one round, that figure alone."""
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):,.{digits}f}–{max(values):,.{digits}f}]"


class Measured(NamedTuple):
    """One thing that was measured in each round. `by`: who → the figures of the rounds; not all who took part need have it."""

    what: str
    unit: str
    digits: int
    by: Mapping[str, Sequence[float]]


class Outcome(NamedTuple):
    """A figure that tells how well ModelTab does.

    :param against: whom the figure is a ratio to; empty for one that is no ratio.
    :param goal: what it should be, None where none is set.
    :param more_is_better: whether the goal is the least that it should be; otherwise it is the most.
    """

    what: str
    against: str
    value: float
    goal: float | None
    more_is_better: bool = False
    unit: str = "×"
    digits: int = 2

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached, by the figure as it is and not as it is rounded. None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal


class Section(NamedTuple):
    """One part of the run.

    :param method: how it was measured, in whole sentences.
    """

    title: str
    method: str
    measured: Sequence[Measured]
    outcomes: Sequence[Outcome]


def ratio(measured: Measured, peer: str, goal: float | None = None, more_is_better: bool = False) -> Outcome:
    """ModelTab's median by a peer's."""
    ours, theirs = (statistics.median(measured.by[name]) for name in (OURS, peer))
    return Outcome(measured.what, peer, ours / theirs, goal, more_is_better)

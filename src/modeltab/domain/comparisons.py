"""Comparisons: one message to several models, side by side, and who was found best."""

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import NamedTuple

from modeltab.domain.messages import Message

#: How many columns there may be.
MIN_COLUMNS, MAX_COLUMNS = 2, 6
#: A vote for no single column.
ALL_THE_SAME, NONE_IS_GOOD = "all", "none"


class Column(NamedTuple):
    """One of the models that answer.

    :param model: its key, empty until one is chosen.
    :param removed: whether a person took it away; what it has answered is kept all the same.
    """

    id: str
    model: str = ""
    removed: bool = False


class Outcome(NamedTuple):
    """What there is to compare of one answer. None where nobody told.

    :param place: where it went: a host, or a word of `figures`.
    :param status: "done", "stopped" or "error".
    :param cost: US dollars, by the price of that day.
    """

    column: str
    model: str
    place: str
    status: str
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None


class Round(NamedTuple):
    """One message to all columns.

    :param vote: the id of the best column, `ALL_THE_SAME`, `NONE_IS_GOOD`, or empty.
    :param blind: whether the names were hidden when it was voted on.
    """

    id: str
    text: str
    created: float
    vote: str = ""
    blind: bool = False
    outcomes: tuple[Outcome, ...] = ()


class Comparison(NamedTuple):
    """A comparison's record; the answers' texts are records of their own.

    :param blind: whether names and figures are hidden until the vote; `revealed`, whether there was one.
    """

    id: str
    title: str
    created: float
    updated: float
    columns: tuple[Column, ...]
    rounds: tuple[Round, ...] = ()
    blind: bool = False
    revealed: bool = False

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that are there."""
        return tuple(column for column in self.columns if not column.removed)

    @property
    def hides_names(self) -> bool:
        """Whether nobody may see now which model is which."""
        return self.blind and bool(self.rounds) and not self.revealed


class Compared(NamedTuple):
    """A comparison with all of its answers, in no particular order."""

    comparison: Comparison
    answers: tuple[Message, ...]


class Standing(NamedTuple):
    """How a model stood in all comparisons.

    :param best: how often it was voted best, of `votes` that it took part in; `ties`, how often all were the same.
    :param first_token_seconds: on average, as is `tokens_per_second`; None where nothing was measured.
    """

    model: str
    place: str
    answers: int
    votes: int
    best: int
    ties: int
    first_token_seconds: float | None
    tokens_per_second: float | None
    tokens: int
    cost: float | None


def answer_id(round_id: str, column_id: str) -> str:
    """The id of a column's answer in a round."""
    return f"{round_id}.{column_id}"


def letter(place: int) -> str:
    """What a column is called while its name is hidden."""
    return f"Model {chr(ord('A') + place)}"


def history(comparison: Comparison, answers: Mapping[str, Message], column_id: str) -> tuple[Message, ...]:
    """What a column is asked with: each round's message and its own answer, to the latest message.

    A round that it has no answer to is left out, but for the latest: it was not there then, or failed.
    """
    found: list[Message] = []
    for round_ in comparison.rounds:
        answer = answers.get(answer_id(round_.id, column_id))
        question = Message(round_.id, comparison.id, found[-1].id if found else None, "user", round_.text, round_.created)
        if round_ is comparison.rounds[-1]:
            found.append(question)
        elif answer and answer.text:
            found += [question, answer._replace(parent_id=question.id)]
    return tuple(found)


def with_outcome(comparison: Comparison, round_id: str, outcome: Outcome) -> Comparison:
    """A comparison in which a column has answered; an answer of the same column before it no longer counts."""
    rounds = tuple(
        r._replace(outcomes=(*(o for o in r.outcomes if o.column != outcome.column), outcome)) if r.id == round_id else r
        for r in comparison.rounds
    )
    return comparison._replace(rounds=rounds)


def with_vote(comparison: Comparison, round_id: str, vote: str) -> Comparison:
    """A comparison with the vote on a round: names are shown from now on. A vote that was blind stays as it is."""
    hidden = comparison.hides_names
    rounds = tuple(
        r._replace(vote=vote, blind=hidden) if r.id == round_id and not (r.vote and r.blind) else r for r in comparison.rounds
    )
    return comparison._replace(rounds=rounds, revealed=True)


def standings(comparisons: Iterable[Comparison]) -> list[Standing]:
    """How each model stood, the one with the most votes first. What is still blind does not count yet."""
    found: dict[tuple[str, str], list[tuple[Round, Outcome]]] = {}
    for comparison in comparisons:
        for round_ in () if comparison.hides_names else comparison.rounds:
            for outcome in round_.outcomes:
                found.setdefault((outcome.model, outcome.place), []).append((round_, outcome))
    rows = [_standing(model, place, pairs) for (model, place), pairs in found.items()]
    return sorted(rows, key=lambda row: (-row.best, -row.ties, row.model, row.place))


def _standing(model: str, place: str, pairs: list[tuple[Round, Outcome]]) -> Standing:
    outcomes = [outcome for _, outcome in pairs]
    costs = [o.cost for o in outcomes if o.cost is not None]
    return Standing(
        model,
        place,
        len(pairs),
        sum(1 for r, _ in pairs if r.vote),
        sum(1 for r, o in pairs if r.vote == o.column),
        sum(1 for r, _ in pairs if r.vote == ALL_THE_SAME),
        _mean([o.first_token_seconds for o in outcomes]),
        _mean([o.tokens_per_second for o in outcomes]),
        sum(o.completion_tokens or 0 for o in outcomes),
        sum(costs) if costs else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


_HEADINGS = (
    *("comparison", "time", "message", "model", "place", "status", "vote", "blind"),
    *("first_token_seconds", "tokens_per_second", "prompt_tokens", "completion_tokens", "cost_usd"),
)


def to_csv(comparisons: Iterable[Comparison]) -> str:
    """One line an answer (RFC 4180). "vote" is "best", "all the same", "none is good", "other" or empty."""
    lines: list[tuple[str, ...]] = [_HEADINGS]
    for comparison in comparisons:
        for round_ in comparison.rounds:
            for o in round_.outcomes:
                names = ("", "") if comparison.hides_names else (o.model, o.place)
                figures = (o.first_token_seconds, o.tokens_per_second, o.prompt_tokens, o.completion_tokens, o.cost)
                vote = _vote_words(round_, o)
                about = (comparison.title, f"{round_.created:.0f}", round_.text, *names, o.status, vote, round_.blind)
                lines.append(tuple("" if value is None else str(value) for value in (*about, *figures)))
    return "".join(",".join(map(_cell, line)) + "\r\n" for line in lines)


def _vote_words(round_: Round, outcome: Outcome) -> str:
    words = {"": "", ALL_THE_SAME: "all the same", NONE_IS_GOOD: "none is good", outcome.column: "best"}
    return words.get(round_.vote, "other")


def _cell(text: str) -> str:
    if text[:1] in ("=", "+", "@", "\t") or (text[:1] == "-" and not text[1:2].isdigit()):
        text = "'" + text  # a spreadsheet would take it for a formula
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text

"""Comparisons as records."""

import math
from collections.abc import Mapping
from typing import Any

from modeltab.domain.comparisons import Column, Comparison, Outcome, Round
from modeltab.state.records import UnreadableError

#: The version of a comparison's record. A change that an older ModelTab would misread raises it.
COMPARISON_VERSION = 1

Record = dict[str, Any]


def comparison_to_json(comparison: Comparison) -> Record:
    """A comparison's record."""
    return {
        "version": COMPARISON_VERSION,
        **comparison._asdict(),
        "columns": [column._asdict() for column in comparison.columns],
        "rounds": [{**r._asdict(), "outcomes": [outcome._asdict() for outcome in r.outcomes]} for r in comparison.rounds],
    }


def comparison_from_json(value: Any) -> Comparison:
    """A comparison. :raises UnreadableError: when it is not one, or of a newer version."""
    if not isinstance(value, Mapping) or not isinstance(value.get("version"), int):
        raise UnreadableError("a comparison has no version")
    if value["version"] > COMPARISON_VERSION:
        raise UnreadableError(f"a comparison was written by a newer ModelTab, version {value['version']}")
    return Comparison(
        _text(value, "id"),
        _text(value, "title"),
        _number(value, "created"),
        _number(value, "updated"),
        tuple(map(_column, _list(value, "columns"))),
        tuple(map(_round, _list(value, "rounds"))),
        value.get("blind") is True,
        value.get("revealed") is True,
    )


def _column(value: Any) -> Column:
    return Column(_text(value, "id"), _text(value, "model"), value.get("removed") is True)


def _round(value: Any) -> Round:
    texts = {name: _text(value, name) for name in ("id", "text", "vote")}
    outcomes = tuple(map(_outcome, _list(value, "outcomes")))
    return Round(**texts, created=_number(value, "created"), blind=value.get("blind") is True, outcomes=outcomes)


def _outcome(value: Any) -> Outcome:
    fields: Record = {name: _text(value, name) for name in Outcome._fields[:4]}
    fields |= {name: value[name] for name in Outcome._fields[4:] if _is_number(value.get(name))}
    return Outcome(**fields)


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        raise UnreadableError(f"a comparison has no {name}")
    return found


def _number(value: Mapping[str, Any], name: str) -> float:
    found = value.get(name)
    if not _is_number(found):
        raise UnreadableError(f"a comparison has no {name}")
    return found  # type: ignore[return-value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, list):
        raise UnreadableError(f"a comparison's {name} are not a list")
    return found

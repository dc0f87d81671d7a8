"""The log of the API's calls, as it is kept."""

from collections.abc import Iterator
from typing import Any

from modeltab.domain.calls import Call

#: So many calls are shown and kept, the latest.
MOST_CALLS = 100
_COUNTS = ("prompt_tokens", "completion_tokens")


def calls_to_json(calls: tuple[Call, ...]) -> list[Any]:
    """The calls that have ended."""
    return [call._asdict() for call in calls if call.status]


def calls_from_json(value: Any) -> tuple[Call, ...]:
    """The calls that were kept; what is no call is left out."""
    return tuple(_read(value))[:MOST_CALLS] if isinstance(value, list) else ()


def _read(entries: list[Any]) -> Iterator[Call]:
    for entry in entries:
        try:
            texts = {name: str(entry[name]) for name in ("id", "caller", "method", "path", "model")}
            counts = {name: None if entry[name] is None else int(entry[name]) for name in _COUNTS}
            times = {"started": float(entry["started"]), "seconds": float(entry["seconds"])}
            fields: dict[str, Any] = {**texts, **times, **counts}
            call = Call(**fields, status=int(entry["status"]))
        except (KeyError, TypeError, ValueError):
            continue
        yield call

"""The rows of the inventory: a state's models, filtered, sorted and grouped as a person asked for."""

import re
from collections.abc import Callable
from typing import NamedTuple

from modeltab.domain.model_names import quantization_of
from modeltab.domain.models import Model
from modeltab.state.store import State
from modeltab.state.updates import connection_name

#: So many rows are drawn as they are; of more, only those near the ones that are seen.
ALL_ROWS = 200
#: Rows drawn at a time of a long list, some of them before the first that is seen.
WINDOW, BEFORE = 80, 20


class Heading(NamedTuple):
    """A group's first row."""

    title: str
    size: int


Row = Heading | Model


class Page(NamedTuple):
    """What is drawn of the rows: those from `first` on, of `total`, among which are so many `models`."""

    rows: tuple[Row, ...]
    first: int
    total: int
    models: int


def page_of(state: State) -> Page:
    """The rows that are drawn."""
    rows = tuple(rows_of(state))
    models = sum(isinstance(row, Model) for row in rows)
    if len(rows) <= ALL_ROWS:
        return Page(rows, 0, len(rows), models)
    first = max(0, min(state.inventory.first - BEFORE, len(rows) - WINDOW))
    return Page(rows[first : first + WINDOW], first, len(rows), models)


def rows_of(state: State) -> list[Row]:
    """All rows, in order."""
    models = [m for c in state.connections for m in state.models.get(c.id, ()) if _is_wanted(state, m)]
    if state.inventory.sort:
        # What is not known comes last, whichever way round.
        known = [(key, m) for m in models if (key := _sort_key(state, m)) is not None]
        known.sort(key=lambda item: item[0], reverse=state.inventory.descending)
        models = [*(m for _, m in known), *(m for m in models if _sort_key(state, m) is None)]
    return _grouped(state, models)


def _sort_key(state: State, model: Model) -> tuple[float, str] | None:
    """What a model is sorted by; None when it is not known."""
    column, name = state.inventory.sort, model.name.casefold()
    if column == "size":
        size = bytes_of(model)
        return None if size is None else (size, name)
    text = {"name": name, "connection": connection_name(state, model.connection_id), "modified": model.modified}
    found = text.get(column, model.state)
    return (0.0, found.casefold()) if found else None


def bytes_of(model: Model) -> float | None:
    """A model's size in bytes, also where an API says it only in words ("1.2 GB"); None when it is unknown."""
    if model.size is not None:
        return float(model.size)
    told = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?)i?B", model.size_text.strip(), re.IGNORECASE)
    return float(told[1]) * 1024 ** " KMGT".index(told[2].upper() or " ") if told else None


def same_file(model: Model) -> str:
    """What is equal for one file on two runtimes: its digest where that is known, else its plain name.

    Runtimes name the same file differently: "SmolLM2-135M-Instruct.Q4_1.gguf" and "smollm2-135m-instruct:q4_1"; and some
    tell its size in rounded words only, or with what they keep beside it.
    """
    plain = re.sub(r"\.(gguf|bin)$|:latest$", "", model.name.lower())
    return model.digest or re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def details_line(model: Model) -> str:
    """What is said below a model's name: parameters and quantization, as far as the list or the name tells."""
    quantization = model.details.get("Quantization") or quantization_of(model.name)
    return " · ".join(filter(None, (model.details.get("Parameters", ""), quantization)))


def _is_wanted(state: State, model: Model) -> bool:
    inventory = state.inventory
    if inventory.place and model.connection_id != inventory.place:
        return False
    words = inventory.query.lower().split()
    if not words:
        return True
    text = " ".join((model.name, connection_name(state, model.connection_id), model.state, *model.details.values())).lower()
    return all(word in text for word in words)


def _grouped(state: State, models: list[Model]) -> list[Row]:
    if state.inventory.group == "connection":
        return _groups(models, lambda m: m.connection_id, lambda m: connection_name(state, m.connection_id))
    if state.inventory.group == "model":
        return _groups(models, same_file, lambda m: m.name)
    return list(models)


def _groups(models: list[Model], key: Callable[[Model], str], title: Callable[[Model], str]) -> list[Row]:
    groups: dict[str, list[Model]] = {}
    for model in models:
        groups.setdefault(key(model), []).append(model)
    rows: list[Row] = []
    for group in groups.values():
        rows += [Heading(title(group[0]), len(group)), *group]
    return rows

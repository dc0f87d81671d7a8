"""The prompt library, with variables in its texts, and presets of a model with its parameters."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from modeltab.domain.parameters import Parameters

_VARIABLE = re.compile(r"\{\{\s*([\w][\w -]*?)\s*(?::([^{}]*))?\}\}")


class Prompt(NamedTuple):
    """A text for the message box. `{{name}}` and `{{name:default}}` in it are asked for when it is used."""

    name: str
    text: str


class Preset(NamedTuple):
    """A model with a system prompt and parameters, under a name.

    :param model: its key, empty where the preset leaves the model as it is.
    """

    name: str
    model: str = ""
    parameters: Parameters = Parameters()


class Variable(NamedTuple):
    """What is asked for when a prompt is used."""

    name: str
    default: str = ""


def variables(text: str) -> tuple[Variable, ...]:
    """The variables of a prompt, each once, in order; the first default that is given counts."""
    found: dict[str, str] = {}
    for match in _VARIABLE.finditer(text):
        found[match[1]] = found.get(match[1]) or (match[2] or "").strip()
    return tuple(Variable(name, default) for name, default in found.items())


def filled(text: str, values: Mapping[str, str]) -> str:
    """A prompt with its variables replaced, by their defaults where a value is empty."""
    defaults = {variable.name: variable.default for variable in variables(text)}
    return _VARIABLE.sub(lambda match: values.get(match[1], "").strip() or defaults[match[1]], text)


def named(items: Sequence[Prompt | Preset], name: str) -> int | None:
    """The place of the prompt, or the preset, of that name; None where there is none. Case does not count."""
    wanted = name.strip().casefold()
    return next((place for place, item in enumerate(items) if item.name.casefold() == wanted), None)

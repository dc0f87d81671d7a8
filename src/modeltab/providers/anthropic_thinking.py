"""How Claude is told to think, which differs from model to model.

Source: Anthropic's API reference, "Extended thinking" and "List Models", looked up in November 2026.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from modeltab.providers.base import Json


class Thinking(NamedTuple):
    """How a model is told to think.

    :param adaptive: whether it decides itself how much, by an effort; if not, it wants a number of tokens.
    :param off: the type that turns it off, empty for a model that always thinks.
    """

    adaptive: bool
    off: str


#: claude-opus-4-6, claude-3-7-sonnet-20250219, claude-sonnet-5, anthropic/claude-opus-4.7; a date is no version.
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?![\d.])")


def thinking_of(name: str, told: Mapping[str, Json]) -> Thinking:
    """How a model is told to think: as the list of models tells it, else by the version in its name."""
    name = name.lower()
    types = at(told, "capabilities", "thinking", "types")
    if types:
        off = next((type_ for type_ in ("disabled", "between_tools") if at(types, type_).get("supported")), "")
        return Thinking(bool(at(types, "adaptive").get("supported")), off)
    found = _VERSION.search(name)
    version = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if "fable" in name or "mythos" in name or ("opus" in name and version >= (5, 5)):
        return Thinking(True, "")
    return Thinking(version >= (4, 6), "between_tools" if "sonnet" in name and version >= (5, 5) else "disabled")


def at(value: Json, *names: str) -> Mapping[str, Json]:
    """An object inside another; empty where it is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}

"""Prices as records: those that a person set, in the configuration, and the list that comes with the app.

static/prices.json is {"prices": [{"host", "model", "input", "output", "cached"?, "as_of"}]}, in US dollars per million tokens.
"""

import math
from collections.abc import Mapping
from typing import Any

from modeltab.domain.prices import Price

#: No model costs as much a million tokens; what is dearer is a slip.
MAX_PRICE = 100_000.0


def price_to_json(price: Price) -> dict[str, Any]:
    """A price's record."""
    return {name: value for name, value in price._asdict().items() if value is not None and name != "own"}


def prices_from_json(value: Any, own: bool) -> tuple[Price, ...]:
    """The prices of a list. What is not one is left out: a slip of who edits by hand costs one price, and not all."""
    found = (_price(item, own) for item in (value if isinstance(value, list) else ()))
    return tuple(price for price in found if price)


def listed(value: Any) -> tuple[Price, ...]:
    """The prices in the content of static/prices.json."""
    return prices_from_json(value.get("prices"), own=False) if isinstance(value, Mapping) else ()


def _price(item: Any, own: bool) -> Price | None:
    if not isinstance(item, Mapping):
        return None
    host, model, as_of = (_text(item.get(name)) for name in ("host", "model", "as_of"))
    paid, earned, cached = (_amount(item.get(name)) for name in ("input", "output", "cached"))
    if not host or not model or paid is None or earned is None:
        return None
    return Price(host, model, paid, earned, cached, as_of, own)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= MAX_PRICE else None

"""Prices of hosted models, and what an answer costs by them: the list comes with the app, and people change it."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modeltab.domain.messages import Stats

#: What vendors put after a model's name for its edition; a price is of the model.
_EDITION = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest|00\d)$")


class Price(NamedTuple):
    """What a model costs where it is, in US dollars per million tokens.

    :param host: who is paid: the host of the address that requests go to.
    :param cached: for a token of the prompt that the API had in its cache; None: like the others.
    :param as_of: when it was so, as an ISO 8601 date or the beginning of one.
    :param own: whether a person set it; else it is a list price.
    """

    host: str
    model: str
    input: float
    output: float
    cached: float | None = None
    as_of: str = ""
    own: bool = False


#: (host, model) → its price.
PriceBook = Mapping[tuple[str, str], Price]


def price_book(*lists: Iterable[Price]) -> PriceBook:
    """The prices of some lists; of two for the same model, the later counts."""
    book: dict[tuple[str, str], Price] = {}
    for prices in lists:
        for price in prices:
            book[price.host, price.model] = price
    return book


def find(book: PriceBook, host: str, model: str) -> Price | None:
    """The price of a model at a host: of its name as it is, else of the name without its edition; None when there is none."""
    plain = _EDITION.sub("", model)
    names = (model, plain, f"{plain}-latest")
    return next((book[host, name] for name in names if (host, name) in book), None)


def cost(price: Price, stats: Stats) -> float | None:
    """What an answer cost, in US dollars; None when it is not known how many tokens it took.

    Tokens of reasoning are among those of the answer, and cached ones among those of the prompt, as `Stats` counts them.
    """
    if stats.prompt_tokens is None and stats.completion_tokens is None:
        return None
    prompt = stats.prompt_tokens or 0
    cached = min(stats.cached_tokens or 0, prompt)
    for_cached = price.input if price.cached is None else price.cached
    return ((prompt - cached) * price.input + cached * for_cached + (stats.completion_tokens or 0) * price.output) / 1_000_000

"""The tokens of an answer, with how likely each was and what else the model might have said there."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Alternative(NamedTuple):
    """A token that might have come. `logprob`: the natural logarithm of its probability."""

    text: str
    logprob: float

    @property
    def can_follow(self) -> bool:
        """Whether it is text that can be put behind other text: a part of a character is not, nor is the end of the text."""
        return bool(self.text) and "\ufffd" not in self.text


class Token(NamedTuple):
    """A token that came, or a piece of text of which more is not known.

    :param logprob: the natural logarithm of its probability; None where it is not known.
    :param alternatives: the likeliest tokens in its place, likeliest first; it may be one of them.
    """

    text: str
    logprob: float | None = None
    alternatives: tuple[Alternative, ...] = ()


def probability(logprob: float) -> float:
    """0 to 1. APIs tell impossible tokens as very small numbers, and rounding makes some a little larger than 0."""
    return math.exp(min(0.0, logprob))


def aligned(text: str, told: Sequence[Token]) -> tuple[Token, ...]:
    """The tokens of `text`, as far as those that were told are really in it, one after the other.

    Engines hold back tokens until they make whole characters, and what they tell of them then can differ from the text:
    the text is right, and what cannot be found in it becomes a piece without a probability.
    """
    if len(told) == 1:
        return (told[0]._replace(text=text),) if text else ()
    tokens: list[Token] = []
    rest = text
    for token in told:
        if not token.text or not rest.startswith(token.text):
            break
        tokens.append(token)
        rest = rest[len(token.text) :]
    return (*tokens, Token(rest)) if rest else tuple(tokens)

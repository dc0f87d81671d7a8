"""Log probabilities of tokens, as APIs tell them → tokens.

OpenAI's chat completions, Ollama and llama.cpp tell a list of tokens, each with its alternatives; OpenAI's older
completions tell parallel lists, and the alternatives as objects; Gemini tells two lists. A token that is a part of a
character comes as "�".
"""

import math
from collections.abc import Mapping
from typing import Any

from modeltab.domain.tokens import Alternative, Token
from modeltab.providers.base import Json


def tokens_of(logprobs: Json) -> tuple[Token, ...]:
    """The tokens in the `logprobs` of a choice, or of a line of Ollama's; none where there are none."""
    if isinstance(logprobs, list):
        return tuple(_token(entry) for entry in logprobs if isinstance(entry, dict))
    if not isinstance(logprobs, dict):
        return ()
    if isinstance(logprobs.get("content"), list):
        return tokens_of(logprobs["content"])
    return _parallel(logprobs)


def gemini_tokens(result: Json) -> tuple[Token, ...]:
    """The tokens in a `logprobsResult` of Gemini's: those that were chosen, and beside them the likeliest of each step."""
    chosen, top = (result.get(name) for name in ("chosenCandidates", "topCandidates")) if isinstance(result, dict) else ("", "")
    tokens = []
    for place, candidate in enumerate(chosen if isinstance(chosen, list) else ()):
        step = top[place] if isinstance(top, list) and place < len(top) else None
        others = step.get("candidates") if isinstance(step, dict) else None
        found = [_alternative(other) for other in (others if isinstance(others, list) else ()) if isinstance(other, dict)]
        if isinstance(candidate, dict):
            text, logprob = _alternative(candidate)
            tokens.append(Token(text, logprob, _ordered(found)))
    return tuple(tokens)


def _alternative(candidate: Mapping[str, Json]) -> Alternative:
    """JSON of protocol buffers leaves out what is 0: a certain token has no `logProbability`."""
    return Alternative(str(candidate.get("token") or ""), _number(candidate.get("logProbability")) or 0.0)


def _token(entry: Mapping[str, Any]) -> Token:
    others = entry.get("top_logprobs")
    found = [
        Alternative(str(other.get("token") or ""), logprob)
        for other in (others if isinstance(others, list) else ())
        if isinstance(other, dict) and (logprob := _number(other.get("logprob"))) is not None
    ]
    return Token(str(entry.get("token") or ""), _number(entry.get("logprob")), _ordered(found))


def _parallel(logprobs: Mapping[str, Any]) -> tuple[Token, ...]:
    texts, values, others = (logprobs.get(name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not isinstance(texts, list):
        return ()
    tokens = []
    for place, text in enumerate(texts):
        value = values[place] if isinstance(values, list) and place < len(values) else None
        top = others[place] if isinstance(others, list) and place < len(others) else None
        found = [
            Alternative(str(name), logprob)
            for name, told in (top.items() if isinstance(top, dict) else ())
            if (logprob := _number(told)) is not None
        ]
        tokens.append(Token(str(text), _number(value), _ordered(found)))
    return tuple(tokens)


def _ordered(alternatives: list[Alternative]) -> tuple[Alternative, ...]:
    """Likeliest first."""
    return tuple(sorted(alternatives, key=lambda item: -item.logprob))


def _number(value: object) -> float | None:
    """A log probability, None where it is none. llama.cpp tells null for minus infinity."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and not math.isnan(value) else None  # type: ignore[arg-type]

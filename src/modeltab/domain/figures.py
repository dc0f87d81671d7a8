"""The figures of an answer that no API told: what can be computed from the others, and what can only be estimated."""

from modeltab.domain.connections import host_of
from modeltab.domain.messages import Stats

#: Where a request went that left neither the tab nor the browser: no host has a space in its name.
THIS_TAB, THIS_BROWSER = "this tab", "this browser"
#: Bytes of UTF-8 a token, roughly: English has about four, and scripts with longer characters fewer characters a token.
_BYTES_PER_TOKEN = 4
#: A speed that is measured over less than this, in seconds, says nothing.
_SHORTEST = 0.05


def destination(base_url: str, in_tab: bool) -> str:
    """Where a request to a connection goes: a host, or `THIS_TAB`, or `THIS_BROWSER`."""
    return host_of(base_url) or (THIS_TAB if in_tab else THIS_BROWSER)


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, with any tokenizer: right within a third for prose."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def completed(stats: Stats, prompt: int, answer: str, elapsed: float) -> Stats:
    """An ended answer's figures with those that the API did not tell.

    :param prompt: about how many tokens it was asked with.
    :param answer: all that came, reasoning included. Where nothing came, nothing is estimated.
    :param elapsed: seconds from the request to the end.
    """
    if stats.seconds is None:
        stats = stats._replace(seconds=elapsed)
    if answer and stats.completion_tokens is None:
        stats = stats._replace(completion_tokens=estimate_tokens(answer), completion_is_estimate=True)
    if answer and stats.prompt_tokens is None:
        stats = stats._replace(prompt_tokens=prompt, prompt_is_estimate=True)
    if stats.tokens_per_second is None and stats.completion_tokens and stats.first_token_seconds is not None:
        writing = elapsed - stats.first_token_seconds
        if writing >= _SHORTEST:
            stats = stats._replace(tokens_per_second=stats.completion_tokens / writing)
    return stats

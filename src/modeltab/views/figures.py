"""The figures of an answer in words: times, tokens, cost, and where it went."""

from modeltab.domain.figures import THIS_BROWSER, THIS_TAB, destination
from modeltab.domain.messages import Message, Stats
from modeltab.domain.prices import Price, PriceBook, cost, find, price_book
from modeltab.state.store import State
from modeltab.state.updates import connection
from modeltab.views import format as fmt

_STAYED = {THIS_TAB: "stayed in this tab", THIS_BROWSER: "stayed in this browser"}


def stats_parts(stats: Stats) -> list[str]:
    """An answer's figures in words; those that were reckoned here are told as "about"."""
    parts = []
    about = "about " if stats.completion_is_estimate else ""
    if stats.completion_tokens is not None:
        reasoning = f", {stats.reasoning_tokens:,} of them reasoning" if stats.reasoning_tokens else ""
        parts.append(f"{about}{stats.completion_tokens:,} tokens{reasoning}")
    if stats.seconds is not None:
        parts.append(fmt.seconds(stats.seconds))
    if stats.tokens_per_second is not None:
        parts.append(f"{about}{fmt.speed(stats.tokens_per_second)}")
    if stats.first_token_seconds is not None:
        parts.append(f"first token after {fmt.seconds(stats.first_token_seconds)}")
    if stats.prompt_tokens is not None:
        cached = f", {stats.cached_tokens:,} of them cached" if stats.cached_tokens else ""
        parts.append(f"{'about ' if stats.prompt_is_estimate else ''}{stats.prompt_tokens:,} prompt tokens{cached}")
    return parts


def went_to(state: State, message: Message) -> str:
    """Where the request for an answer went; of one that was kept before this was noted, where its connection leads now."""
    if message.went_to:
        return message.went_to
    found = connection(state, message.connection)
    facts = state.facts.get(message.connection)
    return destination(found.base_url, facts.permanent) if found and facts else ""


def place_words(place: str) -> str:
    """Where an answer went, for people."""
    return _STAYED.get(place, place)


def cost_words(price: Price, stats: Stats) -> str:
    """What an answer cost, and by which price; empty when its tokens are not known."""
    amount = cost(price, stats)
    if amount is None:
        return ""
    about = "about " if stats.prompt_is_estimate or stats.completion_is_estimate else ""
    by = "your price" if price.own else f"list price of {price.as_of}" if price.as_of else "list price"
    return f"{about}{fmt.dollars(amount)} ({by})"


class AnswerNotes:
    """What each answer cost, which model gave it and where it went, in words. It remembers the prices that it has looked up."""

    def __init__(self) -> None:
        self._lists: tuple[object, object] = ((), ())
        self._book: PriceBook = {}
        self._found: dict[tuple[str, str], Price | None] = {}

    def price(self, state: State, message: Message) -> Price | None:
        """The price that an answer was given at, by the prices as they are now."""
        if self._lists[0] is not state.prices or self._lists[1] is not state.settings.prices:
            self._lists = (state.prices, state.settings.prices)
            self._book = price_book(state.prices, state.settings.prices)
            self._found = {}
        key = (went_to(state, message), message.model)
        if key not in self._found:
            self._found[key] = find(self._book, *key)
        return self._found[key]

    def cost(self, state: State, message: Message) -> str:
        """What an answer cost, in words; empty where no price is known."""
        price = self.price(state, message)
        return cost_words(price, message.stats) if price else ""

    def note(self, state: State, message: Message) -> str:
        """Cost, model and place, empty for a message that no model wrote."""
        if message.role != "assistant" or not message.model:
            return ""
        words = (self.cost(state, message), message.model, place_words(went_to(state, message)))
        return " · ".join(filter(None, words))

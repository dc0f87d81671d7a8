"""Reasoning that a server leaves in the text, between <think> and </think> at its beginning, told apart from the answer.

Servers that do not parse their model's output send it so; only an answer that begins with the tag is meant, because a
later one is something the model writes about.
"""

from modeltab.domain.requests import Event, ReasoningDelta, TextDelta

OPEN = "<think>"
_CLOSE = "</think>"


class ThinkTags:
    """Splits one answer's text as it comes in. White space around the tags belongs to neither part."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "before"
        self._begun = False

    def feed(self, text: str) -> list[Event]:
        """More text; what it adds to the reasoning and to the answer."""
        self._held += text
        events: list[Event] = []
        if self._state == "before":
            self._look_for_opening()
        if self._state == "inside":
            events += self._reasoning()
        if self._state == "closed":
            self._held = self._held.lstrip()
            self._state = "after" if self._held else "closed"
        if self._state == "after" and self._held:
            events.append(TextDelta(self._held))
            self._held = ""
        return events

    def end(self) -> list[Event]:
        """The answer is at its end: what was held back because it might have become a tag."""
        held, self._held = self._held, ""
        if self._state == "inside":
            held = held.strip()
            return [ReasoningDelta(held)] if held else []
        return [TextDelta(held)] if held and self._state == "before" else []

    def _look_for_opening(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(OPEN):
            self._held, self._state = begun[len(OPEN) :].lstrip(), "inside"
        elif not OPEN.startswith(begun):
            self._state = "after"

    def _reasoning(self) -> list[Event]:
        if not self._begun:
            self._held = self._held.lstrip()
        reasoning, close, answer = self._held.partition(_CLOSE)
        if close:
            sure = len(reasoning.rstrip())
            self._held, self._state = answer, "closed"
        else:
            # The last characters may be the beginning of the closing tag, or the white space before it.
            tail = overlap(reasoning, _CLOSE)
            sure = len(reasoning[: len(reasoning) - tail].rstrip())
            self._held = reasoning[sure:]
        self._begun = self._begun or sure > 0
        return [ReasoningDelta(reasoning[:sure])] if sure else []


def overlap(text: str, word: str) -> int:
    """How many of the last characters of a text may be the beginning of a word that is not complete yet."""
    return next((n for n in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:n])), 0)

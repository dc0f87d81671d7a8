"""Completions: texts that a model went on with, and what branches off from them."""

from typing import NamedTuple

from modeltab.domain.errors import ErrorRecord
from modeltab.domain.messages import Status
from modeltab.domain.tokens import Alternative, Token


class Branch(NamedTuple):
    """A prompt and what a model made of it. What is branched off is a new one, so nothing is ever overwritten.

    :param model: the key of the model; empty for a prompt that nothing has completed yet.
    :param created: seconds since 1970.
    :param parent: the id of the completion that it branches off from, at its token `place`; empty where it is a beginning.
    :param finish_reason: how it ended, in our word.
    """

    id: str
    model: str
    prompt: str
    tokens: tuple[Token, ...] = ()
    created: float = 0.0
    status: Status = "done"
    parent: str = ""
    place: int = 0
    finish_reason: str = ""
    error: ErrorRecord | None = None

    @property
    def text(self) -> str:
        """What was completed."""
        return "".join(token.text for token in self.tokens)

    @property
    def whole(self) -> str:
        """The prompt with what was completed."""
        return self.prompt + self.text


def branched(branch: Branch, place: int, alternative: Alternative, id_: str, now: float) -> Branch:
    """What goes on from `branch` with another token at `place`. The tokens before it, and its alternatives, stay known."""
    token = branch.tokens[place]
    instead = Token(alternative.text, alternative.logprob, token.alternatives)
    return Branch(
        id_,
        branch.model,
        branch.prompt,
        (*branch.tokens[:place], instead),
        now,
        "streaming",
        branch.id,
        place,
    )

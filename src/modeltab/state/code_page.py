"""What the Playground's page Code shows."""

from typing import Literal, NamedTuple

from modeltab.domain.code_runs import CodeRun

#: The name under which edited code is kept, beside the drafts of conversations.
CODE = "playground.code"

Phase = Literal["", "starting", "running"]


class CodePage(NamedTuple):
    """The page Code. What it prints is apart, for that grows with each piece.

    :param tab: the language that is shown.
    :param model: the key of the model that is chosen; empty for the one of the chat.
    :param edited: whether the code that is shown is not as it was written for the model.
    :param phase: what goes on; empty while nothing runs.
    :param asks: whether the code that runs waits for a person to allow it the models.
    :param runs: what ran before, the latest first; `loaded`, whether they have been read.
    :param shown: the run whose output is shown, once it has ended; None while one runs, and before the first.
    """

    tab: str = "python"
    model: str = ""
    edited: bool = False
    phase: Phase = ""
    asks: bool = False
    runs: tuple[CodeRun, ...] = ()
    loaded: bool = False
    shown: CodeRun | None = None

"""What the Playground's pages Completion and Structured output show, and how it is kept."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from modeltab.domain.completions import Branch
from modeltab.domain.errors import ErrorRecord
from modeltab.domain.json_schema import Problem
from modeltab.domain.messages import INTERRUPTED, Status
from modeltab.domain.tokens import Alternative, Token

#: The names of what is kept, beside the drafts of conversations.
COMPLETION, STRUCTURED = "playground.completion", "playground.structured"
#: What the form begins with: enough to see something, and short enough to wait for.
FIRST_VALUES: Mapping[str, str] = {"max_tokens": "64", "alternatives": "5"}
#: How a completion or an answer ends.
ENDS = ("done", "stopped", "error")
#: localStorage has room for about five million characters, which the configuration and the drafts need, too.
MOST_CHARACTERS = 1_500_000


class Completion(NamedTuple):
    """The page Completion.

    :param model: the key of the model that is chosen; empty for the one of the chat.
    :param values: the form's numbers as they are typed: temperature, max_tokens, seed, alternatives.
    :param branches: every completion, oldest first; `shown`, the id of the one that is looked at.
    :param selected: the place of the token whose alternatives are shown; None for none.
    :param progress: what goes on before tokens come; `rendering`, whether a prompt is being rendered.
    :param note: what was rendered last.
    :param unkept: how many of the oldest completions are kept only until the page is closed.
    """

    model: str = ""
    values: Mapping[str, str] = FIRST_VALUES
    branches: tuple[Branch, ...] = ()
    shown: str = ""
    selected: int | None = None
    progress: str = ""
    rendering: bool = False
    note: str = ""
    error: ErrorRecord | None = None
    unkept: int = 0


class Structured(NamedTuple):
    """The page Structured output.

    :param model: the key of the model that is chosen; empty for the one of the chat.
    :param problems: what is wrong with the schema; `is_empty`, whether there is none.
    :param before: (schema, prompt) as they were before an example took their place.
    :param answer: as it came, or as it comes while `status` is "streaming"; `status` is empty before the first one.
    :param pretty: the answer, once it has ended, with line breaks, where it is JSON.
    :param answered_by: the key of the model that gave it; `schema`, the schema that it was asked with.
    :param errors: what of the answer does not keep to that; `is_checked`, whether it has been held against it.
    """

    model: str = ""
    problems: tuple[Problem, ...] = ()
    is_empty: bool = True
    before: tuple[str, str] | None = None
    answer: str = ""
    pretty: str = ""
    schema: str = ""
    status: Status | Literal[""] = ""
    answered_by: str = ""
    errors: tuple[Problem, ...] = ()
    is_checked: bool = False
    error: ErrorRecord | None = None
    progress: str = ""


def branch_of(completion: Completion, id_: str) -> Branch | None:
    """A completion by its id."""
    return next((branch for branch in completion.branches if branch.id == id_), None)


def with_branch(completion: Completion, branch: Branch) -> Completion:
    """The page with a completion that is new or changed."""
    if branch_of(completion, branch.id) is None:
        return completion._replace(branches=(*completion.branches, branch))
    return completion._replace(branches=tuple(branch if b.id == branch.id else b for b in completion.branches))


def branch_to_json(branch: Branch) -> dict[str, Any]:
    """A completion as it is kept: names once, tokens as lists. A failure is kept as its words."""
    return {
        "id": branch.id,
        "model": branch.model,
        "prompt": branch.prompt,
        "created": branch.created,
        "status": branch.status,
        "parent": branch.parent,
        "place": branch.place,
        "finish_reason": branch.finish_reason,
        "error": [branch.error.message, branch.error.advice] if branch.error else None,
        "tokens": [_token_to_json(token) for token in branch.tokens],
    }


def _token_to_json(token: Token) -> list[Any]:
    if token.logprob is None and not token.alternatives:
        return [token.text]
    logprob = None if token.logprob is None else round(token.logprob, 4)
    return [token.text, logprob, [[a.text, round(a.logprob, 4)] for a in token.alternatives]]


def branch_from_json(value: Any) -> Branch | None:
    """A completion from what was kept; None when it is none. One that was coming when the page was closed is cut off."""
    try:
        tokens = tuple(_token_from_json(item) for item in value["tokens"])
        was_coming = value["status"] not in ENDS
        status: Status = "stopped" if was_coming else value["status"]
        error = value.get("error")
        return Branch(
            str(value["id"]),
            str(value["model"]),
            str(value["prompt"]),
            tokens,
            float(value["created"]),
            status,
            str(value["parent"]),
            int(value["place"]),
            INTERRUPTED if was_coming else str(value["finish_reason"]),
            ErrorRecord(str(error[0]), str(error[1])) if error else None,
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def _token_from_json(value: Any) -> Token:
    if len(value) == 1:
        return Token(str(value[0]))
    alternatives = tuple(Alternative(str(text), float(logprob)) for text, logprob in value[2])
    return Token(str(value[0]), None if value[1] is None else float(value[1]), alternatives)

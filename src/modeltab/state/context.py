"""How much of the context the next request would take: what was counted for the last answer, and an estimate of the rest."""

import re

from modeltab.domain.messages import Message, path, title_from
from modeltab.domain.models import split_key
from modeltab.domain.parameters import Parameters
from modeltab.state.store import State
from modeltab.state.updates import model_of, parameters_of
from modeltab.state.writing import ContextUse

#: Characters a token, about; and tokens that a chat template adds to each message, about.
CHARACTERS = 4
PER_MESSAGE = 4
#: What an answer needs where its length is not limited: this much, but not more than a quarter of the context.
ANSWER = 512


def about(length: int) -> int:
    """The tokens of so many characters, estimated."""
    return -(-length // CHARACTERS)


def context_use(state: State) -> ContextUse:
    """The use of the context, were the message that is being written sent now."""
    messages = path(state.messages, state.conversation.leaf_id) if state.conversation else ()
    written = about(state.typed) + sum(about(len(a.text)) + PER_MESSAGE for a in state.attachments)
    if not messages and not written:
        return ContextUse()
    parameters = parameters_of(state)
    place = _last_counted(messages)
    if place is None:
        used = about(len(parameters.system_prompt or "")) + sum(map(tokens_of, messages))
    else:
        stats = messages[place].stats
        counted = (stats.prompt_tokens or 0) + (stats.completion_tokens or 0) - (stats.reasoning_tokens or 0)
        used = counted + sum(map(tokens_of, messages[place + 1 :]))
    used += written
    size = context_size(state, parameters)
    if size is None:
        return ContextUse(used, is_counted=place is not None)
    reserve = min(parameters.max_tokens or ANSWER, size // 4)
    dropped, until = _dropped(messages, used + reserve - size)
    return ContextUse(used, size, reserve, place is not None, dropped, until)


def context_size(state: State, parameters: Parameters) -> int | None:
    """The chosen model's context, in tokens, None where nobody tells it."""
    facts = state.facts.get(split_key(state.settings.model)[0])
    model = model_of(state, state.settings.model)
    told = [int(text) for text in re.findall(r"\d+", model.details.get("Context", ""))] if model else []
    if facts and "n_ctx" in facts.capabilities.parameters:
        default = facts.capabilities.defaults.get("n_ctx")
        wanted = parameters.n_ctx or (int(default) if default else None)
        if wanted:
            return min([wanted, *told[1:]])  # "4096 of 8192 tokens": no more than the model was trained for
    return told[0] if told else None


def tokens_of(message: Message) -> int:
    """A message's tokens, estimated."""
    return about(len(message.text)) + PER_MESSAGE


def _last_counted(messages: tuple[Message, ...]) -> int | None:
    for place in range(len(messages) - 1, -1, -1):
        stats = messages[place].stats
        if messages[place].status == "done" and stats.prompt_tokens is not None and stats.completion_tokens is not None:
            return place
    return None


def _dropped(messages: tuple[Message, ...], excess: int) -> tuple[int, str]:
    """How many of the oldest messages are that many tokens, and how the last of them begins."""
    count = 0
    while excess > 0 and count < len(messages):
        excess -= tokens_of(messages[count])
        count += 1
    return count, title_from(messages[count - 1].text, 40) if count else ""

"""OpenAI's older completions, `/completions`: text in, more text out, with no chat template. Request → body, chunk → events.

Source: OpenAI's API reference, "Completions (legacy)", llama.cpp's tools/server/README.md, and the answers of a real
llama-server, which tells log probabilities here as it does for chat.
"""

from collections.abc import Mapping
from typing import Any

from modeltab.domain.errors import BadReply, ServerFailed
from modeltab.domain.requests import (
    CompletionRequest,
    Event,
    Finished,
    FinishReason,
    TextDelta,
    TokenProbabilities,
    extra_fields,
)
from modeltab.providers.base import Json
from modeltab.providers.chat_completions import FINISH_REASONS, error_in_stream, progress_of, usage_of
from modeltab.providers.token_logprobs import tokens_of


def body_of(request: CompletionRequest, names: Mapping[str, str], **fields: Json) -> dict[str, Json]:
    """The request's body.

    :param names: what each parameter that the API takes is called there, by the names of `Parameters`.
    :param fields: what else goes into it; the person's own extra JSON comes last.
    :raises BadRequest: when the extra JSON is not an object.
    """
    body: dict[str, Json] = {"prompt": request.prompt}
    for name, field in names.items():
        value = getattr(request.parameters, name)
        if value is not None:
            body[field] = value
    if request.n_alternatives:
        body["logprobs"] = request.n_alternatives
    return {**body, **fields, **extra_fields(request.parameters.extra_json)}


class CompletionReader:
    """One completion: its chunks → events, and whether it came to its end. What looks like reasoning stays text."""

    def __init__(self) -> None:
        self._finish: tuple[FinishReason, str] | None = None

    def read(self, chunk: Json) -> list[Event]:
        """The events in one chunk.

        :raises ModelTabError: when the chunk is an error.
        """
        if not isinstance(chunk, dict):
            raise BadReply("The server's stream has something that is no part of an answer.", "Try again.", str(chunk)[:200])
        if chunk.get("error"):
            raise error_in_stream(chunk)
        events = progress_of(chunk)
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                events += self._choice(choice)
        usage = usage_of(chunk)
        return [*events, usage] if usage else events

    def end(self, end_mark: bool) -> list[Event]:
        """The stream is at its end, with its end mark or without. Without a reason either, it was cut off."""
        return [Finished(*self._finish)] if self._finish else [Finished("stop")] if end_mark else []

    def _choice(self, choice: Mapping[str, Any]) -> list[Event]:
        text = choice.get("text")
        tokens = tokens_of(choice.get("logprobs"))
        events: list[Event] = [TokenProbabilities(tokens)] if tokens else []
        if isinstance(text, str) and text:
            events.append(TextDelta(text))
        native = choice.get("finish_reason")
        if isinstance(native, str) and native:
            if native.lower() == "error":
                raise ServerFailed("The provider broke the answer off.", "Try again.", str(choice)[:400])
            self._finish = (FINISH_REASONS.get(native.lower(), "other"), native)
        return events

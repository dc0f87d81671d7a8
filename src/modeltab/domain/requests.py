"""What is asked of a model, and what comes back."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from modeltab.domain.errors import BadRequest
from modeltab.domain.messages import Message

ParameterValue = str | int | float


class Parameters(NamedTuple):
    """What a person may set for an answer. None: the API's own default, and nothing is sent."""

    system_prompt: str | None = None
    template: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    n_gpu_layers: int | None = None
    n_batch: int | None = None
    n_ctx: int | None = None
    extra_json: str | None = None


class ChatRequest(NamedTuple):
    """One request for an answer: the path of messages that ends with the person's."""

    model: str
    messages: tuple[Message, ...]
    parameters: Parameters = Parameters()


class TextDelta(NamedTuple):
    """More of the answer's text."""

    text: str


class ReasoningDelta(NamedTuple):
    """More of the reasoning before the answer."""

    text: str


class Progress(NamedTuple):
    """Work before the first token: a model that loads, a prompt that is read. `fraction` is 0 to 1."""

    what: str
    fraction: float


class Usage(NamedTuple):
    """The figures of an answer, as far as the API tells them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None


class Finished(NamedTuple):
    """The end of an answer.

    :param reason: "stop", "length" or "other".
    :param native_reason: the API's own word.
    """

    reason: str
    native_reason: str = ""
    provider_data: Mapping[str, Any] = {}


Event = TextDelta | ReasoningDelta | Progress | Usage | Finished


def extra_fields(text: str | None) -> dict[str, Any]:
    """The extra JSON of the parameters.

    :raises BadRequest: when it is not an object.
    """
    if not text or not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadRequest("The extra JSON is not JSON.", "Correct it in Parameters, or empty it.", str(error)) from None
    if not isinstance(value, dict):
        raise BadRequest("The extra JSON is not an object.", 'Write it like {"min_p": 0.1}.')
    return value

"""What is asked of a model, and what comes back."""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from modeltab.domain.errors import BadRequest
from modeltab.domain.messages import Message
from modeltab.domain.parameters import REASONING_EFFORTS as REASONING_EFFORTS
from modeltab.domain.parameters import Parameters as Parameters
from modeltab.domain.parameters import ParameterValue as ParameterValue
from modeltab.domain.tokens import Token

#: How an answer ended, whatever the API calls it.
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "other"]


class ChatRequest(NamedTuple):
    """One request for an answer: the path of messages that ends with the person's.

    :param images: the bytes of the messages' images, by their digests.
    :param schema: the JSON Schema that the answer has to keep to; None for an answer in words.
    :param n_alternatives: how many of the likeliest tokens to tell for each place, 0 for no probabilities at all.
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Parameters = Parameters()
    images: Mapping[str, bytes] = {}
    schema: Mapping[str, Any] | None = None
    n_alternatives: int = 0


class CompletionRequest(NamedTuple):
    """One request for more of a text, which goes to the model as it is.

    :param n_alternatives: see `ChatRequest`.
    """

    model: str
    prompt: str
    parameters: Parameters = Parameters()
    n_alternatives: int = 0


class TextDelta(NamedTuple):
    """More of the answer's text."""

    text: str


class TokenProbabilities(NamedTuple):
    """How likely the tokens were whose text comes next. Only asked for with `n_alternatives`, and never the text itself."""

    tokens: tuple[Token, ...]


class ReasoningDelta(NamedTuple):
    """More of the reasoning before the answer."""

    text: str


class ToolCallDelta(NamedTuple):
    """More of the call of a tool. `id` and `name` come once, with the first piece; `arguments` is more of its JSON.

    :param place: which of the answer's calls it belongs to, from 0.
    """

    place: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Retrying(NamedTuple):
    """Nothing has come yet, and the request is sent again in `seconds`.

    :param attempt: which try it will be, of `attempts`.
    """

    reason: str
    seconds: float
    attempt: int
    attempts: int


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
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class Finished(NamedTuple):
    """The end of an answer.

    :param native_reason: the API's own word.
    :param provider_data: see `Message`.
    """

    reason: FinishReason
    native_reason: str = ""
    provider_data: Mapping[str, Any] = {}


Event = TextDelta | TokenProbabilities | ReasoningDelta | ToolCallDelta | Progress | Retrying | Usage | Finished


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

"""What a person may set for an answer: the defaults, and what one conversation has of its own over them."""

from typing import NamedTuple

ParameterValue = str | int | float

#: How much a model is asked to reason before it answers.
REASONING_EFFORTS = ("off", "low", "medium", "high")


class Parameters(NamedTuple):
    """What a person may set for an answer. None: the API's own default, and nothing is sent.

    :param reasoning: one of `REASONING_EFFORTS`.
    """

    system_prompt: str | None = None
    template: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    reasoning: str | None = None
    n_gpu_layers: int | None = None
    n_batch: int | None = None
    n_ctx: int | None = None
    extra_json: str | None = None


def overlaid(defaults: Parameters, own: Parameters | None) -> Parameters:
    """The defaults, with what a conversation has of its own in their place. An empty text of its own takes a default away."""
    if own is None:
        return defaults
    values = (default if value is None else value for default, value in zip(defaults, own, strict=True))
    return Parameters(*(None if value == "" else value for value in values))  # type: ignore[arg-type]

"""Requests for the quick build of the tab's engine: OpenAI's and llama-server's words → its own, its steps → chunks.

It only goes on with a text. What llama.cpp's server does around that for the main build is here: names of parameters,
prompts that begin an answer, stop strings, chunks with figures.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from modeltab.providers.base import Json
from modeltab.providers.tab_engines import Reading, Written
from modeltab.providers.think_tags import OPEN, overlap

#: Parameters of the sampler by the server's names. Nothing else of the server's has the same meaning in both.
_NUMBERS = {
    "temperature": "temp",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typ_p",
    "repeat_penalty": "penalty_repeat",
    "frequency_penalty": "penalty_freq",
    "presence_penalty": "penalty_present",
    "dynatemp_range": "dynatemp_range",
    "dynatemp_exponent": "dynatemp_exponent",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
_INTEGERS = {"top_k": "top_k", "repeat_last_n": "penalty_last_n", "mirostat": "mirostat"}
_LIMITS = ("max_completion_tokens", "max_tokens", "n_predict")
#: What changes nothing here, where it has one of these values.
_WITHOUT_EFFECT: Mapping[str, tuple[Json, ...]] = {
    "stream": (True,),
    "return_progress": (True, False),
    "cache_prompt": (True,),
    "n": (1,),
    "logprobs": (None, False, 0),
    "top_logprobs": (None, 0),
    "tools": (None, []),
    "response_format": (None, {"type": "text"}),
    "stream_options": ({"include_usage": True}, {"include_usage": False}, None),
    "timings_per_token": (False,),
}


class Plan(NamedTuple):
    """What a request comes to.

    :param max_tokens: None for as many as there is room for.
    :param seed: of the answer; None for a new one.
    """

    sampling: dict[str, float]
    max_tokens: int | None
    stops: tuple[str, ...]
    seed: int | None


def is_known(name: str, value: Json) -> bool:
    """Whether a field of a request means here what it means to the server."""
    if name in ("messages", "prompt"):
        return True
    if name in _NUMBERS:
        return value is None or _is_number(value)
    if name in _INTEGERS or name in _LIMITS or name == "seed":
        return value is None or (_is_number(value) and float(value).is_integer())
    if name == "stop":
        return value is None or isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    if name == "chat_template_kwargs":
        return isinstance(value, dict)
    return any(value is allowed or value == allowed for allowed in _WITHOUT_EFFECT.get(name, ()))


def plan_of(body: Mapping[str, Any]) -> Plan:
    """What a request comes to whose fields are all known."""
    sampling: dict[str, float] = {own: float(body[name]) for name, own in _NUMBERS.items() if body.get(name) is not None}
    sampling.update({own: int(body[name]) for name, own in _INTEGERS.items() if body.get(name) is not None})
    limit = next((int(body[name]) for name in _LIMITS if body.get(name) is not None), -1)
    stop = body.get("stop") or ()
    seed = body.get("seed")
    return Plan(
        sampling,
        limit if limit >= 0 else None,
        tuple(filter(None, (stop,) if isinstance(stop, str) else stop)),
        int(seed) if seed is not None and seed >= 0 else None,
    )


def template_context(body: Mapping[str, Any], bos: str, eos: str) -> tuple[dict[str, Any], str]:
    """What a chat template is rendered with, and what comes after it: an answer that the messages have begun."""
    messages = list(body["messages"])
    begun = messages.pop()["content"] if messages and messages[-1]["role"] == "assistant" else ""
    return {
        "messages": messages,
        "add_generation_prompt": True,
        "bos_token": bos,
        "eos_token": eos,
        **(body.get("chat_template_kwargs") or {}),
    }, begun


def begins_inside(prompt: str) -> bool:
    """Whether a prompt has opened reasoning, as some templates do: then the answer has only the tag that closes it."""
    return prompt.rstrip().endswith(OPEN)


async def chunks(
    steps: AsyncGenerator[Reading | Written, None], stops: Sequence[str], chat: bool, inside: bool = False
) -> AsyncGenerator[Json, None]:
    """The chunks of a streamed completion, as llama-server makes them.

    :param inside: whether the prompt has opened reasoning, which is told like any other.
    """
    if inside:
        yield _chunk(OPEN, chat)
    text = _Stops(stops)
    reading = Reading(0, 0, 0, 0.0)
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, Reading):
                reading = step
                yield {"choices": [], "prompt_progress": _progress(step)}
                continue
            said = text.feed(step.text)
            end = "stop" if text.hit else step.end
            if end and not text.hit:
                said += text.rest()
            if said:
                yield _chunk(said, chat)
            if end:
                yield _end(end, chat, reading, step)
                return


class _Stops:
    """Cuts a text at the first of several strings, and holds back what may become one of them."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        held = self._held + text
        places = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if places:
            self.hit, self._held = True, ""
            return held[: min(places)]
        keep = max((overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def rest(self) -> str:
        return self._held


def _chunk(text: str, chat: bool, **more: Json) -> Json:
    said: dict[str, Json] = {"delta": {"content": text} if text else {}} if chat else {"text": text}
    return {"choices": [{"index": 0, **said, **more}]}


def _progress(reading: Reading) -> Json:
    return {
        "total": reading.total,
        "cache": reading.cached,
        "processed": reading.processed,
        "time_ms": round(reading.milliseconds),
    }


def _end(reason: str, chat: bool, reading: Reading, written: Written) -> Json:
    n_read = reading.total - reading.cached
    return {
        **_chunk("", chat, finish_reason=reason),
        "usage": {
            "prompt_tokens": reading.total,
            "completion_tokens": written.n_tokens,
            "total_tokens": reading.total + written.n_tokens,
            "prompt_tokens_details": {"cached_tokens": reading.cached},
        },
        "timings": {
            "cache_n": reading.cached,
            "prompt_n": n_read,
            "prompt_ms": reading.milliseconds,
            "prompt_per_second": _rate(n_read, reading.milliseconds),
            "predicted_n": written.n_tokens,
            "predicted_ms": written.milliseconds,
            "predicted_per_second": _rate(written.n_tokens, written.milliseconds),
        },
    }


def _rate(count: int, milliseconds: float) -> float:
    return count / milliseconds * 1000 if milliseconds > 0 else 0.0


def shared(before: Sequence[int], tokens: Sequence[int]) -> int:
    """How many tokens of a prompt the engine has read already. Never all: the answer follows from reading the last one."""
    most = min(len(before), len(tokens) - 1)
    return next((place for place in range(most) if before[place] != tokens[place]), max(most, 0))


def next_slice(n_last: int, seconds: float) -> int:
    """How many tokens to read at once: about as many as take a second, so that progress is seen and Stop is heard."""
    return max(16, min(512, int(n_last / max(seconds, 0.02)) // 16 * 16))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""What the quick build of the tab's engine is asked, and the chunks that are made of what it says."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from modeltab.domain.requests import Finished, Progress, ReasoningDelta, TextDelta, Usage
from modeltab.providers.chat_completions import ChatCompletionReader, answered
from modeltab.providers.quick_requests import (
    Plan,
    begins_inside,
    chunks,
    is_known,
    next_slice,
    plan_of,
    shared,
    template_context,
)
from modeltab.providers.tab_engines import Reading, Written
from modeltab.providers.text_completions import CompletionReader
from tests.unit.gguf_files import run


async def stepped(*steps: Reading | Written) -> AsyncGenerator[Reading | Written, None]:
    for step in steps:
        yield step


async def collected(source: AsyncGenerator[Any, None]) -> list[Any]:
    return [item async for item in source]


def events(*steps: Reading | Written, stops: tuple[str, ...] = (), chat: bool = True, inside: bool = False) -> list[Any]:
    """What the provider makes of the chunks."""
    reader = ChatCompletionReader() if chat else CompletionReader()
    return run(collected(answered(chunks(stepped(*steps), stops, chat, inside), reader)))


def test_the_steps_become_an_answer_with_its_figures():
    got = events(
        Reading(40, 30, 30, 0.0),
        Reading(40, 30, 40, 200.0),
        Written("Hello", 2, 100.0),
        Written(" there", 3, 150.0),
        Written("", 4, 200.0, "stop"),
    )
    assert [event for event in got if isinstance(event, Progress)] == [
        Progress("Reading the prompt", 0.75),
        Progress("Reading the prompt", 1.0),
    ]
    assert [event.text for event in got if isinstance(event, TextDelta)] == ["Hello", " there"]
    assert [event for event in got if isinstance(event, Usage)] == [Usage(40, 4, 0.4, 20.0, cached_tokens=30)]
    assert got[-1] == Finished("stop", "stop")


def test_a_completion_has_its_text_where_completions_have_it_and_may_end_at_its_limit():
    got = events(Reading(1, 0, 1, 5.0), Written(" Paris", 1, 9.0, "length"), chat=False)
    assert TextDelta(" Paris") in got
    assert got[-1] == Finished("length", "length")


def test_an_answer_that_is_stopped_has_no_end_of_its_own():
    assert not any(isinstance(event, Finished) for event in events(Reading(1, 0, 1, 5.0), Written("Half", 1, 9.0)))


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (("One. END two",), "One. "),
        (("One. E", "N", "D two"), "One. "),  # in pieces: nothing of it is shown before it is known not to be one
        (("One. E", "N", "ding"), "One. ENding"),
        (("a##b END",), "a"),
        (("One. EN",), "One. EN"),
    ],
)
def test_stop_strings_end_an_answer_and_are_never_shown(texts, shown):
    steps = [Written(text, number, 1.0) for number, text in enumerate(texts, 1)]
    got = events(*steps, Written("", 9, 1.0, "length"), stops=("END", "##"))
    assert "".join(event.text for event in got if isinstance(event, TextDelta)) == shown
    assert got[-1].reason == ("stop" if shown != "".join(texts) else "length")


def test_reasoning_that_the_prompt_has_opened_is_told_as_reasoning():
    assert begins_inside("<|assistant|>\n<think>\n")
    assert not begins_inside("What does <think> mean?")
    got = events(Written("Hm.</think>Yes.", 4, 1.0, "stop"), inside=True)
    said = [event for event in got if isinstance(event, ReasoningDelta | TextDelta)]
    assert said == [ReasoningDelta("Hm."), TextDelta("Yes.")]


def test_parameters_are_called_as_the_build_calls_them():
    body = {"messages": [], "temperature": 0, "top_p": 0.9, "top_k": 3.0, "min_p": None, "repeat_penalty": 1.1, "seed": 7}
    body |= {"max_tokens": 12, "stop": "x"}
    assert plan_of(body) == Plan({"temp": 0.0, "top_p": 0.9, "penalty_repeat": 1.1, "top_k": 3}, 12, ("x",), 7)
    assert plan_of({"prompt": "", "n_predict": -1, "seed": -1, "stop": ["a", ""]}) == Plan({}, None, ("a",), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "hot"),
        ("top_k", 1.5),
        ("max_tokens", True),
        ("seed", float("inf")),
        ("tools", [{}]),
        ("response_format", {"type": "json_object"}),
        ("logprobs", True),
        ("logprobs", 3),
        ("n", 2),
        ("xtc_probability", 0.5),
        ("stop", [1]),
        ("cache_prompt", False),
    ],
)
def test_what_it_cannot_do_is_not_known(name, value):
    assert not is_known(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("seed", 3),
        ("stop", ["a"]),
        ("tools", []),
        ("response_format", {"type": "text"}),
        ("logprobs", False),
        ("n", 1),
        ("stream_options", {"include_usage": True}),
        ("chat_template_kwargs", {"enable_thinking": False}),
    ],
)
def test_what_it_can_do_or_need_not_do_is_known(name, value):
    assert is_known(name, value)


def test_an_answer_that_the_messages_have_begun_is_gone_on_with():
    user, begun = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well,"}
    context, text = template_context({"messages": [user, begun], "chat_template_kwargs": {"thinking": True}}, "<s>", "</s>")
    assert text == "Well,"
    assert context == {
        "messages": [user],
        "add_generation_prompt": True,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "thinking": True,
    }
    assert template_context({"messages": [user]}, "", "")[1] == ""


@pytest.mark.parametrize(
    ("before", "tokens", "count"),
    [
        ([], [1, 2], 0),
        ([1, 2, 3], [1, 2, 9, 9], 2),
        ([1, 2, 3, 4], [1, 2, 3], 2),
        ([1, 2], [1, 2], 1),
        ([5], [1], 0),
        ([1], [], 0),
    ],
)
def test_of_a_prompt_that_was_read_before_the_last_token_at_least_is_read_again(before, tokens, count):
    assert shared(before, tokens) == count


def test_a_prompt_is_read_about_a_second_at_a_time():
    assert next_slice(32, 0.5) == 64
    assert next_slice(32, 0.0) == 512
    assert next_slice(32, 100.0) == 16

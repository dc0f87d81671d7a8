"""Chat completions as APIs really send them: each tolerance has been seen somewhere (the reference of each is in its name)."""

from __future__ import annotations

import pytest

from modeltab.domain import errors
from modeltab.domain.requests import Finished, Progress, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from modeltab.providers.chat_completions import ChatCompletionReader
from modeltab.providers.think_tags import ThinkTags


def choice(delta=None, reason=None, **more):
    """A chunk with one choice."""
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason, **more}]}


def events_of(*chunks, end_mark=False):
    """Everything that comes of these chunks and of the end."""
    reader = ChatCompletionReader()
    return [event for chunk in chunks for event in reader.read(chunk)] + reader.end(end_mark)


def test_text_comes_piece_by_piece_and_the_reason_of_the_end_beside_the_common_one():
    chunks = (choice({"role": "assistant", "content": ""}), choice({"content": "Hi"}), choice({"content": "!"}, "stop"))
    assert events_of(*chunks, end_mark=True) == [TextDelta("Hi"), TextDelta("!"), Finished("stop", "stop")]


REASONING = {
    "DeepSeek, llama-server, xAI": {"reasoning_content": "Hm."},
    "Groq, vLLM, LM Studio, Together": {"reasoning": "Hm."},
    "OpenRouter, text": {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
    "OpenRouter, summary": {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
    "OpenRouter, both names": {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
    "Mistral": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
    "Mistral, as a text": {"content": [{"type": "thinking", "thinking": "Hm."}]},
}


@pytest.mark.parametrize("delta", REASONING.values(), ids=list(REASONING))
def test_reasoning_is_found_under_each_of_its_names(delta):
    assert events_of(choice(delta))[:1] == [ReasoningDelta("Hm.")]


def test_encrypted_reasoning_is_not_shown():
    assert events_of(choice({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]})) == []


def test_mistrals_parts_of_a_content_are_reasoning_and_text():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}]
    assert events_of(choice({"content": parts})) == [ReasoningDelta("Hm."), TextDelta("Yes.")]


SAYS_NOTHING = {
    "choices missing": {"object": "chat.completion.chunk"},
    "choices null": {"choices": None},
    "choices empty": {"choices": []},
    "only padding (OpenAI)": {"choices": [], "obfuscation": "abc"},
    "keep-alive": {"type": "keepalive"},
    "the first chunk (Azure)": {"choices": [], "id": "", "object": "", "prompt_filter_results": [{}]},
    "delta null": {"choices": [{"index": 0, "delta": None}]},
    "delta missing": {"choices": [{"index": 0}]},
    "role null (DeepSeek)": {"choices": [{"delta": {"role": None, "content": None}}]},
    "tool_calls null (Together)": {"choices": [{"delta": {"tool_calls": None, "content": ""}}]},
    "usage null (OpenAI)": {"choices": [], "usage": None},
    "another answer than the first": {"choices": [{"index": 1, "delta": {"content": "no"}}]},
    "choices that are none": {"choices": ["?"]},
    "reasoning that is none": {"choices": [{"delta": {"reasoning": None, "reasoning_details": None}}]},
}


@pytest.mark.parametrize("chunk", SAYS_NOTHING.values(), ids=list(SAYS_NOTHING))
def test_a_chunk_that_says_nothing_is_no_event(chunk):
    assert events_of(chunk) == []


def test_a_choice_without_an_index_is_the_first():
    assert events_of({"choices": [{"delta": {"content": "Hi"}}]}) == [TextDelta("Hi")]


REASONS = [
    ("stop", "stop"),
    ("STOP", "stop"),
    ("eos", "stop"),
    ("COMPLETE", "stop"),
    ("end_turn", "stop"),
    ("stop_sequence", "stop"),
    ("length", "length"),
    ("max_tokens", "length"),
    ("tool_calls", "tool_calls"),
    ("function_call", "tool_calls"),
    ("content_filter", "content_filter"),
    ("something_new", "other"),
]


@pytest.mark.parametrize(("native", "common"), REASONS)
def test_each_word_for_the_end_has_its_common_one(native, common):
    assert events_of(choice({}, native)) == [Finished(common, native)]


def test_an_empty_word_for_the_end_is_none():
    assert events_of(choice({"content": "Hi"}, "")) == [TextDelta("Hi")]


def test_with_neither_a_reason_nor_an_end_mark_the_answer_was_cut_off():
    assert events_of(choice({"content": "Hi"})) == [TextDelta("Hi")]
    assert events_of(choice({"content": "Hi"}), end_mark=True)[-1] == Finished("stop")


@pytest.mark.parametrize("word", ["error", "network_error"])
def test_a_reason_that_is_an_error_raises(word):
    with pytest.raises(errors.ServerFailed, match="broke the answer off"):
        events_of(choice({}, word))


USAGE = {
    "a chunk of its own (OpenAI)": (
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 8},
            },
        },
        Usage(9, 20, reasoning_tokens=8, cached_tokens=4),
    ),
    "beside it (Groq)": (
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 20, "completion_time": 0.1}}},
        Usage(9, 20, tokens_per_second=200.0),
    ),
    "cache hits (DeepSeek)": (
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 5}},
        Usage(9, 2, cached_tokens=5),
    ),
    "cost as a number (OpenRouter)": (
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.01}},
        Usage(9, 2),
    ),
    "cost as an object (Perplexity)": (
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "cost": {"total_cost": 1}}},
        Usage(9, 2),
    ),
    "details null": (
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "completion_tokens_details": None}},
        Usage(9, 2),
    ),
    "timings (llama.cpp)": (
        {
            "choices": [],
            "timings": {
                "cache_n": 10,
                "prompt_n": 5,
                "prompt_ms": 500,
                "predicted_n": 20,
                "predicted_ms": 1500,
                "predicted_per_second": 13.3,
            },
        },
        Usage(15, 20, 2.0, 13.3),
    ),
    "timings that are no numbers": (
        {
            "choices": [],
            "usage": {"prompt_tokens": "9"},
            "timings": {
                "cache_n": None,
                "prompt_n": 5,
                "prompt_ms": "500",
                "predicted_n": {},
                "predicted_ms": None,
                "predicted_per_second": "fast",
            },
        },
        Usage(5),
    ),
    "timings of another kind": ({"choices": [], "timings": {"queue_ms": 1}}, Usage()),
    "a time without a count": (
        {"choices": [], "usage": {"completion_tokens": "2", "completion_time": 0.5}},
        Usage(tokens_per_second=0.0),
    ),
}


@pytest.mark.parametrize(("chunk", "usage"), USAGE.values(), ids=list(USAGE))
def test_the_figures_are_found_in_each_of_their_places(chunk, usage):
    assert events_of(chunk) == [usage]


def test_the_figures_may_come_with_the_last_piece_of_text():
    chunk = {**choice({"content": "!"}, "stop"), "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    assert events_of(chunk) == [TextDelta("!"), Usage(1, 2), Finished("stop", "stop")]


def test_reading_the_prompt_is_progress():
    assert events_of({"prompt_progress": {"total": 200, "processed": 50}}) == [Progress("Reading the prompt", 0.25)]
    assert events_of({"prompt_progress": {"total": 0, "processed": 0}}) == []


def test_a_call_of_a_tool_comes_in_pieces():
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": '{"city"'}}
    second = {"index": 1, "id": "c2", "function": {"name": "time", "arguments": "{}"}}
    assert events_of(choice({"tool_calls": [first]}), choice({"tool_calls": [more, second]}, "tool_calls")) == [
        ToolCallDelta(0, "c1", "weather", ""),
        ToolCallDelta(0, arguments='{"city"'),
        ToolCallDelta(1, "c2", "time", "{}"),
        Finished("tool_calls", "tool_calls"),
    ]


def test_calls_without_an_index_are_told_apart_by_their_ids():
    calls = [
        {"id": "a", "function": {"name": "x", "arguments": "{}"}},
        {"id": "b", "function": {"name": "y", "arguments": "{}"}},
    ]
    assert events_of(choice({"tool_calls": calls})) == [ToolCallDelta(0, "a", "x", "{}"), ToolCallDelta(1, "b", "y", "{}")]


def test_a_call_whose_name_is_null_goes_on_with_the_one_before():
    events = events_of(
        choice({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "x", "arguments": "{"}}]}),
        choice({"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": "}"}}]}),
    )
    assert events[1] == ToolCallDelta(0, "", "", "}")


def test_a_refusal_is_text():
    assert events_of(choice({"refusal": "I cannot."})) == [TextDelta("I cannot.")]


def test_a_reply_in_one_piece_is_an_answer_too():
    reply = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"reasoning": "Hm.", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    assert events_of(reply) == [ReasoningDelta("Hm."), TextDelta("Yes."), Usage(1, 2), Finished("stop", "stop")]


def test_a_whole_message_at_the_end_of_a_stream_does_not_say_it_all_again():
    done = {
        "object": "chat.completion.done",
        "choices": [{"index": 0, "message": {"content": "Yes."}, "finish_reason": "stop"}],
    }
    assert events_of(choice({"content": "Yes."}), done) == [TextDelta("Yes."), Finished("stop", "stop")]


ERRORS = [
    ({"error": {"message": "Overloaded", "code": 503}}, errors.ServerFailed, True),
    ({"error": {"message": "Slow down", "code": "429"}}, errors.RateLimited, True),
    ({"error": {"message": "Bad", "code": 400}}, errors.BadRequest, False),
    ({"error": {"message": "No", "code": "invalid_api_key"}}, errors.ServerFailed, True),
    ({"error": "It broke"}, errors.ServerFailed, True),
    ({"error": {"code": None}, "choices": [{"finish_reason": "error"}]}, errors.ServerFailed, True),
]


@pytest.mark.parametrize(("chunk", "kind", "transient"), ERRORS)
def test_an_error_in_a_stream_is_an_error_of_its_kind(chunk, kind, transient):
    with pytest.raises(kind) as caught:
        events_of(chunk)
    assert type(caught.value) is kind
    assert caught.value.transient is transient


@pytest.mark.parametrize("chunk", ["text", 5, ["a"]])
def test_what_is_no_chunk_is_a_bad_reply(chunk):
    with pytest.raises(errors.BadReply):
        events_of(chunk)


# ---- Reasoning in the text -------------------------------------------------------------------------------------------


def split(*texts):
    """Reasoning and text of an answer that comes in these pieces."""
    tags = ThinkTags()
    events = [event for text in texts for event in tags.feed(text)] + tags.end()
    return (
        "".join(e.text for e in events if isinstance(e, ReasoningDelta)),
        "".join(e.text for e in events if isinstance(e, TextDelta)),
    )


THINKING = [
    ("<think>\nHm.\n</think>\n\nYes.", ("Hm.", "Yes.")),
    ("\n<think>Hm.</think>Yes.", ("Hm.", "Yes.")),
    ("<think></think>Yes.", ("", "Yes.")),
    ("<think>Hm", ("Hm", "")),
    ("No tags.", ("", "No tags.")),
    ("A <think>tag</think> later", ("", "A <think>tag</think> later")),
    ("<thinking>other</thinking>", ("", "<thinking>other</thinking>")),
    ("<", ("", "<")),
    ("  ", ("", "  ")),
    ("<think>a < b </thin c</think>Yes <think>", ("a < b </thin c", "Yes <think>")),
]


@pytest.mark.parametrize(("text", "parts"), THINKING)
def test_reasoning_between_tags_at_the_beginning_is_told_apart_wherever_it_is_split(text, parts):
    assert split(text) == parts
    for place in range(len(text)):
        assert split(text[:place], text[place:]) == parts
    assert split(*text) == parts

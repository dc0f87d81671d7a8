"""Tokens and their probabilities: as they are told, and laid against the text that they make."""

from __future__ import annotations

import math

import pytest

from modeltab.domain.tokens import Alternative, Token, aligned, probability
from modeltab.providers.token_logprobs import gemini_tokens, tokens_of

PARIS = {"token": " Paris", "logprob": -0.25, "bytes": [32, 80], "top_logprobs": []}


@pytest.mark.parametrize(
    ("text", "told", "expected"),
    [
        ("", (), ()),
        ("", (Token("�", -1.0),), ()),
        ("ab", (Token("a", -1.0), Token("b", -2.0)), (Token("a", -1.0), Token("b", -2.0))),
        # One token whose own text is told in another way, such as the last of several that make a character.
        ("；", (Token("�", -1.0),), (Token("；", -1.0),)),
        # What cannot be found in the text is no part of it.
        ("a；b", (Token("a", -1.0), Token("�", -2.0), Token("b", -3.0)), (Token("a", -1.0), Token("；b"))),
        ("abc", (Token("a", -1.0), Token("b", -2.0)), (Token("a", -1.0), Token("b", -2.0), Token("c"))),
        ("abc", (), (Token("abc"),)),
    ],
)
def test_tokens_are_laid_against_the_text_and_the_text_is_right(text, told, expected):
    assert aligned(text, told) == expected
    assert "".join(token.text for token in aligned(text, told)) == text


def test_a_probability_is_never_more_than_one_nor_fails_for_what_cannot_be():
    assert probability(math.log(0.25)) == pytest.approx(0.25)
    assert (probability(1e-9), probability(-math.inf), probability(-9999.0)) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(("text", "can"), [(" Paris", True), ("\n", True), ("", False), ("�", False), ("a�", False)])
def test_only_text_can_follow_other_text(text, can):
    assert Alternative(text, -1.0).can_follow is can


def test_chat_completions_llama_cpp_and_ollama_tell_a_list_of_tokens():
    told = {**PARIS, "top_logprobs": [{"token": "�", "logprob": -3.5}, {"token": " Paris", "logprob": -0.25}]}
    expected = (Token(" Paris", -0.25, (Alternative(" Paris", -0.25), Alternative("�", -3.5))),)
    assert tokens_of({"content": [told], "refusal": None}) == expected
    assert tokens_of([told]) == expected  # Ollama's lines have the list itself


def test_older_completions_tell_parallel_lists_of_which_some_may_be_missing():
    told = {
        "tokens": [" Paris", "."],
        "token_logprobs": [-0.25, None],
        "top_logprobs": [{" the": -3.0, " Paris": -0.25}],
        "text_offset": [0, 6],
    }
    likely = (Alternative(" Paris", -0.25), Alternative(" the", -3.0))
    assert tokens_of(told) == (Token(" Paris", -0.25, likely), Token("."))


def test_gemini_tells_the_chosen_and_the_likeliest_of_each_step_and_leaves_out_the_zero_of_a_certain_one():
    told = {
        "chosenCandidates": [{"token": " Paris", "tokenId": 1}, {"token": ".", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": " London", "logProbability": -9}, {"token": " Paris"}]}],
    }
    assert gemini_tokens(told) == (
        Token(" Paris", 0.0, (Alternative(" Paris", 0.0), Alternative(" London", -9.0))),
        Token(".", -0.5),
    )


@pytest.mark.parametrize("told", [None, 0, "x", [], {}, [None, 3], {"content": None}, {"tokens": None}, {"content": [[]]}])
def test_what_is_not_what_it_should_be_tells_nothing(told):
    assert tokens_of(told) == ()
    assert gemini_tokens(told) == ()


@pytest.mark.parametrize("value", [None, True, "x", math.nan, [1]])
def test_a_log_probability_that_is_no_number_is_not_known(value):
    assert tokens_of([{"token": "a", "logprob": value, "top_logprobs": [{"token": "b", "logprob": value}]}]) == (Token("a"),)

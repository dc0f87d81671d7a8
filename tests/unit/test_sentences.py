"""What of an answer is read out: whole sentences, each once, without marks."""

from __future__ import annotations

import pytest

from modeltab.domain.sentences import sentences


def streamed(text: str, step: int) -> list[str]:
    """The sentences of a text that comes in pieces of so many characters."""
    found, start = [], 0
    for end in range(step, len(text) + step, step):
        new, start = sentences(text[:end], start, ended=False)
        found += new
    new, start = sentences(text, start, ended=True)
    assert start == len(text)
    return found + new


TEXTS = {
    "One. Two! Three? Four": ["One.", "Two!", "Three?", "Four"],
    'He said "Stop." Then he left.': ['He said "Stop."', "Then he left."],
    "It is 3.5 m, e.g. a car. See Dr. Who.": ["It is 3.5 m, e.g. a car.", "See Dr. Who."],
    "# Title\n\nText with **bold** and `code`.\n- item one\n- item two": [
        "Title",
        "Text with bold and code.",
        "item one",
        "item two",
    ],
    "See [the page](https://example.org/a.b). Done.": ["See the page.", "Done."],
    "Run this:\n```python\nprint('a. b')\n```\nThen go on.": ["Run this:", "Code.", "Then go on."],
    "```\nnever closed. at all": ["Code."],
    "これは文です。次の文です。": ["これは文です。", "次の文です。"],
    "1. First thing. 2. Second thing.": ["1. First thing.", "2. Second thing."],
    "| a | b |\n|---|---|\n| 1 | 2 |": ["a , b", "1 , 2"],
    "": [],
    "  \n\n ": [],
}


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("text", TEXTS)
def test_the_sentences_are_the_same_however_the_text_comes(text, step):
    assert streamed(text, step) == TEXTS[text]


def test_a_sentence_is_told_as_soon_as_the_next_one_begins_and_only_once():
    assert sentences("It rains. It", 0, ended=False) == (["It rains."], 10)
    assert sentences("It rains. It po", 10, ended=False) == ([], 10)
    assert sentences("It rains. It pours.", 10, ended=True) == (["It pours."], 19)

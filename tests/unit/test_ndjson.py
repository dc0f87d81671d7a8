"""Newline-delimited JSON: lines end with a line feed and with nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.errors import BadReply
from modeltab.providers import ndjson
from modeltab.providers.ndjson import NdjsonDecoder

values = st.dictionaries(st.text(max_size=5), st.text(max_size=10) | st.integers() | st.none(), max_size=3)


def decoded(*chunks: bytes) -> list[object]:
    """The values of a stream that arrives in these chunks."""
    decoder = NdjsonDecoder()
    return [value for chunk in chunks for value in decoder.feed(chunk)] + decoder.end()


@given(st.lists(values, max_size=8), st.integers(1, 9), st.booleans())
def test_every_value_comes_back_however_the_bytes_are_split(items, step, last_line_ends):
    stream = b"\n".join(json.dumps(item, ensure_ascii=False).encode() for item in items) + (b"\n" if last_line_ends else b"")
    assert decoded(*(stream[n : n + step] for n in range(0, len(stream), step))) == items


def test_line_separators_of_unicode_stand_within_a_value():
    text = "a\u2028b\u2029c\u0085d"
    assert decoded(json.dumps({"a": text}, ensure_ascii=False).encode() + b"\n") == [{"a": text}]


def test_empty_lines_and_carriage_returns_are_no_values():
    assert decoded(b'{"a": 1}\r\n\r\n\n  \n{"b": 2}\n') == [{"a": 1}, {"b": 2}]


def test_a_value_comes_as_soon_as_its_line_ends():
    decoder = NdjsonDecoder()
    assert decoder.feed(b'{"a": 1}\n{"b"') == [{"a": 1}]
    assert decoder.feed(b": 2}\n") == [{"b": 2}]


def test_a_last_line_without_an_end_counts_when_it_is_whole_and_not_when_it_is_cut_off():
    assert decoded(b'{"a": 1}\n{"b": 2}') == [{"a": 1}, {"b": 2}]
    assert decoded(b'{"a": 1}\n{"b": ') == [{"a": 1}]


def test_a_line_that_is_no_json_is_refused_with_its_beginning():
    with pytest.raises(BadReply, match="not JSON") as caught:
        decoded(b"<html>Bad gateway</html>\n")
    assert "Bad gateway" in caught.value.detail


def test_a_line_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(ndjson, "MAX_LINE_BYTES", 1000)
    decoder = NdjsonDecoder()
    with pytest.raises(BadReply, match="without end"):
        for _ in range(20):
            decoder.feed(b"x" * 100)

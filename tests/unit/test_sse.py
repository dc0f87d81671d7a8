"""Server-sent events, framed as the standard has it, wherever the bytes are split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.errors import BadReply
from modeltab.providers import sse
from modeltab.providers.sse import ServerSentEvent, SseDecoder

#: (what it shows, the stream, the events that the standard makes of it). The examples are the standard's own rules, one each.
STREAMS = [
    ("an event is its data", b"data: a\n\n", [("a", "message")]),
    ("one leading space is dropped, no more", b"data:a\n\ndata:  b\n\n", [("a", "message"), (" b", "message")]),
    ("several data lines are joined", b"data: a\ndata\ndata: b\n\n", [("a\n\nb", "message")]),
    ("an event may name its type", b"event: ping\ndata: {}\n\n", [("{}", "ping")]),
    ("a type counts for its own event only", b"event: x\ndata: 1\n\ndata: 2\n\n", [("1", "x"), ("2", "message")]),
    ("the last type counts", b"event: x\nevent: y\ndata: 1\n\n", [("1", "y")]),
    ("without data there is no event", b"event: x\n\ndata: 1\n\n", [("1", "message")]),
    ("an empty data line is data", b"data\n\ndata:\n\n", [("", "message"), ("", "message")]),
    ("comments are no events", b": OPENROUTER PROCESSING\n\n:\n\ndata: a\n\n", [("a", "message")]),
    ("a comment may stand within an event", b"data: a\n: keep-alive\ndata: b\n\n", [("a\nb", "message")]),
    ("other fields are ignored", b"id: 7\nretry: 10\nfoo: bar\ndata: a\n\n", [("a", "message")]),
    ("a field's name is case-sensitive", b"Data: a\n\ndata: b\n\n", [("b", "message")]),
    ("a colon may stand in the value", b'data: {"a": 1}\n\n', [('{"a": 1}', "message")]),
    ("lines may end with CR LF", b"data: a\r\ndata: b\r\n\r\n", [("a\nb", "message")]),
    ("lines may end with CR", b"data: a\rdata: b\r\r", [("a\nb", "message")]),
    (
        "line ends may be mixed",
        b"data: a\r\n\ndata: b\n\rdata: c\r\r\n",
        [("a", "message"), ("b", "message"), ("c", "message")],
    ),
    ("more empty lines make no more events", b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [("a", "message"), ("b", "message")]),
    ("a byte order mark at the beginning is skipped", b"\xef\xbb\xbfdata: a\n\n", [("a", "message")]),
    ("only the first byte order mark is one", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("b", "message")]),
    ("an event that the end cuts off is none", b"data: a\n\ndata: b\n", [("a", "message")]),
    ("what is no line yet is nothing", b"data: a\n\ndata: [DONE]", [("a", "message")]),
    ("characters of several bytes stay whole", "data: é日本語🙂\n\n".encode(), [("é日本語🙂", "message")]),
    ("bytes that are no UTF-8 are replaced", b"data: a\xffb\n\n", [("a\ufffdb", "message")]),
    (
        "other line separators are part of a line",
        "data: a\u2028b\u0085c\x0b\n\n".encode(),
        [("a\u2028b\u0085c\x0b", "message")],
    ),
    ("NUL is a character like another", b"data: a\0b\n\n", [("a\0b", "message")]),
]


def decoded(*chunks: bytes) -> list[tuple[str, str]]:
    """The events of a stream that arrives in these chunks."""
    decoder = SseDecoder()
    return [(event.data, event.event) for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize(("stream", "events"), [s[1:] for s in STREAMS], ids=[s[0] for s in STREAMS])
def test_the_standards_rules(stream, events):
    assert decoded(stream) == events


@pytest.mark.parametrize(("stream", "events"), [s[1:] for s in STREAMS], ids=[s[0] for s in STREAMS])
def test_where_the_bytes_are_split_makes_no_difference(stream, events):
    assert decoded(*(stream[n : n + 1] for n in range(len(stream)))) == events  # byte by byte
    for place in range(len(stream) + 1):  # in two, everywhere
        assert decoded(stream[:place], stream[place:]) == events
    for first, second in itertools.islice(itertools.combinations(range(len(stream)), 2), 500):
        assert decoded(stream[:first], stream[first:second], b"", stream[second:]) == events


def test_an_event_comes_as_soon_as_its_empty_line_does():
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\n\r") == [ServerSentEvent("a")]  # the LF that follows belongs to that CR
    assert decoder.feed(b"\ndata: b\n\n") == [ServerSentEvent("b")]


lines = st.sampled_from(
    [b"data: a", b"data:b", b"data", b": comment", b"event: x", b"", b"id: 1", "data: é🙂".encode(), b"\xef\xbb\xbf"]
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(st.lists(st.tuples(lines, ends), max_size=20), st.lists(st.integers(0, 200), max_size=6))
def test_any_stream_in_any_pieces_is_what_a_plain_reading_of_the_standard_makes_of_it(parts, cuts):
    stream = b"".join(line + end for line, end in parts)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert decoded(*chunks) == plainly(stream)


def plainly(stream: bytes) -> list[tuple[str, str]]:
    """The standard's algorithm, step by step, over the whole stream."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events: list[tuple[str, str]] = []
    data, kind = "", ""
    *complete, _ = text.split("\n")
    for line in complete:
        if not line:
            if data:
                events.append((data.removesuffix("\n"), kind or "message"))
            data, kind = "", ""
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data += value + "\n"
            elif name == "event":
                kind = value
    return events


def test_an_event_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    decoder = SseDecoder()
    with pytest.raises(BadReply, match="without end"):
        for _ in range(20):
            decoder.feed(b"data: " + b"x" * 100)


def test_a_long_event_in_many_pieces_takes_time_in_proportion():
    decoder = SseDecoder()
    piece = b"x" * 1000
    decoder.feed(b"data: ")
    for _ in range(5000):
        assert decoder.feed(piece) == []
    (event,) = decoder.feed(b"\n\n")
    assert len(event.data) == 5_000_000

"""Figures in words."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.views import format as fmt


@pytest.fixture
def zone(monkeypatch):
    """A function that sets the computer's time zone for the test."""

    def choose(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (999.4, "999 bytes"),
        (999.6, "1.0 kB"),
        (1000, "1.0 kB"),
        (1536, "1.5 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_400, "999 kB"),
        (999_500, "1.0 MB"),
        (98_362_432, "98.4 MB"),
        (999_500_000, "1.0 GB"),
        (10 * 1024**3, "10.7 GB"),
        (5e12, "5000 GB"),
    ],
)
def test_a_size_counts_in_thousands_with_three_figures(count, text):
    assert fmt.size(count) == text


@given(st.floats(0, 1e15))
def test_a_size_never_shows_a_thousand_of_a_smaller_unit(count):
    number, unit = fmt.size(count).split()
    assert float(number) < 1000 or unit == "GB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (44.6, "45 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_a_time_that_passes_has_at_most_two_units(seconds, text):
    assert fmt.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00 s"), (0.844, "0.84 s"), (9.99, "9.99 s"), (10, "10.0 s"), (12.34, "12.3 s")]
)
def test_a_measured_time_has_three_figures(value, text):
    assert fmt.seconds(value) == text


@pytest.mark.parametrize(("fraction", "text"), [(0, "0%"), (0.425, "42%"), (0.999, "99%"), (1, "100%"), (1.2, "100%")])
def test_a_percentage_is_never_all_before_it_is_all(fraction, text):
    assert fmt.percent(fraction) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-01-15T10:30:00Z", "2024-01-15 12:30"),
        ("2024-01-15T10:30:00+00:00", "2024-01-15 12:30"),
        ("2024-01-15T23:30:00Z", "2024-01-16 01:30"),
        ("2024-01-15T10:30:00.123456+01:00", "2024-01-15 11:30"),
        ("2024-01-15 10:30", "2024-01-15 10:30"),
    ],
)
def test_a_moment_is_told_in_the_persons_own_time(zone, text, shown):
    zone("UTC-2")  # POSIX for two hours east of Greenwich
    assert fmt.moment(text) == shown


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-40T00:00:00Z", "1705314600"])
def test_a_moment_that_cannot_be_read_is_shown_as_it_is(text):
    assert fmt.moment(text) == text


@pytest.mark.parametrize(("text", "where"), [("0001-01-01T00:00:00Z", "UTC+5"), ("9999-12-31T23:59:59Z", "UTC-5")])
def test_a_moment_at_the_end_of_the_calendar_is_shown_somehow(zone, text, where):
    zone(where)
    assert re.match(r"\d{4}-\d\d-\d\d", fmt.moment(text))


@pytest.mark.parametrize(
    ("rate", "text"), [(0.04, "0.0 tokens/s"), (38.24, "38.2 tokens/s"), (99.99, "100.0 tokens/s"), (1136.4, "1,136 tokens/s")]
)
def test_speed(rate, text):
    assert fmt.speed(rate) == text

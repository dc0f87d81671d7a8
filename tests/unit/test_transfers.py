"""A transfer's figures."""

from __future__ import annotations

import pytest

from modeltab.domain.transfers import RateMeter, Transfer


def transfer(size: int, sent: int = 0, rate: float | None = None) -> Transfer:
    """A transfer with these figures."""
    return Transfer("t", "a.gguf", "c", size, sent, rate=rate)


@pytest.mark.parametrize(
    ("size", "sent", "fraction"), [(100, 0, 0.0), (100, 25, 0.25), (100, 100, 1.0), (100, 130, 1.0), (0, 0, 0.0)]
)
def test_the_fraction_is_what_is_sent_and_never_more_than_all(size, sent, fraction):
    assert transfer(size, sent).fraction == fraction


def test_the_time_left_follows_from_the_rate():
    assert transfer(100, 40, 20.0).seconds_left == 3.0
    assert transfer(100, 100, 20.0).seconds_left == 0.0


@pytest.mark.parametrize("rate", [None, 0.0])
def test_without_a_rate_the_time_left_is_unknown(rate):
    assert transfer(100, 40, rate).seconds_left is None


def test_in_the_first_half_second_the_rate_is_unknown():
    meter = RateMeter()
    assert meter.add(10.0, 0) is None
    assert meter.add(10.4, 400) is None
    assert meter.add(10.5, 500) == pytest.approx(1000)


def test_the_rate_is_that_of_the_last_seconds():
    meter = RateMeter()
    for second in range(11):
        rate = meter.add(float(second), second * 1000)
    assert rate == pytest.approx(1000)
    for second in range(11, 21):
        rate = meter.add(float(second), 10_000 + (second - 10) * 5000)
    assert rate == pytest.approx(5000)


def test_a_transfer_that_stands_still_has_no_speed():
    meter = RateMeter()
    meter.add(0.0, 0)
    meter.add(1.0, 1000)
    for second in range(2, 12):
        rate = meter.add(float(second), 1000)
    assert rate == 0


def test_after_a_long_silence_the_rate_counts_from_the_last_word_before_it():
    meter = RateMeter()
    meter.add(0.0, 0)
    meter.add(1.0, 1000)
    assert meter.add(101.0, 2000) == pytest.approx(10)


def test_a_clock_that_is_put_back_does_not_make_a_speed():
    meter = RateMeter()
    meter.add(100.0, 0)
    assert meter.add(50.0, 1000) is None

"""What a run of the benchmarks says of its figures: medians, ratios, whether a goal was reached, the tables, the chart."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.chart import NAMES, PLOT, chart
from benchmarks.figures import OURS, Measured, Outcome, Section, figure, ratio
from benchmarks.report import Run, document, measured_table, outcomes_table, value, verdict

SVG = "{http://www.w3.org/2000/svg}"
PEER = "a <peer>"
TIMES = Measured("ready", "ms", 0, {OURS: [300, 100, 200], PEER: [400.0, 500.0, 1000.0]})
SECTION = Section("Start", "By the clock.", [TIMES], [ratio(TIMES, PEER, 0.5)])


def outcome(number: float, goal: float | None = 1.0, more_is_better: bool = False) -> Outcome:
    """One that is a ratio."""
    return Outcome("speed", PEER, number, goal, more_is_better)


def test_figure_is_the_median_with_the_least_and_the_most():
    assert figure([3, 1, 2.4], 1) == "2.4 [1.0–3.0]"
    assert figure([1234.5]) == "1,234"


def test_ratio_is_of_the_medians():
    assert ratio(TIMES, PEER).value == pytest.approx(200 / 500)


@pytest.mark.parametrize(
    ("number", "goal", "more_is_better", "reached"),
    [
        (0.6, 0.6, False, True),
        (0.61, 0.6, False, False),
        (2.5, 2.5, True, True),
        (2.4, 2.5, True, False),
        (9.9, None, False, None),
    ],
)
def test_goal_is_the_most_or_the_least_that_a_figure_may_be(number, goal, more_is_better, reached):
    assert outcome(number, goal, more_is_better).reached is reached


def test_figure_that_fell_short_never_reads_like_its_goal():
    assert value(outcome(1.0004), 1.0004) == "1.0004×"
    assert verdict(outcome(1.0004)) == "**fell short**"
    assert value(outcome(0.9996), 0.9996) == "1.00×"


def test_figures_with_a_unit_have_it():
    idle = Outcome("idle", "", 0.25, 1.0, unit="%")
    assert outcomes_table([idle]).splitlines()[-1] == "| idle | 0.25% | ≤ 1.00% | reached |"


def test_what_has_a_goal_comes_first():
    lines = outcomes_table([outcome(0.1, None), outcome(0.2)]).splitlines()
    assert "0.20×" in lines[2]
    assert "0.10×" in lines[3]


def test_table_has_a_column_for_each_that_took_part():
    alone = Measured("growth", "MB", 1, {OURS: [5.0]})
    lines = measured_table([TIMES, alone]).splitlines()
    assert lines[0] == f"|  | {OURS} | {PEER} |"
    assert lines[2] == "| ready, ms | 200 [100–300] | 500 [400–1,000] |"
    assert lines[3] == "| growth, MB | 5.0 | – |"


def test_document_says_what_was_not_measured():
    text = document(Run({"When": "today"}, [SECTION], {"engine": "the browser crashed"}))
    assert "| ready / a <peer> | 0.40× | ≤ 0.50× | reached |" in text
    assert "**Not measured: engine.** the browser crashed" in text
    assert text.index("0.40×") < text.index("| When | today |") < text.index("By the clock.")


def bars(picture: str) -> list[ElementTree.Element]:
    """The bars of a chart, which has to be XML."""
    return ElementTree.fromstring(picture).findall(f"{SVG}rect")


def test_chart_has_a_bar_for_each_ratio_and_a_mark_for_each_goal():
    picture = chart([outcome(0.5), outcome(2.0, None), outcome(3, 2.5, True), Outcome("idle", "", 0.1, 1.0, unit="%")], "today")
    assert [bar.get("class") for bar in bars(picture)] == ["bar", "unset", "bar"]
    marks = ElementTree.fromstring(picture).findall(f"{SVG}line[@class='goal']")
    assert len(marks) == 2
    first, goal = bars(picture)[0], marks[0]
    assert float(goal.get("x1", "")) - NAMES == pytest.approx(2 * float(first.get("width", "")), abs=0.2)


def test_chart_cuts_off_a_bar_that_would_dwarf_the_others_and_says_so():
    picture = chart([outcome(0.5), outcome(40)], "today")
    assert [bar.get("class") for bar in bars(picture)] == ["bar", "short"]
    assert float(bars(picture)[1].get("width", "")) == PLOT
    assert "→ 40.00×" in picture


def test_chart_is_for_light_and_dark():
    assert "prefers-color-scheme:dark" in chart([outcome(0.5)], "today")

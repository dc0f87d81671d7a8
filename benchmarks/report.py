"""What the benchmarks found out, in words: the text of RESULTS.md, and the tables that a run prints."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.figures import Measured, Outcome, Section, figure

HEAD = """# Results

`python run.py bench` wrote this file and the chart; nothing in it is by hand. [README.md](README.md) says how to run it.

![Ratios of ModelTab to what it is compared with](results.svg)
"""
RATIOS = """“a / b” is the ratio of ModelTab's median to b's, both from this run. Of times, bytes and CPU less is better, of
speeds more. No figure is rounded to reach its goal."""
ROUNDS = "Medians of the rounds, with the least and the most of them in brackets where there was more than one round."


class Run(NamedTuple):
    """What a run was.

    :param facts: what is to be known of it: when, where, with what. Name → value.
    :param failed: the sections that could not be measured. Title → why.
    """

    facts: Mapping[str, str]
    sections: Sequence[Section]
    failed: Mapping[str, str]


def document(run: Run) -> str:
    """RESULTS.md."""
    parts = [HEAD, outcomes_table([outcome for section in run.sections for outcome in section.outcomes]), RATIOS]
    parts += [f"**Not measured: {title}.** {reason}" for title, reason in run.failed.items()]
    parts += ["## The run", table(("", ""), run.facts.items()), ROUNDS]
    parts += [section_text(section) for section in run.sections]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def section_text(section: Section) -> str:
    """One section: how it was measured, and the figures."""
    return f"## {section.title}\n\n{section.method}\n\n{measured_table(section.measured)}"


def outcomes_table(outcomes: Sequence[Outcome]) -> str:
    """Goal and reached; last what has no goal."""
    ordered = sorted(outcomes, key=lambda one: one.goal is None)
    rows = ((_what(one), value(one, one.value), _goal(one), verdict(one)) for one in ordered)
    return table(("", "reached", "goal", ""), rows)


def measured_table(measured: Sequence[Measured]) -> str:
    """The figures, a column for each that took part."""
    names = list(dict.fromkeys(name for one in measured for name in one.by))
    return table(("", *names), (_cells(one, names) for one in measured))


def verdict(outcome: Outcome) -> str:
    """In words whether the goal is reached."""
    return {None: "no goal set", True: "reached", False: "**fell short**"}[outcome.reached]


def value(outcome: Outcome, number: float) -> str:
    """A figure with its unit. It never reads like its goal where it is not: then it gets the digits that tell them apart."""
    digits = outcome.digits
    while outcome.goal is not None and outcome.reached is False and digits < 6:
        if f"{outcome.value:.{digits}f}" != f"{outcome.goal:.{digits}f}":
            break
        digits += 1
    unit = outcome.unit if outcome.unit.startswith(("×", "%")) else f" {outcome.unit}"
    return f"{number:.{digits}f}{unit}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [_line(head), "|" + "---|" * len(head)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _cells(one: Measured, names: Sequence[str]) -> Sequence[str]:
    figures = (figure(one.by[name], one.digits) if name in one.by else "–" for name in names)
    return (f"{one.what}, {one.unit}" if one.unit else one.what, *figures)


def _what(outcome: Outcome) -> str:
    return f"{outcome.what} / {outcome.against}" if outcome.against else outcome.what


def _goal(outcome: Outcome) -> str:
    if outcome.goal is None:
        return ""
    return f"{'≥' if outcome.more_is_better else '≤'} {value(outcome, outcome.goal)}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

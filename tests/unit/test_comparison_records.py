"""Comparisons as records, and how models stand in them: pure values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modeltab.domain.comparisons import Column, Comparison, Outcome, Round, letter, standings, to_csv, with_outcome, with_vote
from modeltab.state.comparisons import comparison_from_json, comparison_to_json
from modeltab.state.records import UnreadableError

FIRST = Outcome("a", "quick", "api.example", "done", 0.5, 40.0, 10, 100, 0.01)
SECOND = Outcome("b", "steady", "this tab", "done", 1.5, None, 10, 50)
ROUND = Round("r", "Why?", 1.0, "a", outcomes=(FIRST, SECOND))
COMPARISON = Comparison("c", "Why?", 1.0, 2.0, (Column("a", "x/quick"), Column("b", "tab/steady", True)), (ROUND,), True, True)


def test_a_record_is_read_back_as_it_was():
    assert comparison_from_json(json.loads(json.dumps(comparison_to_json(COMPARISON)))) == COMPARISON


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": "1"},
        {"id": None},
        {"created": "now"},
        {"updated": float("nan")},
        {"columns": None},
        {"columns": [3]},
        {"rounds": {}},
        {"rounds": [{"id": "r", "text": "", "created": 1.0, "vote": ""}]},
        {"rounds": [{"id": "r", "text": "", "created": 1.0, "vote": "", "outcomes": [{}]}]},
    ],
)
def test_what_is_no_record_is_refused(changes):
    record: dict[str, Any] = {**comparison_to_json(COMPARISON), **changes}
    with pytest.raises(UnreadableError):
        comparison_from_json(record)


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(UnreadableError):
        comparison_from_json(value)


def test_a_figure_that_is_none_is_left_out():
    record = comparison_to_json(COMPARISON)
    record["rounds"][0]["outcomes"][0]["cost"] = "much"
    assert comparison_from_json(record).rounds[0].outcomes[0].cost is None


def test_models_stand_by_their_votes_with_means_and_sums():
    tie = ROUND._replace(id="r2", vote="all")
    both = COMPARISON._replace(rounds=(ROUND, tie, ROUND._replace(id="r3", vote="")))
    first, second = standings([both])
    assert (first.model, first.answers, first.votes, first.best, first.ties) == ("quick", 3, 2, 1, 1)
    assert (first.first_token_seconds, first.tokens_per_second, first.tokens) == (0.5, 40.0, 300)
    assert first.cost == pytest.approx(0.03)
    assert (second.best, second.tokens_per_second, second.cost) == (0, None, None)


def test_what_is_still_blind_does_not_count_and_is_exported_without_names():
    hidden = COMPARISON._replace(revealed=False)
    assert standings([hidden]) == []
    assert "quick" not in to_csv([hidden])
    assert "quick" in to_csv([COMPARISON])


def test_the_same_model_at_two_places_stands_twice():
    twice = COMPARISON._replace(rounds=(ROUND._replace(outcomes=(FIRST, SECOND._replace(model="quick"))),))
    assert [(row.model, row.place) for row in standings([twice])] == [("quick", "api.example"), ("quick", "this tab")]


def test_a_second_try_replaces_the_outcome_of_the_first():
    again = with_outcome(COMPARISON, "r", FIRST._replace(status="error"))
    assert [o.status for o in again.rounds[0].outcomes if o.column == "a"] == ["error"]
    assert len(again.rounds[0].outcomes) == 2


def test_an_open_vote_can_be_changed_and_a_blind_one_cannot():
    assert with_vote(COMPARISON, "r", "b").rounds[0].vote == "b"
    blind = with_vote(COMPARISON._replace(revealed=False, rounds=(ROUND._replace(vote=""),)), "r", "b")
    assert (blind.rounds[0].vote, blind.rounds[0].blind, blind.revealed) == ("b", True, True)
    assert with_vote(blind, "r", "a").rounds[0].vote == "b"


def test_a_cell_that_a_spreadsheet_would_run_is_text_and_quotes_are_doubled():
    line = to_csv([COMPARISON._replace(title='=HYPERLINK("x")')]).splitlines()[1]
    assert line.startswith('"\'=HYPERLINK(""x"")",')


def test_hidden_columns_have_letters():
    assert [letter(place) for place in range(6)] == [f"Model {c}" for c in "ABCDEF"]

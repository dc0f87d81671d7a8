"""How many threads the engine in the tab gets, with machines that are only told of."""

from __future__ import annotations

import pytest

from modeltab.providers.tab_threads import (
    Calibration,
    Speed,
    calibration_from_json,
    calibration_to_json,
    elsewhere,
    is_hopeless,
    key_of,
    patience,
    search,
)
from tests.unit.gguf_files import run


class Told:
    """A machine with so many real cores: speed grows with the threads up to them, by `grows`, and beyond is none."""

    def __init__(self, real: int, grows: float = 0.8) -> None:
        self.real = real
        self.grows = grows
        self.loads: list[int] = []

    async def load(self, n_threads: int) -> None:
        self.loads.append(n_threads)

    async def measure(self) -> Speed | None:
        n_threads = self.loads[-1]
        return Speed(50.0 * n_threads, 10.0 * n_threads**self.grows) if n_threads <= self.real else None


def found(told: int, machine: Told, known: int | None = None, one_only: bool = False) -> Calibration:
    return run(search(told, known, one_only, machine.load, machine.measure))


@pytest.mark.parametrize(
    ("told", "real", "loads"),
    [
        (1, 1, [1]),
        (2, 2, [2]),
        (4, 4, [2, 4]),
        (8, 8, [4, 8]),
        (16, 16, [4, 8]),  # never more than eight
        (3, 2, [2, 3, 2]),  # one more than there are: back to what was good
        (2, 1, [2, 1]),
        (8, 2, [4, 2]),
        (8, 1, [4, 2, 1]),
    ],
)
def test_the_quickest_number_is_loaded_at_the_end_and_cores_that_are_not_there_are_noticed(told, real, loads):
    machine = Told(real)
    result = found(told, machine)
    assert machine.loads == loads
    assert result.n_threads == machine.loads[-1] <= real
    assert result.speed is not None


def test_more_threads_that_are_hardly_quicker_are_left_to_the_page():
    machine = Told(8, grows=0.01)
    assert found(8, machine).n_threads == 4
    assert machine.loads == [4, 8, 4]


def test_a_big_file_is_loaded_once_with_what_was_best_for_another_or_with_every_core():
    machine = Told(8)
    assert found(8, machine, known=6, one_only=True).n_threads == 6
    assert found(8, machine, one_only=True).n_threads == 8
    assert machine.loads == [6, 8]
    over = Told(2)
    assert found(8, over, one_only=True).n_threads == 2
    assert over.loads == [8, 4, 2]


def test_a_machine_that_is_too_slow_to_measure_runs_on_one_thread_and_the_measurement_is_ended():
    machine = Told(0)
    assert found(2, machine) == Calibration(1, None)
    assert machine.loads == [2, 1, 1]


def test_a_measurement_counts_for_one_build_one_machine_and_one_file():
    kept = {
        key_of("quick 1", 4, "a.gguf", 10): Calibration(2, None),
        key_of("quick 1", 8, "a.gguf", 10): Calibration(5, None),
        key_of("quick 1", 4, "b.gguf", 10): Calibration(3, None),
    }
    assert len(kept) == 3
    assert elsewhere(kept, "quick 1", 4) == 3
    assert elsewhere(kept, "quick 2", 4) is None
    assert is_hopeless(Speed(0.1, 0.3), 98_000_000)
    assert not is_hopeless(Speed(20.0, 3.0), 98_000_000)
    assert not is_hopeless(Speed(0.0, 0.0), 98_000_000)
    assert patience(2_000_000_000) > patience(100_000_000) > 3


@pytest.mark.parametrize("calibration", [Calibration(3, Speed(12.25, 3.5)), Calibration(1, None)])
def test_what_is_kept_comes_back_as_it_was(calibration):
    assert calibration_from_json(calibration_to_json(calibration)) == calibration


@pytest.mark.parametrize("value", [None, 7, "x", {}, {"threads": 0, "prompt": 1, "generation": 1}, {"threads": "two"}])
def test_what_was_never_kept_is_none(value):
    assert calibration_from_json(value) is None

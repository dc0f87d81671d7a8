"""How many threads the engine in the tab should have: found by measuring, since neither half of the cores nor all is right.

llama.cpp's threads wait for each other at every step of a graph. One more than there are cores makes it a hundred times
slower, and browsers tell of more cores than there are: in containers, and where the system keeps some to itself.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

#: Decoding is bound by memory, not arithmetic: beyond a handful of threads each one only waits for the others.
MOST_THREADS = 8
#: Files above this are loaded once for a first measurement, so it tries one number of threads only unless that fails.
BIG_BYTES = 600_000_000
#: A measurement may take this long, and this much longer for each gigabyte that a token has to go through.
_PATIENCE, _PATIENCE_PER_GB = 8.0, 6.0
#: Bytes of weights that go through in a second: fewer than on any machine with as many cores as threads.
_LEAST_BYTES = 150_000_000
#: More threads must be quicker by this, because they leave less to the page.
_WORTH = 1.05


class Speed(NamedTuple):
    """Tokens per second: of reading a prompt, and of writing an answer; 0 where it is not known."""

    prompt: float
    generation: float


class Calibration(NamedTuple):
    """What was measured of a model."""

    n_threads: int
    speed: Speed | None


def patience(size: int) -> float:
    """Seconds that measuring a model of so many bytes may take."""
    return _PATIENCE + _PATIENCE_PER_GB * size / 1e9


def is_hopeless(speed: Speed, size: int) -> bool:
    """Whether a speed is one that only threads without a core each have, for a model of so many bytes."""
    return 0 < speed.generation * size < _LEAST_BYTES


def key_of(build: str, cores: int, name: str, size: int) -> str:
    """What a measurement counts for."""
    return f"{build}, {cores} cores, {name}, {size} bytes"


def elsewhere(kept: Mapping[str, Calibration], build: str, cores: int) -> int | None:
    """The threads that were best for the model measured last with that build on so many cores: a start for the next one."""
    found = [calibration.n_threads for key, calibration in kept.items() if key.startswith(f"{build}, {cores} cores, ")]
    return found[-1] if found else None


async def search(
    cores: int,
    known: int | None,
    one_only: bool,
    load: Callable[[int], Awaitable[object]],
    measure: Callable[[], Awaitable[Speed | None]],
) -> Calibration:
    """The best number of threads; the model is loaded with it at the end.

    :param known: what was best for another model, to begin with.
    :param one_only: whether only to look that the first number works.
    :param load: loads the model anew with a number of threads.
    :param measure: how quick it is, None when that takes too long.
    """
    most = max(1, min(cores, MOST_THREADS))
    first = min(known or most, most) if one_only or most <= 2 else (most + 1) // 2
    await load(first)
    speed = await measure()
    while speed is None and first > 1:
        first = most = first // 2
        await load(first)
        speed = await measure()
    if speed is None:
        await load(first)  # the one that is still being measured
    if one_only or speed is None or first >= most:
        return Calibration(first, speed)
    await load(most)
    more = await measure()
    if more and more.generation > speed.generation * _WORTH:
        return Calibration(most, more)
    await load(first)
    return Calibration(first, speed)


def calibration_from_json(value: Any) -> Calibration | None:
    """A kept calibration; None where it is none."""
    try:
        n_threads, prompt, generation = int(value["threads"]), float(value["prompt"]), float(value["generation"])
    except (TypeError, KeyError, ValueError):
        return None
    return Calibration(n_threads, Speed(prompt, generation) if generation > 0 else None) if n_threads > 0 else None


def calibration_to_json(calibration: Calibration) -> dict[str, float]:
    """A calibration to be kept."""
    speed = calibration.speed or Speed(0, 0)
    return {"threads": calibration.n_threads, "prompt": round(speed.prompt, 2), "generation": round(speed.generation, 2)}

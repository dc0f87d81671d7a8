"""Figures in words, for what is told of a file. Sizes count in thousands, as disks and downloads do."""

from collections.abc import Iterable

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
#: Files can say that they have any number of bytes, also one that is too large for a float.
_MOST = 10**18


def size(count: float) -> str:
    """Bytes for people: "98.4 MB"."""
    count = min(count, _MOST)
    for unit, scale in _UNITS:
        if count >= scale * 0.9995:
            return f"{_figure(count / scale)} {unit}"
    return f"{int(count)} bytes"


def share(part: float, whole: float) -> str:
    """Some of the bytes of a whole, both in the whole's unit: "3.2 of 4.1 GB"."""
    part, whole = min(part, _MOST), min(whole, _MOST)
    for unit, scale in _UNITS:
        if whole >= scale * 0.9995:
            return f"{_figure(part / scale)} of {_figure(whole / scale)} {unit}"
    return f"{int(part)} of {int(whole)} bytes"


def listing(items: Iterable[object]) -> str:
    """Things in a row: "1, 2 and 3"."""
    *before, last = [str(item) for item in items] or [""]
    return f"{', '.join(before)} and {last}" if before else last


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"

"""Figures in words: sizes, speeds, times. Sizes count in thousands, as disks and downloads do."""

from datetime import datetime


def size(count: float) -> str:
    """Bytes for people: "98.4 MB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale * 0.9995:
            value = count / scale
            return f"{value:.0f} {unit}" if value >= 99.95 else f"{value:.1f} {unit}"
    return f"{int(count)} bytes"


def duration(seconds: float) -> str:
    """A time that passes: "45 s", "3 min 20 s", "1 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def seconds(value: float) -> str:
    """A measured time: "0.84 s", "12.3 s"."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def dollars(value: float) -> str:
    """An amount of US dollars: "$0.0012", "$0.25", "$12.50"; what is less than the last digit is told as that."""
    if value == 0:
        return "$0"
    if value < 0.0001:
        return "less than $0.0001"
    return f"${value:.4f}" if value < 0.1 else f"${value:.2f}"


def percent(fraction: float) -> str:
    """A fraction: "42 %" reads "42%"; never 100% before it is all."""
    return f"{min(int(fraction * 100), 100)}%"


def moment(text: str) -> str:
    """An ISO 8601 time as "2026-11-22 14:05", or as it is when it cannot be read."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):  # no time, or one that is beyond the calendar in this zone
        return text


def speed(tokens_per_second: float) -> str:
    """How fast an answer came: "38.2 tokens/s", "1,136 tokens/s"."""
    return f"{tokens_per_second:,.{1 if tokens_per_second < 100 else 0}f} tokens/s"

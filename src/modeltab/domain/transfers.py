"""Models on their way: files to a server or into the tab, and what a server downloads by itself."""

from typing import Literal, NamedTuple

from modeltab.domain.errors import ErrorRecord

Phase = Literal["queued", "sending", "processing", "paused", "done", "failed", "cancelled"]
#: Nothing of it goes on by itself.
ENDED = frozenset({"done", "failed", "cancelled"})
#: It is going on, or will as soon as there is room.
ACTIVE = frozenset({"queued", "sending", "processing"})


class Transfer(NamedTuple):
    """One file's transfer. Sizes in bytes, `rate` in bytes a second, None while too little is known.

    :param size: 0 while it is unknown.
    :param is_download: whether the connection's server brings it by itself; `step` is then its own word for what it does.
    :param step: what is being done, in a word; empty while bytes flow.
    :param resumes: whether what has arrived is kept when it stops, so that it can go on later.
    :param needs_file: whether the person has to choose the file again before it can go on.
    """

    id: str
    name: str
    connection_id: str
    size: int
    sent: int = 0
    phase: Phase = "queued"
    rate: float | None = None
    error: ErrorRecord | None = None
    is_download: bool = False
    step: str = ""
    resumes: bool = False
    needs_file: bool = False

    @property
    def fraction(self) -> float:
        """How much is sent, 0 to 1."""
        return min(1.0, self.sent / self.size) if self.size else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The time that is left at the present rate, None while unknown."""
        return (self.size - self.sent) / self.rate if self.rate else None


class RateMeter:
    """The speed of a transfer over its last few seconds: steady enough to read, quick enough to be true."""

    WINDOW_SECONDS = 4.0

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []

    def add(self, seconds: float, sent: int) -> float | None:
        """Note that `sent` bytes had gone at `seconds`; the rate in bytes a second, None in the first half second.

        What came before a pause, or before it had to start again, does not count.
        """
        if self._samples and sent < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((seconds, sent))
        while len(self._samples) > 2 and self._samples[0][0] < seconds - self.WINDOW_SECONDS:
            del self._samples[0]
        start, before = self._samples[0]
        return (sent - before) / (seconds - start) if seconds - start >= 0.5 else None

"""When a slot is full: told from how much WAL it held back at several times."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

WATCHED_SECONDS = 60.0


class Sample(NamedTuple):
    """What a slot held back at a time."""

    at: float
    retained: int


class Filling:
    """The samples of the last minute."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def seconds_to_full(self, now: float, retained: int, safe: int | None) -> float | None:
        """To be told of every look; None where the slot does not fill, or nothing bounds it."""
        self._samples.append(Sample(now, retained))
        while self._samples[0].at < now - WATCHED_SECONDS:
            self._samples.popleft()
        rate = growth(self._samples)
        return max(safe, 0) / rate if safe is not None and rate > 0 else None


def growth(samples: Iterable[Sample]) -> float:
    """Bytes a second, from the least of the first half of the time to the least of the second; 0 at first.

    Postgres lets go of what a relay has confirmed only every fifteen seconds or so, all at once, so that
    what a sound relay holds back goes up and down. Its least does not.
    """
    known = list(samples)
    middle = (known[0].at + known[-1].at) / 2
    if known[-1].at - known[0].at < WATCHED_SECONDS / 2:
        return 0.0
    before = min((s for s in known if s.at <= middle), key=lambda s: s.retained)
    after = min((s for s in known if s.at > middle), key=lambda s: s.retained)
    return (after.retained - before.retained) / (after.at - before.at)

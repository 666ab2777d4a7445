"""What was read of late, bounded in number; rates and trends are told from it."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from monitor.readings import Readings

# Ten minutes at the pace at which somebody looks on.
SAMPLES_MAX = 300
RATE_SECONDS = 30.0

Counters = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading at a time of the monotonic clock, with counters by service and table, and who answers."""

    at: float
    readings: Readings
    counters: Counters = field(default_factory=dict)
    answers: Mapping[str, bool] = field(default_factory=dict)
    restarts: Mapping[str, float] = field(default_factory=dict)  # by the supervisor, since its own start


class History:
    """Samples in the order of time; several threads may look."""

    def __init__(self, most: int = SAMPLES_MAX) -> None:
        self._samples: deque[Sample] = deque(maxlen=most)
        self._lock = threading.Lock()

    def add(self, sample: Sample) -> None:
        with self._lock:
            self._samples.append(sample)

    def samples(self) -> list[Sample]:
        with self._lock:
            return list(self._samples)


def rate(samples: list[Sample], key: tuple[str, str], seconds: float = RATE_SECONDS) -> float | None:
    """By how much a counter grew in a second of late; None until it was seen twice."""
    if not samples:
        return None
    known = [each for each in samples if key in each.counters and samples[-1].at - each.at <= seconds]
    if len(known) < 2:
        return None
    first, last = known[0], known[-1]
    grown = last.counters[key] - first.counters[key]
    return max(0.0, grown / (last.at - first.at)) if last.at > first.at else None


def lags(samples: list[Sample], key: tuple[str, str]) -> list[tuple[float, int]]:
    """How far a consumer was behind in a topic, by the seconds before the newest sample."""
    return [
        (each.at - samples[-1].at, each.readings.lag[key])
        for each in samples
        if isinstance(each.readings.lag, Mapping) and key in each.readings.lag
    ]


def restarts_seen(samples: list[Sample]) -> list[tuple[float, str, int]]:
    """The supervisor's restarts of late, newest first: seconds before the newest sample, connector, how many.

    A supervisor that was itself started anew counts from nothing.
    """
    found = []
    for before, after in pairwise(samples):
        for name, total in after.restarts.items():
            grown = total - before.restarts.get(name, 0.0) if before.restarts else 0.0
            if grown > 0:
                found.append((samples[-1].at - after.at, name, round(grown)))
    return list(reversed(found))

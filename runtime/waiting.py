"""Bounded waits: for a condition, and between attempts."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from runtime.errors import WaitedTooLong

T = TypeVar("T")


def until(
    condition: Callable[[], T | None],
    *,
    within_seconds: float,
    what: str,
    every_seconds: float = 0.1,
    retry_on: tuple[type[Exception], ...] = (),
) -> T:
    """The first true answer of `condition`; WaitedTooLong, naming `what`, when there is none in time.

    An exception in `retry_on` counts as "not yet" and is told when the time is up.
    """
    deadline = time.monotonic() + within_seconds
    pause = threading.Event()
    last: Exception | None = None
    while True:
        try:
            if answer := condition():
                return answer
        except retry_on as error:
            last = error
        if time.monotonic() >= deadline:
            told = f" (last: {last})" if last else ""
            raise WaitedTooLong(f"waited {within_seconds:g} s for {what}{told}") from last
        pause.wait(every_seconds)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing pauses between attempts, with jitter. Iterated over, they end after `attempts`."""

    attempts: int = 10
    first_seconds: float = 0.1
    most_seconds: float = 10.0

    def __iter__(self) -> Iterator[float]:
        return (self.pause(attempt) for attempt in range(self.attempts))

    def pause(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 0."""
        longest = min(self.most_seconds, self.first_seconds * float(2 ** min(attempt, 30)))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

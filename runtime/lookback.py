"""How far back in time somebody looks who asks again and again for what is due, the oldest first."""

import time
from collections.abc import Callable
from dataclasses import dataclass

# For clocks that differ, and for what was written before a look and committed after it.
OVERLAP_SECONDS = 2.0
# Longer than anything is kept.
EVER_SECONDS = 1e9


@dataclass
class LookBack:
    """To the beginning every so many seconds; in between no further than looks have come.

    What has been done is dead, but stays in its index while anybody's snapshot could see it, and a look
    reads all of that: with a dump under way, everything since the dump began. What is found late for it, by
    `every_seconds` at most, is what was not to be had when it became due.
    """

    every_seconds: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _is_whole: bool = True
    _whole_at: float | None = None
    _come_to: float = 0.0

    def seconds(self) -> float:
        """How far back the look goes that begins now."""
        self._began = self.clock()
        self._is_whole = self._whole_at is None or self._began - self._whole_at >= self.every_seconds
        return EVER_SECONDS if self._is_whole else self._began - self._come_to + OVERLAP_SECONDS

    def looked(self, behind_seconds: float = 0.0) -> None:
        """The look is over: it has left nothing that was due longer ago than this."""
        self._come_to = self._began - behind_seconds
        if self._is_whole:
            self._whole_at = self._began

"""How far back in time somebody looks who asks again and again for what is due."""

import time
from collections.abc import Callable
from dataclasses import dataclass

# For clocks that differ, and for what was written before the last whole look and committed after it.
OVERLAP_SECONDS = 2.0
# Longer than anything is kept.
EVER_SECONDS = 1e9


@dataclass
class LookBack:
    """To the beginning every so many seconds; in between no further than to the last look that left nothing.

    What has been done is dead, but stays in its index while anybody's snapshot could see it, and a look
    reads all of that: with a dump under way, everything since the dump began. What is found late for it, by
    `every_seconds` at most, is what was not to be had when it became due.
    """

    every_seconds: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _is_whole: bool = True
    _left_nothing_at: float | None = None

    def seconds(self) -> float:
        """How far back the look goes that begins now."""
        self._began = self.clock()
        since = EVER_SECONDS if self._left_nothing_at is None else self._began - self._left_nothing_at
        self._is_whole = since >= self.every_seconds
        return EVER_SECONDS if self._is_whole else since + OVERLAP_SECONDS

    def looked(self, *, left_nothing: bool) -> None:
        """What came of it, once that is committed."""
        if self._is_whole:
            self._left_nothing_at = self._began if left_nothing else None

"""How far back in time somebody looks who asks again and again for what is due, the oldest first."""

import time
from collections.abc import Callable
from dataclasses import dataclass

# For the database's clock being moved, the time until a statement begins, and what was written before a look
# and committed after it.
OVERLAP_SECONDS = 2.0
# Longer than anything is kept.
EVER_SECONDS = 1e9


@dataclass
class LookBack:
    """To the beginning every `whole_seconds`; in between each look begins where the last one left off.

    What has been done is dead, but stays in its index while anybody's snapshot could see it, and a look
    reads all of that: with a dump under way, everything since the dump began. The price: what was locked,
    not committed yet or waiting when it became due is found by the first look after `whole_seconds`.
    """

    whole_seconds: float
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _is_whole: bool = True
    _whole_at: float | None = None
    _come_to: float = 0.0

    def begin(self) -> float:
        """Begin a look; answers with how many seconds back it goes."""
        self._began = self.clock()
        self._is_whole = self._whole_at is None or self._began - self._whole_at >= self.whole_seconds
        return EVER_SECONDS if self._is_whole else self._began - self._come_to + OVERLAP_SECONDS

    def end(self, behind_seconds: float = 0.0) -> None:
        """The look has left nothing that could be had and was due longer ago than this."""
        self._come_to = self._began - behind_seconds
        if self._is_whole:
            self._whole_at = self._began

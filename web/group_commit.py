"""Group commit: what several requests want at the same moment is done in one transaction.

Whoever comes first does the work of all that came while the one before was at work. Nobody waits for company:
a request that comes alone is a group of one.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from web.metrics import GROUP_REQUESTS
from web.problems import Problem

Wish = TypeVar("Wish")
Outcome = TypeVar("Outcome")

GROUP_MAX = 64
# Longer than the database may keep a group; then something is wrong, and the queue must not grow.
TURN_SECONDS_MAX = 30.0


class GroupCommit(Generic[Wish, Outcome]):
    """One group after the other is given to `commit`, which answers with an outcome for each wish.

    What it raises is raised to everybody in that group.
    """

    def __init__(self, commit: Callable[[Sequence[Wish]], Sequence[Outcome]]) -> None:
        self._commit = commit
        self._queue: deque[tuple[Wish, Future[Outcome]]] = deque()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        """How many wait for their group."""
        return len(self._queue)

    def do(self, wish: Wish) -> Outcome:
        """What came of the wish; 503 when its turn does not come."""
        mine: Future[Outcome] = Future()
        self._queue.append((wish, mine))
        if not self._turn.acquire(timeout=TURN_SECONDS_MAX):
            return self._late(mine)
        try:
            while not mine.done():
                self._serve()
        finally:
            self._turn.release()
        return mine.result()

    def _serve(self) -> None:
        """Only who has the turn takes from the queue."""
        next_ones = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_MAX))]
        group = [each for each in next_ones if each[1].set_running_or_notify_cancel()]
        GROUP_REQUESTS.observe(len(group))
        try:
            outcomes = self._commit([wish for wish, _ in group])
        except Exception as error:  # noqa: BLE001 - raised again by each of them
            for _, asked in group:
                asked.set_exception(error)
            return
        for (_, asked), outcome in zip(group, outcomes, strict=True):
            asked.set_result(outcome)

    def _late(self, mine: "Future[Outcome]") -> Outcome:
        """Nothing was done, unless a group has us already: then what comes of it is waited for."""
        if mine.cancel():
            raise Problem(503, "Others were not done in time. Nothing was changed; try again.")
        return mine.result(TURN_SECONDS_MAX)

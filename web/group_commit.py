"""Group commit: what several requests want at the same moment is done in one transaction.

Whoever comes first does the work of all that came while the one before was at work. Nobody waits for company:
a request that comes alone is a group of one. The next group is begun before the one that is done is answered,
so that the database does not wait for answers to be written.
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


class _Place(Generic[Wish, Outcome]):
    """One request in the queue. It is called once: to lead the next group, or because it was answered."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.outcome: Future[Outcome] = Future()
        self.called = threading.Event()
        self.leads = False


class GroupCommit(Generic[Wish, Outcome]):
    """One group after the other is given to `commit`, which answers with an outcome for each wish.

    What it raises is raised to everybody in that group.
    """

    def __init__(self, commit: Callable[[Sequence[Wish]], Sequence[Outcome]]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._queue: deque[_Place[Wish, Outcome]] = deque()
        self._is_led = False

    def __len__(self) -> int:
        """How many wait for their group."""
        return len(self._queue)

    def do(self, wish: Wish) -> Outcome:
        """What came of the wish; 503 when its turn does not come, or does not end."""
        mine: _Place[Wish, Outcome] = _Place(wish)
        with self._lock:
            self._queue.append(mine)
            self._call_first()
        if not mine.called.wait(TURN_SECONDS_MAX):
            self._give_up(mine)
        if mine.leads:
            self._serve()
        try:
            return mine.outcome.result(TURN_SECONDS_MAX)
        except TimeoutError:
            raise Problem(503, "It is not known whether that was done; try again.") from None

    def _call_first(self) -> None:
        """Under the lock: where nobody leads, the first of the queue does from now on."""
        if self._queue and not self._is_led:
            self._is_led = self._queue[0].leads = True
            self._queue[0].called.set()

    def _serve(self) -> None:
        """Do the next group. Who leads is the first of it."""
        with self._lock:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_MAX))]
        GROUP_REQUESTS.observe(len(group))
        failed, done = None, list[tuple[_Place[Wish, Outcome], Outcome]]()
        try:
            done = list(zip(group, self._commit([each.wish for each in group]), strict=True))
        except Exception as error:  # noqa: BLE001 - raised again by each of them
            failed = error
        finally:
            with self._lock:
                self._is_led = False
                self._call_first()
        for place, outcome in done:
            place.outcome.set_result(outcome)
        for place in group if failed else ():
            place.outcome.set_exception(failed)
        for place in group:
            place.called.set()

    def _give_up(self, mine: _Place[Wish, Outcome]) -> None:
        """Leave the queue; who is called to lead just now, or is in a group that is being done, stays."""
        with self._lock:
            if mine in self._queue and not mine.leads:
                self._queue.remove(mine)
                raise Problem(503, "Others were not done in time. Nothing was changed; try again.")

"""When events became visible to a read_committed reader, by the service that wrote them."""

import threading
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from contracts.topics import MESSAGE_TOPICS
from runtime.errors import WaitedTooLong
from runtime.waiting import until

ENDS = ("order-completed", "order-failed")
# What counts as steady.
STEADY_SECONDS, PAUSE_SECONDS_MAX = 4.0, 1.0
_SETTINGS = {
    "group.id": "a-stop-watch",
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "reconnect.backoff.max.ms": 200,
    "topic.metadata.refresh.interval.ms": 1000,
    "log_level": 2,
}


class StopWatch:
    """Reads every message topic on a thread of its own, from now on, and notes when what came."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer({**_SETTINGS, "bootstrap.servers": servers})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._times: dict[str, list[float]] = defaultdict(list)
        # By order id, of the wall clock.
        self.ended: dict[str, float] = {}

    def __enter__(self) -> Self:
        places = [(t.name, number) for t in MESSAGE_TOPICS for number in range(t.partitions)]
        self._consumer.assign([TopicPartition(*place, OFFSET_END) for place in places])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    @property
    def count(self) -> int:
        """How many orders have come to their end since it began."""
        return len(self.ended)

    def _read(self) -> None:
        while not self._stop.is_set():
            messages = self._consumer.consume(500, 0.05)
            now = time.monotonic()
            for message in messages:
                if message.error() is None:
                    headers: Any = dict(message.headers() or [])
                    source = (headers.get("ce_source") or b"").decode().strip("/")
                    self._times[source].append(now)
                    if message.topic() in ENDS:
                        self.ended[(message.key() or b"").decode()] = time.time()

    def pause(self, since: float, source: str) -> float:
        """The longest time from `since` until now in which nothing of a service's became visible."""
        times, now = self._times[source], time.monotonic()
        around = [since, *times[bisect_left(times, since) : bisect_right(times, now)], now]
        return max(after - before for before, after in pairwise(around))

    def until_steady(self, sources: Sequence[str], since: float, within_seconds: float) -> bool:
        """Whether, in time, every service's events came without a long pause for a while after `since`."""

        def steady() -> bool:
            lately = time.monotonic() - STEADY_SECONDS
            return lately > since and all(self.pause(lately, each) < PAUSE_SECONDS_MAX for each in sources)

        try:
            until(steady, within_seconds=within_seconds, what="events to flow steadily")
        except WaitedTooLong:
            return False
        return True

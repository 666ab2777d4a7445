"""Places orders for as long as not too many are under way: what keeps a system as busy as it can be."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

import urllib3

from benchmarks.arrivals import StopWatch
from chaos.orders import Mix
from runtime.waiting import until
from web.load import PLACING_MAX

# As many as the order service admits at once: one more is refused, and asks again at once.
CLIENTS = PLACING_MAX
# How many orders may be under way at once: enough for every consumer to find a full batch.
BACKLOG_MAX = 1000
ANSWER_SECONDS_MAX, REST_SECONDS = 10.0, 120
_HEADERS = {"Content-Type": "application/json"}


class Feeder:
    """Its clients share one pool of connections, and send bodies that were made before."""

    def __init__(self, url: str, watch: StopWatch, mix: Mix) -> None:
        self._url, self._watch, self._before = f"{url}/orders", watch, watch.count
        self._weights = [weight for weight, *_ in mix.orders]
        self._bodies = [_body(token, items) for _, token, items in mix.orders]
        self._pool = urllib3.PoolManager(maxsize=CLIENTS, timeout=ANSWER_SECONDS_MAX, retries=False)
        self._room = threading.Semaphore(BACKLOG_MAX)
        self._stop, self._lock = threading.Event(), threading.Lock()
        # Of orders: accepted, refused, unknown.
        self.counts: Counter[str] = Counter()

    @contextmanager
    def feeding(self) -> Iterator[None]:
        """While the `with` lasts; then until what was accepted has come to its end."""
        threads = [threading.Thread(target=self._feed, daemon=True) for _ in range(CLIENTS)]
        threads.append(threading.Thread(target=self._make_room, daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            self._pool.clear()
        until(
            lambda: self._under_way() <= 0,
            within_seconds=REST_SECONDS,
            what="the orders under way to come to their end",
        )

    def _under_way(self) -> int:
        return self.counts["accepted"] - (self._watch.count - self._before)

    def _make_room(self) -> None:
        """For each order that has come to its end, one more may begin."""
        seen = self._before
        while not self._stop.wait(0.01):
            if new := self._watch.count - seen:
                self._room.release(new)
                seen += new

    def _feed(self) -> None:
        while not self._stop.is_set():
            if not self._room.acquire(timeout=0.5):
                continue
            outcome = self._place()
            with self._lock:
                self.counts[outcome] += 1
            if outcome != "accepted":
                self._room.release()

    def _place(self) -> str:
        [body] = random.choices(self._bodies, self._weights)  # noqa: S311 - no secret
        try:
            status = self._pool.request("POST", self._url, body=body, headers=_HEADERS).status
        except urllib3.exceptions.HTTPError:
            return "unknown"
        return "accepted" if status == HTTPStatus.CREATED else "refused"


def _body(token: str, items: Sequence[tuple[str, int]]) -> bytes:
    asked = [{"sku": sku, "quantity": quantity} for sku, quantity in items]
    return json.dumps({"items": asked, "payment_token": token}).encode()

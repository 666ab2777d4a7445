"""The load that every peer gets: as much as it can carry, and ten orders a second.

Saturation is bounded: as many orders are under way at once as in `benchmarks.system`, no more. Slow load is
an open loop: an order is late by its own plan, whatever its predecessors wait for.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count

import psutil

from benchmarks.feeder import BACKLOG_MAX, CLIENTS
from benchmarks.peers.peer import Order, Peer
from benchmarks.system import MIXED, REST_SECONDS, Figures
from chaos.measures import percentile
from runtime.waiting import until

POLL_SECONDS = 0.01
_WEIGHTS = [weight for weight, *_ in MIXED.orders]


class Load:
    """Places orders with one running peer and remembers them all."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.placed: list[Order] = []

    def saturate(self, warm_up: float, seconds: float) -> Figures:
        """Orders that ended a second, and the CPU they took, after `warm_up` seconds of the same."""
        stop, room = threading.Event(), threading.Semaphore(BACKLOG_MAX)
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            work = [pool.submit(self._feed, stop, room) for _ in range(CLIENTS)]
            work.append(pool.submit(self._make_room, stop, room))
            try:
                stop.wait(warm_up)
                figures = self._measured(stop, seconds)
            finally:
                stop.set()
        for each in work:
            each.result()
        self._come_to_rest()
        return figures

    def trickle(self, rate: float, seconds: float) -> Figures:
        """Milliseconds from when an order was to be sent until its last status was stored."""
        began, numbers, meant = time.time(), count(), dict[str, float]()
        pause = threading.Event()

        def client() -> None:
            while (due := began + next(numbers) / rate) < began + seconds:
                order = _drawn()
                meant[order.id] = due
                pause.wait(max(due - time.time(), 0))
                self._place(order)

        _together(client)
        self._come_to_rest()
        finished = self._peer.finished()
        took = [(finished[key] - due) * 1000 for key, due in meant.items()]
        return {"rate": rate, "orders": len(took)} | {
            f"p{share * 100:g}": round(percentile(took, share), 1) for share in (0.5, 0.99)
        }

    def _measured(self, stop: threading.Event, seconds: float) -> Figures:
        """What happens from now on for so long; a client that fails ends it, and says so itself."""
        before, ended, began = _spent(self._peer), self._peer.ended(), time.monotonic()
        stop.wait(seconds)
        took, done = time.monotonic() - began, max(self._peer.ended() - ended, 1)
        after = _spent(self._peer)
        cost = {name: (after[name] - before[name]) / done * 1000 for name in before}
        clients = cost.pop("clients")
        return {
            "sagas_a_second": round(done / took, 1),
            "cpu_ms_a_saga": round(sum(cost.values()), 2),
            "cpu_ms_by_component": {name: round(each, 2) for name, each in cost.items()},
            "cpu_ms_of_the_clients": round(clients, 2),
        }

    def _feed(self, stop: threading.Event, room: threading.Semaphore) -> None:
        try:
            while not stop.is_set():
                if room.acquire(timeout=0.5):
                    self._place(_drawn())
        finally:
            stop.set()

    def _make_room(self, stop: threading.Event, room: threading.Semaphore) -> None:
        """For each order that has come to its end, one more may begin."""
        seen = self._peer.ended()
        while not stop.wait(POLL_SECONDS):
            if new := self._peer.ended() - seen:
                room.release(new)
                seen += new

    def _place(self, order: Order) -> None:
        self._peer.place(order)
        self.placed.append(order)

    def _come_to_rest(self) -> None:
        every = len(self.placed)
        until(
            # An end is counted a moment before its commit.
            lambda: self._peer.ended() >= every and len(self._peer.finished()) >= every,
            within_seconds=REST_SECONDS,
            what="the orders under way to come to their end",
        )


def _drawn() -> Order:
    [(_, token, ((sku, quantity),))] = random.choices(MIXED.orders, _WEIGHTS)  # noqa: S311 - no secret
    return Order(str(uuid.uuid4()), token, sku, quantity)


def _together(client: Callable[[], None]) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        work = [pool.submit(client) for _ in range(CLIENTS)]
    for each in work:
        each.result()


def _spent(peer: Peer) -> Mapping[str, float]:
    """CPU seconds by component, those of the clients, which are this program's, beside them."""
    trees = {name: _of_tree(root) for name, root in peer.processes().items()}
    own = psutil.Process().cpu_times()
    return {**trees, "clients": own.user + own.system}


def _of_tree(root: psutil.Process) -> float:
    """Of a process and all below it, with those that have come and gone meanwhile."""
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])
    return seconds

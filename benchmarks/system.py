"""A whole stack under load, with a stop-watch beside it: what benchmarks of the system have in common."""

import random
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import requests
from rich.console import Console

from benchmarks import cpu
from benchmarks.arrivals import StopWatch
from chaos import orders
from chaos.checker import check
from chaos.collect import collect
from chaos.faults import Ground
from chaos.history import History
from chaos.orders import Mix
from chaos.rest import at_rest
from chaos.workload import Workload
from runtime.waiting import until
from stack import launch, prey
from stack.layout import Layout
from web.load import PLACING_MAX

RESULTS = Path(__file__).parent / "results"
_NOTHING_ELSE = {"repeated_at_once": 0, "repeated_later": 0, "other_body": 0, "cancelled": 0, "looked_at": 0}
GOOD = Mix(orders=((100, "tok_ok", (("PIZZA", 1),)),), **_NOTHING_ELSE)
MIXED = Mix(
    orders=(
        (80, "tok_ok", (("PIZZA", 1),)),
        (10, "tok_declined", (("PIZZA", 1),)),
        (10, "tok_ok", (("SOLD-OUT", 1),)),
    ),
    **_NOTHING_ELSE,
)
# As many as the order service admits at once: one more is refused, and asks again at once.
CLIENTS = PLACING_MAX
# How many orders may be under way at once where the system is to be as fast as it can.
BACKLOG_MAX = 300
REST_SECONDS = 120

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """A running stack with a stop-watch beside it."""

    layout: Layout
    ground: Ground
    watch: StopWatch
    folder: Path

    @contextmanager
    def load(self, rate: float, seconds: float, mix: Mix = MIXED) -> Iterator[tuple[Workload, Path]]:
        """Orders at a rate while the `with` lasts, so many seconds at most; and where their history is."""
        stop, path = threading.Event(), self.folder / f"{time.time_ns():x}.jsonl"
        plan = orders.plan(1, int(rate * seconds), rate, mix, run=f"{path.stem}-")
        with History(path) as history:
            load = Workload(self.layout.url("order"), history, stop)
            load.start(plan, CLIENTS)
            try:
                yield load, path
            finally:
                stop.set()
                load.join()

    def saturate(self, seconds: float, mix: Mix = MIXED, warm_up: float = 10.0) -> Figures:
        """As many orders as the system can end, some of them under way: sagas a second, and their cost."""
        feeder = Feeder(self, mix)
        with feeder.feeding():
            threading.Event().wait(warm_up)
            before, ended, began = cpu.spent(self.layout), self.watch.count, time.monotonic()
            threading.Event().wait(seconds)
            took, done = time.monotonic() - began, self.watch.count - ended
            spent = cpu.between(before, cpu.spent(self.layout))
        return {
            "sagas_a_second": round(done / took, 1),
            "cpu_ms_a_saga": round(sum(spent.values()) / done * 1000, 1),
            "cpu_ms_by_component": {name: round(s / done * 1000, 2) for name, s in spent.items()},
            "refused": feeder.refused,
        }

    def broken(self) -> list[str]:
        """What the run broke of the promises; a rate with a broken promise is no result."""
        endpoints = prey.endpoints_of(self.layout)
        still_open = at_rest(endpoints, REST_SECONDS)
        found = check(collect(endpoints, still_open), ())
        return [each.name for each in found if each.verdict == "invalid"] + still_open


class Feeder:
    """Places orders for as long as not too many are under way, and waits for their ends."""

    def __init__(self, on: Bench, mix: Mix) -> None:
        self._on, self._stop, self._lock = on, threading.Event(), threading.Lock()
        self._mix, self._before = mix, on.watch.count
        self._room = threading.Semaphore(BACKLOG_MAX)
        self.accepted = self.refused = 0

    @contextmanager
    def feeding(self) -> Iterator[None]:
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
        until(
            lambda: self._under_way() <= 0,
            within_seconds=REST_SECONDS,
            what="the orders under way to come to their end",
        )

    def _under_way(self) -> int:
        return self.accepted - (self._on.watch.count - self._before)

    def _make_room(self) -> None:
        """For each order that has come to its end, one more may begin."""
        seen = self._before
        while not self._stop.wait(0.01):
            if new := self._on.watch.count - seen:
                self._room.release(new)
                seen += new

    def _feed(self) -> None:
        url = f"{self._on.layout.url('order')}/orders"
        weights = [weight for weight, *_ in self._mix.orders]
        with requests.Session() as session:
            session.trust_env = False
            while not self._stop.is_set():
                if not self._room.acquire(timeout=0.5):
                    continue
                [(_, token, items)] = random.choices(self._mix.orders, weights)  # noqa: S311 - no secret
                body = {"items": [{"sku": s, "quantity": n} for s, n in items], "payment_token": token}
                accepted = session.post(url, json=body, timeout=10).status_code == 201
                with self._lock:
                    self.accepted += accepted
                    self.refused += not accepted
                if not accepted:
                    self._room.release()


@contextmanager
def bench(name: str, *, local_gateway: bool = False) -> Iterator[Bench]:
    """A system of its own; with `local_gateway`, a charge is a local write of the executor's process."""
    with (
        launch.temporary(name) as wish,
        launch.running(replace(wish, local_gateway=local_gateway), Console(stderr=True)) as started,
        tempfile.TemporaryDirectory() as folder,
    ):
        layout = prey.layout_of(wish.state, started)
        with StopWatch(prey.direct_servers(layout)) as watch:
            yield Bench(layout, prey.ground_of(layout, started), watch, Path(folder))


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Of what was measured several times: the least, the median and the most."""
    low, middle, high = min(values), median(values), max(values)
    return {"min": round(low, 2), "median": round(middle, 2), "max": round(high, 2), "n": len(values)}

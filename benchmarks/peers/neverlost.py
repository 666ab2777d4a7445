"""Our own system, as it is run everywhere: three brokers, exactly once, its auditor and all.

It brings its own Postgres, of the same version and as durable. A charge is a local write of the executor's
process, as it is a local write with every other peer. An order is accepted once it is committed.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import psutil
import urllib3
from sqlalchemy import Row

from benchmarks import sql
from benchmarks.feeder import CLIENTS
from benchmarks.peers.peer import ANSWER_SECONDS_MAX, Candidate, Ground, Order, Refused, versions_of
from benchmarks.system import Bench, bench
from chaos.collect import connected
from contracts.services import ORDER
from stack import prey, record

# What the others call an order whose dish is sold out.
_SAID = {"OUT_OF_STOCK": "CANCELLED"}


class Neverlost:
    """The running stack; `orders` are told by the ids that the benchmark gave them."""

    def __init__(self, on: Bench) -> None:
        self._on, self._before = on, on.watch.count
        self._pool = urllib3.PoolManager(maxsize=CLIENTS, timeout=ANSWER_SECONDS_MAX, retries=False)
        self._lock, self._theirs = threading.Lock(), dict[str, str]()

    def place(self, order: Order) -> None:
        body = {"items": [{"sku": order.sku, "quantity": order.quantity}], "payment_token": order.token}
        headers = {"Idempotency-Key": order.id}
        url = f"{self._on.layout.url('order')}/orders"
        try:
            answer = self._pool.request("POST", url, json=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Refused(str(error)) from error
        if answer.status != HTTPStatus.CREATED:
            raise Refused(f"{answer.status} {answer.data[:200]!r}")
        order_id = json.loads(answer.data)["order_id"]
        with self._lock:
            self._theirs[order_id] = order.id

    def ended(self) -> int:
        return self._on.watch.count - self._before

    def finished(self) -> Mapping[str, float]:
        return {self._theirs[row.id]: row.at for row in self._ends()}

    def wrong(self, placed: Sequence[Order]) -> list[str]:
        ends = {self._theirs[row.id]: _SAID.get(row.status, row.status) for row in self._ends()}
        found = [f"{o.id} ended {ends.get(o.id)}, not {o.end}" for o in placed if ends.get(o.id) != o.end]
        return [*self._on.broken(), *found]

    def processes(self) -> Mapping[str, psutil.Process]:
        now = record.read_running(self._on.layout.state)
        nodes = now.processes if now else ()
        return {node.name: psutil.Process(node.pid) for node in nodes if node.pid is not None}

    def _ends(self) -> Sequence[Row[Any]]:
        """Of the benchmark's orders, and not of those that warmed the system up."""
        with connected(prey.endpoints_of(self._on.layout), ORDER.name) as connection:
            return [row for row in connection.execute(sql.ORDER_ENDS) if row.id in self._theirs]


@contextmanager
def running(_ground: Ground) -> Iterator[Neverlost]:
    """Warm, since a JVM compiles what it does often and is slow until then."""
    with bench("neverlost", local_gateway=True) as on:
        yield Neverlost(on)


CANDIDATE = Candidate("neverlost", lambda: versions_of("kafka-python", "sqlalchemy", "flask"), running)

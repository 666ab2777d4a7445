"""Rows for the order service's outbox that no order stands behind, in a topic that no service reads."""

import threading
import time
from contextlib import ExitStack
from itertools import count
from uuid import UUID, uuid4

import psycopg

from benchmarks import sql
from contracts.messages import Money, OrderCreated, PricedItem
from contracts.services import ORDER
from stack.access import database_url
from stack.layout import Layout

TOPIC = OrderCreated.topic
WRITERS = 8


def own_url(layout: Layout, role: str) -> str:
    """The order service's database as one of the roles, for psycopg and for Postgres' own programs."""
    url = database_url(layout, ORDER, role)
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def write_steadily(url: str, rate: float, seconds: float) -> dict[str, float]:
    """Rows at a rate, each in a transaction of its own; when it was committed, by its key.

    An open loop: a row is written when it is due, however long those before it take.
    """
    numbers, committed, pause = count(), dict[str, float](), threading.Event()

    def write(connection: psycopg.Connection) -> None:
        while (due := began + next(numbers) / rate) < began + seconds:
            pause.wait(max(due - time.monotonic(), 0))
            order_id = uuid4()
            connection.execute(sql.ANNOUNCED, {"key": str(order_id), "payload": payload(order_id)})
            committed[str(order_id)] = time.monotonic()

    with ExitStack() as opened:
        connections = [
            opened.enter_context(psycopg.connect(url, autocommit=True, prepare_threshold=0))
            for _ in range(WRITERS)
        ]
        threads = [threading.Thread(target=write, args=(each,)) for each in connections]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return committed


def write_at_once(url: str, number: int) -> None:
    """So many rows, each in a transaction of its own, as fast as it goes; durable once this returns."""
    with psycopg.connect(url, autocommit=True) as connection:
        # The last commit waits for the log of all before it.
        connection.execute("SET synchronous_commit = off")
        connection.execute(sql.ANNOUNCED_ONE_BY_ONE.format(rows=number - 1))
        connection.execute("SET synchronous_commit = on")
        order_id = uuid4()
        connection.execute(sql.ANNOUNCED, {"key": str(order_id), "payload": payload(order_id)})


def payload(order_id: UUID) -> str:
    item = PricedItem(sku="PIZZA", quantity=1, unit_price=1250)
    total = Money(amount=1250, currency="EUR")
    return OrderCreated(order_id=order_id, items=(item,), total=total).model_dump_json()

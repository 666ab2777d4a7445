"""The database work of an order with no saga between, done directly by one program.

One thread's order is four statements, each committed, one after the other, by psycopg with prepared
statements: the order, its payment, its stock, its end. No inbox, no outbox, no fence, no message.
"""

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack

import psycopg

from benchmarks.feeder import CLIENTS
from benchmarks.system import Figures
from contracts.services import INVENTORY, ORDER, PAYMENT, Service
from stack import prey
from stack.layout import Layout
from stack.postgres import SUPERUSER

_TABLES = {
    ORDER: "CREATE TABLE IF NOT EXISTS floor_orders (id uuid PRIMARY KEY, status text, items json, sum int)",
    PAYMENT: "CREATE TABLE IF NOT EXISTS floor_payments (order_id uuid PRIMARY KEY, status text, amount int)",
    INVENTORY: "CREATE TABLE IF NOT EXISTS floor_moves (order_id uuid PRIMARY KEY, sku text, quantity int)",
}
_ITEMS = '[{"sku": "PIZZA", "quantity": 1}]'
# In the order of an order's life.
_WORK: Sequence[tuple[Service, str]] = (
    (ORDER, "INSERT INTO floor_orders VALUES (%(id)s, 'PENDING', %(items)s, 1250)"),
    (PAYMENT, "INSERT INTO floor_payments VALUES (%(id)s, 'CAPTURED', 1250)"),
    (INVENTORY, "INSERT INTO floor_moves VALUES (%(id)s, 'PIZZA', 1)"),
    (ORDER, "UPDATE floor_orders SET status = 'COMPLETED' WHERE id = %(id)s"),
)


def floor(layout: Layout, seconds: float) -> Figures:
    """Orders a second, by as many threads as there are clients elsewhere."""
    urls = {service: _url(layout, service) for service in _TABLES}
    for service, statement in _TABLES.items():
        with psycopg.connect(urls[service], autocommit=True) as connection:
            connection.execute(statement)
    stop, counts = threading.Event(), [0] * CLIENTS
    threads = [threading.Thread(target=_work, args=(urls, stop, counts, n)) for n in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return {"sagas_a_second": round(sum(counts) / (time.monotonic() - began), 1)}


def _work(urls: dict[Service, str], stop: threading.Event, counts: list[int], number: int) -> None:
    with ExitStack() as opened:
        to = {s: opened.enter_context(psycopg.connect(url, autocommit=True)) for s, url in urls.items()}
        while not stop.is_set():
            order = {"id": uuid.uuid4(), "items": _ITEMS}
            for service, statement in _WORK:
                to[service].execute(statement, order)
            counts[number] += 1


def _url(layout: Layout, service: Service) -> str:
    url = prey.database(layout, SUPERUSER, service.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=False)

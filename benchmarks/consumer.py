"""How many commands a second one consumer handles, with inbox, effect and reply: `./run bench consumer`.

Inventory's own handlers behind the batch processor of every worker, each command of another order, on a
Postgres of its own. Its batches are the largest that a poll makes. Two others take turns with it: the same
with a transaction a command; and reading as many records from brokers, with a worker's settings, and doing
nothing with them. Reading is not part of the consumer's own rate.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine

from benchmarks import sql
from benchmarks.databases import Databases, databases
from benchmarks.keeping import keep, measured_on, spreads
from benchmarks.polling import Records, brokers_with
from benchmarks.system import Figures
from contracts.messages import Item, ReserveStock
from contracts.services import INVENTORY
from inventory.handlers import consumer
from messaging.batch import BatchProcessor
from messaging.envelope import ID, TRACEPARENT, TYPE, Delivery
from messaging.polling import RECORDS_PER_BATCH
from migrations.database import admin_engine
from runtime import trace
from runtime.database import connect_engine
from runtime.logs import configure

EVENTS, ROUNDS = 20_000, 5
# A transaction a command is slow: this share of the commands tells its rate as well.
SINGLE_SHARE = 0.1
PACKAGES = ("sqlalchemy", "psycopg", "kafka-python", "pydantic", "structlog")


@dataclass
class Shop:
    """The inventory service's database with its consumer, and what it was given so far."""

    admin: Engine
    processor: BatchProcessor
    given: int = 0
    offsets: Iterator[int] = field(default_factory=count)

    def commands(self, number: int) -> list[Delivery]:
        """New commands, each of an order of its own, as a poll would have brought them."""
        with self.admin.connect() as connection:
            ids = connection.execute(sql.NEW_IDS, {"number": number}).scalars().all()
        return [self._command(str(each)) for each in ids]

    def _command(self, event_id: str) -> Delivery:
        message = ReserveStock(order_id=uuid4(), items=(Item(sku="PIZZA", quantity=1),))
        value = message.model_dump_json().encode()
        headers = {ID: event_id, TYPE: message.type, TRACEPARENT: trace.begin()}
        return Delivery(message.topic, 0, next(self.offsets), message.key, value, headers)

    def handle(self, deliveries: Sequence[Delivery], size: int) -> Figures:
        """All of them, in batches of that size; the time of this process alone, not of the database."""
        batches = [deliveries[at : at + size] for at in range(0, len(deliveries), size)]
        began, spent = time.perf_counter(), time.process_time()
        for batch in batches:
            self.processor.process(batch)
        took, spent = time.perf_counter() - began, time.process_time() - spent
        self.given += len(deliveries)
        number = len(deliveries)
        return {"events_a_second": number / took, "cpu_us_an_event": spent / number * 1e6}

    def seen(self) -> dict[str, Any]:
        """How often the commands have had each of their effects."""
        with self.admin.connect() as connection:
            return dict(connection.execute(sql.WHAT_CAME_OF_COMMANDS).mappings().one())

    def broken(self) -> dict[str, Any]:
        """The effects that there are not exactly as often as commands; a rate with one is no result."""
        wanted = dict.fromkeys(("inbox", "replies", "answered", "reserved", "taken", "moved"), self.given)
        wanted["parked"] = 0
        return {name: n for name, n in self.seen().items() if n != wanted[name]}


@contextmanager
def shop(made: Databases) -> Iterator[Shop]:
    role = INVENTORY.role("app")
    url = made.server.url.set(
        username=role, password=(made.secrets / role).read_text().strip(), database=INVENTORY.database
    )
    engine = connect_engine(url, process="inventory-worker", connections=2)
    admin = admin_engine(made.server.url, INVENTORY.database)
    # A worker logs to a file, a line an order: that is part of what a command costs.
    with (made.folder / "inventory-worker.log").open("w") as log, redirect_stderr(log):
        configure("inventory-worker")
        yield Shop(admin, BatchProcessor(engine, consumer()))
    for each in (engine, admin):
        each.dispose()


def one_round(on: Shop, events: int, records: Records | None) -> Figures:
    """Every figure once, so that repeats of one are not done in a row."""
    batches = on.handle(on.commands(events), RECORDS_PER_BATCH)
    single = on.handle(on.commands(max(1, round(events * SINGLE_SHARE))), 1)
    found = {**_named("batches", batches), **_named("single", single)}
    found["ratio_to_single"] = batches["events_a_second"] / single["events_a_second"]
    if records:
        read = records.read_all()
        found |= _named("bare_poll", read)
        found["ratio_to_bare_poll"] = batches["events_a_second"] / read["events_a_second"]
    return found


def measure(on: Shop, events: int, rounds: int, *, with_poll: bool) -> Figures:
    with brokers_with(on.commands(events)) if with_poll else nullcontext() as records:
        one_round(on, max(RECORDS_PER_BATCH, events // 10), records)  # It warms up.
        found = [one_round(on, events, records) for _ in range(rounds)]
    figures = {"events": events, "events_a_batch": RECORDS_PER_BATCH, **spreads(found)}
    return {**figures, "broken": on.broken(), "rounds": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="commands a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-poll", action="store_true", help="without brokers, and the reading of records")
    asked = parser.parse_args()
    with databases([INVENTORY.name]) as made, shop(made) as on:
        figures = measure(on, asked.events, asked.rounds, with_poll=not asked.no_poll)
        with on.admin.connect() as connection:
            postgres = connection.execute(sql.POSTGRES_VERSION).scalar_one()
    keep("consumer", {**measured_on(*PACKAGES), "postgres": postgres, **figures})
    sys.exit(1 if figures["broken"] else 0)


def _named(name: str, figures: Figures) -> Figures:
    return {f"{name}_{key}": value for key, value in figures.items()}


if __name__ == "__main__":
    main()

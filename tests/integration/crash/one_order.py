"""One order through all services in one process: real handlers, real databases, records from a list."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, text

from contracts.topics import read_by
from inventory import handlers as inventory
from messaging.batch import BatchProcessor
from messaging.envelope import Delivery
from messaging.letters import Wanted
from messaging.redrive import redrive
from order import handlers as order
from order.app import create_app
from payment import handlers as payment
from payment.executor import Executor, call
from payment.gateway import HttpGateway
from tests.integration.crash.faults import Points
from web.app import WebSettings

CONSUMERS = {each.service: each for each in (order.consumer(), payment.consumer(), inventory.consumer())}
WRITTEN = text("""
    SELECT id, type, topic, aggregateid, payload::text AS payload, source, traceparent FROM outbox
    WHERE aggregateid = :key ORDER BY id
""")
LEASES_END = text("UPDATE payment_intents SET due_at = clock_timestamp() WHERE state = 'REQUESTED'")
ROUNDS_MAX = 40
ATTEMPTS_MAX = 5


@dataclass
class Pipeline:
    """The services' processes. `owners` reads the outboxes as the relay does; the services' roles may not."""

    urls: dict[str, URL]
    owners: dict[str, Engine]
    gateway_url: str
    points: Points = field(default_factory=Points)

    def __post_init__(self) -> None:
        self.app = self.open_api()
        self.engines = {
            name: create_engine(url, pool_size=2, pool_pre_ping=True) for name, url in self.urls.items()
        }
        for name, engine in self.engines.items():
            self.points.watch(engine, name)
        self.start_anew()

    def open_api(self) -> Flask:
        app = create_app(WebSettings(self.urls["order"], (), "token"))
        self.points.watch(app.extensions["engine"], "api")
        return app

    def restart(self) -> None:
        """All processes, the API's among them: it remembers what it has looked up."""
        self.app.extensions["engine"].dispose()
        self.app = self.open_api()
        self.start_anew()

    def start_anew(self) -> None:
        """What workers know at their start: nothing."""
        self.offsets = dict.fromkeys(CONSUMERS, 0)
        self.processors = {n: BatchProcessor(self.engines[n], CONSUMERS[n]) for n in CONSUMERS}
        gateway = HttpGateway(self.gateway_url, 1)
        self.executor = Executor(self.engines["payment"], gateway, "crash", threading.Event())

    def close(self) -> None:
        for engine in [self.app.extensions["engine"], *self.engines.values()]:
            engine.dispose()

    def place(self, key: str, body: dict[str, Any]) -> str | None:
        """What a customer does, once; the order's id, or None where the answer was not good."""
        answer = self.app.test_client().post("/orders", json=body, headers={"Idempotency-Key": key})
        return answer.get_json()["order_id"] if answer.status_code == 201 else None

    def run(self, order_id: str) -> None:
        """Until nothing moves any more. Whatever is thrown goes through, as it would end a process."""
        for _ in range(ROUNDS_MAX):
            written = self.written(order_id)
            moved = [self.consume(name, written) for name in CONSUMERS]
            if not self.execute() and not any(moved):
                return
        raise AssertionError(f"order {order_id} does not come to rest")

    def written(self, order_id: str) -> list[Any]:
        """Every outbox row of the order, as the relay reads them."""
        rows = [row for owner in self.owners.values() for row in _rows(owner, order_id)]
        return sorted(rows, key=lambda row: row.id)

    def consume(self, name: str, written: list[Any]) -> bool:
        """One poll: process what is beyond the offset, then commit the offset."""
        records = _records(name, written)[self.offsets[name] :]
        if not records:
            return False
        self.processors[name].process(records)
        with self.points.around(f"{name}: offset commit"):
            self.offsets[name] += len(records)
        return True

    def execute(self) -> bool:
        """What the payment executor does, one call after the other."""
        intents = self.executor._claim(10)
        for intent in intents:
            with self.points.around(f"gateway: {intent.operation}"):
                result = call(self.executor.gateway, intent)
            self.executor._store_calls([result])
        return bool(intents)

    def recover(self, order_id: str) -> None:
        """What follows a crash: new processes, everything again, leases run out, a person redrives."""
        for _ in range(ATTEMPTS_MAX):
            with self.owners["payment"].begin() as connection:
                connection.execute(LEASES_END)
            self.start_anew()
            self.run(order_id)
            if not sum(
                redrive(self.engines[n], CONSUMERS[n], Wanted(key=order_id)).handled for n in CONSUMERS
            ):
                return
        raise AssertionError(f"what was parked for {order_id} cannot be handled")


def _rows(owner: Engine, order_id: str) -> Sequence[Any]:
    with owner.connect() as connection:
        return connection.execute(WRITTEN, {"key": order_id}).all()


def _records(reader: str, written: list[Any]) -> list[Delivery]:
    """What the relay would have brought to the topics that a service reads."""
    arrived = (row for row in written if row.topic in read_by(reader))
    return [_delivery(row, place) for place, row in enumerate(arrived)]


def _delivery(row: Any, place: int) -> Delivery:
    return Delivery(
        topic=row.topic,
        partition=0,
        offset=place,
        key=row.aggregateid,
        value=row.payload.encode(),
        headers={
            "ce_id": str(row.id),
            "ce_type": row.type,
            "ce_source": row.source,
            "traceparent": row.traceparent,
        },
    )

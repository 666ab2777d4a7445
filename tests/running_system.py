"""The whole system as a test sees it: over HTTP, through its databases and topics, and by its pids."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from sqlalchemy import Engine, create_engine, make_url, text

from contracts.services import AUDITOR_ROLE, SERVICE
from contracts.topics import ALL_TOPICS
from runtime.waiting import until
from stack import record
from stack.layout import ROOT, Layout

FINAL = {"COMPLETED", "FAILED", "OUT_OF_STOCK", "CANCELLED"}


@dataclass(frozen=True)
class Record:
    """A committed record, as an independent client reads it."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, str | None]


@dataclass
class RunningSystem:
    layout: Layout
    _engines: dict[str, Engine] = field(default_factory=dict)

    # ── as a customer

    def post(self, path: str, body: Any, service: str = "order", **options: Any) -> requests.Response:
        return requests.post(self.layout.url(service) + path, json=body, timeout=10, **options)

    def get(self, path: str, service: str = "order") -> Any:
        response = requests.get(self.layout.url(service) + path, timeout=10)
        response.raise_for_status()
        return response.json()

    def place(self, sku: str = "PIZZA", quantity: int = 1, token: str = "tok_ok") -> str:
        body = {"items": [{"sku": sku, "quantity": quantity}], "payment_token": token}
        response = self.post("/orders", body)
        assert response.status_code == 201, response.text
        return response.json()["order_id"]

    def final_status(self, order_id: str, within_seconds: float = 60) -> str:
        def final() -> str | None:
            status = self.get(f"/orders/{order_id}")["status"]
            return status if status in FINAL else None

        return until(
            final,
            within_seconds=within_seconds,
            what=f"order {order_id} to be final",
            retry_on=(requests.RequestException,),
        )

    @contextmanager
    def orders_flowing(self, per_second: float = 10) -> Iterator[list[str]]:
        """Orders are placed all the while, of every kind; answers with the ids of those accepted."""
        stop, accepted = threading.Event(), list[str]()

        def flow() -> None:
            kinds = [
                ("PIZZA", "tok_ok"),
                ("LAPTOP", "tok_ok"),
                ("PIZZA", "tok_declined"),
                ("SOLD-OUT", "tok_ok"),
            ]
            number = 0
            while not stop.wait(1 / per_second):
                sku, token = kinds[number % len(kinds)]
                number += 1
                try:
                    accepted.append(self.place(sku, 1, token))
                except (requests.RequestException, AssertionError):
                    continue  # not accepted, so nothing was promised

        thread = threading.Thread(target=flow, daemon=True)
        thread.start()
        try:
            yield accepted
        finally:
            stop.set()
            thread.join(timeout=15)

    # ── as an operator

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        return json.loads(done.stdout.splitlines()[-1])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `./run` command on this system."""
        command = [sys.executable, "-m", "stack", *arguments, "--state", str(self.layout.state)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    def node(self, name: str) -> record.NodeRecord:
        now = record.read_running(self.layout.state)
        assert now is not None, "the stack is gone"
        return next(node for node in now.nodes if node.name == name)

    def names(self, *kinds: str) -> list[str]:
        now = record.read_running(self.layout.state)
        assert now is not None
        return [node.name for node in now.nodes if node.kind in kinds]

    def kill(self, name: str) -> int:
        """kill -9, and the pid it had."""
        pid = self.node(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_back(self, name: str, dead_pid: int, within_seconds: float = 90) -> None:
        def back() -> bool:
            node = self.node(name)
            return node.state == "running" and node.pid not in {None, dead_pid}

        until(back, within_seconds=within_seconds, what=f"{name} to run again")

    def log(self, name: str) -> str:
        return (self.layout.logs / f"{name}.log").read_text()

    def tail_logs(self, name: str, lines: int = 30) -> str:
        return "\n".join(self.log(name).splitlines()[-lines:])

    # ── as an auditor

    def query(self, service: str, statement: str) -> list[tuple[Any, ...]]:
        with self._engine(service).connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def gateway_ledger(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while page := self.get(f"/operations?after={rows[-1]['number'] if rows else 0}", "gateway")[
            "operations"
        ]:
            rows += page
        return rows

    def records(self, topics: list[str]) -> list[Record]:
        """Everything committed in the topics, from the first record to the end."""
        return list(read_committed(self.layout.bootstrap_servers, topics))

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()

    def _engine(self, service: str) -> Engine:
        if service not in self._engines:
            url = make_url(self.layout.database_url(AUDITOR_ROLE, SERVICE[service].database))
            password = (self.layout.secrets / AUDITOR_ROLE).read_text().strip()
            self._engines[service] = create_engine(url.set(password=password), pool_pre_ping=True)
        return self._engines[service]


def read_committed(servers: str, topics: list[str], within_seconds: float = 60) -> Iterator[Record]:
    """Read with a client that shares no code with the services' own."""
    partitions = {
        (topic.name, number)
        for topic in ALL_TOPICS
        if topic.name in topics
        for number in range(topic.partitions)
    }
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "an-independent-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for name, number in partitions])
    give_up = _after(within_seconds)
    try:
        while partitions:
            assert not give_up(), f"the end of {partitions} was not reached"
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error() is None:
                yield _record(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                partitions.discard((message.topic(), message.partition()))
            else:
                assert message.error().retriable(), message.error()
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    headers = {name: value and value.decode() for name, value in message.headers() or []}
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        (message.key() or b"").decode(),
        message.value() or b"",
        headers,
    )


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end

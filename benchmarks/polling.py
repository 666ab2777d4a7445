"""Reading records from brokers and doing nothing with them: what a consumer in Python can do at most."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from confluent_kafka import Producer
from rich.console import Console

from benchmarks.system import Figures
from contracts.services import INVENTORY
from messaging.clients import KafkaConsumer
from messaging.envelope import Delivery
from messaging.polling import RECORDS_PER_BATCH, connect_consumer
from runtime.errors import NeverlostError
from runtime.waiting import until
from stack import launch, prey

JOIN_SECONDS_MAX, SEND_SECONDS_MAX, READ_SECONDS_MAX = 30.0, 60.0, 120.0
# With these nodes, and what they wait for, there are three brokers that have our topics, and nothing else.
BROKERS_ALONE = ("topics",)


@dataclass(frozen=True, slots=True)
class Records:
    """Brokers whose topic holds so many records."""

    servers: str
    topic: str
    count: int

    def read_all(self) -> Figures:
        """Every record from the first on, as a member of the service's group, by polls as a worker's."""
        consumer = connect_consumer(self.servers.split(","), INVENTORY.name, (self.topic,))
        try:
            _join(consumer)
            began, spent = time.perf_counter(), time.process_time()
            self._read(consumer, until_then=began + READ_SECONDS_MAX)
            took, spent = time.perf_counter() - began, time.process_time() - spent
        finally:
            consumer.close(autocommit=False)
        return {"events_a_second": self.count / took, "cpu_us_an_event": spent / self.count * 1e6}

    def _read(self, consumer: KafkaConsumer, until_then: float) -> None:
        left = self.count
        while left > 0:
            if time.perf_counter() > until_then:
                raise NeverlostError(f"{left} of {self.count} records have not come")
            polled = consumer.poll(timeout_ms=500, max_records=RECORDS_PER_BATCH)
            left -= sum(map(len, polled.values()))


@contextmanager
def brokers_with(deliveries: Sequence[Delivery]) -> Iterator[Records]:
    """Three brokers of their own, as a stack has them, with these records in their topic."""
    with launch.temporary("polling") as wish:
        alone = replace(wish, only=BROKERS_ALONE)
        with launch.running(alone, Console(stderr=True)) as started:
            servers = prey.direct_servers(prey.layout_of(wish.state, started))
            _send(servers, deliveries)
            yield Records(servers, deliveries[0].topic, len(deliveries))


def _send(servers: str, deliveries: Sequence[Delivery]) -> None:
    producer = Producer({"bootstrap.servers": servers, "acks": "all", "linger.ms": 20})
    for each in deliveries:
        producer.produce(each.topic, each.value, each.key, headers=dict(each.headers))
        producer.poll(0)
    if left := producer.flush(SEND_SECONDS_MAX):
        raise NeverlostError(f"{left} records could not be written")


def _join(consumer: KafkaConsumer) -> None:
    """Wait until the group has given it its partitions, and begin at their first record."""

    def has_joined() -> bool:
        consumer.poll(timeout_ms=100)
        return bool(consumer.assignment())

    until(has_joined, within_seconds=JOIN_SECONDS_MAX, what="the group", every_seconds=0.01)
    consumer.seek_to_beginning()

"""How far a connector has come, as Connect has it stored in Kafka."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import UnknownTopicOrPartitionError

from contracts.services import Service
from runtime.waiting import until

# The worker's topic comes second where a connector has one of its own; Connect reads and writes both. What is
# taken back in the first is not looked for in the second, as in Connect's ConnectorOffsetBackingStore.
_WORKERS_TOPIC = "connect-offsets"
_READ_SECONDS_MAX = 60


def stored_offset(service: Service, servers: Sequence[str]) -> dict[str, Any] | None:
    """The position that the service's connector would go on from; None when it has none.

    Read from the topics themselves. `GET /connectors/{name}/offsets` would say the same, but only with
    a worker running and the connector registered, and a lost slot is just when that may not be so.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=list(servers),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        request_timeout_ms=15_000,
    )
    try:
        for topic in (service.offsets_topic, _WORKERS_TOPIC):
            if told := list(offsets_of(service.connector, _records(consumer, topic))):
                return told[-1]
    finally:
        consumer.close()
    return None


def offsets_of(
    connector: str, records: Iterable[tuple[bytes, bytes | None]]
) -> Iterator[dict[str, Any] | None]:
    """Every offset that a topic tells of the connector; None, an empty value, takes back what was before."""
    for key, value in records:
        if json.loads(key)[0] == connector:
            yield json.loads(value) if value else None


def _records(consumer: KafkaConsumer, topic: str) -> Iterator[tuple[bytes, bytes | None]]:
    """Every record of the topic as it is now.

    A topic that is not there, or not known to the broker yet, must not be taken for one without offsets.
    """
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    if not partitions:
        raise UnknownTopicOrPartitionError(topic)
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    read: list[Any] = []

    def at_end() -> bool:
        for records in consumer.poll(timeout_ms=500).values():
            read.extend(records)
        return all(consumer.position(partition) >= ends[partition] for partition in partitions)

    until(at_end, within_seconds=_READ_SECONDS_MAX, every_seconds=0, what=f"the end of topic {topic}")
    yield from ((record.key, record.value) for record in read)

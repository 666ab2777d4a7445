"""How far a connector has come, as Connect has it stored in Kafka."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import UnknownTopicOrPartitionError

from connect import cluster
from contracts.services import Service
from messaging.clients import KafkaConsumer, connected
from runtime.errors import WaitedTooLong
from runtime.waiting import until

# The worker's topic comes second where a connector has one of its own; Connect reads and writes both. What is
# taken back in the first is not looked for in the second, as in Connect's ConnectorOffsetBackingStore.
_WORKERS_TOPIC = "connect-offsets"
_READ_SECONDS_MAX = 60
_SETTLED_SECONDS_MAX = 3


@dataclass(frozen=True, slots=True)
class Stored:
    """A position, or None; a transaction that is open in its topic may hide a newer one."""

    offset: Mapping[str, Any] | None
    is_newest: bool


def stored_offset(service: Service, servers: Sequence[str]) -> Stored:
    """The position that the service's connector would go on from; None when it has none.

    Read from the topics themselves. `GET /connectors/{name}/offsets` would say the same, but only with
    a worker running and the connector registered, and a lost slot is just when that may not be so.
    """
    consumer = connected(
        KafkaConsumer,
        servers,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        request_timeout_ms=15_000,
    )
    try:
        is_newest = True
        for topic in (service.offsets_topic, _WORKERS_TOPIC):
            is_newest &= _is_settled(consumer, topic, servers)
            if told := list(offsets_of(service.connector, _records(consumer, topic))):
                return Stored(told[-1], is_newest)
    finally:
        consumer.close()
    return Stored(None, is_newest)


def _is_settled(consumer: KafkaConsumer, topic: str, servers: Sequence[str]) -> bool:
    """Whether every transaction that is open there now has ended; a relay's own do so in a moment."""
    partitions = _partitions(consumer, topic)
    admin = cluster.connect(servers)
    try:
        ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    finally:
        admin.close()

    def has_ended() -> bool:
        stable = consumer.end_offsets(partitions)
        return all(stable[partition] >= end.offset for partition, end in ends.items())

    try:
        return until(has_ended, within_seconds=_SETTLED_SECONDS_MAX, what=f"transactions in {topic} to end")
    except WaitedTooLong:
        return False


def offsets_of(
    connector: str, records: Iterable[tuple[bytes, bytes | None]]
) -> Iterator[dict[str, Any] | None]:
    """Every offset that a topic tells of the connector; None, an empty value, takes back what was before."""
    for key, value in records:
        if json.loads(key)[0] == connector:
            yield json.loads(value) if value else None


def _records(consumer: KafkaConsumer, topic: str) -> Iterator[tuple[bytes, bytes | None]]:
    """Every committed record of the topic as it is now."""
    partitions = _partitions(consumer, topic)
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


def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """A topic that is not there, or not known yet, must not be taken for one without offsets."""
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    if not partitions:
        raise UnknownTopicOrPartitionError(topic)
    return partitions

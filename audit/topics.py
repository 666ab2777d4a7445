"""What the auditor reads in Kafka: every committed record of every message topic, once.

With a client that shares no code with the services' own, so that a fault of theirs cannot hide itself.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from audit.digest import of_record
from contracts.topics import CANARY, MESSAGE_TOPICS, read_by
from runtime.errors import NeverlostError

TOPICS = tuple(topic.name for topic in (*MESSAGE_TOPICS, CANARY))
SECONDS_MAX = 10.0
# Of a key or a source; ours are shorter, and an index takes no more than 2,700 bytes of one.
TEXT_MAX = 200

Place = tuple[str, int]


class TopicsUnreadable(NeverlostError):  # noqa: N818 - it says what happened
    """Kafka does not answer, or has no such topic."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record. `event_id` is None when it has none that an outbox could have given it."""

    topic: str
    partition: int
    offset: int
    event_id: UUID | None
    key: str
    sequence: int
    source: str
    digest: bytes
    appended_at: datetime


class Cluster:
    """Questions to the brokers that no consumer answers."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = ",".join(servers)
        self._admin = AdminClient({"bootstrap.servers": self._servers})

    def topic_ids(self) -> dict[str, str]:
        """Kafka's own id of each topic that is there."""
        asked = self._admin.describe_topics(TopicCollection(list(TOPICS)), request_timeout=SECONDS_MAX)
        found = {}
        for name, answer in asked.items():
            if (error := answer.exception(SECONDS_MAX)) is None:
                found[name] = str(answer.result().topic_id)
            elif not _is_missing(error):
                raise TopicsUnreadable(f"topic {name}: {error}")
        return found

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset behind the last record of each partition, whether or not its transaction has ended."""
        return self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def begins(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset of the oldest record that each partition still has."""
        return self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def _offsets(self, places: Iterable[Place], which: Any) -> dict[Place, int]:
        wanted = {TopicPartition(*place): which for place in places}
        asked = self._admin.list_offsets(wanted, request_timeout=SECONDS_MAX) if wanted else {}
        return {(at.topic, at.partition): answer.result(SECONDS_MAX).offset for at, answer in asked.items()}

    def positions(self, group: str) -> dict[Place, int]:
        """How far a consumer group has committed, in the topics that it must see; without joining it.

        Not by the admin client: its question for a group has ended the process, after a time-out.
        """
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": group})
        try:
            found = consumer.committed(_partitions(group), timeout=SECONDS_MAX)
        finally:
            consumer.close()
        return {(at.topic, at.partition): at.offset for at in found if at.offset != OFFSET_INVALID}


def _partitions(group: str) -> list[TopicPartition]:
    partitions = {topic.name: topic.partitions for topic in MESSAGE_TOPICS}
    return [TopicPartition(name, number) for name in read_by(group) for number in range(partitions[name])]


class TopicReader:
    """Goes through all partitions from where it is told to start; never joins a group."""

    def __init__(self, servers: Sequence[str], starts: Mapping[Place, int]) -> None:
        self.reached = dict(starts)
        self._consumer = Consumer(
            {
                "bootstrap.servers": ",".join(servers),
                "group.id": "auditor",  # the client wants one; nothing is ever committed under it
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 16_384,
            }
        )
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])

    def read(self, ends: Mapping[Place, int], most: int, within_seconds: float) -> list[Arrival]:
        """Up to `most` records or a little more; fewer once every partition was read up to `ends`."""
        arrivals: list[Arrival] = []
        give_up_at = time.monotonic() + within_seconds
        while len(arrivals) < most and time.monotonic() < give_up_at and not self.has_reached(ends):
            messages: list[Any] = self._consumer.consume(min(most, 2000), timeout=0.1)
            for message in messages:
                if (error := message.error()) is None:
                    arrivals.append(_arrival(message))
                    self.reached[message.topic(), message.partition()] = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name for it
                    self.reached[message.topic(), message.partition()] = message.offset()
                elif not error.retriable():
                    raise TopicsUnreadable(str(error))
        return arrivals

    def has_reached(self, ends: Mapping[Place, int], topic: str | None = None) -> bool:
        """Whether everything before `ends` was read: of a topic, or of all."""
        return all(
            self.reached.get(place, 0) >= end for place, end in ends.items() if topic in {None, place[0]}
        )

    def close(self) -> None:
        self._consumer.close()


def _arrival(message: Any) -> Arrival:
    """Nothing in a record is trusted to be there or to be what it should be."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or ()}
    topic = message.topic()
    sequence = headers.get("sequence", "")
    return Arrival(
        topic=topic,
        partition=message.partition(),
        offset=message.offset(),
        event_id=_uuid(headers.get("ce_id", "")),
        key=_text((message.key() or b"").decode("utf-8", "replace")),
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 19 else 0,
        source=_text(headers.get("ce_source", "")),
        digest=of_record(topic, headers, message.value() or b""),
        appended_at=datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
    )


def _text(text: str) -> str:
    """As a database takes it."""
    return text.replace("\x00", "\ufffd")[:TEXT_MAX]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _is_missing(error: Any) -> bool:
    told = error.args[0] if error.args else None
    return isinstance(told, KafkaError) and told.code() == KafkaError.UNKNOWN_TOPIC_OR_PART

"""The topics as a client reads them that shares no code with the services' own."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from chaos.rows import Position, Record
from contracts.topics import ALL_TOPICS
from runtime.errors import WaitedTooLong
from runtime.waiting import until

POSITIONS_SECONDS_MAX = 30.0
_PARTITIONS = {topic.name: topic.partitions for topic in ALL_TOPICS}
_SETTINGS = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
    # Brokers that are away are no news here: whoever waits for them in vain is told.
    "log_level": 2,
}
# Everything else, such as a broker that is away, passes.
_HOPELESS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - its public name
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
}


class TopicReader:
    """Reads topics from their first record on, each time as far as their end is then."""

    def __init__(self, servers: str, topics: Sequence[str], isolation: str = "read_committed") -> None:
        self._topics = topics
        settings = {"bootstrap.servers": servers, "group.id": "an-independent-reader"}
        self._consumer = Consumer({**_SETTINGS, **settings, "isolation.level": isolation})
        self._next: dict[tuple[str, int], int] = dict.fromkeys(_places(topics), OFFSET_BEGINNING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def to_the_end(self, within_seconds: float) -> Iterator[Record]:
        """What came since the last call. Raises WaitedTooLong where an end is not reached in time."""
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._next.items()])
        unread, give_up = set(self._next), time.monotonic() + within_seconds
        while unread:
            if time.monotonic() > give_up:
                raise WaitedTooLong(f"the end of {sorted(unread)} was not reached in {within_seconds:g} s")
            for message in self._consumer.consume(1000, 0.5):
                record, error = _record(message), message.error()
                place = record.topic, record.partition
                if error is None:
                    self._next[place] = record.offset + 1
                    yield record
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    unread.discard(place)
                elif error.fatal() or error.code() in _HOPELESS:
                    raise KafkaException(error)


def count_records(servers: str, topics: Sequence[str], within_seconds: float) -> Counter[str]:
    """How many records each topic holds, those of aborted transactions too."""
    with TopicReader(servers, topics, "read_uncommitted") as reader:
        return Counter(record.topic for record in reader.to_the_end(within_seconds))


def committed_positions(servers: str, group: str, topics: Sequence[str]) -> list[Position]:
    """How far a group has committed; without joining it. Its coordinator may just be moving."""
    consumer = Consumer({**_SETTINGS, "bootstrap.servers": servers, "group.id": group})
    try:
        found = until(
            lambda: consumer.committed([TopicPartition(*place) for place in _places(topics)], timeout=10),
            within_seconds=POSITIONS_SECONDS_MAX,
            what=f"how far {group} has come",
            retry_on=(KafkaException,),
        )
    finally:
        consumer.close()
    return [Position(group, p.topic, p.partition, p.offset) for p in found if p.offset != OFFSET_INVALID]


def _places(topics: Sequence[str]) -> list[tuple[str, int]]:
    return [(topic, number) for topic in topics for number in range(_PARTITIONS[topic])]


def _record(message: Any) -> Record:
    """A message as a record; of one that only carries an error, the place counts."""
    headers = {name: value.decode(errors="replace") for name, value in message.headers() or [] if value}
    return Record(
        topic=message.topic() or "",
        partition=-1 if message.partition() is None else message.partition(),
        offset=-1 if message.offset() is None else message.offset(),
        key=(message.key() or b"").decode(errors="replace"),
        id=headers.get("ce_id", ""),
        type=headers.get("ce_type", ""),
        source=headers.get("ce_source", ""),
        saga_id=headers.get("saga_id"),
        sequence=headers.get("sequence", ""),
        digest=hashlib.sha256(message.value() or b"").hexdigest(),
        at=message.timestamp()[1] / 1000,
    )

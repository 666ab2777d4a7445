"""When each record of a topic became visible to a read_committed reader, to the millisecond."""

import threading
import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from contracts.topics import PARTITIONS
from runtime.waiting import until

OFFSET_SECONDS_MAX = 10.0
_SETTINGS = {
    "group.id": "a-reader",
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "reconnect.backoff.max.ms": 200,
    "log_level": 2,
}


class Reader:
    """Reads one topic of messages on a thread of its own, every record that is written from now on."""

    def __init__(self, servers: str, topic: str) -> None:
        self._consumer = Consumer({**_SETTINGS, "bootstrap.servers": servers})
        self._topic = topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        # By key, of the monotonic clock; the keys of a benchmark come once.
        self.came: dict[str, float] = {}
        self.repeats = 0

    def __enter__(self) -> Self:
        self._consumer.assign([self._end(number) for number in range(PARTITIONS)])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def until_came(self, number: int, within_seconds: float) -> None:
        """Wait until so many records have come since the reader began."""
        until(
            lambda: len(self.came) >= number,
            within_seconds=within_seconds,
            what=f"{number} records of {self._topic}",
            every_seconds=0.02,
        )

    def _end(self, number: int) -> TopicPartition:
        """Asked for now: an end that is looked up later may lie behind the first record.

        It is asked for again where a topic is so new that its leader has not heard of it.
        """
        partition = TopicPartition(self._topic, number)
        _, end = until(
            lambda: self._consumer.get_watermark_offsets(partition, OFFSET_SECONDS_MAX),
            within_seconds=OFFSET_SECONDS_MAX,
            what=f"the end of {self._topic}",
            retry_on=(KafkaException,),
        )
        return TopicPartition(self._topic, number, end)

    def _read(self) -> None:
        while not self._stop.is_set():
            # One at a time: asked for several, it would wait for the last of them.
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            key = (message.key() or b"").decode()
            self.repeats += key in self.came
            self.came.setdefault(key, time.monotonic())

"""The message worker's loop: poll, process, and now and then commit the offsets."""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from kafka import OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError, KafkaError
from kafka.structs import MemberState

from messaging import metrics
from messaging.batch import BatchProcessor
from messaging.clients import KafkaConsumer
from messaging.envelope import Delivery
from messaging.errors import is_messages_own
from messaging.partitions import PartitionKeeper
from runtime import redaction
from runtime.waiting import Backoff

log = structlog.get_logger(__name__)

RECORDS_PER_BATCH = 500
SEE_EVERY_SECONDS = 1.0
# A commit of offsets costs the brokers as much as a batch of messages.
BOOKMARK_EVERY_SECONDS = 1.0
# A worker that is asked to stop has ten seconds in all.
BOOKMARK_MILLISECONDS_MAX = 3_000
# A member of a settled group that has no partition for so long is, as a rule, one more than there are.
SPARE_SECONDS = 5.0
KEY_CHARACTERS_MAX = 200  # an order id has 36; what is longer is parked, under a key that an index takes
POLL_SECONDS_MAX = 120
# How long a batch is tried while the database fails; then the process ends, before its group gives it up.
RETRY_SECONDS_MAX = 60.0
_PAUSES = Backoff(first_seconds=0.1, most_seconds=5.0)

Records = Mapping[TopicPartition, Sequence[Any]]


def connect_consumer(bootstrap_servers: Sequence[str], service: str, topics: Sequence[str]) -> KafkaConsumer:
    """A member of the service's group, every setting that our promise rests on said aloud."""
    consumer = KafkaConsumer(
        bootstrap_servers=list(bootstrap_servers),
        client_id=f"{service}-worker",
        group_id=service,
        enable_auto_commit=False,  # the offset follows the database commit
        auto_offset_reset="none",  # a lost position stops us loudly; new groups are placed beforehand
        isolation_level="read_committed",  # the relay writes in transactions, some of which it aborts
        allow_auto_create_topics=False,
        partition_assignment_strategy=[CooperativeStickyAssignor],
        session_timeout_ms=3_000,
        heartbeat_interval_ms=500,
        max_poll_interval_ms=POLL_SECONDS_MAX * 1000,
        max_poll_records=RECORDS_PER_BATCH,
        max_partition_fetch_bytes=1 << 20,
        fetch_max_bytes=8 << 20,
        fetch_max_wait_ms=500,
        fetch_min_bytes=1,
        request_timeout_ms=10_000,
        reconnect_backoff_ms=50,
        reconnect_backoff_max_ms=1_000,
        metadata_max_age_ms=30_000,
    )
    _wait_for_pending_joins(consumer)
    consumer.subscribe(list(topics))
    return consumer


def _wait_for_pending_joins(consumer: KafkaConsumer) -> None:
    """Let a poll go on with the join that an earlier one left under way, whyever it was begun.

    kafka-python 3.0.12 forgets one that was begun because a topic's partitions became known or changed, if it
    outlasts its poll: then the member has no assignment, sends no heartbeats, and never joins again. The Java
    consumer asks for both as we do here (`rejoinNeededOrPending`).
    """
    coordinator = consumer._coordinator  # noqa: SLF001 - nothing public reaches it
    needs_to_join = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: coordinator._join_task is not None or needs_to_join()  # noqa: SLF001


class MessageWorker:
    """Feeds a batch processor from Kafka until it is asked to stop."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        processor: BatchProcessor,
        keeper: PartitionKeeper,
        stop: threading.Event,
        watches: frozenset[str] = frozenset(),
    ) -> None:
        self._consumer = consumer
        self._processor = processor
        self._keeper = keeper
        self._stop = stop
        self._watches = watches
        self._seen: set[str] = set()
        self._saw_at = 0.0
        self._places: dict[TopicPartition, OffsetAndMetadata] = {}
        self._bookmarked_at = 0.0
        self._polled_at = 0.0
        self._joined = False
        self._settled_at: float | None = None

    def run(self) -> None:
        """Work until stopped, finish the batch in hand, leave the group in peace."""
        try:
            while not self._stop.is_set():
                self._keeper.keep()
                records = self._consumer.poll(timeout_ms=500, max_records=RECORDS_PER_BATCH)
                self._polled_at = time.monotonic()
                self._joined = self._joined or self._is_taken_in()
                if records:
                    self._work(records)
                if time.monotonic() - self._bookmarked_at >= BOOKMARK_EVERY_SECONDS:
                    self._bookmark()
        finally:
            try:
                self._bookmark()
            finally:
                self._consumer.close(autocommit=False)

    def problems(self) -> dict[str, str]:
        """Why this worker is not ready; empty when it is."""
        if not self._joined:
            return {"group": "it has not been taken in yet"}
        silent = time.monotonic() - self._polled_at
        return {"poll": f"the last poll was {silent:.0f} s ago"} if silent > 30 else {}

    def _is_taken_in(self) -> bool:
        """Whether the group has given it partitions, or has settled without: then it is a spare.

        Where a topic is missing a group settles too, and shares out nothing.
        """
        if self._consumer.assignment():
            return True
        settled = self._consumer.group_metadata().state is MemberState.STABLE
        if not settled or not self._consumer.subscription() <= self._known_topics():
            self._settled_at = None
            return False
        self._settled_at = self._settled_at or self._polled_at
        return self._polled_at - self._settled_at >= SPARE_SECONDS

    def _known_topics(self) -> set[str]:
        """What the client knows anyway: to ask KafkaConsumer would wait for brokers, and without an end."""
        known: set[str] = self._consumer._cluster.topics()  # noqa: SLF001
        return known

    def _work(self, records: Records) -> None:
        watched = {partition for partition in records if partition.topic in self._watches}
        self._watch({partition.topic for partition in watched})
        messages = [delivery(r) for p, batch in records.items() if p not in watched for r in batch]
        if not messages or self._process(messages):
            self._pass(records)

    def _watch(self, topics: set[str]) -> None:
        """Pass on which topics gave a sign of life, once a second at most."""
        self._seen |= topics
        if self._seen and time.monotonic() - self._saw_at >= SEE_EVERY_SECONDS:
            self._processor.see(sorted(self._seen))
            self._seen, self._saw_at = set(), time.monotonic()

    def _process(self, deliveries: Sequence[Delivery]) -> bool:
        """Whether it was done; not, when we were asked to stop while the database could not be used."""
        consumer, began = self._processor.service, time.monotonic()
        give_up_at = began + RETRY_SECONDS_MAX
        for attempt in itertools.count():
            try:
                self._processor.process(deliveries)
                break
            except Exception as error:
                if is_messages_own(error) or time.monotonic() > give_up_at:
                    raise
                log.warning(
                    "the batch is tried again", records=len(deliveries), reason=redaction.explain(error)
                )
                metrics.BATCH_RETRIES.labels(consumer).inc()
            if self._stop.wait(_PAUSES.pause(attempt)):
                return False
        metrics.BATCH_MESSAGES.labels(consumer).observe(len(deliveries))
        metrics.BATCH_SECONDS.labels(consumer).observe(time.monotonic() - began)
        return True

    def _pass(self, records: Records) -> None:
        """Remember where the next bookmark goes."""
        self._places |= {
            partition: OffsetAndMetadata(batch[-1].offset + 1, "", batch[-1].leader_epoch)
            for partition, batch in records.items()
        }

    def _bookmark(self) -> None:
        """Commit how far this worker is in what is its own: what comes again the inbox knows.

        A partition that has gone to another worker is that one's to commit.
        """
        mine = self._consumer.assignment()
        offsets = {partition: place for partition, place in self._places.items() if partition in mine}
        self._places, self._bookmarked_at = {}, time.monotonic()
        if not offsets:
            return
        try:
            self._consumer.commit(offsets, timeout_ms=BOOKMARK_MILLISECONDS_MAX)
        except (CommitFailedError, KafkaError) as error:
            self._places = offsets | self._places
            log.warning("offsets were not committed", reason=redaction.explain(error))
            metrics.OFFSET_COMMITS.labels(self._processor.service, "failed").inc()
        else:
            metrics.OFFSET_COMMITS.labels(self._processor.service, "taken").inc()


def delivery(record: Any) -> Delivery:
    """A Kafka record as a delivery; nothing in it is trusted to be there or to be text."""
    return Delivery(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=_text(record.key)[:KEY_CHARACTERS_MAX],
        value=record.value or b"",
        headers={_clean(name): _text(value) for name, value in record.headers or ()},
    )


def _text(raw: bytes | None) -> str:
    return "" if raw is None else _clean(raw.decode("utf-8", "replace"))


def _clean(text: str) -> str:
    """Without NUL, which the database takes in no text."""
    return text.replace("\x00", "�")

"""What a message worker tells of its batches, once they are committed: nothing counts that was undone."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from enum import StrEnum

from prometheus_client import Counter, Histogram

from contracts.messages import MESSAGES
from messaging.envelope import Delivery


class Outcome(StrEnum):
    """What became of a message that was delivered."""

    HANDLED = "handled"
    DUPLICATE = "duplicate"  # the inbox knew it
    PARKED = "parked"
    QUEUED = "queued"  # behind one of its key that is parked
    STRAY = "stray"  # it has no id that the inbox could judge


BATCH_MESSAGES = Histogram(
    "neverlost_batch_messages",
    "Messages in a batch",
    ["consumer"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
BATCH_SECONDS = Histogram(
    "neverlost_batch_duration_seconds",
    "Time from a batch's arrival to its commit, with every try",
    ["consumer"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
BATCH_RETRIES = Counter(
    "neverlost_batch_retries_total",
    "Times that a batch was tried again, as the database failed",
    ["consumer"],
)
OFFSET_COMMITS = Counter(
    "neverlost_offset_commits_total",
    "Commits of offsets, by whether Kafka took them",
    ["consumer", "outcome"],
)
_MESSAGES = Counter(
    "neverlost_messages_total",
    "Messages that were delivered, by what became of them",
    ["consumer", "type", "outcome"],
)


def count_messages(consumer: str, became: Mapping[Outcome, Sequence[Delivery]]) -> None:
    """A type that is none of ours is told as `other`: a record says what it likes."""
    for outcome, deliveries in became.items():
        for kind, number in Tally(each.type for each in deliveries).items():
            _MESSAGES.labels(consumer, kind if kind in MESSAGES else "other", outcome).inc(number)

"""How far each consumer is behind in each topic, and where that goes: figures and a line. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.services import SERVICES
from contracts.topics import MESSAGE_TOPICS, read_by
from dashboard.alarms import LATE_SECONDS
from dashboard.history import Sample, lags
from dashboard.sentences import Tone
from monitor.readings import Audit, Waiting

TREND_SECONDS = 300.0
# The markers of transactions: what a consumer that has read everything may still show.
NOISE = 10


@dataclass(frozen=True, slots=True)
class Behind:
    """One consumer in one topic. None is what is not known."""

    consumer: str
    topic: str
    unread: Waiting | None
    offsets: int | None
    trend: str
    line: str  # points in a box of 100 by 20

    @property
    def tone(self) -> Tone:
        late = self.unread is not None and self.unread.oldest_seconds > LATE_SECONDS
        return Tone.WARNING if late or self.unread is None else Tone.GOOD


@dataclass(frozen=True, slots=True)
class Written:
    """One topic: who writes it, who must see it, and what of it still stands in the outbox alone."""

    name: str
    writer: str
    readers: tuple[str, ...]
    partitions: int
    awaited: Waiting | None


def behind(samples: list[Sample]) -> list[Behind]:
    """Every consumer in every topic that it must see."""
    audit = samples[-1].readings.audit if samples else None
    unread = audit.unread if isinstance(audit, Audit) else None
    return [
        _behind(samples, unread, service.name, topic)
        for service in SERVICES
        for topic in read_by(service.name)
    ]


def _behind(
    samples: list[Sample], unread: Mapping[tuple[str, str], Waiting] | None, consumer: str, topic: str
) -> Behind:
    known = [point for point in lags(samples, (consumer, topic)) if point[0] >= -TREND_SECONDS]
    waiting = unread.get((consumer, topic), Waiting()) if unread is not None else None
    offsets = known[-1][1] if known else None
    return Behind(consumer, topic, waiting, offsets, trend([lag for _, lag in known]), line(known))


def trend(found: list[int]) -> str:
    """Whether it grew, by the middle of the first third against that of the last."""
    third = len(found) // 3
    if third == 0:
        return "not known yet"
    before, after = sorted(found[:third])[third // 2], sorted(found[-third:])[third // 2]
    if abs(after - before) <= NOISE:
        return "steady"
    return "growing" if after > before else "shrinking"


def line(points: list[tuple[float, int]]) -> str:
    """The points of a polyline, the newest at the right; the highest touches the top."""
    if len(points) < 2:
        return ""
    most = max(NOISE, *(lag for _, lag in points))
    return " ".join(
        f"{100 * (1 + max(-TREND_SECONDS, at) / TREND_SECONDS):.1f},{19 - 18 * lag / most:.1f}"
        for at, lag in points
    )


def topics(samples: list[Sample]) -> list[Written]:
    audit = samples[-1].readings.audit if samples else None
    awaited = audit.awaited if isinstance(audit, Audit) else None
    return [
        Written(
            topic.name,
            topic.writer,
            topic.readers,
            topic.partitions,
            awaited.get((topic.writer, topic.name), Waiting()) if awaited is not None else None,
        )
        for topic in MESSAGE_TOPICS
    ]

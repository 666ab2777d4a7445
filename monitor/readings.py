"""What is read of a running system: plain values, and a `Silence` where a part did not answer.

What may wait is there with a zero where nothing of it waits, as far as its kinds are known beforehand: a
figure falls to nothing, and does not vanish.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connect.health import ConnectorStatus
from doctor.facts import Silence


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of something wait, and for how long the oldest of them has."""

    count: int = 0
    oldest_seconds: float = 0.0


def together(waiting: Iterable[Waiting]) -> Waiting:
    """All of them as one."""
    known = list(waiting)
    return Waiting(sum(w.count for w in known), max((w.oldest_seconds for w in known), default=0.0))


@dataclass(frozen=True, slots=True)
class Audit:
    """What the auditor knows: its newest round, and what is still under way.

    `verdict` is grey where the round is too old to say anything. `invariants` are whether each holds.
    `age_seconds` is how long ago that round began; None where there was none yet.
    """

    verdict: str
    reasons: Sequence[str] = ()
    age_seconds: float | None = None
    checked: int = 0
    invariants: Mapping[str, bool] = field(default_factory=dict)
    findings: Mapping[str, int] = field(default_factory=dict)  # lost, late, phantom, …: how many
    awaited: Mapping[tuple[str, str], Waiting] = field(default_factory=dict)  # by service and topic
    unread: Mapping[tuple[str, str], Waiting] = field(default_factory=dict)  # by consumer and topic


@dataclass(frozen=True, slots=True)
class Slot:
    """A relay's slot. `keep_bytes` and `safe_bytes` are None where Postgres keeps as much as it takes.

    `seconds_to_full`: when the slot is lost if it goes on like this; None where it does not grow, or was not
    watched for long enough.
    """

    active: bool
    wal_status: str
    lag_bytes: int
    retained_bytes: int
    keep_bytes: int | None = None
    safe_bytes: int | None = None
    seconds_to_full: float | None = None

    @property
    def share(self) -> float:
        """How much of what Postgres may keep for it is used up: 0 to 1, and 0 where nothing bounds it."""
        return self.retained_bytes / self.keep_bytes if self.keep_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Database:
    """One service's database. `beat_seconds` is how long ago its relay last wrote there; `slot` may be gone.

    Dead letters are by consumer and by kind: the class of what failed, `queued` or `stray`.
    """

    slot: Slot | None
    beat_seconds: float | None
    days_ahead: int
    dead_letters: Mapping[tuple[str, str], Waiting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sagas:
    """Sagas that have not ended: by status, and by status and what they wait for; since they last moved.

    One that waits for two steps stands in both. `overdue_seconds` is for how long the oldest deadline has
    passed without anybody looking. `heard_seconds` is how long ago the order service last saw each relay's
    beat come through Kafka.
    """

    by_status: Mapping[str, Waiting] = field(default_factory=dict)
    by_step: Mapping[tuple[str, str], Waiting] = field(default_factory=dict)
    overdue_seconds: float = 0.0
    heard_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def needing_attention(self) -> Waiting:
        return self.by_status.get("NEEDS_ATTENTION", Waiting())


@dataclass(frozen=True, slots=True)
class Connect:
    """Kafka Connect: whether each worker answers, by its address, and every connector with its tasks.

    `connectors` is None where no worker tells; one that should be there and is not, is missing in it.
    """

    workers: Mapping[str, bool]
    connectors: Mapping[str, ConnectorStatus] | None


# By consumer and topic: how many offsets lie between a group's position and the end. Some are the markers of
# transactions and no messages: a consumer that has read everything may show one or two a partition.
Lag = Mapping[tuple[str, str], int]

# Calls to the gateway that must be made: by operation, and `waiting` (never tried), `leased` (being made) or
# `unknown` (tried, without an answer).
Intents = Mapping[tuple[str, str], Waiting]


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything an operator must know, as it was at `taken_at`; `seconds` is how long the reading took."""

    taken_at: datetime
    seconds: float
    audit: Audit | Silence
    databases: Mapping[str, Database | Silence]
    sagas: Sagas | Silence
    intents: Intents | Silence
    connect: Connect | Silence
    lag: Lag | Silence

    def parts(self) -> Mapping[str, object]:
        """Every part by the name of its source."""
        databases = {f"database {name}": part for name, part in self.databases.items()}
        return {
            "audit": self.audit,
            **databases,
            "sagas": self.sagas,
            "intents": self.intents,
            "connect": self.connect,
            "kafka": self.lag,
        }

    def silences(self) -> tuple[Silence, ...]:
        return tuple(part for part in self.parts().values() if isinstance(part, Silence))


_UNREAD = Silence("", "nothing was read yet")
NOTHING_READ = Readings(datetime.fromtimestamp(0, UTC), 0.0, _UNREAD, {}, _UNREAD, _UNREAD, _UNREAD, _UNREAD)

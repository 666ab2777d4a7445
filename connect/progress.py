"""Whether a relay that says it runs brings anything to Kafka: seen in its slot, not in its status.

A connector stays RUNNING while it can deliver nothing: its topic is gone, say, and its producer asks for it
for ever. Its heartbeat rows go on all the while, since another thread writes them. What stands still is the
slot's confirmed position, which follows what Kafka has taken.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from connect import sql
from contracts.services import Service

# `heartbeat.interval.ms` in connect/connectors/*.json: so often an idle relay has something to confirm.
BEAT_SECONDS = 2.0
# A frozen broker holds a producer up for 10 s, a killed worker's task is back after some 8 s: neither is
# a wedge, nor are both, one after the other.
WEDGED_SECONDS = 30.0
# Nor is a task that is being moved or restarted, for twice as long: one that is so for ever is.
STRANDED_SECONDS = 2 * WEDGED_SECONDS
# Five heartbeats: the relay's own thread no longer writes them.
SILENT_SECONDS = 5 * BEAT_SECONDS


@dataclass(frozen=True, slots=True)
class Sight:
    """A relay as its database sees it; positions are bytes of WAL, None where there is no slot."""

    written: int
    flushed: int | None = None
    restart: int | None = None
    active: bool = False
    wal_status: str | None = None
    invalidation: str | None = None
    beat_age: float | None = None

    @property
    def is_usable(self) -> bool:
        """There is a slot, and a relay could go on from it."""
        return self.wal_status is not None and self.wal_status != "lost"

    @property
    def retained(self) -> int:
        """The bytes of WAL that are kept for the relay."""
        return self.written - self.restart if self.restart is not None else 0


def look(connection: Connection, service: Service) -> Sight:
    """The service's relay as it is now; any role may ask."""
    row = connection.execute(sql.READ_RELAY, {"slot": service.slot}).one()
    return Sight(
        written=row.written,
        flushed=row.flushed,
        restart=row.restart,
        active=bool(row.active),
        wal_status=(row.wal_status or "lost") if row.has_slot else None,
        invalidation=row.invalidation_reason,
        beat_age=row.beat_age,
    )


@dataclass(slots=True)
class Watch:
    """For how long each relay has stood still while there was something to bring."""

    _marks: dict[str, tuple[Sight, float]] = field(default_factory=dict)

    def stalled_seconds(self, connector: str, sight: Sight, now: float) -> float:
        """To be told of every look; 0 while the relay moves, has no slot, or has nothing to bring."""
        before, since = self._marks.get(connector, (sight, now))
        moved = sight.flushed != before.flushed or sight.written <= before.written
        if moved or not sight.is_usable:
            self._marks[connector] = (sight, now)
            return 0.0
        return now - since

    def forget(self, connector: str) -> None:
        """Begin anew: after a restart, or when the database could not be asked."""
        self._marks.pop(connector, None)

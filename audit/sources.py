"""What the auditor reads in the services' databases. It may read everything there, and write nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from audit.digest import OF_ROW
from contracts.services import Service

# An open transaction that rows wait for is nothing for so long; longer, and it cannot be said what they say.
HELD_UP_SECONDS = 30

# The oldest transaction that is still open: every older one has ended, so what it wrote can be seen.
HORIZON = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")

# At or behind the commit of every row that was just read.
_NOW_AT = text("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")

# A backup that was restored has another timeline, or is another cluster, database or table: transactions and
# LSN alone would not tell one that has gone on since.
_STATE = text("""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
           concat_ws('/', system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
                     pg_database.oid, 'outbox'::regclass::oid) AS identity
    FROM pg_control_system(), pg_database WHERE datname = current_database()
""")

_SLOT = text("""
    SELECT (confirmed_flush_lsn - '0/0')::bigint AS confirmed, wal_status, active
    FROM pg_replication_slots WHERE slot_name = :slot
""")

_WRITTEN = text(f"""
    SELECT id, topic, aggregateid AS key, sequence, {OF_ROW} AS digest, xact FROM outbox
    WHERE xact >= :mark AND xact < :horizon ORDER BY xact LIMIT :most
""")  # noqa: S608 - the digest's text is a constant

# A transaction that alone is more than a helping.
_WRITTEN_BY = text(f"""
    SELECT id, topic, aggregateid AS key, sequence, {OF_ROW} AS digest, xact FROM outbox
    WHERE xact = :xact
""")  # noqa: S608 - the digest's text is a constant

# The first row that cannot be read, because a transaction from before it is open: whether it has waited for
# longer than anything that is under way.
_IS_HELD_UP = text("""
    SELECT created_at NOT BETWEEN clock_timestamp() - make_interval(secs => :seconds)
                              AND clock_timestamp() + interval '1 second'
    FROM outbox WHERE xact >= :horizon ORDER BY xact LIMIT 1
""")

# In one snapshot, with the oldest transaction that is open in it.
_KNOWN = text("""
    SELECT ARRAY(SELECT id FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))) AS ids,
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
""")
# Newer than every transaction that had begun; a snapshot's own end may lie before some that are open.
_NEWEST = text("SELECT pg_current_xact_id()::text::bigint")

_RECEIVED = text("""
    SELECT event_id FROM inbox WHERE consumer = :consumer AND event_id = ANY(CAST(:ids AS uuid[]))
""")

_REPLAYED = text("""
    SELECT id, requested_by, reason, row_number() OVER (PARTITION BY id ORDER BY replay_id) AS number
    FROM outbox_replay WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY replay_id
""")

# How many days from today on have a partition: an insert without one fails.
_DAYS_AHEAD = text("""
    SELECT min(ahead) FROM (
        SELECT parent, count(*) FILTER (WHERE to_regclass(
            parent || '_p' || to_char((clock_timestamp() AT TIME ZONE 'UTC')::date + days, 'YYYYMMDD')
        ) IS NOT NULL) AS ahead
        FROM unnest(ARRAY['outbox', 'inbox']) AS parent, generate_series(1, 8) AS days GROUP BY parent
    ) AS each
""")


@dataclass(frozen=True, slots=True)
class Helping:
    """Outbox rows of whole transactions: all below `mark`, which were not read before.

    `is_held_up`: others wait for a transaction that has been open for long, and nothing is known of them.
    """

    rows: Sequence[Row[Any]]
    mark: int
    noted_lsn: int
    is_all: bool
    is_held_up: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Ids that an outbox has. Transactions below `horizon` had ended, and none above `newest` had begun."""

    ids: frozenset[UUID] = frozenset()
    horizon: int = 0
    newest: int = -1


@dataclass(frozen=True, slots=True)
class State:
    """Which database this is, and its oldest open transaction: what stands below is final."""

    horizon: int
    identity: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a relay's slot stands: what it has confirmed will not be sent again."""

    confirmed: int
    wal_status: str
    active: bool


class Source:
    """One service's database."""

    def __init__(self, service: Service, engine: Engine) -> None:
        self.service = service
        self._engine = engine

    def connect(self) -> Connection:
        return self._engine.connect()

    def state(self) -> State:
        with self.connect() as connection:
            row = connection.execute(_STATE).one()
        return State(row.horizon, row.identity)

    def slot(self) -> Slot | None:
        """The relay's slot; None when it is missing."""
        with self.connect() as connection:
            row = connection.execute(_SLOT, {"slot": self.service.slot}).first()
        return Slot(row.confirmed or 0, row.wal_status, row.active) if row else None

    def written(self, mark: int, most: int) -> Helping:
        """What was committed in the outbox from `mark` on, about `most` rows."""
        with self.connect() as connection:
            horizon: int = connection.execute(HORIZON).scalar_one()
            found = {"mark": mark, "horizon": horizon, "most": most}
            rows: Sequence[Row[Any]] = connection.execute(_WRITTEN, found).all()
            if is_all := len(rows) < most:
                mark = max(mark, horizon)
            else:
                rows, mark = _whole_transactions(connection, rows)
            noted_lsn = connection.execute(_NOW_AT).scalar_one()
            behind = {"horizon": horizon, "seconds": HELD_UP_SECONDS}
            is_held_up = bool(connection.execute(_IS_HELD_UP, behind).scalar())
            return Helping(rows, mark, noted_lsn, is_all, is_held_up)

    def known(self, ids: Collection[UUID]) -> Known:
        """Those of the ids that the outbox has."""
        with self.connect() as connection:
            row = connection.execute(_KNOWN, {"ids": list(ids)}).one()
            newest = connection.execute(_NEWEST).scalar_one()
        return Known(frozenset(row.ids), row.horizon, newest)

    def received(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of the ids that the service's consumer has in its inbox, handled or parked."""
        return self._ids(_RECEIVED, ids=list(ids), consumer=self.service.name)

    def replayed(self, ids: Collection[UUID]) -> Sequence[Row[Any]]:
        """Each time that one of the ids was sent again on purpose: who did so, why, and which time it was."""
        with self.connect() as connection:
            return connection.execute(_REPLAYED, {"ids": list(ids)}).all()

    def days_ahead(self) -> int:
        """How many of the next days outbox and inbox both have a partition for."""
        with self.connect() as connection:
            return int(connection.execute(_DAYS_AHEAD).scalar_one())

    def _ids(self, statement: Any, **parameters: Any) -> set[UUID]:
        with self.connect() as connection:
            return set(connection.execute(statement, parameters).scalars())


def _whole_transactions(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Sequence[Row[Any]], int]:
    """Without the last transaction, which may have more rows; or all of it, when it is the only one."""
    first, last = rows[0].xact, rows[-1].xact
    if first < last:
        return [row for row in rows if row.xact < last], last
    return connection.execute(_WRITTEN_BY, {"xact": last}).all(), last + 1

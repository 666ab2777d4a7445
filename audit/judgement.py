"""What is said of rows and records that were left alone: lost, phantom, skipped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from audit import sql
from audit.sources import Known, Source
from audit.topics import Cluster, Place

LOOKED_UP_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the relays' slots had confirmed (LSN by service), and where the topics ended after that."""

    confirmed: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[Place, int] = field(default_factory=dict)


def find_lost(connection: Connection, checkpoint: Checkpoint, topics: Iterable[str]) -> None:
    """Rows that a relay has passed and that are in none of these topics, read to the checkpoint's ends."""
    for service, confirmed in checkpoint.confirmed.items():
        found = {"service": service, "confirmed": confirmed, "topics": list(topics)}
        connection.execute(sql.FIND_LOST, found)


def find_phantoms(
    connection: Connection, sources: Mapping[str, Source], doubted: Mapping[UUID, int]
) -> dict[UUID, int]:
    """The records that their source knows nothing of.

    A commit can be sent by a relay before others see it, so nothing is said before every transaction has
    ended that had begun when an id was first looked for in vain. Answers with those ids, and the newest of
    these transactions: they are `doubted` the next time.
    """
    rows = connection.execute(sql.UNCLAIMED, {"most": LOOKED_UP_MAX}).all()
    still: dict[UUID, int] = {}
    for named in {row.source for row in rows}:
        ids = [row.event_id for row in rows if row.source == named]
        source = sources.get(named.removeprefix("/"))
        known = source.known(ids) if source else Known()
        # A restored database may count from further below.
        unknown = [each for each in ids if each not in known.ids]
        waits = {each: min(doubted.get(each, known.newest), known.newest) for each in unknown}
        still |= {each: until for each, until in waits.items() if until >= known.horizon}
        if phantoms := [each for each in waits if each not in still]:
            connection.execute(sql.FIND_PHANTOMS, {"ids": phantoms})
    return still


def find_skipped(connection: Connection, source: Source, cluster: Cluster) -> None:
    """What a service has seen by now, and what its group has passed without.

    The group's position is asked for first: an inbox that is read after it has all that was passed.
    """
    consumer = source.service.name
    rows = connection.execute(sql.UNREAD, {"consumer": consumer, "most": LOOKED_UP_MAX}).all()
    if not rows:
        return
    passed = cluster.positions(consumer) if any(row.is_old for row in rows) else {}
    received = source.received([row.event_id for row in rows])
    connection.execute(sql.SEEN_BY, {"consumer": consumer, "ids": list(received)})
    skipped = [
        row.event_id
        for row in rows
        if row.event_id not in received and passed.get((row.topic, row.partition), 0) > row.offset
    ]
    connection.execute(sql.FIND_SKIPPED, {"consumer": consumer, "ids": skipped})

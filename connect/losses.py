"""What a relay has lost, and so what must be made anew: a decision from facts, without any I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connect.cluster import Cluster
from connect.facts import Facts, Relay
from connect.health import Verdict
from contracts.topics import MESSAGE_TOPICS


class Kind(StrEnum):
    """What was lost."""

    SLOT_LOST = "slot-lost"  # it is there, and beyond use: WAL that it needed is gone
    SLOT_DROPPED = "slot-dropped"
    OFFSETS_LOST = "offsets-lost"
    OFFSETS_AHEAD = "offsets-ahead"
    TOPIC_LOST = "topic-lost"
    CONNECTOR_DELETED = "connector-deleted"


# After these a slot is made anew, from now on: what was written before it may never have been sent.
SLOT_GONE = frozenset({Kind.SLOT_LOST, Kind.SLOT_DROPPED})
# With these Connect's own position is wrong for the slot.
POSITION_WRONG = SLOT_GONE | {Kind.OFFSETS_AHEAD}


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that is gone, in words for a person."""

    kind: Kind
    what: str
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovery:
    """A loss that was made good as far as the relay goes; what it may have missed is to be sent again.

    Rows written between the positions `from_lsn` and `to_lsn` (bytes of WAL; None: not known) may be
    missing in their topics; with `topics`, all that these topics had before.
    """

    kind: Kind
    service: str
    topics: tuple[str, ...]
    at: datetime
    by: str
    reason: str
    from_lsn: int | None = None
    to_lsn: int | None = None


def losses(facts: Facts, relay: Relay) -> tuple[Loss, ...]:
    """Everything that the service's relay has lost; empty when it can go on by itself."""
    found = [*_of_slot(relay)]
    if relay.status is None and facts.has_worker:
        found.append(Loss(Kind.CONNECTOR_DELETED, f"connector {relay.service.connector} is not registered"))
    if facts.cluster is not None:
        found += _of_topics(facts.cluster, relay)
    return tuple(found)


def _of_slot(relay: Relay) -> Iterator[Loss]:
    slot, sight, stored = relay.service.slot, relay.sight, relay.stored
    if sight is None:
        return
    if sight.wal_status is None:
        yield Loss(Kind.SLOT_DROPPED, f"slot {slot} is not there")
    elif not sight.is_usable:
        why = f" ({sight.invalidation})" if sight.invalidation else ""
        yield Loss(Kind.SLOT_LOST, f"slot {slot} is invalidated{why}")
    elif stored is not None and stored > sight.written:
        yield Loss(Kind.OFFSETS_AHEAD, f"Connect's position {stored} lies ahead of the WAL, {sight.written}")
    elif not relay.is_stored_known:
        return
    elif stored is None:
        yield Loss(Kind.OFFSETS_LOST, f"Connect has no position of {relay.service.connector}")
    elif sight.restart is not None and stored < sight.restart:
        yield Loss(Kind.SLOT_DROPPED, f"slot {slot} was made after position {stored}, where Connect is")


def _of_topics(cluster: Cluster, relay: Relay) -> Iterator[Loss]:
    own = [topic.name for topic in MESSAGE_TOPICS if topic.writer == relay.service.name]
    if missing := tuple(name for name in own if name not in cluster.topics):
        yield Loss(Kind.TOPIC_LOST, f"topic {', '.join(missing)} is not there", missing)
    if anew := made_anew(cluster, relay):
        yield Loss(Kind.TOPIC_LOST, f"topic {', '.join(anew)} has fewer records than rows were sent", anew)


def made_anew(cluster: Cluster, relay: Relay) -> tuple[str, ...]:
    """Topics that cannot hold all that was sent to them: they were deleted, and made again by Connect.

    Rows that the relay has not read yet are not missing: so this can only be told of one that has come up.
    """
    return _short(cluster, relay) if _has_come_up(relay) else ()


def undecided(facts: Facts, relay: Relay) -> tuple[str, ...]:
    """What cannot be told of a relay yet, in words; nothing of one that has lost something already."""
    if facts.cluster is None or losses(facts, relay):
        return ()
    topics: tuple[str, ...] = ()
    if relay.status is not None and not relay.status.is_held and not _has_come_up(relay):
        topics = _short(facts.cluster, relay)
    position = ("where Connect is",) if relay.sight is not None and not relay.is_stored_known else ()
    return position + tuple(f"whether topic {name} was made anew" for name in topics)


def _short(cluster: Cluster, relay: Relay) -> tuple[str, ...]:
    """Topics with fewer records than the outbox has rows for them.

    Every row is one record or more, and offsets count on when old records go. They count the markers of
    transactions too, and only the newest million rows are counted, so in time a topic that was made anew
    looks whole, a rare one on a busy system within minutes: the auditor, which knows topics by their ids,
    goes on telling of it.
    """
    return tuple(
        name
        for name, rows in sorted(relay.rows.items())
        if name in cluster.topics and (records := cluster.topics[name].records) is not None and records < rows
    )


def _has_come_up(relay: Relay) -> bool:
    sight, runs = relay.sight, relay.status is not None and relay.status.verdict is Verdict.HEALTHY
    if not runs or sight is None or sight.flushed is None:
        return False
    return sight.written - sight.flushed <= BEHIND_BYTES


# A relay that is this close to the WAL's end has read every row of half a minute ago.
BEHIND_BYTES = 256 * 1024

"""What relays and consumers keep their place by, taken from them: a slot, a position, a topic, a connector.

What a relay has lost comes back by an operator's one command, which a system brings along as a tool; what a
consumer has lost only makes it read everything once more.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from sqlalchemy import URL, Connection, text

from chaos.faults import Act, Effect, Ground, Paused
from chaos.rows import Position
from chaos.sessions import autocommit
from chaos.targets import NothingToHit, Target
from chaos.topic_reader import committed_positions
from connect.client import ConnectClient
from contracts.services import INVENTORY, ORDER, PAYMENT, Service
from runtime.waiting import until

RELAYS = "relays"
ASK_SECONDS_MAX = 30.0
# Longer than a consumer's session.
EMPTY_SECONDS_MAX = 30.0
# What is written to put a slot out of use: more would fill somebody's disk.
SEGMENTS_MAX = 64
LOST_TOPIC = "inventory-commands"

_DROP = text("SELECT pg_drop_replication_slot(:slot)")
_SEGMENTS = text("""
    SELECT (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size') * 1048576
           / (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')
""")
# A segment is only left behind once something is in it.
_WRITE = text("SELECT pg_logical_emit_message(false, 'chaos', 'x')")
_NEXT_SEGMENT = text("SELECT pg_switch_wal()::text")
# Slots move their restart_lsn by it.
_SNAPSHOT = text("SELECT pg_log_standby_snapshot()")
_OTHERS_FOLLOW = text("""
    SELECT coalesce(min(restart_lsn) > CAST(:at AS pg_lsn), true) FROM pg_replication_slots
    WHERE slot_name <> :slot AND wal_status <> 'lost'
""")
_CHECKPOINT = text("CHECKPOINT")
_STATUS = text("SELECT wal_status FROM pg_replication_slots WHERE slot_name = :slot")


@dataclass(frozen=True, slots=True)
class Relays:
    """The ways to take something from a relay; `recover` is the way back, and tells what it found lost."""

    connect: ConnectClient
    bootstrap_servers: str
    admin: URL = field(repr=False)
    recover: Callable[[], Sequence[str]]

    def drop_slot(self, service: Service) -> None:
        self._stop(service)
        with self._database(service) as connection:
            connection.execute(_DROP, {"slot": service.slot})

    def invalidate_slot(self, service: Service) -> None:
        """Write more WAL than a slot may hold back, once all others have followed."""
        with self._database(service) as connection:
            segments = connection.execute(_SEGMENTS).scalar_one()
            if not 0 < segments <= SEGMENTS_MAX:
                raise NothingToHit(f"max_slot_wal_keep_size is {segments} segments: too much to write")
            self._stop(service)
            for _ in range(segments + 2):
                connection.execute(_WRITE)
                at = connection.execute(_NEXT_SEGMENT).scalar_one()
            until(
                lambda: self._others_follow(connection, service, at),
                within_seconds=ASK_SECONDS_MAX,
                what="the other relays to follow",
            )
            connection.execute(_CHECKPOINT)
            if (status := connection.execute(_STATUS, {"slot": service.slot}).scalar_one()) != "lost":
                raise NothingToHit(f"slot {service.slot} is {status}, not lost")
        self.connect.resume(service.connector)

    def delete_topics(self, *names: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        for future in admin.delete_topics(list(names), operation_timeout=ASK_SECONDS_MAX).values():
            future.result(ASK_SECONDS_MAX)

    def forget_position(self, service: Service) -> None:
        """What Connect's DELETE of the offsets means to do: a record without a value, in their own topic."""
        self._stop(service)
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        key = json.dumps([service.connector, {"server": service.name}], separators=(",", ":"))
        producer.produce(service.offsets_topic, key=key, value=None)
        if producer.flush(ASK_SECONDS_MAX):
            raise NothingToHit(f"nothing could be written to {service.offsets_topic}")

    def delete_connector(self, service: Service) -> None:
        self.connect.delete(service.connector)

    def _stop(self, service: Service) -> None:
        self.connect.stop(service.connector)
        until(
            lambda: self.connect.statuses()[service.connector].stands,
            within_seconds=ASK_SECONDS_MAX,
            what=f"{service.connector} to stop",
        )

    def _others_follow(self, connection: Connection, service: Service, at: str) -> bool:
        connection.execute(_SNAPSHOT)
        return bool(connection.execute(_OTHERS_FOLLOW, {"at": at, "slot": service.slot}).scalar_one())

    def _database(self, service: Service) -> AbstractContextManager[Connection]:
        return autocommit(self.admin.set(database=service.database))


def _take(lose: Callable[[Relays], None], ground: Ground, _targets: Sequence[Target]) -> Relays:
    relays: Relays | None = ground.tools.get(RELAYS)
    if relays is None:
        raise NothingToHit("nobody here can bring a relay back")
    lose(relays)
    return relays


def _bring_back(_ground: Ground, relays: Relays, _within_seconds: float) -> Effect:
    """However long it takes: a relay that was left without its slot would stand for ever."""
    found = relays.recover()
    return {"recovered": sorted(set(found))} if found else {}


def _losing(name: str, lose: Callable[[Relays], None]) -> Act:
    return Act(name, partial(_take, lose), _bring_back)


def _rewind(ground: Ground, targets: Sequence[Target]) -> dict[str, dict[str, int]]:
    """Freeze consumers until their groups are empty, set their positions to the beginning, let them go on."""
    groups = sorted({target.group for target in targets if target.group})
    members = [target for target in ground.targets if target.group in groups]
    admin = AdminClient({"bootstrap.servers": ground.bootstrap_servers, "log_level": 0})
    before = {group: _positions(ground, group) for group in groups}
    frozen = Paused(ground.guard)
    try:
        for each in members:
            if process := each.find():
                frozen.stop(each.name, process)
        for group in groups:
            until(
                partial(_is_empty, admin, group),
                within_seconds=EMPTY_SECONDS_MAX,
                what=f"{group} to be empty",
            )
            _to_the_beginning(ground, admin, group)
    finally:
        frozen.heal(0)
    return before


def _reread(ground: Ground, before: dict[str, dict[str, int]], within_seconds: float) -> Effect:
    """How many records came again, once consumers are where they were."""
    until(
        lambda: all(_is_past(_positions(ground, group), was) for group, was in before.items()),
        within_seconds=within_seconds,
        every_seconds=0.5,
        what="consumers to be where they were",
    )
    again = {group: sum(was.values()) for group, was in before.items()}
    return {"records_read_again": again} if any(again.values()) else {}


def _positions(ground: Ground, group: str) -> dict[str, int]:
    return {f"{each.topic}/{each.partition}": each.offset for each in _committed(ground, group)}


def _committed(ground: Ground, group: str) -> list[Position]:
    return committed_positions(ground.bootstrap_servers, group, list(ground.names.reads.get(group, ())))


def _is_past(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now.get(place, -1) >= offset for place, offset in before.items())


def _is_empty(admin: AdminClient, group: str) -> bool:
    [asked] = admin.describe_consumer_groups([group], request_timeout=ASK_SECONDS_MAX).values()
    return bool(asked.result(ASK_SECONDS_MAX).state == ConsumerGroupState.EMPTY)


def _to_the_beginning(ground: Ground, admin: AdminClient, group: str) -> None:
    places = [TopicPartition(each.topic, each.partition, 0) for each in _committed(ground, group)]
    [asked] = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)]).values()
    wrong = [each.error for each in asked.result(ASK_SECONDS_MAX).topic_partitions if each.error]
    if wrong:
        raise NothingToHit(f"the positions of {group} could not be set: {wrong[0]}")


SLOT_LOST = _losing("slot lost", lambda relays: relays.invalidate_slot(PAYMENT))
SLOT_DROPPED = _losing("slot dropped", lambda relays: relays.drop_slot(ORDER))
TOPIC_DELETED = _losing("topic deleted", lambda relays: relays.delete_topics(LOST_TOPIC))
POSITION_FORGOTTEN = _losing("position forgotten", lambda relays: relays.forget_position(INVENTORY))
CONNECTOR_DELETED = _losing("connector deleted", lambda relays: relays.delete_connector(PAYMENT))
GROUP_REWOUND = Act("group rewound", _rewind, _reread)

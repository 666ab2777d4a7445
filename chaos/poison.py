"""Records that no consumer can handle, written past the outbox; and an order's key, parked and redriven."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import Producer
from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError

from chaos.faults import Act, Effect, Ground
from chaos.sessions import autocommit
from chaos.targets import NothingToHit, Target
from runtime.errors import WaitedTooLong
from runtime.waiting import until

# Who reads the topics knows by it that these records came from no outbox.
STRANGER = "/chaos"
DATABASES, OPERATOR = "databases", "operator"
SENT_SECONDS_MAX = 20.0

_PARKED = text("SELECT count(*) FROM dead_letters WHERE key = ANY(:keys)")


@dataclass(frozen=True, slots=True)
class Record:
    """A record as no service would write it."""

    topic: str
    key: bytes
    value: bytes
    headers: Mapping[str, str]


class Operator(Protocol):
    """Someone who can make an order's message fail, mend that, and handle it once more."""

    def park(self) -> Any: ...

    def redrive(self, parked: Any, within_seconds: float) -> Effect: ...


def bad_records(topic: str, known_type: str) -> Iterator[Record]:
    """One of each kind of bad: an unknown type, no JSON, another order's key, no id, nothing at all."""
    source = {"ce_source": STRANGER}
    yield _record(topic, b"{}", {**source, "ce_type": "nobody.knows-this.v1"})
    yield _record(topic, b"\x00\xff not json", {**source, "ce_type": known_type})
    yield _record(topic, b'{"order_id": "%s"}' % _new_id().encode(), {**source, "ce_type": known_type})
    yield Record(topic, _new_id().encode(), b"{}", {**source, "ce_type": known_type})
    yield Record(topic, _new_id().encode(), b"", source)


def _record(topic: str, value: bytes, headers: Mapping[str, str]) -> Record:
    return Record(topic, _new_id().encode(), value, {"ce_id": str(_event_id()), **headers})


def _new_id() -> str:
    return str(uuid.uuid4())


def _event_id() -> uuid.UUID:
    """A version 7 id of this moment, as event ids are: an old one would be refused for its age alone."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | uuid.uuid4().int & (2**80 - 1)
    value = value & ~(0xF << 76) | 7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 2 << 62)


def _poison(ground: Ground, targets: Sequence[Target]) -> tuple[list[str], list[Record]]:
    groups = [target.group for target in targets if target.group]
    records = [
        record
        for group in groups
        for topic in ground.names.reads.get(group, ())
        for record in bad_records(topic, ground.names.types.get(topic, "unknown"))
    ]
    producer = Producer({"bootstrap.servers": ground.bootstrap_servers})
    for each in records:
        producer.produce(each.topic, key=each.key, value=each.value, headers=dict(each.headers))
    if left := producer.flush(SENT_SECONDS_MAX):
        raise NothingToHit(f"{left} records could not be written")
    return groups, records


def _parked(ground: Ground, kept: tuple[list[str], list[Record]], within_seconds: float) -> Effect:
    """How many of them were set aside. They stay: a person would throw them away."""
    groups, records = kept
    keys = [record.key.decode() for record in records]
    count = 0

    def all_parked() -> bool:
        nonlocal count
        count = sum(_count(url, keys) for group, url in ground.tools[DATABASES].items() if group in groups)
        return count >= len(records)

    with suppress(WaitedTooLong):  # Whether all must be is for the judge to say.
        until(all_parked, within_seconds=within_seconds, what="the dead letters", retry_on=(SQLAlchemyError,))
    return {"records": len(records), "parked": count} if count else {}


def _count(url: URL, keys: list[str]) -> int:
    with autocommit(url) as connection:
        return int(connection.execute(_PARKED, {"keys": keys}).scalar_one())


def _park(ground: Ground, _targets: Sequence[Target]) -> Any:
    return _operator(ground).park()


def _redrive(ground: Ground, parked: Any, within_seconds: float) -> Effect:
    return _operator(ground).redrive(parked, within_seconds)


def _operator(ground: Ground) -> Operator:
    operator: Operator | None = ground.tools.get(OPERATOR)
    if operator is None:
        raise NothingToHit("nobody can park an order's messages here")
    return operator


POISON = Act("poison", _poison, _parked)
PARK = Act("park and redrive", _park, _redrive)

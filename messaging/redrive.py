"""Redrive: handle dead letters again, key by key, in order. Safe to repeat and to run twice at once."""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Row

from messaging import sql
from messaging.consumer import Consumer
from messaging.envelope import Delivery
from messaging.errors import is_messages_own


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did: letters handled, keys free again, and why other keys still wait."""

    handled: int
    freed: tuple[str, ...]
    still_held: dict[str, str]


def redrive(engine: Engine, consumer: Consumer, *, key: str | None = None) -> Redriven:
    """Handle the waiting letters of every held key (or of `key`), each key until a letter fails again."""
    with engine.connect() as connection:
        keys = [row.key for row in connection.execute(sql.HELD_KEYS, _of(consumer, key))]
    handled, freed, held = 0, [], {}
    for each in keys:
        count, problem = _redrive_key(engine, consumer, each)
        handled += count
        if problem:
            held[each] = problem
        else:
            freed.append(each)
    return Redriven(handled, tuple(freed), held)


def _redrive_key(engine: Engine, consumer: Consumer, key: str) -> tuple[int, str | None]:
    """(letters handled, why the key is still held or None)."""
    handled = 0
    while True:
        letter = None
        try:
            with engine.begin() as connection:
                letter = _first_waiting(connection, consumer, key)
                if letter is None:
                    connection.execute(sql.RELEASE_HOLD, _of(consumer, key))
                    return handled, None
                consumer.handle(connection, [_delivery(letter)])
                connection.execute(sql.SETTLE_LETTER, {"id": letter.id})
                handled += 1
        except Exception as error:
            if letter is None or not is_messages_own(error):
                raise
            reason = f"{type(error).__name__}: {error}"[:2000]
            with engine.begin() as connection:
                connection.execute(sql.REFUSE_LETTER, {"id": letter.id, "reason": reason})
            return handled, reason


def _first_waiting(connection: Connection, consumer: Consumer, key: str) -> Row[tuple[object, ...]] | None:
    """The key's next letter, under the lock that workers take too; None when it has no more."""
    connection.execute(sql.LOCK_HOLDS, {"consumer": consumer.service, "keys": [key]})
    return connection.execute(sql.FIRST_WAITING, _of(consumer, key)).first()


def _of(consumer: Consumer, key: str | None) -> dict[str, str | None]:
    return {"consumer": consumer.service, "key": key}


def _delivery(letter: Row[tuple[object, ...]]) -> Delivery:
    headers = letter.headers if isinstance(letter.headers, dict) else json.loads(letter.headers)
    return Delivery(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=letter.key,
        value=bytes(letter.value),
        headers=headers,
    )

"""Redrive: handle dead letters again, key by key, in order. Safe to repeat and to run twice at once."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row

from messaging import letters, sql
from messaging.consumer import Consumer
from messaging.envelope import Delivery
from messaging.errors import is_messages_own
from messaging.letters import EVERYTHING, Wanted
from messaging.spans import tell_handled
from runtime import redaction


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did: letters handled, keys free again, and why other keys still wait."""

    handled: int
    freed: tuple[str, ...]
    still_held: dict[str, str]


def redrive(
    engine: Engine, consumer: Consumer, wanted: Wanted = EVERYTHING, *, by: str = "operator"
) -> Redriven:
    """Handle the held keys whose first letter is wanted, each key until a letter fails again."""
    with engine.connect() as connection:
        keys = letters.held_keys(connection, consumer.service, wanted)
    handled, freed, held = 0, [], {}
    for each in keys:
        count, problem = _redrive_key(engine, consumer, each, by)
        handled += count
        if problem:
            held[each] = problem
        else:
            freed.append(each)
    return Redriven(handled, tuple(freed), held)


def plan(engine: Engine, consumer: Consumer, wanted: Wanted = EVERYTHING) -> dict[str, list[Row[Any]]]:
    """What a redrive would handle: the letters of each key, in order. Changes nothing."""
    with engine.connect() as connection:
        keys = letters.held_keys(connection, consumer.service, wanted)
        return {key: letters.queue(connection, consumer.service, key) for key in keys}


def _redrive_key(engine: Engine, consumer: Consumer, key: str, by: str) -> tuple[int, str | None]:
    """(letters handled, why the key is still held or None)."""
    handled, this = 0, {"consumer": consumer.service, "key": key}
    while True:
        letter, began = None, time.time_ns()
        taken: list[Delivery] = []
        try:
            with engine.begin() as connection:
                connection.execute(sql.HOLD_KEY, this)
                letter = connection.execute(sql.FIRST_WAITING, this).first()
                if letter is None:
                    connection.execute(sql.RELEASE_HOLD, this)
                    return handled, None
                taken.append(letters.delivery(letter))
                consumer.handle(connection, taken)
                settled = {"ids": [letter.id], "outcome": "redriven", "by": by, "note": None}
                connection.execute(sql.SETTLE_LETTERS, settled)
                connection.execute(sql.RELEASE_HOLD, this)  # with its last letter, or it would outlive it
        except Exception as error:
            if letter is None or not is_messages_own(error):
                raise
            reason = redaction.explain(error)
            with engine.begin() as connection:
                connection.execute(sql.REFUSE_LETTER, {"id": letter.id, "reason": reason})
            tell_handled(consumer.service, taken, began, error=reason)
            return handled, reason
        handled += 1
        tell_handled(consumer.service, taken, began)

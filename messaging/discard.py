"""Discard: a person gives dead letters up, and says why. The rows stay, with who, when and the note.

Order within a key is kept: only the letter that holds the key goes, and what waits behind it waits on,
unless the whole key is given up. Safe to repeat and to run twice at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row

from messaging import letters, sql
from messaging.consumer import Consumer
from messaging.dead_letters import CULPRIT, STRAY
from messaging.letters import Wanted


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be discarded, by whom and why; `whole_key` takes along what waits behind a letter."""

    wanted: Wanted
    by: str
    note: str
    whole_key: bool = False


@dataclass(slots=True)
class Discarded:
    """What a discard did, or would do: letters given up, why others were not, and how many wait on."""

    letters: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Discarded") -> None:
        self.letters += other.letters
        self.refused |= other.refused
        self.left |= other.left


def discard(engine: Engine, consumer: Consumer, order: Order) -> Discarded:
    """Give up the wanted letters, each key in a transaction of its own."""
    strays, keys = _found(engine, order.wanted)
    with engine.begin() as connection:
        settled = _settle(connection, [each["id"] for each in strays], order)
    done = Discarded([each for each in strays if each["id"] in settled])
    for key, ids in keys.items():
        with engine.begin() as connection:
            this = {"consumer": consumer.service, "key": key}
            connection.execute(sql.HOLD_KEY, this)
            done.add(_discard_of_key(connection, consumer, key, ids, order))
            connection.execute(sql.RELEASE_HOLD, this)
    return done


def plan(engine: Engine, consumer: Consumer, order: Order) -> Discarded:
    """What a discard would do. Changes nothing."""
    strays, keys = _found(engine, order.wanted)
    told = Discarded(strays)
    with engine.connect() as connection:
        for key, ids in keys.items():
            queue = letters.queue(connection, consumer.service, key)
            told.add(_told(queue, *choose(queue, ids, order)))
    return told


def choose(queue: Sequence[Row[Any]], ids: set[int], order: Order) -> tuple[int, dict[int, str]]:
    """How many of a key's letters are given up, from the first on, and why other wanted ones are not.

    What was only queued is not at fault, so no filter reaches it: who repeats a discard after its
    culprit is gone gives up nothing more.
    """
    wanted = {letter.id for letter in queue} & ids
    if not wanted or order.whole_key:
        return len(queue) if wanted else 0, {}
    first = queue[0]
    if first.id in wanted and (first.state == CULPRIT or order.wanted.id == first.id):
        return 1, {}
    why = f"it waits behind letter {first.id}: discard that one first, or all with --whole-key"
    refused = dict.fromkeys(sorted(wanted - {first.id}), why)
    if first.id in wanted:
        refused[first.id] = "it was only queued: redrive it, or name it with --id to discard it all the same"
    return 0, refused


def _found(engine: Engine, wanted: Wanted) -> tuple[list[dict[str, Any]], dict[str, set[int]]]:
    """The strays, and the ids of the others by key, as they are now."""
    with engine.connect() as connection:
        found = letters.list_waiting(connection, wanted)
    keys: dict[str, set[int]] = {}
    for letter in found:
        if letter["state"] != STRAY:
            keys.setdefault(letter["key"], set()).add(letter["id"])
    return [letter for letter in found if letter["state"] == STRAY], keys


def _discard_of_key(
    connection: Connection, consumer: Consumer, key: str, ids: set[int], order: Order
) -> Discarded:
    queue = letters.queue(connection, consumer.service, key)
    count, refused = choose(queue, ids, order)
    chosen = queue[:count]
    if chosen:
        _settle(connection, [letter.id for letter in chosen], order)
        # A saga that waits for the command is told once more: it may have been tried again meanwhile.
        reason = f"given up by {order.by}: {order.note}"
        consumer.tell_parked(connection, [letters.delivery(letter) for letter in chosen], reason)
    return _told(queue, count, refused)


def _told(queue: list[Row[Any]], count: int, refused: dict[int, str]) -> Discarded:
    names = ("id", "consumer", "key", "type", "state", "reason")
    given_up = [{name: getattr(letter, name) for name in names} for letter in queue[:count]]
    left = {queue[0].key: len(queue) - count} if 0 < count < len(queue) else {}
    return Discarded(given_up, refused, left)


def _settle(connection: Connection, ids: list[int], order: Order) -> set[int]:
    settled = {"ids": ids, "outcome": "discarded", "by": order.by, "note": order.note}
    return {row.id for row in connection.execute(sql.SETTLE_LETTERS, settled)}

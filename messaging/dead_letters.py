"""Dead letters: messages that cannot be handled, and those that wait behind them.

A *culprit* is parked with its reason and holds its key; later messages of that key are *queued*
behind it in order; everything else goes on. A *stray* (no id, or an id that the inbox cannot judge)
is kept for people and holds nothing.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from messaging import sql
from messaging.envelope import Delivery

CULPRIT, QUEUED, STRAY = "culprit", "queued", "stray"


def held_keys(connection: Connection, consumer: str, deliveries: Sequence[Delivery]) -> set[str]:
    """The held keys among those of the deliveries, locked against a redrive until we commit."""
    keys = sorted({delivery.key for delivery in deliveries})
    return {row.key for row in connection.execute(sql.LOCK_HOLDS, {"consumer": consumer, "keys": keys})}


def park_culprit(connection: Connection, consumer: str, delivery: Delivery, reason: str) -> None:
    """Set the message aside and hold its key."""
    connection.execute(sql.HOLD_KEY, {"consumer": consumer, "key": delivery.key})
    _park(connection, consumer, [delivery], CULPRIT, reason)


def queue_behind(connection: Connection, consumer: str, deliveries: Sequence[Delivery]) -> None:
    """Keep messages of held keys, in their order, for the redrive."""
    _park(connection, consumer, deliveries, QUEUED, "waits behind an earlier message of its key")


def park_stray(connection: Connection, consumer: str, delivery: Delivery, reason: str) -> None:
    """Keep a message that is not known to be anybody's."""
    _park(connection, consumer, [delivery], STRAY, reason)


def _park(
    connection: Connection, consumer: str, deliveries: Sequence[Delivery], state: str, reason: str
) -> None:
    if deliveries:
        connection.execute(
            sql.PARK,
            [
                {
                    "consumer": consumer,
                    "key": delivery.key,
                    "event_id": delivery.event_id,
                    "type": delivery.type,
                    "topic": delivery.topic,
                    "partition": delivery.partition,
                    "offset": delivery.offset,
                    "headers": json.dumps(dict(delivery.headers)),
                    "value": delivery.value,
                    "state": state,
                    "reason": reason[:2000],
                }
                for delivery in deliveries
            ],
        )

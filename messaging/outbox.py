"""The outbox: what a transaction has to tell, written inside that transaction."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from contracts.messages import Message
from messaging import sql
from messaging.errors import OutsideTransaction


def write(connection: Connection, service: str, messages: Sequence[Message]) -> list[UUID]:
    """Add the messages to the outbox, in their order, in one statement; answers with their event ids.

    Each gets the next number of its key in this service. Raises OutsideTransaction when no transaction
    is open, because then the row could be kept without the business change it tells of, or the other way
    round.
    """
    if not messages:
        return []
    if not connection.in_transaction() or _commits_by_itself(connection):
        raise OutsideTransaction("an outbox row needs the open transaction of its business row")
    behind = _followers(messages)
    rows = connection.execute(
        sql.WRITE_OUTBOX,
        {
            "service": service,
            "source": f"/{service}",
            "keys": [message.key for message in messages],
            "types": [message.type for message in messages],
            "payloads": [message.model_dump_json() for message in messages],
            "topics": [message.topic for message in messages],
            "behind": behind,
        },
    )
    written = {(row.aggregateid, row.behind): row.id for row in rows}
    return [written[message.key, place] for message, place in zip(messages, behind, strict=True)]


def _followers(messages: Sequence[Message]) -> list[int]:
    """For each message, how many of the same key come after it."""
    left = Counter(message.key for message in messages)
    behind = []
    for message in messages:
        left[message.key] -= 1
        behind.append(left[message.key])
    return behind


def _commits_by_itself(connection: Connection) -> bool:
    return bool(getattr(connection.connection.driver_connection, "autocommit", False))

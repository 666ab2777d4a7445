"""The outbox: what a transaction has to tell, written inside that transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from contracts.messages import Message
from messaging import sql
from messaging.errors import OutsideTransaction


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out. `sequence` is the next number of its aggregate in this service."""

    message: Message
    sequence: int
    saga_id: str | None = None
    traceparent: str | None = None


def write(connection: Connection, service: str, outgoing: Sequence[Outgoing]) -> None:
    """Add the messages to the outbox, in their order, in one statement.

    Raises OutsideTransaction when no transaction is open, because then the row could be kept
    without the business change it tells of, or the other way round.
    """
    if not outgoing:
        return
    if not connection.in_transaction() or _commits_by_itself(connection):
        raise OutsideTransaction("an outbox row needs the open transaction of its business row")
    messages = [each.message for each in outgoing]
    connection.execute(
        sql.WRITE_OUTBOX,
        {
            "service": service,
            "source": f"/{service}",
            "keys": [message.key for message in messages],
            "types": [message.type for message in messages],
            "payloads": [message.model_dump_json() for message in messages],
            "topics": [message.topic for message in messages],
            "sequences": [each.sequence for each in outgoing],
            "saga_ids": [each.saga_id for each in outgoing],
            "traceparents": [each.traceparent for each in outgoing],
        },
    )


def _commits_by_itself(connection: Connection) -> bool:
    return bool(getattr(connection.connection.driver_connection, "autocommit", False))

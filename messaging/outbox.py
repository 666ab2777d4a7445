"""The outbox: what a transaction has to tell, written inside that transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from contracts.messages import Message
from messaging import sql
from messaging.errors import OutsideTransaction


def write(
    connection: Connection, service: str, messages: Sequence[Message], spans: Mapping[str, str | None]
) -> list[UUID]:
    """Add the messages to the outbox, in their order, in one statement; answers with their event ids.

    Each gets the next number of its key in this service. `spans` has, by key, the traceparent of what the
    messages are told because of. Raises OutsideTransaction when no transaction is open, because then the row
    could be kept without the business change it tells of, or the other way round.
    """
    if not messages:
        return []
    if not connection.in_transaction() or _commits_by_itself(connection):
        raise OutsideTransaction("an outbox row needs the open transaction of its business row")
    keys = [message.key for message in messages]
    behind = _followers(keys)
    rows = connection.execute(
        sql.WRITE_OUTBOX,
        {
            "service": service,
            "source": f"/{service}",
            "keys": keys,
            "types": [message.type for message in messages],
            "payloads": [message.model_dump_json() for message in messages],
            "topics": [message.topic for message in messages],
            "behind": behind,
            "traceparents": [spans.get(key) for key in keys],
        },
    )
    written = {(row.aggregateid, row.behind): row.id for row in rows}
    return [written[each] for each in zip(keys, behind, strict=True)]


def _followers(keys: Sequence[str]) -> list[int]:
    """For each message, by its key, how many of the same key come after it."""
    left = Counter(keys)
    behind = []
    for key in keys:
        left[key] -= 1
        behind.append(left[key])
    return behind


def _commits_by_itself(connection: Connection) -> bool:
    return bool(getattr(connection.connection.driver_connection, "autocommit", False))

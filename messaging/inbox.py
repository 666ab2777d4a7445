"""The inbox: the row that makes a redelivery harmless."""

import re
import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from messaging import sql
from messaging.envelope import Delivery

_BOUND = re.compile(r"'([0-9a-f-]{36})'")


class InboxWindow:
    """The ranges of event ids in which the inbox can tell new from old: those of its partitions.

    Looked up at most once a minute; partitions come and go once a day.
    """

    _KEEP_SECONDS = 60.0

    def __init__(self) -> None:
        self._ranges: list[tuple[UUID, UUID]] = []
        self._read_at = 0.0

    def problem(self, connection: Connection, event_id: UUID) -> str | None:
        """Why an id cannot be claimed, or None."""
        ranges = self._read(connection)
        if any(low <= event_id < high for low, high in ranges):
            return None
        if event_id >= ranges[-1][1]:
            return "its id lies in the future: the inbox has no partition for it"
        return "too old: its inbox partition is gone, so whether it was handled cannot be told"

    def _read(self, connection: Connection) -> list[tuple[UUID, UUID]]:
        if not self._ranges or time.monotonic() - self._read_at > self._KEEP_SECONDS:
            bounds = (_BOUND.findall(row.bounds) for row in connection.execute(sql.INBOX_PARTITIONS))
            self._ranges = sorted((UUID(low), UUID(high)) for low, high in bounds)
            self._read_at = time.monotonic()
        return self._ranges


def claim(connection: Connection, consumer: str, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Those of the deliveries that are new to the consumer, in their order, now marked as received."""
    first = {d.event_id: d for d in reversed(deliveries)}
    rows = connection.execute(
        sql.CLAIM_EVENTS,
        {
            "consumer": consumer,
            "event_ids": list(first),
            "topics": [d.topic for d in first.values()],
            "partitions": [d.partition for d in first.values()],
            "offsets": [d.offset for d in first.values()],
        },
    )
    new = {row.event_id for row in rows}
    return [d for d in deliveries if d.event_id in new and first[d.event_id] is d]

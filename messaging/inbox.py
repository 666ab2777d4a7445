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
    """The range of event ids that the inbox can tell new from old: that of its partitions.

    Looked up at most once a minute; partitions come and go once a day.
    """

    _KEEP_SECONDS = 60.0

    def __init__(self) -> None:
        self._range: tuple[UUID, UUID] | None = None
        self._read_at = 0.0

    def problem(self, connection: Connection, event_id: UUID) -> str | None:
        """Why an id cannot be claimed, or None."""
        lowest, highest = self._bounds(connection)
        if event_id < lowest:
            return "too old: its inbox partition is gone, so whether it was handled cannot be told"
        if event_id >= highest:
            return "its id lies in the future: the inbox has no partition for it"
        return None

    def _bounds(self, connection: Connection) -> tuple[UUID, UUID]:
        if self._range is None or time.monotonic() - self._read_at > self._KEEP_SECONDS:
            bounds = [
                UUID(found)
                for row in connection.execute(sql.INBOX_PARTITIONS)
                for found in _BOUND.findall(row.bounds)
            ]
            self._range = (min(bounds), max(bounds))
            self._read_at = time.monotonic()
        return self._range


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

"""Whether the relays between a saga and its participants move: their heartbeats, as they arrive with us.

A beat is a record that a relay's connector sends every two seconds, from the task that also reads the
outbox, in a Kafka transaction like any other; so it shows that the relay and the brokers work, and that
this service's worker reads. It does not show that a backlog has been read: after a silence every deadline
is given in full.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from saga import sql

# Beats come every two seconds. A broker's death holds them up for about five.
STALE_SECONDS = 10.0


def see(connection: Connection, relays: Sequence[str]) -> None:
    """Note that a beat of each of the relays has come."""
    connection.execute(sql.SEE_HEARTBEATS, {"relays": list(relays), "stale_seconds": STALE_SECONDS})

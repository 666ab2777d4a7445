"""Whether the relays between a saga and its participants move: their heartbeats, as they arrive with us.

A beat is a row that a relay's connector writes into its service's database, and brings to Kafka like any
other; so it proves the database, the relay and the brokers, and that this service's worker reads.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from saga import sql

# Beats come every two seconds. A broker's death holds them up for about five.
STALE_SECONDS = 10.0


def see(connection: Connection, relays: Sequence[str]) -> None:
    """Note that a beat of each of the relays has come."""
    connection.execute(sql.SEE_HEARTBEATS, {"relays": list(relays), "stale_seconds": STALE_SECONDS})

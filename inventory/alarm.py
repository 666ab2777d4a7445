"""Stock that nobody asks for any more: seen and told, never guessed at.

A reservation is ended by its saga. One whose saga is gone would keep its units for ever; whether it may be
released is for a person to say, because the saga may only be late.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from inventory import queries
from messaging.alarm import Find


def forgotten_reservations(older_than_seconds: int) -> Find:
    """Looks for stock that has been reserved for longer than a saga takes."""

    def find(connection: Connection) -> Mapping[str, str]:
        wanted = {"older_than_seconds": older_than_seconds}
        found = connection.execute(queries.FORGOTTEN_RESERVATIONS, wanted).one()
        if not found.number:
            return {}
        told = f"{found.number} reserved for more than {older_than_seconds} s, the oldest {found.oldest}"
        return {"reservations": told}

    return find

"""Sagas that need a person, and a clock that stands still: seen and told."""

from collections.abc import Mapping

from sqlalchemy import Connection

from messaging.alarm import Find
from saga import sql
from saga.deadlines import Clock
from saga.heartbeats import STALE_SECONDS


def stuck_sagas(clock: Clock) -> Find:
    """Looks for sagas that stand, and for relays without whose beats no deadline passes."""

    def find(connection: Connection) -> Mapping[str, str]:
        wanted = {"relays": list(clock.relays), "stale_seconds": STALE_SECONDS}
        stuck = connection.execute(sql.STUCK_SAGAS).one()
        silent = connection.execute(sql.SILENT_RELAYS, wanted).scalars().all()
        found = {}
        if stuck.number:
            found["sagas"] = f"{stuck.number} need attention, the oldest {stuck.oldest}: ./run sagas list"
        if silent:
            found["deadlines"] = f"none passes: no sign of life of {', '.join(silent)}"
        return found

    return find

"""A database that is older than what was read of it: seen, told, and read anew from its first row on.

Somebody has restored a backup, or made a replica the first. What is gone from it and stands in a topic is a
phantom then, and what its consumer has no more in its inbox is skipped. Without this the marks would lie
ahead of the database, and its new rows would be passed unread.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from audit import restored_sql as sql
from audit.sources import Source, State
from contracts.services import INVENTORY
from contracts.topics import RETENTION_MS, read_by


def look_for(connection: Connection, sources: Mapping[str, Source]) -> None:
    """Note every database that was set back since the last round, and forget how far it was read."""
    for name, source in sources.items():
        state = source.state()
        known = connection.execute(sql.KNOWN, {"service": name}).first()
        if known and (told := reason(known.outbox_mark, known.identity, state)):
            begin_anew(connection, name, told)
        if known is None or known.identity != state.identity:
            connection.execute(sql.SET_IDENTITY, {"service": name, "identity": state.identity})


def reason(mark: int, identity: str | None, state: State) -> str | None:
    """Why the database cannot be the one that was read up to `mark`; None when it can. Pure."""
    if state.horizon < mark:
        return f"it stands at transaction {state.horizon}, and was read up to {mark}"
    if identity not in {None, state.identity}:
        return f"it is {state.identity}, and was {identity} (system/timeline/database/table)"
    return None


def begin_anew(connection: Connection, service: str, told: str) -> None:
    facts = {
        "service": service,
        "reason": told,
        "reads": list(read_by(service)),
        "kept_ms": RETENTION_MS,
    }
    for statement in (sql.FIND_SET_BACK, *sql.FORGET):
        connection.execute(statement, facts)
    if service == INVENTORY.name:
        connection.execute(sql.FORGET_STOCK)

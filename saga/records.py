"""Sagas and their log as rows. Nothing here decides anything, and nothing commits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from messaging.errors import MomentaryFault
from runtime import redaction
from saga import sql
from saga.definition import Definition
from saga.state import SagaState, SagaStatus, cause_from_json, steps_from_json


class SagaChanged(MomentaryFault):
    """Another process has moved the saga since it was read; nothing of this attempt is kept."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A saga as it was read, and the database's time then. `traceparent` is that of its beginning."""

    state: SagaState
    version: int
    fingerprint: str
    revision: int
    now: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a saga's log: what happened, or what was sent, and the status after it."""

    saga_id: UUID
    kind: str
    status: SagaStatus
    step: str | None = None
    operation: str | None = None
    epoch: int | None = None
    message_type: str | None = None
    event_id: UUID | None = None
    actor: str | None = None
    note: str | None = None


def insert(
    connection: Connection,
    definition: Definition,
    states: Sequence[SagaState],
    traceparents: Sequence[str | None],
) -> None:
    """Store new sagas, each with the traceparent of what it began with."""
    connection.execute(
        sql.INSERT_SAGAS,
        {
            "definition": definition.name,
            "version": definition.version,
            "fingerprint": definition.fingerprint,
            "traceparents": traceparents,
            **_columns(states),
        },
    )


def read(connection: Connection, saga_ids: Sequence[UUID]) -> dict[UUID, Loaded]:
    """The sagas that exist. Raises MomentaryFault for one that only a newer release can read."""
    rows = connection.execute(sql.READ_SAGAS, {"ids": list(saga_ids)})
    return {row.id: _loaded(row) for row in rows}


def store(connection: Connection, changed: Sequence[tuple[Loaded, SagaState]]) -> None:
    """Store moved sagas. Raises SagaChanged where one is not any more what was read."""
    states = [state for _, state in changed]
    rows = connection.execute(
        sql.STORE_SAGAS,
        {
            "revisions": [before.revision for before, _ in changed],
            "causes": [_json(state.cause_as_json()) for state in states],
            **_columns(states),
        },
    )
    if len(rows.all()) < len(changed):
        raise SagaChanged("a saga has changed since it was read")


def log(connection: Connection, entries: Sequence[Entry]) -> None:
    """Add lines to the sagas' logs, in their order."""
    names = ("kind", "status", "step", "operation", "epoch", "message_type", "event_id", "actor", "note")
    columns: Mapping[str, list[Any]] = {
        ("statuses" if name == "status" else f"{name}s"): [getattr(entry, name) for entry in entries]
        for name in names
    }
    connection.execute(sql.WRITE_LOG, {"saga_ids": [entry.saga_id for entry in entries], **columns})


def _columns(states: Sequence[SagaState]) -> dict[str, list[Any]]:
    return {
        "ids": [state.saga_id for state in states],
        "statuses": [state.status for state in states],
        "awaits": [",".join(state.awaits) for state in states],
        "steps": [json.dumps(state.steps_as_json()) for state in states],
        "due_at": [state.due for state in states],
    }


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _loaded(row: Row[Any]) -> Loaded:
    try:
        state = SagaState(
            saga_id=row.id,
            status=SagaStatus(row.status),
            steps=steps_from_json(row.steps),
            cause=cause_from_json(row.cause),
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = redaction.explain(error)
        raise MomentaryFault(f"saga {row.id} says what this release does not know: {reason}") from error
    return Loaded(state, row.version, row.fingerprint, row.revision, row.now, row.traceparent)

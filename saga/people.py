"""What people do to a saga: cancel it, try again, turn it round, or settle by hand what would not work.

Each is one call in the caller's transaction; it says in the saga's log who did it and why.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from runtime.errors import NeverlostError
from saga import advance, records, sql
from saga.advance import Move
from saga.orchestrator import Happening, Orchestrator
from saga.records import Loaded
from saga.state import Cause, SagaState, Why


class UnknownSaga(NeverlostError):  # noqa: N818 - it says what is wrong
    """There is no saga of that id."""


class NotPossible(NeverlostError):  # noqa: N818
    """The saga is where this cannot be done; nothing was changed."""


def cancel(orchestrator: Orchestrator, connection: Connection, saga_id: UUID, actor: str) -> SagaState:
    """Turn a saga round because its customer wants it. Asked again, it changes nothing.

    Raises NotPossible after the pivot, and for a saga that is ending some other way already.
    """
    loaded = _lock(orchestrator, connection, saga_id)
    if loaded.state.cause and loaded.state.cause.why is Why.CANCELLED:
        return loaded.state
    cause = Cause(Why.CANCELLED)
    move = advance.cancel(orchestrator.definition(loaded), loaded.state, cause, loaded.now)
    return _carry_out(orchestrator, connection, loaded, move, kind="cancelled", actor=actor)


def retry(
    orchestrator: Orchestrator, connection: Connection, saga_id: UUID, *, actor: str, note: str
) -> SagaState:
    """Send the command that a saga needing attention waits for once more, under a new epoch."""
    loaded = _lock(orchestrator, connection, saga_id)
    move = advance.retry(orchestrator.definition(loaded), loaded.state, loaded.now)
    return _carry_out(orchestrator, connection, loaded, move, kind="retry", actor=actor, note=note)


def compensate(
    orchestrator: Orchestrator, connection: Connection, saga_id: UUID, *, actor: str, note: str
) -> SagaState:
    """Turn a saga round, before its pivot."""
    loaded = _lock(orchestrator, connection, saga_id)
    cause = Cause(Why.OPERATOR, detail=note)
    move = advance.cancel(orchestrator.definition(loaded), loaded.state, cause, loaded.now)
    return _carry_out(orchestrator, connection, loaded, move, kind="compensate", actor=actor, note=note)


def resolve(
    orchestrator: Orchestrator, connection: Connection, saga_id: UUID, *, actor: str, note: str
) -> SagaState:
    """Take what a saga needing attention waits for as done by hand: a refund by bank transfer, say.

    Only what undoes, or comes after the pivot, can be settled so; before it, retry or compensate.
    """
    loaded = _lock(orchestrator, connection, saga_id)
    move = advance.resolve(orchestrator.definition(loaded), loaded.state, loaded.now)
    return _carry_out(orchestrator, connection, loaded, move, kind="resolve", actor=actor, note=note)


def find(connection: Connection, saga_id: UUID) -> tuple[Row[Any], list[Row[Any]]]:
    """A saga and its log. Raises UnknownSaga."""
    saga = connection.execute(sql.GET_SAGA, {"id": saga_id}).first()
    if saga is None:
        raise UnknownSaga(f"there is no saga {saga_id}")
    return saga, list(connection.execute(sql.READ_LOG, {"id": saga_id}))


def _lock(orchestrator: Orchestrator, connection: Connection, saga_id: UUID) -> Loaded:
    orchestrator.lock(connection, [saga_id])
    found = records.read(connection, [saga_id])
    if saga_id not in found:
        raise UnknownSaga(f"there is no saga {saga_id}")
    return found[saga_id]


def _carry_out(
    orchestrator: Orchestrator, connection: Connection, loaded: Loaded, move: Move | None, **told: Any
) -> SagaState:
    if move is None:
        cause = f" ({loaded.state.cause.why})" if loaded.state.cause else ""
        raise NotPossible(f"{told['kind']} is not possible: the saga is {loaded.state.status}{cause}")
    orchestrator.move(connection, [Happening.of(loaded, move, **told)])
    return move.state

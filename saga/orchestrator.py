"""The orchestrator: many sagas moved at once, in the caller's transaction. Nothing here commits.

A batch of replies is handled in a fixed number of statements: read the sagas, decide for each reply (pure),
store them, let the service follow, write events, commands and log.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from contracts.messages import CommandParked, Message, Reply
from messaging import outbox
from messaging.errors import MessageFault, MomentaryFault
from runtime import trace
from saga import advance, records, sql
from saga.advance import Answer, Move
from saga.definition import Definition
from saga.kind import Change, SagaKind
from saga.records import Entry, Loaded
from saga.state import SagaState, SagaStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Beginning:
    """A saga that is to start: what it is about (as `SagaKind.subjects` reads it), and what is told of it.

    `traceparent` names the span that it starts in.
    """

    saga_id: UUID
    subject: Any
    told: tuple[Message, ...] = ()
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a saga, as its log tells it, and what comes of it (None: it is only noted).

    `traceparent` names the span in which it happened: a message's or a request's, and for the clock, which
    has none, the one that the saga began in.
    """

    loaded: Loaded
    move: Move | None
    entry: Entry
    traceparent: str | None

    @classmethod
    def of(
        cls, loaded: Loaded, move: Move | None, kind: str, *, traceparent: str | None = None, **told: Any
    ) -> "Happening":
        status = (move or loaded).state.status
        entry = Entry(saga_id=loaded.state.saga_id, kind=kind, status=status, **told)
        return cls(loaded, move, entry, traceparent or loaded.traceparent)


class Orchestrator:
    """Moves the sagas of one kind; any number of processes may do so at once."""

    def __init__(self, kind: SagaKind) -> None:
        self.kind = kind

    def begin(self, connection: Connection, beginnings: Sequence[Beginning], now: datetime) -> None:
        """Start sagas on the newest definition: what is told of each, then first commands.

        `now` is the database's.
        """
        definition, traceparents = self.kind.newest, [each.traceparent for each in beginnings]
        moves = [advance.begin(definition, each.saga_id, now) for each in beginnings]
        records.insert(connection, definition, [move.state for move in moves], traceparents)
        began = [
            Happening.of(
                Loaded(move.state, definition.version, definition.fingerprint, 1, now, traceparent),
                move,
                "begun",
            )
            for move, traceparent in zip(moves, traceparents, strict=True)
        ]
        subjects = {each.saga_id: each.subject for each in beginnings}
        self._tell(connection, began, subjects, [message for each in beginnings for message in each.told])

    def lock(self, connection: Connection, saga_ids: Sequence[UUID]) -> None:
        """Lock sagas, in sorted order, until the transaction ends."""
        connection.execute(sql.LOCK_SAGAS, {"ids": list(saga_ids)})

    def handle(self, connection: Connection, messages: Sequence[Message]) -> list[Message]:
        """Take participants' messages, each saga's in their order, as if one came after the other.

        What a saga does not wait for is noted and ignored.
        """
        saga_ids = [UUID(message.key) for message in messages]
        loaded = self.read(connection, list(dict.fromkeys(saga_ids)))
        happenings = []
        for saga_id, message in zip(saga_ids, messages, strict=True):
            happening = self._taken(loaded[saga_id], message)
            happenings.append(happening)
            if happening.move:
                loaded[saga_id] = replace(loaded[saga_id], state=happening.move.state)
        self.move(connection, happenings)
        return []

    def read(self, connection: Connection, saga_ids: Sequence[UUID]) -> dict[UUID, Loaded]:
        """The sagas as they are now. Raises MessageFault for one that does not exist."""
        loaded = records.read(connection, saga_ids)
        for saga_id in saga_ids:
            if saga_id not in loaded:
                raise MessageFault(f"there is no saga {saga_id}")
        return loaded

    def definition(self, loaded: Loaded) -> Definition:
        """The definition that a saga began with, and ends with.

        Raises MomentaryFault where this release does not have it: a newer one does, and will take over.
        """
        found = self.kind.by_version.get((loaded.version, loaded.fingerprint))
        if found is None:
            raise MomentaryFault(f"version {loaded.version} ({loaded.fingerprint}) of the saga is not known")
        return found

    def move(self, connection: Connection, happenings: Sequence[Happening]) -> None:
        """Store moved sagas, let the service follow, send what comes of it, and keep a log of all.

        A saga to which more than one thing has happened is stored once, as the last has left it.
        """
        moved: dict[UUID, tuple[Loaded, SagaState]] = {}
        for each in happenings:
            if each.move is not None:
                before, _ = moved.get(each.entry.saga_id, (each.loaded, None))
                moved[each.entry.saga_id] = (before, each.move.state)
        subjects: Mapping[UUID, Any] = {}
        told: list[Message] = []
        if moved:
            records.store(connection, list(moved.values()))
            subjects = self.kind.subjects(connection, list(moved))
            changes = [Change(before.state, after, subjects[i]) for i, (before, after) in moved.items()]
            told = self.kind.follow(connection, changes)
            _tell_people(happenings)
        self._tell(connection, happenings, subjects, told)

    def _taken(self, loaded: Loaded, message: Message) -> Happening:
        definition = self.definition(loaded)
        told: dict[str, Any] = {
            "message_type": message.type,
            "event_id": message.event_id,
            "traceparent": message.traceparent,
        }
        if isinstance(message, Reply) and (route := definition.routes.get(message.type)):
            answer = Answer(route, message.epoch, getattr(message, "reason", None))
            move = advance.take(definition, loaded.state, answer, loaded.now)
            told |= {"step": route.step, "operation": route.operation, "epoch": answer.epoch}
            return Happening.of(loaded, move, "reply" if move else "ignored", note=answer.reason, **told)
        if isinstance(message, CommandParked) and message.command in definition.commands:
            step, operation = definition.commands[message.command]
            move = advance.park(loaded.state, step, operation)
            told |= {"step": step, "operation": operation}
            return Happening.of(loaded, move, "parked", note=message.reason, **told)
        return Happening.of(loaded, None, "ignored", **told)

    def _tell(
        self,
        connection: Connection,
        happenings: Sequence[Happening],
        subjects: Any,
        told: Sequence[Message],
    ) -> None:
        """Write events and commands to the outbox, and everything to the log.

        What follows from several messages at once goes on in the span of the last that moved the saga: the
        others alone would not have brought it about.
        """
        statuses = {h.entry.saga_id: h.entry.status for h in happenings}
        spans = {str(h.entry.saga_id): h.traceparent for h in happenings if h.move}
        outgoing = [(m, _event(i, statuses[i])) for m, i in ((m, UUID(m.key)) for m in told)]
        outgoing += [command for h in happenings for command in self._commands(h, subjects)]
        ids = outbox.write(connection, self.kind.service, [message for message, _ in outgoing], spans)
        sent = [
            replace(entry, message_type=message.type, event_id=event_id)
            for (message, entry), event_id in zip(outgoing, ids, strict=True)
        ]
        records.log(connection, [*(h.entry for h in happenings), *sent])

    def _commands(self, happening: Happening, subjects: Any) -> Iterator[tuple[Message, Entry]]:
        """Each command that follows, and its line in the log."""
        entry = happening.entry
        for send in happening.move.sends if happening.move else ():
            step = self.definition(happening.loaded).by_name[send.step]
            make = self.kind.commands[step.way(send.operation).command]
            yield (
                make(subjects[entry.saga_id], send.epoch),
                Entry(
                    saga_id=entry.saga_id,
                    kind="command",
                    status=entry.status,
                    step=send.step,
                    operation=send.operation,
                    epoch=send.epoch,
                ),
            )


def _tell_people(happenings: Sequence[Happening]) -> None:
    for happening in happenings:
        before, entry = happening.loaded.state, happening.entry
        if entry.status is SagaStatus.NEEDS_ATTENTION and before.status is not entry.status:
            log.error(
                "a saga needs attention",
                saga_id=str(entry.saga_id),
                trace_id=trace.trace_id(happening.traceparent),
                happened=entry.kind,
                awaits=before.awaits,
                note=entry.note,
            )


def _event(saga_id: UUID, status: Any) -> Entry:
    return Entry(saga_id=saga_id, kind="event", status=status)

"""A saga's participant: handlers that do a step, or undo it, behind its fence. None of them commits.

A service that takes part says how it acts and how it undoes; repeats, late commands and compensations
that come first are kept from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from contracts.messages import MESSAGES, Command, Message, Reply
from messaging.consumer import Handler
from saga import sql
from saga.fence import Fence, FenceState, Verdict, admit, judge, settle

# Given commands of different sagas, answers one by one; None where the answer comes later, by `finish`.
Act = Callable[[Connection, Sequence[Any]], Sequence[Reply | None]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A command and what is to be done about it."""

    command: Command
    verdict: Verdict
    fence: Fence


@dataclass(frozen=True, slots=True)
class Result:
    """How something that was begun ended: the reply to give, and whether it did what was asked."""

    reply: Reply
    step: str
    compensation: bool
    good: bool


def lock(connection: Connection, messages: Sequence[Message]) -> None:
    """Make the fences that are missing and lock all that a batch's commands go through, in sorted order."""
    places = sorted({(_saga_id(m), m.step) for m in messages if isinstance(m, Command)})
    wanted = {"saga_ids": [saga_id for saga_id, _ in places], "steps": [step for _, step in places]}
    if places:
        connection.execute(sql.MAKE_FENCES, wanted)
        connection.execute(sql.LOCK_FENCES, wanted)


def action(act: Act, *, success: type[Reply], refusal: Callable[[Command], Reply]) -> Handler:
    """The handler of a step's command. `refusal` answers an action that comes after its compensation."""
    return _handler(act, success, {Verdict.REFUSE: refusal})


def compensation(act: Act, *, success: type[Reply], nothing: Callable[[Command], Reply]) -> Handler:
    """The handler of a step's compensation. `nothing` answers where there was nothing to undo."""
    return _handler(act, success, {Verdict.NOTHING: nothing})


def finish(connection: Connection, results: Sequence[Result]) -> list[Message]:
    """The answers to what was begun earlier, under the epoch that was asked last. Needs the fences' locks."""
    fences = _read(connection, [(_saga_id(r.reply), r.step) for r in results])
    before = [fences[_saga_id(r.reply), r.step] for r in results]
    replies = [_stamp(r.reply, fence.epoch) for r, fence in zip(results, before, strict=True)]
    _store(
        connection,
        [
            settle(fence, reply, compensation=r.compensation, good=r.good)
            for r, fence, reply in zip(results, before, replies, strict=True)
        ],
    )
    return list(replies)


def _handler(act: Act, success: type[Reply], answers: dict[Verdict, Callable[[Command], Reply]]) -> Handler:
    def handle(connection: Connection, messages: Sequence[Message]) -> list[Message]:
        commands = [message for message in messages if isinstance(message, Command)]
        judged = _judge(connection, commands)
        acted = [each.command for each in judged if each.verdict is Verdict.DO]
        done = dict(zip([c.key for c in acted], act(connection, acted) if acted else (), strict=True))
        told = [(each, _reply(each, done, answers)) for each in judged]
        _store(connection, [_after(each, reply, success) for each, reply in told])
        return [reply for _, reply in told if reply is not None]

    return handle


def _judge(connection: Connection, commands: Sequence[Command]) -> list[Judged]:
    fences = _read(connection, [(_saga_id(command), command.step) for command in commands])
    judged = []
    for command in commands:
        fence = fences[_saga_id(command), command.step]
        verdict = judge(fence, command)
        judged.append(Judged(command, verdict, admit(fence, command, verdict)))
    return judged


def _reply(
    judged: Judged, done: dict[str, Reply | None], answers: dict[Verdict, Callable[[Command], Reply]]
) -> Reply | None:
    """The answer to a command, under its own epoch; None where it comes later."""
    match judged.verdict:
        case Verdict.DO:
            reply = done[judged.command.key]
        case Verdict.REPEAT:
            reply = judged.fence.reply
        case Verdict.WAIT:
            return None
        case verdict:
            reply = answers[verdict](judged.command)
    return _stamp(reply, judged.command.epoch) if reply is not None else None


def _after(judged: Judged, reply: Reply | None, success: type[Reply]) -> Fence:
    if judged.verdict is Verdict.DO and reply is not None:
        undoing = judged.command.compensation
        return settle(judged.fence, reply, compensation=undoing, good=isinstance(reply, success))
    return judged.fence


def _stamp(reply: Reply, epoch: int) -> Reply:
    return reply.model_copy(update={"epoch": epoch})


def _saga_id(message: Message) -> UUID:
    """A saga is known by the key that all its messages have."""
    return UUID(message.key)


def _read(connection: Connection, places: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Fence]:
    rows = connection.execute(
        sql.READ_FENCES,
        {"saga_ids": [saga_id for saga_id, _ in places], "steps": [step for _, step in places]},
    )
    return {(row.saga_id, row.step): _fence(row) for row in rows}


def _fence(row: Row[Any]) -> Fence:
    kind = MESSAGES[row.reply_type] if row.reply_type else None
    reply = kind.model_validate(row.reply) if kind else None
    known = reply if isinstance(reply, Reply) else None
    return Fence(row.saga_id, row.step, FenceState(row.state), row.epoch, known)


def _store(connection: Connection, fences: Sequence[Fence]) -> None:
    if fences:
        connection.execute(
            sql.STORE_FENCES,
            {
                "saga_ids": [fence.saga_id for fence in fences],
                "steps": [fence.step for fence in fences],
                "states": [fence.state for fence in fences],
                "epochs": [fence.epoch for fence in fences],
                "reply_types": [fence.reply.type if fence.reply else None for fence in fences],
                "replies": [fence.reply.model_dump_json() if fence.reply else None for fence in fences],
            },
        )

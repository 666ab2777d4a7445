"""A saga's participant: handlers that do a step, or undo it, behind its fence. None of them commits.

A service that takes part says how it acts and how it undoes; repeats, late commands and compensations
that come first are kept from it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from contracts.messages import MESSAGES, Command, Message, Reply
from messaging.consumer import Handler
from saga import sql
from saga.fence import Fence, FenceState, Verdict, admit, bury, judge, settle

# Given commands of different sagas, answers one by one; None where the answer comes later, by `finish`.
Act = Callable[[Connection, Sequence[Any]], Sequence[Reply | None]]

Place = tuple[UUID, str]  # a saga and its step: where a fence stands


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
    """Lock the fences that a batch's commands go through."""
    lock_steps(connection, [(_saga_id(m), m.step) for m in messages if isinstance(m, Command)])


def lock_steps(connection: Connection, places: Iterable[Place]) -> None:
    """Make the fences that are missing and lock them all, in sorted order: before any other row."""
    if wanted := sorted(set(places)):
        connection.execute(sql.MAKE_FENCES, _columns(wanted))
        connection.execute(sql.LOCK_FENCES, _columns(wanted))


def action(act: Act, *, success: type[Reply], refusal: Callable[[Command], Reply]) -> Handler:
    """The handler of a step's command. `refusal` answers an action that comes after its compensation."""

    def refuse(_connection: Connection, commands: Sequence[Command]) -> list[Reply]:
        return [refusal(command) for command in commands]

    return _handler({Verdict.DO: act, Verdict.REFUSE: refuse}, success)


def compensation(act: Act, *, success: type[Reply], nothing: Act) -> Handler:
    """The handler of a step's compensation.

    `nothing` answers where there was nothing to undo, once a step, and may keep what the service wants to
    know of that.
    """
    return _handler({Verdict.DO: act, Verdict.NOTHING: nothing}, success)


def finish(connection: Connection, results: Sequence[Result]) -> list[Message]:
    """The answers to what was begun earlier, under the epoch that was asked last. Needs the fences' locks."""
    places = [(_saga_id(r.reply), r.step) for r in results]
    fences = _read(connection, places)
    before = [fences[place] for place in places]
    replies = [_stamp(r.reply, fence.epoch) for r, fence in zip(results, before, strict=True)]
    _store(
        connection,
        [
            settle(fence, reply, compensation=r.compensation, good=r.good)
            for r, fence, reply in zip(results, before, replies, strict=True)
        ],
    )
    return list(replies)


def _handler(acts: Mapping[Verdict, Act], success: type[Reply]) -> Handler:
    def handle(connection: Connection, messages: Sequence[Message]) -> list[Message]:
        judged = _judge(connection, [message for message in messages if isinstance(message, Command)])
        answers = _act(connection, acts, judged)
        told = [(each, _reply(each, answers)) for each in judged]
        _store(connection, [_after(each, reply, success) for each, reply in told])
        return [reply for _, reply in told if reply is not None]

    return handle


def _judge(connection: Connection, commands: Sequence[Command]) -> list[Judged]:
    places = [(_saga_id(command), command.step) for command in commands]
    fences = _read(connection, places)
    judged = []
    for command, place in zip(commands, places, strict=True):
        fence = fences[place]
        verdict = judge(fence, command)
        judged.append(Judged(command, verdict, admit(fence, command, verdict)))
    return judged


def _act(
    connection: Connection, acts: Mapping[Verdict, Act], judged: Sequence[Judged]
) -> dict[str, Reply | None]:
    """What each act answers to the commands that are its own, by their key."""
    answers: dict[str, Reply | None] = {}
    for verdict, act in acts.items():
        commands = [each.command for each in judged if each.verdict is verdict]
        if commands:
            answers |= zip([c.key for c in commands], act(connection, commands), strict=True)
    return answers


def _reply(judged: Judged, answers: Mapping[str, Reply | None]) -> Reply | None:
    """The answer to a command, under its own epoch; None where it comes later."""
    if judged.verdict is Verdict.WAIT:
        return None
    reply = judged.fence.reply if judged.verdict is Verdict.REPEAT else answers[judged.command.key]
    return _stamp(reply, judged.command.epoch) if reply is not None else None


def _after(judged: Judged, reply: Reply | None, success: type[Reply]) -> Fence:
    match judged.verdict, reply:
        case Verdict.DO, Reply():
            undoing = judged.command.compensation
            return settle(judged.fence, reply, compensation=undoing, good=isinstance(reply, success))
        case Verdict.NOTHING, Reply():
            return bury(judged.fence, reply)
        case _:
            return judged.fence


def _stamp(reply: Reply, epoch: int) -> Reply:
    return reply.model_copy(update={"epoch": epoch})


def _saga_id(message: Message) -> UUID:
    """A saga is known by the key that all its messages have."""
    return UUID(message.key)


def _columns(places: Sequence[Place]) -> dict[str, Any]:
    return {"saga_ids": [saga_id for saga_id, _ in places], "steps": [step for _, step in places]}


def _read(connection: Connection, places: Sequence[Place]) -> dict[Place, Fence]:
    rows = connection.execute(sql.READ_FENCES, _columns(places))
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

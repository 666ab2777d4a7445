"""A world in which everything between the parts goes wrong, and the parts are the real ones.

Real: the definition's `advance`, the participants' fence, the version check. Simulated: the log between
them, which drops, repeats, delays and reorders; time; two orchestrators that read long before they write;
a gateway that answers late; people. What must hold is checked after every step, and once more when all
that was ever sent has arrived.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.messages import (
    ChargePayment,
    Command,
    Money,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRefundFailed,
    RefundPayment,
    ReleaseStock,
    Reply,
    ReserveStock,
    StockRejected,
    StockReleased,
    StockReserved,
)
from saga import advance
from saga.advance import Answer, Move
from saga.definition import Definition, Operation, Parallel, Retry, Step, Undo
from saga.fence import Fence, Verdict, admit, judge, settle
from saga.state import FINAL, Cause, SagaState, SagaStatus, Why

NOTHING = Money(amount=0, currency="EUR")
GOOD = {
    ("charge", False): PaymentCaptured,
    ("charge", True): PaymentRefunded,
    ("reserve", False): StockReserved,
    ("reserve", True): StockReleased,
}
BAD = {
    ("charge", False): PaymentDeclined,
    ("charge", True): PaymentRefundFailed,
    ("reserve", False): StockRejected,
}
# Refused actions are tried once more here, so that answers to two tries can be confused.
CHARGE = Step(
    ChargePayment,
    success=PaymentCaptured,
    failure=PaymentDeclined,
    deadline_seconds=60,
    retry=Retry(attempts=1, first_seconds=5),
    undo=Undo(
        RefundPayment,
        success=PaymentRefunded,
        failure=PaymentRefundFailed,
        deadline_seconds=60,
        retry=Retry(attempts=1, first_seconds=5),
    ),
)
RESERVE = Step(
    ReserveStock,
    success=StockReserved,
    failure=StockRejected,
    deadline_seconds=60,
    retry=Retry(attempts=1, first_seconds=5),
    pivot=True,
    undo=Undo(ReleaseStock, success=StockReleased, deadline_seconds=60),
)
IN_A_ROW = Definition("simulated", version=1, steps=(CHARGE, RESERVE))
SIDE_BY_SIDE = Definition("simulated", version=2, steps=(Parallel((CHARGE, RESERVE)),))


@dataclass
class World:
    """Sagas, participants, and all that was ever sent between them."""

    definition: Definition = SIDE_BY_SIDE
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    sagas: dict[UUID, tuple[SagaState, int]] = field(default_factory=dict)
    read_by: dict[int, tuple[SagaState, int]] = field(default_factory=dict)
    fences: dict[tuple[UUID, str], Fence] = field(default_factory=dict)
    log: list[Command | Reply] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)  # places in the log that nobody has read
    calls: list[Command] = field(default_factory=list)  # made to the gateway, not yet answered
    parked: set[int] = field(default_factory=set)  # places of commands that a participant has set aside
    done: Counter = field(default_factory=Counter)
    undone: Counter = field(default_factory=Counter)

    # ── the orchestrators

    def begin(self) -> None:
        saga_id = UUID(int=len(self.sagas) + 1)
        move = advance.begin(self.definition, saga_id, self.now)
        self.sagas[saga_id] = (move.state, 1)
        self._send(move)

    def read(self, orchestrator: int, saga_id: UUID) -> None:
        """An orchestrator reads a saga, and may decide on it only much later."""
        self.read_by[orchestrator] = self.sagas[saga_id]

    def write(self, read: tuple[SagaState, int], move: Move | None) -> None:
        """Store a move where the saga is still what was read (`records.store`), else keep nothing."""
        before, revision = read
        if move is not None and self.is_current(before.saga_id, revision):
            assert before.status not in FINAL, "a saga has left its end"
            assert self.sagas[before.saga_id][0] == before, "two moves from one state: one of them is lost"
            self.sagas[before.saga_id] = (move.state, revision + 1)
            self._send(move)

    def is_current(self, saga_id: UUID, revision: int) -> bool:
        """The row's version check."""
        return self.sagas[saga_id][1] == revision

    def take(self, read: tuple[SagaState, int], reply: Reply) -> None:
        answer = Answer(self.definition.routes[reply.type], reply.epoch)
        move = advance.take(self.definition, read[0], answer, self.now)
        last_try = read[0].steps[answer.route.step].epoch if move else reply.epoch
        assert reply.epoch == last_try, "an answer to an earlier try counted"
        self.write(read, move)

    def cancel(self, saga_id: UUID) -> None:
        state = self.sagas[saga_id]
        self.write(state, advance.cancel(self.definition, state[0], Cause(Why.CANCELLED), self.now))

    def retry(self, saga_id: UUID) -> None:
        state = self.sagas[saga_id]
        self.write(state, advance.retry(self.definition, state[0], self.now))

    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for state in list(self.sagas.values()):
            self.write(state, advance.elapse(self.definition, state[0], self.now))

    def compensate(self, saga_id: UUID) -> None:
        state = self.sagas[saga_id]
        self.write(state, advance.cancel(self.definition, state[0], Cause(Why.OPERATOR), self.now))

    def park(self, place: int) -> None:
        """A participant sets a command aside, and says so: it is not handled before a redrive."""
        command = self.log[place]
        assert isinstance(command, Command)
        self.parked.add(place)
        saga_id = UUID(command.key)
        state = self.sagas[saga_id]
        operation = Operation.UNDO if command.compensation else Operation.ACTION
        self.write(state, advance.park(state[0], command.step, operation))

    def _send(self, move: Move) -> None:
        for send in move.sends:
            kind = self.definition.by_name[send.step].way(send.operation).command
            self._append(_command(kind, move.state.saga_id, send.epoch))

    # ── the log

    def _append(self, message: Command | Reply) -> None:
        self.unread.append(len(self.log))
        self.log.append(message)

    def deliver(self, place: int, *, good: bool) -> None:
        """Deliver a record, for the first time or again; nobody remembers which were delivered."""
        if place in self.unread:
            self.unread.remove(place)
        message = self.log[place]
        if place in self.parked:
            return
        if isinstance(message, Command):
            self.participate(message, good=good)
        else:
            self.take(self.sagas[UUID(message.key)], message)

    # ── the participants

    def participate(self, command: Command, *, good: bool) -> None:
        """What saga/participant.py does, with a dict for its table."""
        place = (UUID(command.key), command.step)
        fence = self.fences.get(place, Fence(*place))
        verdict = judge(fence, command)
        self.fences[place] = admit(fence, command, verdict)
        if verdict is Verdict.DO and command.step == "charge":
            self.calls.append(command)
        elif verdict is Verdict.DO:
            self._finish(command, good=good or command.compensation)
        elif verdict is Verdict.REPEAT:
            assert fence.reply is not None
            self._append(fence.reply.model_copy(update={"epoch": command.epoch}))
        elif verdict is not Verdict.WAIT:
            kind = (GOOD if verdict is Verdict.NOTHING else BAD)[command.step, command.compensation]
            reply = _reply(kind, command.key, command.epoch)
            if verdict is Verdict.NOTHING:
                self.fences[place] = replace(self.fences[place], reply=reply)
            self._append(reply)

    def answer_call(self, number: int, *, good: bool) -> None:
        """The gateway answers; a refund waits for its charge."""
        command = self.calls[number]
        charges = [c for c in self.calls if c.key == command.key and not c.compensation]
        if not command.compensation or not charges:
            self.calls.remove(command)
            self._finish(command, good=good)

    def _finish(self, command: Command, *, good: bool) -> None:
        """`participant.finish`: the effect, the fence and the reply, in one."""
        place = (UUID(command.key), command.step)
        if command.compensation:
            good = good or self.done[place] == self.undone[place]
        if good:
            self._have_effect(place, compensation=command.compensation)
        fence = self.fences[place]
        kind = (GOOD if good else BAD)[command.step, command.compensation]
        reply = _reply(kind, command.key, fence.epoch)
        self.fences[place] = settle(fence, reply, compensation=command.compensation, good=good)
        self._append(reply)

    def _have_effect(self, place: tuple[UUID, str], *, compensation: bool) -> None:
        if not compensation:
            self.done[place] += 1
        elif self.done[place] > self.undone[place]:
            self.undone[place] += 1

    # ── what must hold

    def check(self) -> None:
        """At every moment."""
        for place, times in self.done.items():
            assert times <= 1, f"{place[1]} was done {times} times"
            assert self.undone[place] <= times, f"{place[1]} was undone more often than done"
        for saga_id, (state, _) in self.sagas.items():
            if state.status in {SagaStatus.RUNNING, SagaStatus.COMPENSATING}:
                assert state.due is not None, "it is under way, and nothing will ever move it"
            if state.status is SagaStatus.COMPLETED:
                assert self._net(saga_id) == {"charge": 1, "reserve": 1}, "completed, but not all is done"
            if state.status is SagaStatus.COMPENSATED:
                assert self._net(saga_id) == {"charge": 0, "reserve": 0}, "compensated, but not all is undone"

    def heal(self) -> None:
        """All arrives, everybody answers, a person redrives and tries again: then every saga has ended."""
        self.unread += self.parked
        self.parked.clear()
        for _ in range(200):
            for saga_id in self.sagas:
                self.retry(saga_id)
            if not self.unread and not self.calls:
                moving = [s for s, _ in self.sagas.values() if s.due is not None]
                if not moving:
                    break
                self.pass_time(60)
            for place in list(self.unread):
                self.deliver(place, good=True)
            for number in reversed(range(len(self.calls))):
                self.answer_call(number, good=True)
            self.check()
        for state, _ in self.sagas.values():
            assert state.status in FINAL, f"{state.status} for ever"

    def _net(self, saga_id: UUID) -> dict[str, int]:
        return {step: self.done[saga_id, step] - self.undone[saga_id, step] for step in ("charge", "reserve")}


def _command(kind: type[Command], saga_id: UUID, epoch: int) -> Command:
    values = {
        ChargePayment: {"total": NOTHING, "payment_token": "tok_ok"},
        RefundPayment: {"total": NOTHING},
        ReserveStock: {"items": ()},
    }
    return kind(order_id=saga_id, epoch=epoch, **values.get(kind, {}))


def _reply(kind: type[Reply], key: str, epoch: int) -> Reply:
    values = {
        PaymentCaptured: {"total": NOTHING},
        PaymentRefunded: {"total": NOTHING},
        PaymentDeclined: {"reason": "no"},
        PaymentRefundFailed: {"reason": "no"},
        StockRejected: {"reason": "none"},
    }
    return kind(order_id=UUID(key), epoch=epoch, **values.get(kind, {}))

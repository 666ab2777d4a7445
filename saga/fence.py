"""The fence: what a participant does with a command, whatever came before it. Pure.

One fence stands for each (saga, step), and action and compensation both go through it. So a repeat gets the
first answer, a compensation that comes before its action is a no-op that leaves a tombstone, and the late
action is then refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from contracts.messages import Command, Reply


class FenceState(StrEnum):
    """What became of a step at its participant."""

    NONE = "none"  # nothing came yet
    BEGUN = "begun"  # the action is under way, outside the database
    DONE = "done"
    REFUSED = "refused"
    UNDOING = "undoing"  # the compensation is under way, and waits for an action that is
    UNDO_FAILED = "undo-failed"
    UNDONE = "undone"
    TOMBSTONE = "tombstone"  # compensated before anything was done: nothing may be done any more


class Verdict(StrEnum):
    """What to do about a command."""

    DO = "do"  # it is the first of its kind: act, or undo
    REPEAT = "repeat"  # answer again what was answered
    WAIT = "wait"  # the answer is on its way
    REFUSE = "refuse"  # an action that came after its compensation
    NOTHING = "nothing"  # a compensation with nothing to undo


@dataclass(frozen=True, slots=True)
class Fence:
    """One step of one saga as its participant knows it; `reply` is the last answer."""

    saga_id: UUID
    step: str
    state: FenceState = FenceState.NONE
    epoch: int = 0
    reply: Reply | None = None


Rule = Callable[[Fence, int], Verdict]


def judge(fence: Fence, command: Command) -> Verdict:
    """What the participant is to do about the command."""
    rules = COMPENSATION if command.compensation else ACTION
    return rules[fence.state](fence, command.epoch)


def admit(fence: Fence, command: Command, verdict: Verdict) -> Fence:
    """The fence after a command was judged, before what it asks for is done.

    The epoch is that of what is under way: a compensation brings its own, a refused command none.
    """
    match verdict:
        case Verdict.DO:
            begun = FenceState.UNDOING if command.compensation else FenceState.BEGUN
            return replace(fence, state=begun, epoch=command.epoch)
        case Verdict.NOTHING:
            return replace(fence, state=FenceState.TOMBSTONE, epoch=command.epoch)
        case Verdict.REFUSE:
            return fence
        case _:
            return replace(fence, epoch=max(fence.epoch, command.epoch))


def settle(fence: Fence, reply: Reply, *, compensation: bool, good: bool) -> Fence:
    """The fence after what was begun has come to an end.

    An action that ends while it is being undone changes nothing: the compensation sees to it.
    """
    begun, after = _SETTLED[compensation]
    return replace(fence, state=after[good], reply=reply) if fence.state is begun else fence


def bury(fence: Fence, reply: Reply) -> Fence:
    """The tombstone with what was answered: that there was nothing to undo."""
    return replace(fence, reply=reply)


def _always(verdict: Verdict) -> Rule:
    return lambda _fence, _epoch: verdict


def _if_newer(fence: Fence, epoch: int) -> Verdict:
    """A new try, asked for under a new epoch; a repeat of the old one gets the old answer."""
    return Verdict.DO if epoch > fence.epoch else Verdict.REPEAT


ACTION: Mapping[FenceState, Rule] = {
    FenceState.NONE: _always(Verdict.DO),
    FenceState.BEGUN: _always(Verdict.WAIT),
    FenceState.DONE: _always(Verdict.REPEAT),
    FenceState.REFUSED: _if_newer,
    FenceState.UNDOING: _always(Verdict.REFUSE),
    FenceState.UNDO_FAILED: _always(Verdict.REFUSE),
    FenceState.UNDONE: _always(Verdict.REFUSE),
    FenceState.TOMBSTONE: _always(Verdict.REFUSE),
}

COMPENSATION: Mapping[FenceState, Rule] = {
    FenceState.NONE: _always(Verdict.NOTHING),
    FenceState.BEGUN: _always(Verdict.DO),
    FenceState.DONE: _always(Verdict.DO),
    FenceState.REFUSED: _always(Verdict.NOTHING),
    FenceState.UNDOING: _always(Verdict.WAIT),
    FenceState.UNDO_FAILED: _if_newer,
    FenceState.UNDONE: _always(Verdict.REPEAT),
    FenceState.TOMBSTONE: _always(Verdict.REPEAT),
}

_SETTLED: Mapping[bool, tuple[FenceState, Mapping[bool, FenceState]]] = {
    False: (FenceState.BEGUN, {True: FenceState.DONE, False: FenceState.REFUSED}),
    True: (FenceState.UNDOING, {True: FenceState.UNDONE, False: FenceState.UNDO_FAILED}),
}

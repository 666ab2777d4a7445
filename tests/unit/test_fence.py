"""The fence, as tables: every state, action or compensation, under an older, the same or a newer epoch."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import StockRejected, StockReleased, StockReserved
from saga.fence import Fence, FenceState, Verdict, admit, bury, judge, settle
from tests.builders import release, reserve

SAGA = UUID(int=1)
EPOCH = 2
FIRST = StockReserved(order_id=SAGA)

#       state          an action: older, the same, newer          a compensation: older, the same, newer
TABLE = """
        none           do      do      do                         nothing nothing nothing
        begun          wait    wait    wait                       do      do      do
        done           repeat  repeat  repeat                     do      do      do
        refused        repeat  repeat  do                         nothing nothing nothing
        undoing        refuse  refuse  refuse                     wait    wait    wait
        undo-failed    refuse  refuse  refuse                     repeat  repeat  do
        undone         refuse  refuse  refuse                     repeat  repeat  repeat
        tombstone      refuse  refuse  refuse                     repeat  repeat  repeat
"""
CASES = [
    (state, kind, epoch, Verdict(verdicts[3 * number + place]))
    for state, *verdicts in map(str.split, TABLE.strip().splitlines())
    for number, kind in enumerate((reserve, release))
    for place, epoch in enumerate((EPOCH - 1, EPOCH, EPOCH + 1))
]


def fence(state, epoch=EPOCH):
    return Fence(SAGA, "reserve", FenceState(state), epoch, FIRST)


def test_the_table_knows_every_state():
    assert {state for state, *_ in CASES} == set(FenceState)


@pytest.mark.parametrize(("state", "kind", "epoch", "verdict"), CASES)
def test_a_command_is_judged_by_state_and_epoch(state, kind, epoch, verdict):
    assert judge(fence(state), kind(order_id=SAGA, epoch=epoch)) is verdict


@pytest.mark.parametrize(("state", "kind", "epoch", "verdict"), CASES)
def test_a_judged_command_moves_the_fence_only_where_it_is_carried_out(state, kind, epoch, verdict):
    command = kind(order_id=SAGA, epoch=epoch)

    after = admit(fence(state), command, verdict)

    moved = {Verdict.DO: "undoing" if command.compensation else "begun", Verdict.NOTHING: "tombstone"}
    epochs = {Verdict.DO: epoch, Verdict.NOTHING: epoch, Verdict.REFUSE: EPOCH}
    assert after.state == moved.get(verdict, state)
    assert after.epoch == epochs.get(verdict, max(epoch, EPOCH))
    assert after.reply == FIRST


@pytest.mark.parametrize("state", FenceState)
@pytest.mark.parametrize(
    ("compensation", "good", "begun", "ended"),
    [
        (False, True, "begun", "done"),
        (False, False, "begun", "refused"),
        (True, True, "undoing", "undone"),
        (True, False, "undoing", "undo-failed"),
    ],
)
def test_an_end_counts_where_it_was_begun_and_nowhere_else(state, compensation, good, begun, ended):
    reply = StockReleased(order_id=SAGA)

    after = settle(fence(state), reply, compensation=compensation, good=good)

    if state == begun:
        assert (after.state, after.reply) == (ended, reply)
    else:
        assert after == fence(state)


class Participant:
    """Does and undoes behind one fence. What is begun ends by itself, when its time has come."""

    def __init__(self, *, lucky, at_once):
        self.fence = Fence(SAGA, "reserve")
        self.lucky, self.at_once = iter(lucky), at_once
        self.done = self.undone = 0
        self.open = []

    def receive(self, command):
        """The answer, or None where it comes later."""
        verdict = judge(self.fence, command)
        self.fence = admit(self.fence, command, verdict)
        if verdict is Verdict.NOTHING:
            self.fence = bury(self.fence, StockReleased(order_id=SAGA))
        if verdict is Verdict.DO:
            self.open.append(command)
            return self.end() if self.at_once else None
        return None if verdict is Verdict.WAIT else verdict

    def end(self):
        """What was begun first comes to its end; a compensation undoes what was done."""
        if not self.open:
            return None
        command = self.open.pop(0)
        if command.compensation:
            self.undone += self.done - self.undone
            reply, good = StockReleased(order_id=SAGA), True
        else:
            good = next(self.lucky, True)
            self.done += good
            reply = FIRST if good else StockRejected(order_id=SAGA, reason="none left")
        self.fence = settle(self.fence, reply, compensation=command.compensation, good=good)
        return reply


events = st.lists(st.sampled_from(["action", "compensation", "end"]), max_size=12)


@given(events, st.lists(st.booleans(), max_size=3), st.booleans(), st.booleans())
def test_in_whatever_order_an_effect_is_done_once_and_undone_once_and_undone_wins(
    story, lucky, at_once, newer
):
    participant = Participant(lucky=lucky, at_once=at_once)
    for number, event in enumerate(story):
        epoch = 1 + number * newer
        if event == "end":
            participant.end()
        else:
            kind = reserve if event == "action" else release
            participant.receive(kind(order_id=SAGA, epoch=epoch))
    while participant.open:
        participant.end()

    assert participant.done <= 1
    if "compensation" in story:
        assert participant.undone == participant.done
        assert participant.fence.state in {FenceState.UNDONE, FenceState.TOMBSTONE}
    else:
        assert participant.undone == 0

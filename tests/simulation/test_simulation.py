"""Thousands of worlds by chance: sagas end rightly in each, and a broken part is noticed."""

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.messages import Command, Reply
from saga import advance, fence
from saga.fence import FenceState, Verdict
from saga.state import AWAITED
from tests.simulation.world import IN_A_ROW, SIDE_BY_SIDE, World

RUNS, MANY_RUNS = 2_000, 10_000
MUTANT_RUNS = 10_000


class Machine(RuleBasedStateMachine):
    """What may happen, in any order and any number of times."""

    world_of = World

    def __init__(self):
        super().__init__()
        self.world = self.world_of()

    @initialize(sagas=st.integers(1, 2), definition=st.sampled_from([IN_A_ROW, SIDE_BY_SIDE]))
    def sagas_begin(self, sagas, definition):
        self.world.definition = definition
        for _ in range(sagas):
            self.world.begin()

    def pick(self, data, things):
        return data.draw(st.sampled_from(list(things)))

    @rule(data=st.data(), good=st.booleans())
    @precondition(lambda self: self.world.unread)
    def something_arrives(self, data, good):
        self.world.deliver(self.pick(data, self.world.unread), good=good)

    @rule(data=st.data(), good=st.booleans())
    def something_arrives_perhaps_again(self, data, good):
        self.world.deliver(data.draw(st.integers(0, len(self.world.log) - 1)), good=good)

    @rule(data=st.data(), good=st.booleans())
    @precondition(lambda self: self.world.calls)
    def the_gateway_answers(self, data, good):
        self.world.answer_call(data.draw(st.integers(0, len(self.world.calls) - 1)), good=good)

    @rule(data=st.data(), orchestrator=st.integers(0, 1))
    def an_orchestrator_reads(self, data, orchestrator):
        self.world.read(orchestrator, self.pick(data, self.world.sagas))

    @rule(data=st.data(), orchestrator=st.integers(0, 1))
    def an_orchestrator_takes_a_reply_by_what_it_has_read(self, data, orchestrator):
        read = self.world.read_by.pop(orchestrator, None)
        replies = [m for m in self.world.log if isinstance(m, Reply)]
        if read and (of_saga := [m for m in replies if m.key == str(read[0].saga_id)]):
            self.world.take(read, self.pick(data, of_saga))

    @rule(data=st.data())
    def a_customer_cancels(self, data):
        self.world.cancel(self.pick(data, self.world.sagas))

    @rule(data=st.data())
    def a_person_tries_again(self, data):
        self.world.retry(self.pick(data, self.world.sagas))

    @rule(data=st.data())
    def a_command_is_parked(self, data):
        unread = [place for place in self.world.unread if isinstance(self.world.log[place], Command)]
        if unread:
            self.world.park(self.pick(data, unread))

    @rule(data=st.data())
    def a_person_turns_it_round(self, data):
        self.world.compensate(self.pick(data, self.world.sagas))

    @rule(seconds=st.sampled_from([1, 6, 61]))
    def time_passes(self, seconds):
        self.world.pass_time(seconds)

    @invariant()
    def all_is_well(self):
        self.world.check()

    def teardown(self):
        self.world.heal()


def simulate(seed, runs, machine=Machine, **changes):
    run = settings(
        max_examples=runs,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **changes,
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=run, _min_steps=0)


def test_every_world_ends_well(simulation_seed):
    simulate(simulation_seed, RUNS)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_very_many_worlds_end_well(simulation_seed):
    simulate(simulation_seed + 1, MANY_RUNS)


def without_fence(monkeypatch):
    """A repeated action acts again."""
    for state in (FenceState.BEGUN, FenceState.DONE):
        monkeypatch.setitem(fence.ACTION, state, lambda _fence, _epoch: Verdict.DO)


def without_tombstone(monkeypatch):
    """An action that comes after its compensation acts."""
    monkeypatch.setitem(fence.ACTION, FenceState.TOMBSTONE, lambda _fence, _epoch: Verdict.DO)


def without_refusal_of_the_undone(monkeypatch):
    """An action that was undone already acts again."""
    monkeypatch.setitem(fence.ACTION, FenceState.UNDONE, lambda _fence, _epoch: Verdict.DO)


def without_epochs(monkeypatch):
    """An answer to an earlier try counts for the last one."""

    def is_awaited(state, answer):
        step = state.steps.get(answer.route.step)
        return step is not None and AWAITED.get(step.progress) is answer.route.operation

    monkeypatch.setattr(advance, "is_awaited", is_awaited)


def without_revisions(monkeypatch):
    """The second of two orchestrators writes over what the first has written."""
    monkeypatch.setattr(World, "is_current", lambda *_: True)


@pytest.mark.parametrize(
    "mutate",
    [
        without_fence,
        without_tombstone,
        without_refusal_of_the_undone,
        without_epochs,
        without_revisions,
    ],
)
def test_a_broken_part_is_noticed(mutate, monkeypatch, simulation_seed):
    mutate(monkeypatch)

    with pytest.raises(AssertionError):
        simulate(simulation_seed, MUTANT_RUNS, phases=[Phase.generate])

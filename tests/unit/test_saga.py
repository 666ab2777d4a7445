"""Definitions that cannot lose their way, and how a saga advances on one: steps in a row and side by side."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest

from contracts.messages import Command, Reply
from order.saga import Patience, definitions
from saga import advance
from saga.advance import Answer, Send
from saga.definition import Definition, InvalidDefinition, Operation, Parallel, Retry, Route, Step, Undo
from saga.diagram import mermaid
from saga.state import Cause, SagaState, SagaStatus, StepState, Why, cause_from_json, steps_from_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAGA = UUID(int=1)


def a_command(name: str, *, compensation: bool = False) -> type[Command]:
    """A command of a trip: book a flight, cancel a hotel, …"""
    kind = f"{'cancel' if compensation else 'book'}-{name}"
    values = {"type": kind, "topic": "trip", "step": name, "compensation": compensation}
    return type(kind, (Command,), {"__annotations__": dict.fromkeys(values, ClassVar), **values})


def a_reply(name: str) -> type[Reply]:
    return type(name, (Reply,), {"type": name, "topic": "trip", "__annotations__": {}})


def a_step(name: str, **changes) -> Step:
    undo = Undo(a_command(name, compensation=True), success=a_reply(f"{name}-cancelled"))
    values = {"success": a_reply(f"{name}-booked"), "failure": a_reply(f"{name}-full"), "undo": undo}
    return Step(a_command(name), **{**values, **changes})


def a_trip(*steps: Step | Parallel, version: int = 1) -> Definition:
    return Definition("trip", version, steps)


FLIGHT, HOTEL, CAR = a_step("flight"), a_step("hotel"), a_step("car")
PAY = a_step("pay", pivot=True)
_PAID_BACK = Undo(a_command("pay", compensation=True), a_reply("paid-back"), failure=a_reply("not-paid-back"))
PAY_BACK = a_step("pay", pivot=True, undo=_PAID_BACK)
MAIL = a_step("mail", failure=None, undo=None)
TRIP = a_trip(FLIGHT, Parallel((HOTEL, CAR)), PAY, MAIL)


class Journey:
    """A saga on its way, as a story."""

    def __init__(self, definition=TRIP):
        self.definition = definition
        self.now = NOW
        self.sent = []
        self.goes(advance.begin(definition, SAGA, NOW))

    def goes(self, move):
        assert move is not None
        self.state = move.state
        self.sent = [(s.step, s.operation, s.epoch) for s in move.sends]
        return self

    def hears(self, step, *, good=True, operation=Operation.ACTION, epoch=1):
        answer = Answer(Route(step, operation, good), epoch, "why")
        return self.goes(advance.take(self.definition, self.state, answer, self.now))

    def booked(self, *steps):
        for step in steps:
            self.hears(step)
        return self

    def cancelled(self, *steps):
        for step in steps:
            self.hears(step, operation=Operation.UNDO)
        return self

    def waits(self, seconds):
        self.now += timedelta(seconds=seconds)
        return advance.elapse(self.definition, self.state, self.now)


def asked(*steps):
    return [(step, Operation.ACTION, 1) for step in steps]


def undone(*steps):
    return [(step, Operation.UNDO, 1) for step in steps]


class TestOnTheWayDown:
    def test_groups_are_asked_one_after_the_other(self):
        trip = Journey()
        assert trip.sent == asked("flight")
        assert trip.booked("flight").sent == asked("hotel", "car")
        assert trip.booked("hotel").sent == []
        assert trip.booked("car").sent == asked("pay")
        assert trip.booked("pay").sent == asked("mail")
        assert trip.booked("mail").state.status is SagaStatus.COMPLETED

    def test_an_answer_counts_once(self):
        trip = Journey().booked("flight")

        with pytest.raises(AssertionError):
            trip.booked("flight")

    def test_an_answer_to_another_try_does_not_count(self):
        with pytest.raises(AssertionError):
            Journey().hears("flight", epoch=2)

    def test_a_refused_step_is_tried_again_where_the_table_says_so(self):
        patient = a_trip(a_step("flight", retry=Retry(attempts=1, first_seconds=5)), PAY)
        trip = Journey(patient).hears("flight", good=False)
        assert (trip.state.status, trip.sent) == (SagaStatus.RUNNING, [])
        assert trip.waits(4) is None

        trip.goes(trip.waits(1))

        assert trip.sent == [("flight", Operation.ACTION, 2)]
        trip.hears("flight", good=False, epoch=2)
        assert trip.state.status is SagaStatus.COMPENSATED


class TestOnTheWayBack:
    def test_what_was_done_is_undone_in_the_opposite_order(self):
        trip = Journey().booked("flight", "hotel", "car").hears("pay", good=False)
        assert trip.sent == undone("hotel", "car")
        assert trip.state.cause == Cause(Why.REFUSED, "pay", "why")
        assert trip.cancelled("car").sent == []
        assert trip.cancelled("hotel").sent == undone("flight")
        assert trip.cancelled("flight").state.status is SagaStatus.COMPENSATED

    def test_a_neighbour_that_has_not_answered_is_undone_too(self):
        trip = Journey().booked("flight").hears("car", good=False)

        assert trip.sent == undone("hotel")

    def test_the_first_steps_refusal_ends_at_once(self):
        trip = Journey().hears("flight", good=False)

        assert (trip.state.status, trip.sent) == (SagaStatus.COMPENSATED, [])

    def test_a_deadline_turns_the_saga_round(self):
        trip = Journey()
        assert trip.waits(899) is None

        trip.goes(trip.waits(1))

        assert trip.sent == undone("flight")
        assert trip.state.cause == Cause(Why.EXPIRED, "flight")

    def test_a_compensation_without_an_answer_needs_a_person(self):
        trip = Journey()
        trip.goes(trip.waits(900))

        trip.goes(trip.waits(1800))

        assert trip.state.status is SagaStatus.NEEDS_ATTENTION
        assert trip.waits(10**6) is None
        assert trip.cancelled("flight").state.status is SagaStatus.COMPENSATED


class TestAfterThePivot:
    def test_nothing_turns_it_round_any_more(self):
        trip = Journey().booked("flight", "hotel", "car", "pay")

        assert advance.cancel(TRIP, trip.state, Cause(Why.CANCELLED), NOW) is None
        trip.goes(trip.waits(900))
        assert trip.state.status is SagaStatus.NEEDS_ATTENTION
        assert trip.state.cause is None

    def test_a_person_tries_again_or_settles_it(self):
        trip = Journey().booked("flight", "hotel", "car", "pay")
        trip.goes(trip.waits(900))

        again = advance.retry(TRIP, trip.state, NOW)
        settled = advance.resolve(TRIP, trip.state, NOW, unanswered=True)

        assert again is not None
        assert again.sends == (Send("mail", Operation.ACTION, 2),)
        assert settled is not None
        assert settled.state.status is SagaStatus.COMPLETED
        assert advance.resolve(TRIP, trip.state, NOW) is None  # the mail may still be sent


def test_a_parked_command_needs_a_person_only_where_it_is_awaited():
    trip = Journey().booked("flight")

    assert advance.park(trip.state, "flight", Operation.ACTION) is None
    assert advance.park(trip.state, "hotel", Operation.UNDO) is None
    parked = trip.goes(advance.park(trip.state, "hotel", Operation.ACTION))

    assert parked.state.status is SagaStatus.NEEDS_ATTENTION
    assert parked.booked("hotel").state.status is SagaStatus.RUNNING  # it was handled after all


@pytest.mark.parametrize("act", [advance.retry, advance.resolve])
def test_people_step_in_only_where_they_are_needed(act):
    assert act(TRIP, Journey().state, NOW) is None


def test_a_state_is_kept_as_json_and_comes_back():
    trip = Journey().booked("flight", "hotel", "car").hears("pay", good=False)

    assert steps_from_json(trip.state.steps_as_json()) == trip.state.steps
    assert cause_from_json(trip.state.cause_as_json()) == trip.state.cause
    assert cause_from_json(SagaState(SAGA).cause_as_json()) is None
    assert isinstance(trip.state.steps["hotel"], StepState)


class TestWithThePivotBesideAnotherStep:
    def a_trip(self):
        return Journey(a_trip(Parallel((HOTEL, PAY)), MAIL))

    def test_it_is_passed_when_both_are_done(self):
        trip = self.a_trip().booked("pay")
        assert (trip.state.status, trip.sent) == (SagaStatus.RUNNING, [])

        trip.booked("hotel")

        assert trip.sent == asked("mail")
        assert advance.cancel(trip.definition, trip.state, Cause(Why.CANCELLED), NOW) is None

    @pytest.mark.parametrize(("done", "waited_for"), [("pay", "hotel"), ("hotel", "pay")])
    def test_until_then_a_cancel_undoes_both(self, done, waited_for):
        trip = self.a_trip().booked(done)

        trip.goes(advance.cancel(trip.definition, trip.state, Cause(Why.CANCELLED), NOW))

        assert set(trip.sent) == set(undone(done, waited_for))
        assert trip.cancelled("hotel", "pay").state.status is SagaStatus.COMPENSATED

    @pytest.mark.parametrize(("refused", "other"), [("pay", "hotel"), ("hotel", "pay")])
    @pytest.mark.parametrize("first", ["refusal", "success"])
    def test_a_refusal_undoes_the_other_whether_it_is_known_to_be_done_or_not(self, refused, other, first):
        trip = self.a_trip()
        if first == "success":
            trip.booked(other)

        trip.hears(refused, good=False)

        assert trip.sent == undone(other)
        assert trip.cancelled(other).state.status is SagaStatus.COMPENSATED

    def test_who_waits_for_a_person_goes_on_waiting_when_the_other_step_answers(self):
        trip = self.a_trip()
        trip.goes(advance.park(trip.state, "pay", Operation.ACTION))

        trip.booked("hotel")
        assert trip.state.status is SagaStatus.NEEDS_ATTENTION

        assert trip.booked("pay").state.status is SagaStatus.RUNNING

    def test_a_compensation_that_was_refused_for_good_waits_for_a_person_whatever_the_other_says(self):
        trip = Journey(a_trip(Parallel((HOTEL, PAY_BACK))))
        trip.goes(advance.cancel(trip.definition, trip.state, Cause(Why.CANCELLED), NOW))
        trip.hears("pay", operation=Operation.UNDO, good=False)

        trip.cancelled("hotel")

        assert (trip.state.status, trip.state.awaits) == (SagaStatus.NEEDS_ATTENTION, ["undo pay"])
        trip.goes(advance.resolve(trip.definition, trip.state, NOW))
        assert trip.state.status is SagaStatus.COMPENSATED

    def test_a_person_settles_what_was_refused_and_not_what_may_still_be_answered(self):
        trip = Journey(a_trip(Parallel((HOTEL, PAY_BACK))))
        trip.goes(advance.cancel(trip.definition, trip.state, Cause(Why.CANCELLED), NOW))
        trip.hears("pay", operation=Operation.UNDO, good=False)

        trip.goes(advance.resolve(trip.definition, trip.state, NOW))

        assert (trip.state.status, trip.state.awaits) == (SagaStatus.COMPENSATING, ["undo hotel"])
        assert advance.resolve(trip.definition, trip.state, NOW) is None
        assert trip.cancelled("hotel").state.status is SagaStatus.COMPENSATED

    def test_a_deadline_undoes_both(self):
        trip = self.a_trip().booked("pay")

        trip.goes(trip.waits(HOTEL.deadline_seconds))

        assert set(trip.sent) == set(undone("hotel", "pay"))


BAD = {
    "has no steps": a_trip,
    "has an empty group": lambda: a_trip(FLIGHT, Parallel(()), PAY),
    "has no pivot": lambda: a_trip(FLIGHT, HOTEL),
    "has two pivots": lambda: a_trip(a_step("flight", pivot=True), PAY),
    "cannot undo what comes before the pivot": lambda: a_trip(a_step("flight", undo=None), PAY),
    "cannot undo the pivot that was not answered": lambda: a_trip(a_step("pay", pivot=True, undo=None)),
    "undoes after the pivot": lambda: a_trip(PAY, HOTEL),
    "may fail after the pivot for good": lambda: a_trip(PAY, a_step("mail", undo=None)),
    "has a step twice": lambda: a_trip(FLIGHT, FLIGHT, PAY),
    "has a reply with two meanings": lambda: a_trip(FLIGHT, a_step("hotel", failure=FLIGHT.failure), PAY),
    "undoes another step": lambda: a_trip(a_step("flight", undo=HOTEL.undo), PAY),
    "acts by a compensation": lambda: a_trip(
        Step(a_command("flight", compensation=True), success=FLIGHT.success, undo=FLIGHT.undo), PAY
    ),
    "undoes by what does not pass a held key": lambda: a_trip(
        a_step("flight", undo=Undo(a_command("flight"), success=a_reply("cancelled"))), PAY
    ),
    "tries again what cannot fail": lambda: a_trip(
        a_step("flight", failure=None, retry=Retry(attempts=1)), PAY
    ),
    "has no time to notice a silent relay": lambda: a_trip(a_step("flight", deadline_seconds=5), PAY),
    "waits for ever": lambda: a_trip(a_step("flight", deadline_seconds=float("inf")), PAY),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_a_definition_does_not_build_that(make):
    with pytest.raises(InvalidDefinition, match="saga trip version 1"):
        make()


def test_the_fingerprint_is_of_the_shape_and_not_of_the_patience():
    shape = a_trip(FLIGHT, PAY).fingerprint

    assert a_trip(a_step("flight", deadline_seconds=20), PAY).fingerprint == shape
    assert a_trip(FLIGHT, PAY, version=2).fingerprint != shape
    assert a_trip(HOTEL, PAY).fingerprint != shape
    assert a_trip(FLIGHT, a_step("pay", pivot=True, failure=None)).fingerprint != shape


def test_the_orders_definition_is_the_one_that_running_orders_began_with():
    """Another fingerprint means: add a version, and keep this one until its last order has ended."""
    known = {each.version: each.fingerprint for each in definitions(Patience())}

    assert known == {1: "2c46e65b51ac2e2e", 2: "83821038deb03acc"}


def test_a_definition_is_drawn_with_every_way():
    picture = mermaid(TRIP).splitlines()

    assert picture[0] == "stateDiagram-v2"
    for line in (
        "[*] --> flight",
        "flight --> hotel_and_car : flight-booked",
        "flight --> COMPENSATED : flight-full",
        "hotel_and_car --> undo_hotel_and_car : hotel-full or car-full",
        "pay --> undo_pay : expired or cancelled",
        "undo_pay --> undo_hotel_and_car : pay-cancelled",
        "mail --> NEEDS_ATTENTION : is not answered in time",
        "mail --> COMPLETED : mail-booked",
    ):
        assert f"    {line}" in picture

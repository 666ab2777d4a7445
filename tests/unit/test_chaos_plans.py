"""What is drawn from a seed, who is chosen, and what answers are worth."""

from dataclasses import replace
from itertools import accumulate
from random import Random

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from chaos import orders, scenarios
from chaos.answers import ASKS_MAX, Answer, follow_ups, outcome_of
from chaos.cluster import java_hash, partition_of
from chaos.orders import Errand, Fate
from chaos.scenario import kinds, plan
from chaos.targets import Choice, KafkaNames, NothingToHit, Target, choose
from web.problems import answer_with_problems

TARGETS = [
    *(Target(f"broker-{n}", "broker", lambda: None, node_id=n) for n in (1, 2, 3)),
    *(Target(f"{name}-worker", "worker", lambda: None, group=name) for name in ("order", "payment")),
    Target("payment-executor", "worker", lambda: None),
]
NAMES = KafkaNames(transactional_ids=("relay-0",), reads={"order": ("stock-reserved", "payment-failed")})


def chosen(choice: Choice, seed: int = 1, holder: int = 2) -> list[str]:
    chance = Random(seed)  # noqa: S311 - no secret
    return [each.name for each in choose(choice, TARGETS, lambda _role, _of: holder, NAMES, chance)]


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda each: each.name)
def test_the_same_seed_draws_the_same_faults(scenario):
    first, again, other = (plan(scenario, seed, 120) for seed in (7, 7, 8))

    assert first == again
    assert first != other
    assert len(first) >= scenario.round_steps


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda each: each.name)
def test_a_plan_is_about_as_long_as_the_orders_take(scenario):
    steps = plan(scenario, 7, 300)

    *all_but_the_last, length = accumulate(step.quiet_seconds + step.hold_seconds for step in steps)
    assert all_but_the_last[-1] < 300 <= length


def test_a_short_run_still_does_every_fault_of_its_table_once():
    steps = plan(scenarios.BY_NAME["broker-kill"], 1, 1)

    assert {str(package.choice) for step in steps for package in step.packages} == {
        "leader broker",
        "transaction-coordinator broker",
        "group-coordinator broker",
        "controller broker",
    }


def test_the_kinds_of_a_round_are_those_that_its_plan_strikes():
    assert kinds(scenarios.BY_NAME["poison"], 1) == [
        "park and redrive: member inventory worker",
        "poison: member worker",
    ]


def test_a_random_mix_rests_at_times():
    steps = plan(scenarios.BY_NAME["random"], 1, 1000)

    assert {len(step.packages) for step in steps} == {0, 1, 2}


def test_the_same_seed_draws_the_same_orders():
    first, again, other = (orders.plan(seed, 200, 10) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_orders_are_meant_for_their_own_time_and_have_a_key_of_their_own():
    placed = [each for each in orders.plan(3, 200, 10) if each.kind == "place"]

    assert [each.intended for each in placed] == [number / 10 for number in range(200)]
    assert len({each.key for each in placed}) == 200


def test_two_runs_of_a_seed_on_one_system_share_no_key():
    first, second = (orders.plan(3, 50, 10, run=run) for run in ("a-", "b-"))

    assert {each.key for each in first} & {each.key for each in second} == set()
    assert [each.body for each in first] == [each.body for each in second]


@pytest.mark.parametrize(
    ("which", "number"), [("one", 1), ("minority", 1), ("majority", 2), ("all", 3)], ids=str
)
def test_so_many_of_a_kind_are_chosen_by_chance(which, number):
    choices = [chosen(Choice("broker", which), seed) for seed in range(20)]

    assert {len(each) for each in choices} == {number}
    assert {name for each in choices for name in each} == {"broker-1", "broker-2", "broker-3"}
    assert choices == [chosen(Choice("broker", which), seed) for seed in range(20)]


def test_a_role_in_kafka_leads_to_the_broker_that_holds_it():
    assert chosen(Choice("broker", "transaction-coordinator"), holder=3) == ["broker-3"]
    assert chosen(Choice("broker", "controller"), holder=1) == ["broker-1"]


def test_a_member_is_a_worker_of_a_group():
    assert {chosen(Choice("worker", "member"), seed)[0] for seed in range(20)} == {
        "order-worker",
        "payment-worker",
    }
    assert chosen(Choice("worker", "member", "payment")) == ["payment-worker"]


@pytest.mark.parametrize("choice", [Choice("database"), Choice("worker", "member", "nobody")], ids=str)
def test_what_is_not_there_is_not_hit(choice):
    with pytest.raises(NothingToHit):
        chosen(choice)


def test_everything_is_everything():
    assert chosen(Choice("*", "all")) == sorted(each.name for each in TARGETS)


@pytest.mark.parametrize(
    ("text", "value"), [("", 0), ("hello", 99162322), ("polygenelubricants", -(2**31)), ("é😀", 1996812)]
)
def test_ids_are_hashed_as_java_does(text, value):
    assert java_hash(text) == value


def test_a_partition_is_never_negative():
    assert partition_of("polygenelubricants", 6) == 0
    assert all(0 <= partition_of(f"group-{n}", 6) < 6 for n in range(100))


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, "ok"),
        (201, {}, "ok"),
        (202, {}, "ok"),
        (400, {}, "fail"),
        (401, {}, "fail"),
        (403, {}, "fail"),
        (404, {}, "fail"),
        (409, {}, "fail"),
        (413, {}, "fail"),
        (422, {}, "fail"),
        (429, {}, "fail"),
        (503, {"Retry-After": "3"}, "fail"),
        (503, {}, "unknown"),
        (500, {}, "unknown"),
        (502, {}, "unknown"),
        (504, {"Retry-After": "3"}, "unknown"),
    ],
)
def test_what_an_answer_is_worth(status, headers, outcome):
    assert outcome_of(status, headers) == outcome


def test_a_503_that_does_not_know_itself_what_was_done_is_no_refusal():
    """It is what the services answer when their database goes away, perhaps during the commit."""
    app = Flask("a-service")
    answer_with_problems(app)

    @app.get("/")
    def fail():
        raise OperationalError("COMMIT", {}, Exception("gone"))

    answer = app.test_client().get("/")

    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert outcome_of(answer.status_code, answer.headers, answer.get_json()["detail"]) == "unknown"


PLACE = Errand(5.0, "place", "a-key", {"items": [{"sku": "PIZZA", "quantity": 1}]})
ACCEPTED = Answer("ok", 201, {"order_id": "an-order", "status": "PENDING"})


def test_who_does_not_know_asks_again_with_the_same_key_and_body_but_not_for_ever():
    errand, asked = PLACE, 0
    while following := list(follow_ups(errand, Answer("unknown"), 10.0)):
        [errand] = following
        asked += 1
        assert (errand.kind, errand.key, errand.body) == ("repeat", "a-key", PLACE.body)
        assert errand.intended > 10.0

    assert asked == ASKS_MAX


def test_a_refusal_of_a_second_try_does_not_tell_what_became_of_the_first():
    again = replace(PLACE, kind="repeat", attempt=1)

    assert list(follow_ups(again, Answer("fail", 503), 10.0)) != []
    assert list(follow_ups(again, Answer("fail", 422), 10.0)) == []
    assert list(follow_ups(PLACE, Answer("fail", 503), 10.0)) == []


def test_an_accepted_order_is_looked_at_cancelled_and_asked_for_again_as_was_drawn():
    fate = Fate(looks=3, cancel_after=0.5, repeat_after=1.0, other_body_after=2.0)

    look, cancel, repeat, other = follow_ups(replace(PLACE, fate=fate), ACCEPTED, 10.0)

    assert (look.kind, look.order_id, look.fate.looks) == ("get", "an-order", 3)
    assert (cancel.kind, cancel.order_id, cancel.intended) == ("cancel", "an-order", 10.5)
    assert (repeat.kind, repeat.key, repeat.body, repeat.is_other) == ("repeat", "a-key", PLACE.body, False)
    assert (other.key, other.is_other) == ("a-key", True)
    assert other.body["items"] == [{"sku": "PIZZA", "quantity": 2}]


def test_an_order_is_looked_at_as_often_as_was_drawn_and_its_end_again():
    look = Errand(5.0, "get", order_id="an-order", fate=Fate(looks=2))

    [again] = follow_ups(look, Answer("ok", 200, {"status": "PAID"}), 10.0)

    assert again.fate.looks == 1
    assert list(follow_ups(again, Answer("ok", 200, {"status": "PAID"}), 11.0)) == []
    assert list(follow_ups(look, Answer("ok", 200, {"status": "FAILED"}), 10.0)) == [again]

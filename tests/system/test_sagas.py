"""Sagas through the whole system: gateways that misbehave, races, the dead, and people's way out."""

import json
import os
import random
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from runtime.waiting import until
from stack.layout import ROOT
from tests.conftest import DEADLINE_SECONDS
from tests.invariants import assert_nothing_lost_or_doubled

PATIENCE = 3 * DEADLINE_SECONDS + 40  # an action's deadline, its compensation's, and some


def saga_state(system, order):
    [(state,)] = system.query("order", f"SELECT status FROM sagas WHERE id = '{order}'")
    return state


def wait_for_state(system, order, state, within_seconds=PATIENCE):
    until(
        lambda: saga_state(system, order) == state,
        within_seconds=within_seconds,
        what=f"order {order} to be {state}",
    )


@contextmanager
def frozen(system, *names):
    """Processes that live and do nothing."""
    pids = [system.node(name).pid for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_every_token_of_the_gateway_ends_where_it_must(system):
    ends = {
        "tok_ok": ("COMPLETED", 1250, 0),
        "tok_declined": ("FAILED", 0, 0),
        "tok_slow": ("COMPLETED", 1250, 0),
        "tok_timeout_charged": ("COMPLETED", 1250, 0),
        "tok_timeout_not_charged": ("COMPLETED", 1250, 0),
        "tok_error_then_ok": ("COMPLETED", 1250, 0),
    }
    orders = {token: system.place(token=token) for token in ends}

    found = {}
    for token, order in orders.items():
        status = system.final_status(order)
        [payment] = system.get(f"/payments?order_id={order}", "payment")["payments"]
        found[token] = (status, payment["captured"], payment["refunded"])

    assert found == ends
    assert_nothing_lost_or_doubled(system, list(orders.values()))


@pytest.fixture(scope="module")
def patient(system):
    """Orders whose end takes long, placed together: by their token."""
    return {
        token: system.place("SOLD-OUT", token=token)
        for token in ("tok_refund_refused", "tok_unknown_for_ever")
    }


def test_a_refund_that_is_refused_for_ever_needs_a_person_who_settles_it(system, patient):
    order = patient["tok_refund_refused"]

    wait_for_state(system, order, "NEEDS_ATTENTION")

    assert system.get(f"/orders/{order}")["needs_attention"] is True
    # PAID where the money's answer came before the one that turned the order round.
    assert system.get(f"/orders/{order}")["status"] in {"PENDING", "PAID"}
    listed = system.run("sagas", "list", "--in", "NEEDS_ATTENTION", "--step", "undo charge", "--json")
    assert order in [saga["order_id"] for saga in json.loads(listed.stdout)["sagas"]]
    assert "attempt 6" in system.run("sagas", "show", order).stdout

    settled = system.run("sagas", "resolve", order, "--note", "paid back by bank transfer 4711")

    assert settled.returncode == 0, settled.stderr
    assert system.get(f"/orders/{order}")["status"] == "OUT_OF_STOCK"
    assert "paid back by bank transfer 4711" in system.run("sagas", "show", order).stdout
    again = system.run("sagas", "resolve", order, "--note", "once more")
    assert (again.returncode, "it is COMPENSATED" in again.stderr) == (1, True)


def test_a_gateway_that_never_says_needs_a_person_in_the_end(system, patient):
    """The stock is refused, so a refund is asked for; it waits for the charge, of which nothing is known."""
    order = patient["tok_unknown_for_ever"]

    wait_for_state(system, order, "NEEDS_ATTENTION")

    settle = ("sagas", "resolve", order, "--note", "the bank says: never charged")
    assert "may still be done, twice then" in system.run(*settle).stderr
    assert system.run(*settle, "--unanswered").returncode == 0
    assert system.get(f"/orders/{order}")["status"] == "OUT_OF_STOCK"
    assert_nothing_lost_or_doubled(system, list(patient.values()))


def test_a_cancellation_races_with_the_order_and_one_of_them_wins(system):
    chance, never = random.Random(7), threading.Event()  # noqa: S311 - no secret

    def place_and_cancel(_number):
        order = system.place("LAPTOP")
        never.wait(chance.uniform(0, 1.5))
        return order, system.post(f"/orders/{order}/cancel", None).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = dict(pool.map(place_and_cancel, range(40)))

    ends = {order: system.final_status(order) for order in answers}
    assert {ends[order] for order, code in answers.items() if code in {200, 202}} <= {"CANCELLED"}
    assert {ends[order] for order, code in answers.items() if code == 409} <= {"COMPLETED"}
    assert set(answers.values()) <= {200, 202, 409}
    assert set(ends.values()) == {"CANCELLED", "COMPLETED"}, "no race: all ended the same way"
    assert_nothing_lost_or_doubled(system, list(answers))


def test_a_participant_that_is_dead_costs_its_orders_and_nothing_else(system):
    with frozen(system, "payment-worker"):
        order = system.place()
        wait_for_state(system, order, "COMPENSATING")

    assert system.final_status(order) == "CANCELLED"
    timeline = system.get(f"/orders/{order}/timeline")
    assert "expired" in [entry["kind"] for entry in timeline["entries"]]
    assert_nothing_lost_or_doubled(system, [order])


@pytest.mark.timeout(400)
def test_kafka_down_for_longer_than_every_deadline_cancels_no_order(system):
    accepted = [system.place("LAPTOP") for _ in range(3)]
    with frozen(system, *system.names("broker")):
        down_for = 2 * DEADLINE_SECONDS + 10
        accepted += [system.place("LAPTOP") for _ in range(5)]
        oldest = f"SELECT clock_timestamp() - min(created_at) > '{down_for} s' FROM orders"
        ids = ", ".join(f"'{order}'" for order in accepted[3:])
        until(
            lambda: system.query("order", f"{oldest} WHERE id IN ({ids})") == [(True,)],
            within_seconds=down_for + 20,
            what="every deadline to pass",
            every_seconds=1,
        )
        accepted.append(system.place("LAPTOP"))

    assert {system.final_status(order, within_seconds=120) for order in accepted} == {"COMPLETED"}
    assert_nothing_lost_or_doubled(system, accepted)


def test_the_readmes_timeline_is_what_a_compensated_order_shows(system):
    """The slow card answers after the stock, but where the relays have just been slower still."""
    readme = in_general((ROOT / "README.md").read_text())

    def is_shown():
        order = system.place("SOLD-OUT", token="tok_slow")
        system.final_status(order)
        shown = system.run("sagas", "show", order)
        assert shown.returncode == 0, shown.stderr
        return in_general(shown.stdout) in readme

    until(is_shown, within_seconds=60, what="an order to go the way that README shows")


def in_general(text):
    """Without what differs from order to order: ids, times, traces, waiting."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    text = re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "TIME", text)
    text = re.sub(r"trace [0-9a-f]{32}", "TRACE", text)
    return re.sub(r"moved \d+ s ago *", "MOVED ", text)

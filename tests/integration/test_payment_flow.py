"""Charges and refunds through a real gateway's HTTP, in two transactions and behind the fence."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from payment import handlers
from payment.executor import WHOLE_LOOK_SECONDS, call
from payment.gateway import HttpGateway, Outcome
from runtime.lookback import LookBack
from runtime.waiting import until
from tests.builders import charge, refund
from tests.cashier import operations


def test_a_good_card_is_captured_once_however_often_it_is_asked(cashier, gateway_at):
    url, order = gateway_at(), charge()

    cashier.receives(order, order)
    assert cashier.told() == []  # nothing is told before the gateway answered
    cashier.execute(url)
    cashier.receives(order)

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told() == ["payment.captured.v1"] * 2  # told again to the repeated command
    assert cashier.is_in_sync(url)
    assert cashier.fence() == ("done", 1)


def test_a_declined_card_is_told(cashier, gateway_at):
    cashier.receives(charge(token="tok_declined"))

    cashier.execute(gateway_at())

    assert cashier.told() == ["payment.declined.v1"]
    assert cashier.rows("SELECT * FROM payment_ledger") == []
    assert cashier.fence() == ("refused", 1)


def test_a_declined_charge_is_tried_anew_under_a_newer_epoch_and_under_no_other(cashier, gateway_at):
    url, order = gateway_at(), charge(token="tok_declined")
    cashier.receives(order)
    cashier.execute(url)
    again = charge(order_id=order.order_id, epoch=2)

    cashier.receives(order)
    assert cashier.open_intents() == []
    cashier.receives(again, again)
    assert cashier.payment() == ("REQUESTED", 0, 0)
    cashier.execute(url)

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told() == ["payment.declined.v1", "payment.declined.v1", "payment.captured.v1"]
    assert cashier.last_told()["epoch"] == 2
    assert [entry["declined"] is None for entry in operations(url)] == [False, True]


def test_a_refund_gives_back_what_the_last_try_captured(cashier, gateway_at):
    url, order = gateway_at(), charge(token="tok_declined")
    cashier.receives(order)
    cashier.execute(url)
    cashier.receives(charge(order_id=order.order_id, epoch=2))
    cashier.execute(url)

    cashier.receives(refund(order.order_id, epoch=3))
    cashier.execute(url)

    assert cashier.payment() == ("REFUNDED", 1250, 1250)
    assert cashier.last_told() == {"epoch": 3, "total": {"amount": 1250, "currency": "EUR"}}
    assert cashier.is_in_sync(url)


def test_a_refund_is_done_once_however_often_it_is_asked(cashier, gateway_at):
    url, order = gateway_at(), charge()
    cashier.receives(order)
    cashier.execute(url)
    back = refund(order.order_id)

    cashier.receives(back, back)
    cashier.execute(url)
    cashier.receives(back, refund(order.order_id, epoch=2))

    assert cashier.payment() == ("REFUNDED", 1250, 1250)
    assert cashier.rows("SELECT sum(amount) FROM payment_ledger") == [(0,)]
    assert cashier.told() == ["payment.captured.v1", *["payment.refunded.v1"] * 3]
    assert len(operations(url)) == 2
    assert cashier.fence() == ("undone", 2)


def test_a_late_success_after_a_refund_was_asked_is_told_and_reversed_once(cashier, gateway_at):
    """The saga gave up while the gateway was being called."""
    url, order = gateway_at(), charge()
    cashier.receives(order)
    executor = cashier.executor(url)
    [intent] = executor._claim(10)
    result = call(executor.gateway, intent)

    cashier.receives(refund(order.order_id))
    assert executor._claim(10) == []  # it waits for its charge
    executor._store_calls([result])
    assert cashier.payment() == ("CAPTURED", 1250, 0)
    cashier.execute(url)
    executor._store_calls([result])

    assert cashier.payment() == ("REFUNDED", 1250, 1250)
    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]
    assert cashier.fence() == ("undone", 1)
    assert cashier.is_in_sync(url)


def test_a_refund_of_a_charge_that_was_declined_meanwhile_gives_nothing_back(cashier, gateway_at):
    url, order = gateway_at(), charge(token="tok_declined")
    cashier.receives(order)
    executor = cashier.executor(url)
    [intent] = executor._claim(10)
    cashier.receives(refund(order.order_id))

    executor._store_calls([call(executor.gateway, intent)])
    cashier.execute(url)

    assert cashier.payment() == ("DECLINED", 0, 0)
    assert cashier.last_told()["total"]["amount"] == 0
    assert [entry["operation"] for entry in operations(url)] == ["charge"]


def test_a_charge_that_was_never_tried_is_withdrawn_by_its_refund(cashier, gateway_at):
    url, order = gateway_at(), charge()
    cashier.receives(order)

    cashier.receives(refund(order.order_id))
    cashier.execute(url)
    cashier.receives(charge(order_id=order.order_id, epoch=2))

    assert cashier.payment() == ("REFUNDED", 0, 0)
    assert cashier.told() == ["payment.refunded.v1", "payment.declined.v1"]
    assert cashier.rows("SELECT state, attempts, payment_token FROM payment_intents") == [
        ("WITHDRAWN", 0, None)
    ]
    assert operations(url) == []


def test_a_backlog_is_claimed_from_its_end_to_now_however_little_room_there_is(cashier, gateway_at):
    executor = cashier.executor(gateway_at())
    for back in (60, 50, 40):
        order = charge()
        cashier.receives(order)
        cashier.change(
            f"UPDATE payment_intents SET due_at = due_at - interval '{back} s'"
            f" WHERE order_id = '{order.order_id}'"
        )

    late = [[intent.late_seconds for intent in executor._claim(1)] for _ in range(4)]

    assert [round(each, -1) for [each] in late[:3]] == [60, 50, 40]
    assert late[3] == []


def test_what_was_not_to_be_had_when_it_was_due_is_found_by_the_next_whole_look(cashier, gateway_at):
    now = [1000.0]
    executor = cashier.executor(gateway_at())
    executor._look_back = LookBack(WHOLE_LOOK_SECONDS, clock=lambda: now[0])
    assert executor._claim(1) == []
    cashier.receives(charge())
    cashier.change("UPDATE payment_intents SET due_at = due_at - interval '10 s'")

    assert executor._claim(1) == []
    now[0] += WHOLE_LOOK_SECONDS
    assert len(executor._claim(1)) == 1


def test_a_charge_that_is_just_being_claimed_is_not_withdrawn(cashier, gateway_at):
    url, order = gateway_at(), charge()
    cashier.receives(order)
    with cashier.engine.begin() as claiming:
        wanted = {"limit": 10, "executor": "test", "lease_seconds": 30, "back_seconds": 60.0}
        [intent] = claiming.execute(handlers.queries.CLAIM_INTENTS, wanted).all()
        refunding = threading.Thread(target=cashier.receives, args=(refund(order.order_id),))
        refunding.start()
        refunding.join(timeout=0.5)
        assert refunding.is_alive()  # it waits for the claim
    refunding.join(timeout=10)

    executor = cashier.executor(url)
    executor._store_calls([call(executor.gateway, intent)])
    cashier.execute(url)

    assert cashier.payment() == ("REFUNDED", 1250, 1250)
    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]
    assert cashier.is_in_sync(url)


def test_a_charge_that_is_just_being_withdrawn_is_not_claimed(cashier, gateway_at):
    order = charge()
    cashier.receives(order)

    with cashier.engine.begin() as withdrawing:
        withdrawing.execute(handlers.queries.WITHDRAW_CHARGES, {"order_ids": [order.order_id]})
        assert cashier.executor(gateway_at())._claim(10) == []

    assert cashier.open_intents() == []


def test_charges_and_refunds_at_once_agree_with_the_gateway(cashier, gateway_at):
    url, orders = gateway_at(), [charge() for _ in range(25)]
    with cashier.executing(url):
        cashier.receives(*orders)
        cashier.receives(*(refund(order.order_id) for order in orders))
        until(lambda: not cashier.open_intents(), within_seconds=30, what="intents to be settled")

    assert cashier.rows("SELECT DISTINCT status, captured - refunded FROM payments") == [("REFUNDED", 0)]
    assert cashier.rows("SELECT DISTINCT state FROM fences") == [("undone",)]
    refunds = cashier.told().count("payment.refunded.v1")
    assert refunds == len(orders)
    charges = [entry["key"] for entry in operations(url) if entry["operation"] == "charge"]
    assert len(operations(url)) == 2 * len(charges)


def test_a_refund_before_its_charge_leaves_a_payment_of_nothing_and_refuses_the_late_charge(cashier):
    order = charge()

    cashier.receives(refund(order.order_id))
    cashier.receives(order, refund(order.order_id))

    assert cashier.told() == ["payment.refunded.v1", "payment.declined.v1", "payment.refunded.v1"]
    assert cashier.payment() == ("REFUNDED", 0, 0)
    assert cashier.open_intents() == []
    assert cashier.fence() == ("tombstone", 1)


def test_a_charge_and_its_refund_at_once_by_two_workers_leave_nothing_open(cashier, gateway_at):
    url, orders = gateway_at(), [charge() for _ in range(20)]
    refunds = [refund(order.order_id) for order in orders]
    workers = [threading.Thread(target=cashier.receives, args=batch) for batch in (orders, refunds[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)

    cashier.execute(url)

    assert cashier.rows("SELECT DISTINCT captured - refunded FROM payments") == [(0,)]
    assert cashier.told().count("payment.refunded.v1") == len(orders)


def test_a_refusal_to_refund_is_told_and_the_money_stays_captured(cashier, gateway_at):
    url, order = gateway_at(), charge(token="tok_refund_refused")
    cashier.receives(order)
    cashier.execute(url)

    cashier.receives(refund(order.order_id))
    cashier.execute(url)
    cashier.receives(refund(order.order_id))

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told() == ["payment.captured.v1", *["payment.refund-failed.v1"] * 2]
    assert cashier.fence() == ("undo-failed", 1)
    assert cashier.is_in_sync(url)


def test_a_refused_refund_is_tried_anew_under_a_newer_epoch(cashier, gateway_at):
    url, order = gateway_at(), charge(token="tok_refund_refused")
    cashier.receives(order)
    cashier.execute(url)
    cashier.receives(refund(order.order_id))
    cashier.execute(url)

    cashier.receives(refund(order.order_id, epoch=2))
    cashier.execute(url)

    assert cashier.last_told()["epoch"] == 2
    assert cashier.rows("SELECT operation, epoch FROM payment_intents ORDER BY id") == [
        ("charge", 1),
        ("refund", 1),
        ("refund", 2),
    ]
    assert [entry["operation"] for entry in operations(url)] == ["charge", "refund", "refund"]


@pytest.mark.parametrize("token", ["tok_timeout_charged", "tok_timeout_not_charged", "tok_error_then_ok"])
def test_a_charge_without_an_answer_is_asked_for_and_captured_once(cashier, gateway_at, token):
    url = gateway_at()
    cashier.receives(charge(token=token))

    with cashier.executing(url):
        until(lambda: cashier.payment()[0] == "UNKNOWN", within_seconds=20, what="UNKNOWN")
        until(lambda: not cashier.open_intents(), within_seconds=30, what="the charge to be settled")

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told() == ["payment.captured.v1"]
    assert cashier.is_in_sync(url)


def test_a_refund_of_a_charge_without_an_answer_waits_and_takes_all_back(cashier, gateway_at):
    url, order = gateway_at(), charge(token="tok_timeout_charged")
    cashier.receives(order)

    with cashier.executing(url):
        until(lambda: cashier.payment()[0] == "UNKNOWN", within_seconds=20, what="UNKNOWN")
        cashier.receives(refund(order.order_id))
        until(lambda: not cashier.open_intents(), within_seconds=30, what="both to be settled")

    assert cashier.payment() == ("REFUNDED", 1250, 1250)
    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]
    assert cashier.is_in_sync(url)


def test_a_gateway_that_never_says_is_asked_ever_more_slowly_and_charged_by_nobody(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge(token="tok_unknown_for_ever"))

    with cashier.executing(url):
        asked = "SELECT attempts FROM payment_intents WHERE attempts >= 3"
        until(lambda: cashier.rows(asked), within_seconds=30, what="a third attempt")

    assert cashier.payment() == ("UNKNOWN", 0, 0)
    assert cashier.told() == []
    assert operations(url) == []
    assert cashier.fence() == ("begun", 1)


def test_an_unreachable_gateway_leaves_the_payment_unknown_until_it_answers(cashier, gateway_at, free_port):
    cashier.receives(charge())
    with cashier.executing(f"http://127.0.0.1:{free_port()}"):
        until(lambda: cashier.payment()[0] == "UNKNOWN", within_seconds=20, what="UNKNOWN")

    cashier.execute(gateway_at())

    assert cashier.payment() == ("CAPTURED", 1250, 0)


def test_an_executor_that_died_after_the_call_charges_nobody_twice(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge())
    dead = cashier.executor(url)
    [intent] = dead._claim(10)
    call(dead.gateway, intent)  # and never stores the result
    assert dead._claim(10) == []  # the lease holds
    cashier.change("UPDATE payment_intents SET due_at = clock_timestamp()")  # and runs out

    cashier.execute(url)

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert len(operations(url)) == 1


def test_a_result_that_cannot_be_stored_holds_up_nobody(cashier, gateway_at):
    cashier.receives(charge(), charge())
    executor = cashier.executor(gateway_at())
    good, bad = (call(executor.gateway, intent) for intent in executor._claim(10))
    bad = replace(bad, outcome=Outcome(reference="\x00"))

    executor._store_calls([bad, good])

    assert sorted(cashier.rows("SELECT status FROM payments")) == [("CAPTURED",), ("UNKNOWN",)]


def test_a_late_executor_without_an_answer_does_not_doubt_what_another_settled(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge())
    late = cashier.executor(url)
    [intent] = late._claim(10)
    cashier.change("UPDATE payment_intents SET due_at = clock_timestamp()")
    cashier.execute(url)

    late._store_calls([handlers.Unanswered(intent.id, intent.order_id, 1.0)])

    assert cashier.payment() == ("CAPTURED", 1250, 0)


def test_what_costs_nothing_can_be_refunded(cashier, gateway_at):
    url, order = gateway_at(), charge(amount=0)
    cashier.receives(order)
    cashier.execute(url)

    cashier.receives(refund(order.order_id, amount=0))
    cashier.execute(url)

    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]


def test_two_executors_with_one_result_store_it_once(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge())
    [intent] = cashier.executor(url)._claim(10)
    result = call(HttpGateway(url, 1), intent)

    for _ in range(2):
        with cashier.engine.begin() as connection:
            handlers.lock_calls(connection, [result])
            handlers.store_results(connection, [result])

    assert cashier.told() == ["payment.captured.v1"]


def test_no_order_has_two_open_intents_for_one_thing(cashier):
    cashier.receives(charge())

    with pytest.raises(Exception, match="uq_payment_intents_open"), cashier.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO payment_intents (order_id, operation, epoch, state)"
                " SELECT order_id, 'charge', 2, 'REQUESTED' FROM payments"
            )
        )


def test_a_share_of_charges_fails_when_asked_to(cashier, gateway_at):
    cashier.receives(*(charge() for _ in range(60)))

    cashier.execute(gateway_at(failure_rate=0.5))

    statuses = [status for (status,) in cashier.rows("SELECT status FROM payments")]
    assert {"CAPTURED", "DECLINED"} == set(statuses)


def test_the_token_is_forgotten_once_it_was_used(cashier, gateway_at):
    cashier.receives(charge())

    cashier.execute(gateway_at())

    assert cashier.rows("SELECT payment_token FROM payment_intents") == [(None,)]

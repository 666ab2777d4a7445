"""What is asked over and over goes by an index and its bounds, planned on empty tables as services plan."""

import re

import pytest

import audit.books_sql
import audit.report_sql
import audit.sources
import audit.trace_sql
import payment.queries
import saga.sql
import web.sql
from runtime.database import connect_engine

# A value of a statement, and no cast.
_VALUE = re.compile(r"(?<!:):(\w+)")


@pytest.mark.parametrize(
    ("service", "statement", "index"),
    [
        ("payment", payment.queries.CLAIM_INTENTS, "ix_payment_intents_due"),
        ("order", saga.sql.IS_ANY_DUE, "ix_sagas_due"),
        ("order", saga.sql.CLAIM_DUE, "ix_sagas_due"),
        ("order", web.sql.DELETE_EXPIRED_KEYS, "ix_idempotency_keys_expires_at"),
        ("payment", payment.queries.FORGET_WEBHOOKS, "ix_webhook_deliveries_received_at"),
    ],
    ids=["intents", "is a saga due", "sagas", "keys", "webhooks"],
)
def test_what_is_not_due_is_not_read(databases, service, statement, index):
    """Neither what waits for its time, nor what has died beyond it and is kept by somebody's snapshot."""
    plan = planned(databases.url(service), statement)

    assert re.search(rf"{index}.*\n.*Index Cond: \(+\w+ <=? \(?statement_timestamp\(\)", plan), plan


@pytest.mark.parametrize(
    ("service", "statement"),
    [
        ("payment", payment.queries.CLAIM_INTENTS),
        ("order", saga.sql.IS_ANY_DUE),
    ],
    ids=["intents", "is a saga due"],
)
def test_what_was_done_long_ago_is_not_read(databases, service, statement):
    """It is dead, and stays in the index while somebody's snapshot keeps it."""
    plan = planned(databases.url(service), statement)

    assert re.search(r"Index Cond: .*\(due_at >= \(statement_timestamp\(\) - ", plan), plan


def test_a_refund_looks_for_its_own_charge_only(databases):
    plan = planned(databases.url("payment"), payment.queries.CLAIM_INTENTS)

    looks = re.findall(r"uq_payment_intents_open on payment_intents charge.*\n\s+(.*)", plan)
    assert looks, plan
    assert all("order_id = intent.order_id" in look for look in looks), plan


def test_orders_that_nobody_has_looked_at_come_first_unsorted(databases):
    plan = planned(databases.url("audit", "auditor"), audit.books_sql.TO_SETTLE)

    assert "ix_unsettled_looked_at" in plan
    assert "Sort" not in plan


def test_what_recoveries_explain_is_counted_by_an_index(databases):
    plan = planned(databases.url("audit", "auditor"), audit.report_sql.RECOVERIES)

    assert "ix_findings_explained_by on findings" in plan, plan
    assert "Seq Scan on findings" not in plan


def test_what_waits_for_an_open_transaction_is_found_by_an_index(databases):
    plan = planned(databases.url("order", "auditor"), audit.sources._IS_HELD_UP)

    assert "Seq Scan" not in plan, plan
    assert re.search(r"Index Scan using \w*outbox\w*xact\w* on outbox_p\d+", plan), plan


def test_letters_that_were_redriven_are_not_read(databases):
    plan = planned(databases.url("order", "auditor"), audit.books_sql.LETTERS)

    assert "ix_dead_letters_waiting" in plan
    assert "ix_dead_letters_discarded" in plan


def test_no_second_process_is_started_for_the_few_rows_of_an_order(databases):
    """Where an outbox is large, the newest of it might be many: two forks of Postgres, for no row at all."""
    plan = planned(
        databases.url("order", "auditor"), audit.trace_sql.WRITTEN, "SET debug_parallel_query = on"
    )

    assert "Gather" not in plan


def planned(url, statement, first="SELECT"):
    """The plan that a service's process keeps, whatever the values will be."""
    names = list(dict.fromkeys(_VALUE.findall(statement.text)))
    numbered = _VALUE.sub(lambda found: f"${names.index(found[1]) + 1}", statement.text)
    engine = connect_engine(url, process="a-test", connections=1)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(first)
            return "\n".join(connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {numbered}").scalars())
    finally:
        engine.dispose()

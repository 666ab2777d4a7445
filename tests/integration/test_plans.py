"""What is asked over and over goes by an index and its bounds, planned as services plan: on empty tables."""

import re

import pytest
from sqlalchemy import text

import payment.queries
import saga.sql
import web.sql
from runtime.database import connect_engine
from saga.heartbeats import STALE_SECONDS

CLAIM = {"limit": 10, "back_seconds": 3.0, "executor": "a-test", "lease_seconds": 30}
DUE = {"relays": ["order"], "stale_seconds": STALE_SECONDS, "limit": 10}


@pytest.mark.parametrize(
    ("service", "statement", "values", "index"),
    [
        ("payment", payment.queries.CLAIM_INTENTS, CLAIM, "ix_payment_intents_due"),
        ("order", saga.sql.IS_ANY_DUE, {"back_seconds": 3.0}, "ix_sagas_due"),
        ("order", saga.sql.CLAIM_DUE, DUE, "ix_sagas_due"),
        ("order", web.sql.DELETE_EXPIRED_KEYS, {"most": 10}, "ix_idempotency_keys_expires_at"),
    ],
    ids=["intents", "is a saga due", "sagas", "keys"],
)
def test_what_is_not_due_is_not_read(databases, service, statement, values, index):
    """Neither what waits for its time, nor what has died beyond it and is kept by somebody's snapshot."""
    plan = planned(databases.url(service), statement, values)

    assert re.search(rf"{index}.*\n.*Index Cond: \(+\w+ <= statement_timestamp\(\)\)", plan), plan


@pytest.mark.parametrize(
    ("service", "statement", "values"),
    [
        ("payment", payment.queries.CLAIM_INTENTS, CLAIM),
        ("order", saga.sql.IS_ANY_DUE, {"back_seconds": 3.0}),
    ],
    ids=["intents", "is a saga due"],
)
def test_what_was_done_long_ago_is_not_read(databases, service, statement, values):
    """It is dead, and stays in the index while somebody's snapshot keeps it."""
    plan = planned(databases.url(service), statement, values)

    assert re.search(r"Index Cond: .*\(due_at >= \(statement_timestamp\(\) - ", plan), plan


def test_a_refund_looks_for_its_own_charge_only(databases):
    plan = planned(databases.url("payment"), payment.queries.CLAIM_INTENTS, CLAIM)

    looks = re.findall(r"uq_payment_intents_open on payment_intents charge.*\n\s+(.*)", plan)
    assert looks, plan
    assert all("order_id = intent.order_id" in look for look in looks), plan


def planned(url, statement, values):
    """The plan that a service's process would make."""
    engine = connect_engine(url, process="a-test", connections=1)
    try:
        with engine.connect() as connection:
            return "\n".join(connection.execute(text(f"EXPLAIN {statement.text}"), values).scalars())
    finally:
        engine.dispose()

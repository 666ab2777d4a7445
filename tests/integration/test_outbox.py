"""An outbox row needs the open transaction of its business row."""

import pytest
from sqlalchemy import text

from messaging import outbox
from messaging.errors import OutsideTransaction
from messaging.outbox import Outgoing
from tests.builders import charge, reserve


def test_outside_a_transaction_nothing_is_written(engine_of):
    engine = engine_of("order")

    with engine.connect() as connection, pytest.raises(OutsideTransaction):
        outbox.write(connection, "order", [Outgoing(reserve(), 1)])


def test_a_connection_that_commits_by_itself_is_refused(engine_of):
    engine = engine_of("order").execution_options(isolation_level="AUTOCOMMIT")

    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(OutsideTransaction):
            outbox.write(connection, "order", [Outgoing(reserve(), 1)])


def test_the_bytes_and_the_order_are_kept(engine_of):
    messages = [charge(amount=n) for n in range(1, 20)]

    with engine_of("order").begin() as connection:
        outbox.write(connection, "order", [Outgoing(m, 1, "saga", "trace") for m in messages])

    with engine_of("order", "migrator").connect() as connection:
        rows = connection.execute(
            text(
                "SELECT aggregateid, payload::text AS payload, source, saga_id, traceparent"
                " FROM outbox ORDER BY id"
            )
        ).all()
    assert [row.aggregateid for row in rows] == [m.key for m in messages]
    assert [row.payload for row in rows] == [m.model_dump_json() for m in messages]
    assert {(row.source, row.saga_id, row.traceparent) for row in rows} == {("/order", "saga", "trace")}

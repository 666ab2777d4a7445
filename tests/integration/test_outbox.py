"""An outbox row needs the open transaction of its business row, and gets its aggregate's next number."""

import threading

import pytest
from sqlalchemy import text

from contracts.messages import OrderCompleted
from messaging import outbox
from messaging.errors import OutsideTransaction
from tests.builders import charge, reserve


def rows(engine_of):
    with engine_of("order", "migrator").connect() as connection:
        return connection.execute(
            text(
                "SELECT id, aggregateid, payload::text AS payload, source, saga_id, sequence"
                " FROM outbox ORDER BY id"
            )
        ).all()


def test_outside_a_transaction_nothing_is_written(engine_of):
    engine = engine_of("order")

    with engine.connect() as connection, pytest.raises(OutsideTransaction):
        outbox.write(connection, "order", [reserve()], {})


def test_a_connection_that_commits_by_itself_is_refused(engine_of):
    engine = engine_of("order").execution_options(isolation_level="AUTOCOMMIT")

    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(OutsideTransaction):
            outbox.write(connection, "order", [reserve()], {})


def test_the_bytes_and_the_order_are_kept(engine_of):
    messages = [charge(amount=n) for n in range(1, 20)]

    with engine_of("order").begin() as connection:
        ids = outbox.write(connection, "order", messages, {})

    written = rows(engine_of)
    assert [row.id for row in written] == ids
    assert [row.aggregateid for row in written] == [m.key for m in messages]
    assert [row.payload for row in written] == [m.model_dump_json() for m in messages]
    assert {row.source for row in written} == {"/order"}
    assert [row.saga_id for row in written] == [m.key for m in messages]


def test_each_key_is_numbered_by_itself_without_a_gap(engine_of):
    first, second = charge(), charge()
    more = [OrderCompleted(order_id=first.order_id), OrderCompleted(order_id=first.order_id)]

    with engine_of("order").begin() as connection:
        ids = outbox.write(connection, "order", [first, second, more[0]], {})
        ids += outbox.write(connection, "order", [more[1]], {})

    assert [(row.aggregateid, row.sequence) for row in rows(engine_of)] == [
        (first.key, 1),
        (second.key, 1),
        (first.key, 2),
        (first.key, 3),
    ]
    assert [row.id for row in rows(engine_of)] == ids


def test_what_is_rolled_back_uses_up_no_number(engine_of):
    command, engine = charge(), engine_of("order")
    with engine.connect() as connection:
        outbox.write(connection.begin().connection, "order", [command], {})

    with engine.begin() as connection:
        outbox.write(connection, "order", [command], {})

    assert [row.sequence for row in rows(engine_of)] == [1]


def test_two_who_write_for_one_key_at_once_get_numbers_one_after_the_other(engine_of):
    command, engine = charge(), engine_of("order")

    def write():
        for _ in range(20):
            with engine.begin() as connection:
                outbox.write(connection, "order", [command], {})

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=30)

    assert sorted(row.sequence for row in rows(engine_of)) == list(range(1, 61))

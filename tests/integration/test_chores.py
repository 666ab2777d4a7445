"""What workers forget in time, on real tables."""

import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from messaging.chores import Chore
from messaging.partitions import PartitionKeeper
from order.worker import forget_what_has_expired
from payment.worker import forget_webhooks
from runtime.waiting import until


def count(engine, table):
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_webhooks_that_would_be_too_old_are_forgotten(engine_of):
    engine = engine_of("payment")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO webhook_deliveries (id, received_at) VALUES"
                " ('new', now()), ('recent', now() - interval '9 min'), ('old', now() - interval '2 h')"
            )
        )

    assert forget_webhooks(engine) == 1

    assert count(engine, "webhook_deliveries") == 2


def test_webhooks_are_forgotten_faster_than_orders_come(engine_of):
    """A bounded batch at a time, 500 a second at most."""
    engine = engine_of("payment")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO webhook_deliveries (id, received_at)"
                " SELECT n, now() - interval '2 h' FROM generate_series(1, 10600) AS n"
            )
        )

    assert [forget_webhooks(engine) for _ in range(3)] == [10_000, 600, 0]


def test_partitions_are_made_once_an_hour_and_also_by_a_clock_that_was_set_back(
    engine_of, statements_on, monkeypatch
):
    engine, day = engine_of("order"), 86_400
    keeper = PartitionKeeper(engine)
    with statements_on(engine) as seen:
        for at in (20 * day, 20 * day + 3599, 20 * day + 3601, 0, 3599):
            monkeypatch.setattr("messaging.partitions.time", SimpleNamespace(time=lambda at=at: day + at))
            keeper.keep()

    assert sum("make_partitions" in statement for statement in seen) == 3


def test_old_minutes_of_the_sagas_clock_are_forgotten(engine_of):
    engine = engine_of("order")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO saga_expiries (minute, moved) VALUES (now(), 1), (now() - interval '2 h', 1)")
        )

    forget_what_has_expired(engine)

    assert count(engine, "saga_expiries") == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_chore_is_done_again_and_again_even_when_it_fails(engine_of, fails):
    stop, times = threading.Event(), []

    def chore(_engine):
        times.append(1)
        if fails:
            raise OperationalError("a statement", {}, Exception("gone"))

    running = threading.Thread(target=Chore(chore, every_seconds=0.01).run, args=(engine_of("order"), stop))
    running.start()
    until(lambda: len(times) >= 3, within_seconds=10, what="three times")
    stop.set()
    running.join(timeout=10)

    assert not running.is_alive()

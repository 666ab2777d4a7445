"""Faults on a real database: a consumer frozen inside its transaction, messages parked and redriven."""

import subprocess
import sys
from functools import partial
from uuid import UUID

import psutil
import pytest
from sqlalchemy import NullPool, create_engine, text

from chaos.faults import Ground, is_stopped
from chaos.poison import bad_records
from chaos.targets import NothingToHit, Target
from chaos.zombie import ADMIN_DATABASE, Zombie
from inventory import handlers
from messaging.batch import BatchProcessor
from messaging.envelope import Delivery
from runtime.waiting import until
from stack.park import Operator
from tests.builders import a_delivery, reserve

# Like a consumer: one transaction after the other, each with a row in it.
CONSUMER = """
import sys, threading, psycopg
pause = threading.Event()
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute("CREATE TABLE handled (number int)")
    while True:
        with connection.transaction():
            connection.execute("INSERT INTO handled VALUES (1)")
            pause.wait(float(sys.argv[2]))
        pause.wait(float(sys.argv[3]))
"""
REFUSED, TAKEN = (UUID(f"01a21060-171a-7d06-9968-cf21677f992{digit}") for digit in (3, 4))


@pytest.fixture
def consumer(databases):
    """A function that starts a consumer with so long transactions and so long pauses between them."""
    started = []
    url = databases.admin("order").set(drivername="postgresql").render_as_string(hide_password=False)

    def start(within: float, between: float) -> Target:
        command = [sys.executable, "-c", CONSUMER, url, str(within), str(between)]
        started.append(subprocess.Popen(command))
        return Target("a-worker", "worker", partial(psutil.Process, started[-1].pid), group="order")

    yield start
    for each in started:
        each.kill()
        each.wait()


def ground(databases, target):
    return Ground([target], tools={ADMIN_DATABASE: databases.admin("order")})


def test_a_zombie_is_frozen_inside_a_transaction_that_stays_open(databases, consumer):
    target = consumer(0.02, 0.05)

    blow = Zombie().strike(ground(databases, target), [target])

    until(partial(is_stopped, target.find()), within_seconds=5, what="the pause")
    assert _in_transaction(databases) == 1
    effect = blow.heal(5)
    assert effect["state"] == {"a-worker": "T"}
    assert effect["open_transactions"] == effect["open_when_it_woke"] == ["a-worker"]
    assert not is_stopped(target.find())


def _in_transaction(databases):
    return _asked(
        databases,
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state = 'idle in transaction'",
    )


def _asked(databases, question):
    engine = create_engine(databases.admin("order"), poolclass=NullPool)
    with engine.connect() as connection:
        return connection.scalar(text(question))


def test_who_is_never_inside_a_transaction_is_let_go(databases, consumer):
    target = consumer(0.0, 3600.0)
    until(partial(_has_handled_one, databases), within_seconds=30, what="its first transaction's end")

    with pytest.raises(NothingToHit):
        Zombie(catch_seconds=0.5).strike(ground(databases, target), [target])

    assert not is_stopped(target.find())


def _has_handled_one(databases):
    there = _asked(databases, "SELECT to_regclass('handled') IS NOT NULL")
    return there and _asked(databases, "SELECT count(*) FROM handled") == 1


def test_parked_reservations_are_redriven_once_their_cause_is_mended(databases, engine_of):
    operator = Operator(databases.admin("inventory"), databases.url("inventory"))
    processor = BatchProcessor(engine_of("inventory"), handlers.consumer())
    operator.park()

    processor.process([a_delivery(reserve(order_id=order)) for order in (REFUSED, TAKEN)])
    effect = operator.redrive(None, 1)

    assert effect == {"parked": [str(REFUSED)], "freed": [str(REFUSED)], "letters_handled": 1}
    assert _reserved(engine_of("inventory")) == {REFUSED, TAKEN}
    assert operator.redrive(None, 1) == {}


def test_what_is_poison_is_set_aside_and_holds_up_nobody_else(engine_of):
    engine = engine_of("inventory")
    processor = BatchProcessor(engine, handlers.consumer())
    poison = list(bad_records("inventory-commands", "inventory.reserve.v1"))

    processor.process([*map(_delivered, range(len(poison)), poison), a_delivery(reserve(order_id=TAKEN))])

    with engine.connect() as connection:
        states = connection.scalars(text("SELECT state FROM dead_letters ORDER BY id")).all()
    assert sorted(states) == ["culprit", "culprit", "culprit", "stray", "stray"]
    assert _reserved(engine) == {TAKEN}


def _delivered(offset, record):
    return Delivery(record.topic, 0, offset, record.key.decode(), record.value, record.headers)


def _reserved(engine):
    with engine.connect() as connection:
        wanted = text("SELECT order_id FROM reservations WHERE status = 'RESERVED'")
        return set(connection.scalars(wanted))

"""What fails is started again, and only that; what is asked to stop finishes first."""

import os
import signal

import pytest
import requests
from sqlalchemy import create_engine, make_url, text

from contracts.services import ORDER
from runtime.waiting import until
from tests.invariants import assert_nothing_lost_or_doubled


@pytest.fixture
def superuser(system):
    """A function that runs a statement as Postgres' superuser."""
    url = make_url(system.layout.database_url("postgres", "postgres"))
    password = (system.layout.secrets / "postgres").read_text().strip()
    engine = create_engine(url.set(password=password), isolation_level="AUTOCOMMIT")

    def run(statement):
        with engine.connect() as connection:
            connection.execute(text(statement))

    yield run
    engine.dispose()


def task_state(system, connector):
    url = f"{system.layout.url('connect-2')}/connectors/{connector}/status"
    tasks = requests.get(url, timeout=10).json().get("tasks", [])
    return tasks[0]["state"] if tasks else None


def test_a_failed_task_is_restarted_when_its_cause_is_gone(system, superuser):
    """The relay's password is changed under it, and its connection cut: that fails the task for good."""
    role = ORDER.role("relay")
    right = (system.layout.secrets / role).read_text().strip()
    superuser(f"ALTER ROLE {role} PASSWORD 'another'")
    superuser(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    failed = lambda: task_state(system, ORDER.connector) == "FAILED"  # noqa: E731
    until(failed, within_seconds=60, what="the task to fail")
    assert system.run("connect", "status").returncode == 1
    order = system.place()

    superuser(f"ALTER ROLE {role} PASSWORD '{right}'")

    assert system.final_status(order, within_seconds=90) == "COMPLETED"
    assert "restart" in system.tail_logs("connect-supervisor")
    assert_nothing_lost_or_doubled(system, [order])


def test_a_dead_connect_worker_leaves_its_group_at_once(system):
    """Kafka itself would wait for the end of its session."""

    def told():
        return [
            line for line in system.log("connect-supervisor").splitlines() if "out of their group" in line
        ]

    pid = system.kill("connect-2")

    until(told, within_seconds=30, what="the supervisor to notice")
    assert '"members": ["connect-127.0.0.1:' in told()[-1]
    system.wait_until_back("connect-2", pid)
    assert system.final_status(system.place(), within_seconds=60) == "COMPLETED"


@pytest.mark.parametrize(
    "name", ["order-worker", "order-deadlines", "payment-worker", "inventory-worker", "payment-executor"]
)
def test_a_worker_that_is_asked_to_stop_finishes_first(system, name):
    with system.orders_flowing(per_second=20) as accepted:
        until(lambda: len(accepted) > 10, within_seconds=30, what="orders to flow")
        pid, said_before = system.node(name).pid, len(system.log(name))
        os.kill(pid, signal.SIGTERM)
        system.wait_until_back(name, pid)

    # Kafka's client may trip over a socket that it is just closing, and logs that it did.
    said = [line for line in system.log(name)[said_before:].splitlines() if '"logger": "kafka.' not in line]
    assert [line for line in said if "stopped" in line]
    assert [line for line in said if "Traceback" in line] == []
    assert_nothing_lost_or_doubled(system, accepted)


def test_logs_are_json_lines_that_name_the_order_and_its_events(system):
    order = system.place()
    system.final_status(order)
    [event] = system.query(
        "order", f"SELECT id::text FROM outbox WHERE aggregateid = '{order}' AND sequence = 2"
    )

    assert order in system.tail_logs("order", 200)
    until(
        lambda: event[0] in system.tail_logs("payment-worker", 200), within_seconds=10, what="the event's id"
    )
    assert f'"order_id": "{order}"' in system.tail_logs("inventory-worker", 200)

    shown = system.run("logs", "inventory-worker", "-n", "3")
    assert len(shown.stdout.splitlines()) == 3
    assert system.run("logs", "nobody").returncode == 2
    assert system.run("logs", "../secrets/postgres").returncode == 2

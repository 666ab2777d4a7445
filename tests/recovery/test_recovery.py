"""A relay that has lost its slot, position, topic or connector comes back by one command, with nothing lost.

On a stack of its own, whose slots may hold back very little WAL: what is sent again here breaks the order
that other tests rely on.
"""

import json
from contextlib import closing
from dataclasses import replace

import pytest
import requests
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from rich.console import Console
from sqlalchemy import create_engine, make_url, text

from connect.client import ConnectClient
from contracts.services import INVENTORY, ORDER, PAYMENT
from contracts.topics import ALL_TOPICS
from runtime.waiting import until
from stack import launch
from stack.layout import Layout
from tests.running_system import RunningSystem

KEEP_MB = 48
SEGMENT_MB = 16
COLUMNS = "aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id, traceparent"


@pytest.fixture(scope="module")
def system():
    with (
        launch.temporary("recovery") as wish,
        launch.running(replace(wish, slot_wal_keep_mb=KEEP_MB), Console()),
        closing(RunningSystem(Layout(state=wish.state, port_offset=wish.port_offset))) as running,
    ):
        yield running


def superuser_of(layout):
    """A function that runs a statement as Postgres' superuser in a service's database."""

    def run(service, statement, **values):
        password = (layout.secrets / "postgres").read_text().strip()
        url = make_url(layout.database_url("postgres", service.database)).set(password=password)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with closing(engine.connect()) as connection:
            done = connection.execute(text(statement), values)
            rows = done.fetchall() if done.returns_rows else []
        engine.dispose()
        return rows

    return run


@pytest.fixture(scope="module")
def superuser(system):
    return superuser_of(system.layout)


@pytest.fixture(scope="module")
def connect(system):
    return ConnectClient(system.layout.connect_urls.split(","))


@pytest.fixture(scope="module")
def kafka(system):
    return AdminClient({"bootstrap.servers": system.layout.bootstrap_servers})


def stop(connect, service):
    connect.stop(service.connector)
    until(lambda: _stands(connect, service), within_seconds=30, what=f"{service.connector} to stop")


def _stands(connect, service):
    status = connect.statuses()[service.connector]
    return status.state == "STOPPED" and not status.tasks


def drop_slot(connect, superuser, service):
    stop(connect, service)
    superuser(service, f"SELECT pg_drop_replication_slot('{service.slot}')")


def invalidate_slot(connect, superuser, service):
    """Write more WAL than a slot may hold back; the other relays keep up before it counts."""
    stop(connect, service)
    for _ in range(KEEP_MB // SEGMENT_MB + 2):
        superuser(service, "SELECT pg_logical_emit_message(false, 'a-test', 'x')")
        [(at,)] = superuser(service, "SELECT pg_switch_wal()")
    superuser(service, "SELECT pg_log_standby_snapshot()")  # what slots move their restart_lsn by
    others = f"SELECT min(restart_lsn) > '{at}' FROM pg_replication_slots WHERE slot_name <> '{service.slot}'"
    until(
        lambda: superuser(service, others) == [(True,)],
        within_seconds=30,
        what="the other relays to follow",
    )
    superuser(service, "CHECKPOINT")
    lost = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{service.slot}'"
    assert superuser(service, lost) == [("lost",)]
    connect.resume(service.connector)


def delete_topic(kafka, *names):
    for future in kafka.delete_topics(list(names), operation_timeout=30).values():
        future.result(30)


def forget_offset(system, connect, service):
    """What DELETE of the offsets means to do: a record without a value, in the connector's own topic."""
    stop(connect, service)
    producer = Producer({"bootstrap.servers": system.layout.bootstrap_servers})
    key = json.dumps([service.connector, {"server": service.name}], separators=(",", ":"))
    producer.produce(service.offsets_topic, key=key, value=None)
    assert producer.flush(20) == 0
    assert [each["offset"] for each in connect.offsets(service.connector)] in ([], [None])


def delete_connector(system, service):
    url = f"{system.layout.url('connect-1')}/connectors/{service.connector}"
    assert requests.delete(url, timeout=30).status_code == 204


# Several at once, on different relays, as a bad day brings them; each alone takes too long for every change.
AT_ONCE = [("slot-lost", "offsets-lost", "topic-lost"), ("slot-dropped", "connector-deleted")]
ALONE = [pytest.param((kind,), marks=pytest.mark.long) for kinds in AT_ONCE for kind in kinds]


@pytest.fixture
def bring_about(system, connect, superuser, kafka):
    """A function that loses something for real."""
    breaks = {
        "slot-dropped": lambda: drop_slot(connect, superuser, ORDER),
        "slot-lost": lambda: invalidate_slot(connect, superuser, PAYMENT),
        "offsets-lost": lambda: forget_offset(system, connect, INVENTORY),
        "topic-lost": lambda: delete_topic(kafka, "inventory-commands", "order-created"),
        "connector-deleted": lambda: delete_connector(system, PAYMENT),
    }
    return lambda kind: breaks[kind]()


def green(system):
    """The auditor's report, once it has nothing to say against anything."""
    report = json.loads(system.run("audit", "--json").stdout.splitlines()[-1])
    assert report["verdict"] == "green", report["reasons"]
    return report


def content(system):
    return until(
        lambda: green(system),
        within_seconds=60,
        what="the auditor to be content",
        retry_on=(AssertionError,),
    )


def test_the_auditor_is_content_with_a_system_that_works(system):
    orders = [system.place(token=token) for token in ("tok_ok", "tok_declined", "tok_ok")]
    for order in orders:
        system.final_status(order)
    report = content(system)
    told = system.run("audit")

    counts = ("lost", "duplicated", "phantom", "reordered", "repeated", "late")
    assert {report[name]["count"] for name in counts} == {0}
    assert report["checked"] >= 6 + 4 + 6
    assert {each["verdict"] for each in report["invariants"]} == {"green"}
    assert told.returncode == 0
    assert told.stdout.splitlines()[-1].startswith("GREEN: ")


def test_an_event_that_was_sent_again_on_purpose_is_listed_and_held_against_nobody(system, superuser):
    order = system.place()
    system.final_status(order)
    superuser(
        ORDER,
        f"INSERT INTO outbox_replay (id, {COLUMNS}, created_at, requested_by, reason)"
        f" SELECT id, {COLUMNS}, created_at, 'a test', 'to see it twice' FROM outbox"
        " WHERE aggregateid = :order AND topic = 'payment-commands'",
        order=order,
    )

    def listed():
        return [each for each in green(system)["recoveries"] if each["reason"] == "to see it twice"]

    [act] = until(listed, within_seconds=60, what="it to be listed", retry_on=(AssertionError,))

    assert (act["kind"], act["done_by"], act["explains"]) == ("replay", "a test", 1)
    assert system.run("audit", "repair", "--dry-run").stdout == "Nothing is missing.\n"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kinds", [*AT_ONCE, *ALONE], ids=" ".join)
def test_one_command_brings_relays_back(system, superuser, bring_about, kinds):
    with system.orders_flowing(per_second=4) as accepted:
        until(lambda: len(accepted) > 4, within_seconds=30, what="orders to flow")
        for kind in kinds:
            bring_about(kind)
        count = len(accepted)
        until(lambda: len(accepted) > count + 4, within_seconds=30, what="orders after the loss")

        told = system.run("connect", "doctor", "--json")
        done = system.run("connect", "recover", "--yes")

        assert done.returncode == 0, done.stdout + done.stderr
        noted = {json.loads(line)["kind"] for line in done.stdout.splitlines() if line[0] == "{"}
        assert noted == set(kinds)
        assert told.returncode == 1
        assert [kind for kind in kinds if kind not in told.stdout] == []
        accepted.append(system.place())
        assert system.final_status(accepted[-1]) == "COMPLETED"

    for order in accepted:
        assert system.final_status(order) != "CANCELLED"
    report = content(system)
    assert set(kinds) <= {each["kind"] for each in report["recoveries"]}
    assert system.run("connect", "doctor").stdout.startswith("All is well")
    assert "No relay has lost anything" in system.run("connect", "recover", "--yes").stdout


def test_a_topic_that_was_deleted_is_as_it_was(kafka, system):
    """Whether a recovery made it, or Connect, when it was written to."""
    wanted = {topic.name: topic for topic in ALL_TOPICS}
    name = "order-failed"
    delete_topic(kafka, name)
    until(lambda: name not in kafka.list_topics(timeout=10).topics, within_seconds=20, what="it to go")
    order = system.place(token="tok_declined")
    system.run("connect", "restart", "order-outbox")

    until(lambda: name in kafka.list_topics(timeout=10).topics, within_seconds=60, what="it to come back")

    found = kafka.list_topics(name, timeout=10).topics[name]
    [asked] = kafka.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
    settings = {entry.name: entry.value for entry in asked.result(10).values()}
    assert len(found.partitions) == wanted[name].partitions
    assert all(len(partition.replicas) == 3 for partition in found.partitions.values())
    assert settings | wanted[name].all_settings == settings
    assert system.final_status(order) == "FAILED"


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_stack_that_cannot_start_for_want_of_a_slot_is_brought_back():
    with launch.temporary("recovery") as wish:
        stack = RunningSystem(Layout(state=wish.state, port_offset=wish.port_offset))
        offset = ("--port-offset", str(wish.port_offset))
        with launch.running(wish, Console()), closing(stack):
            first = stack.place()
            stack.final_status(first)
            drop_slot(ConnectClient(stack.layout.connect_urls.split(",")), superuser_of(stack.layout), ORDER)

        refused = stack.run("up", *offset)
        recovered = stack.run("connect", "recover", "--yes")
        started = stack.run("up", *offset)

        try:
            assert refused.returncode == 1
            assert "./run connect recover" in refused.stderr
            assert recovered.returncode == 0, recovered.stdout + recovered.stderr
            assert '"kind": "slot-dropped"' in recovered.stdout
            assert started.returncode == 0, started.stderr
            assert stack.final_status(stack.place()) == "COMPLETED"
        finally:
            stack.close()
            stack.run("down")

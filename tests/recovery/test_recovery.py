"""A relay that lost its slot, position, topic or connector comes back by one command, with nothing lost."""

import json
from contextlib import closing

import pytest
import requests
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from sqlalchemy import create_engine, text

from connect import facts
from contracts.services import INVENTORY, ORDER, PAYMENT, SERVICES
from contracts.topics import ALL_TOPICS
from runtime.waiting import until
from stack import audits, launch, recovery
from stack.layout import BROKERS, CONNECT_WORKERS, Layout
from stack.prey import database, relays_of
from tests.running_system import RunningSystem

COLUMNS = "aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id, traceparent"


@pytest.fixture
def superuser(system):
    """A function that runs a statement as Postgres' superuser in a service's database."""

    def run(service, statement, **values):
        url = database(system.layout, "postgres", service.database)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with closing(engine.connect()) as connection:
            done = connection.execute(text(statement), values)
            rows = done.fetchall() if done.returns_rows else []
        engine.dispose()
        return rows

    return run


@pytest.fixture(scope="module")
def kafka(system):
    return AdminClient({"bootstrap.servers": system.layout.bootstrap_servers})


def told_by_jvms(system, names):
    """What agents tell of each JVM: values by the JVM, the name and the values of the labels."""
    found = {}
    for name in names:
        page = requests.get(f"{system.layout.url(f'{name}-jmx')}/metrics", timeout=20).text
        for family in text_string_to_metric_families(page):
            found |= {(name, each.name, *each.labels.values()): each.value for each in family.samples}
    return found


def test_jvms_tell_what_the_rules_in_monitor_jmx_name(system):
    brokers, workers = told_by_jvms(system, BROKERS), told_by_jvms(system, CONNECT_WORKERS)

    for name in BROKERS:
        assert brokers[(name, "kafka_under_replicated_partitions")] >= 0
        assert brokers[(name, "kafka_offline_partitions")] == 0
        assert 0 < brokers[(name, "jvm_heap_used_bytes")] < brokers[(name, "jvm_heap_max_bytes")]
    assert sum(brokers[(name, "kafka_active_controllers")] for name in BROKERS) == 1
    for service in SERVICES:
        lag = ("debezium_source_lag_seconds", service.name)
        running = ("connect_tasks_running", service.connector)
        assert [told for told in workers if told[1:] == lag]
        assert max(value for told, value in workers.items() if told[1:] == running) == 1


# Several at once, on different relays, as a bad day brings them; each alone takes too long for every change.
AT_ONCE = [("slot-lost", "offsets-lost", "topic-lost"), ("slot-dropped", "connector-deleted")]
ALONE = [pytest.param((kind,), marks=pytest.mark.long) for kinds in AT_ONCE for kind in kinds]


@pytest.fixture
def bring_about(system):
    """A function that loses something for real."""
    relays = relays_of(system.layout)
    breaks = {
        "slot-dropped": lambda: relays.drop_slot(ORDER),
        "slot-lost": lambda: relays.invalidate_slot(PAYMENT),
        "offsets-lost": lambda: relays.forget_position(INVENTORY),
        "topic-lost": lambda: relays.delete_topics("inventory-commands", "order-created"),
        "connector-deleted": lambda: relays.delete_connector(PAYMENT),
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


def test_a_transaction_that_was_left_open_may_hide_a_position(system):
    """Connect itself may not tell a position while a producer keeps one open."""
    producer = Producer(
        {"bootstrap.servers": system.layout.bootstrap_servers, "transactional.id": "it stays open"}
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(ORDER.offsets_topic, key='["nobody",{}]', value="{}")
    assert producer.flush(20) == 0

    hidden = {relay.service: relay for relay in facts.gather(recovery.access(system.layout)).relays}
    producer.abort_transaction(20)
    told = {relay.service: relay for relay in facts.gather(recovery.access(system.layout)).relays}

    assert [service for service, relay in hidden.items() if not relay.is_stored_known] == [ORDER]
    assert all(relay.stored and relay.sight for relay in hidden.values())
    assert all(relay.is_stored_known and relay.stored >= hidden[s].stored for s, relay in told.items())


def test_a_topic_that_was_deleted_is_as_it_was(kafka, system, superuser):
    """Whether a recovery made it, or Connect, when it was written to."""

    def agree():
        """Just now the relay ends, as one does whose topic was made anew: for a while nothing can be told."""
        recovery.access(system.layout).client.restart(ORDER.connector, only_failed=False)
        superuser(ORDER, "SELECT pg_logical_emit_message(false, 'a test', repeat('x', 1000000))")
        return True

    wanted = {topic.name: topic for topic in ALL_TOPICS}
    name = "order-failed"
    for order in [system.place(token="tok_declined") for _ in range(4)]:
        assert system.final_status(order) == "FAILED"
    relays_of(system.layout).delete_topics(name)
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
    until(
        lambda: recovery.recover(system.layout, confirm=agree, repair=audits.after_recovery),
        within_seconds=90,
        every_seconds=1,
        what="rows to be old enough for a recovery to miss them in the topic",
    )
    assert audits.left(system.layout) == [], "and what was in it"
    content(system)


@pytest.mark.long
def test_a_heartbeat_topic_that_was_deleted_has_its_one_partition_again(kafka, system):
    """Connect makes it when the relay starts; with more, its readers would have no place in them."""
    name = ORDER.heartbeat_topic
    relays_of(system.layout).delete_topics(name)
    until(lambda: name not in kafka.list_topics(timeout=10).topics, within_seconds=20, what="it to go")

    system.run("connect", "restart", "order-outbox")
    until(lambda: name in kafka.list_topics(timeout=10).topics, within_seconds=60, what="it to come back")
    assert len(kafka.list_topics(name, timeout=10).topics[name].partitions) == 1
    recovered = system.run("connect", "recover", "--yes")

    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert system.final_status(system.place()) == "COMPLETED"
    content(system)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_stack_that_cannot_start_for_want_of_a_slot_is_brought_back():
    with launch.temporary("recovery") as wish:
        stack = RunningSystem(Layout(state=wish.state, port_offset=wish.port_offset))
        offset = ("--port-offset", str(wish.port_offset))
        with launch.running(wish, Console()), closing(stack):
            first = stack.place()
            stack.final_status(first)
            relays_of(stack.layout).drop_slot(ORDER)

        try:
            refused = stack.run("up", *offset)
            recovered = stack.run("connect", "recover", "--yes")
            started = stack.run("up", *offset)

            assert refused.returncode == 1
            assert "./run connect recover" in refused.stderr
            assert recovered.returncode == 0, recovered.stdout + recovered.stderr
            assert '"kind": "slot-dropped"' in recovered.stdout
            assert started.returncode == 0, started.stderr
            assert stack.final_status(stack.place()) == "COMPLETED"
        finally:
            stack.close()
            stack.run("down")

"""The exporter reads seldom, one at a time, and tells every figure by its name whether or not it was read."""

import threading
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connect.health import ConnectorStatus, TaskStatus
from doctor.facts import Silence
from monitor import exporter
from monitor.exporter import Exporter
from monitor.figures import families
from monitor.readings import NOTHING_READ, Audit, Connect, Database, Readings, Sagas, Slot, Waiting
from runtime.waiting import until

RELAY = ConnectorStatus("order-outbox", "RUNNING", "one", (TaskStatus(0, "FAILED", "one"),))
READ = Readings(
    taken_at=datetime.fromtimestamp(1000, UTC),
    seconds=0.2,
    audit=Audit(
        "red", ["1 lost"], 1.5, 30, {"S4": False, "S5": True}, {"lost": 1}, {("order", "t"): Waiting(3, 9.0)}
    ),
    databases={
        "order": Database(
            Slot(True, "extended", 10, 20, 100, 80, 600.0), 1.0, 7, {("order", "stray"): Waiting(1, 5.0)}
        ),
        "payment": Database(None, None, 7),
        "inventory": Silence("database inventory", "away"),
    },
    sagas=Sagas(
        {"RUNNING": Waiting(2, 4.0)},
        {("RUNNING", "charge"): Waiting(2, 4.0)},
        0.0,
        {"__debezium-heartbeat.order": 2.0},
    ),
    intents={("charge", "unknown"): Waiting(1, 60.0)},
    connect=Connect({"one": True, "two": False}, {"order-outbox": RELAY}),
    lag=Silence("kafka", "away"),
)


def samples(told):
    """Every figure as Prometheus reads it, by name and labels."""
    registry = CollectorRegistry()
    registry.register(Exporter(lambda: told))
    text = generate_latest(registry).decode()
    return {
        (sample.name.removeprefix("neverlost_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        (("source_up", "audit"), 1),
        (("source_up", "kafka"), 0),
        (("source_up", "database inventory"), 0),
        (("reading_timestamp_seconds",), 1000),
        (("audit_verdict", "red"), 1),
        (("audit_verdict", "green"), 0),
        (("audit_invariant_holds", "S4"), 0),
        (("audit_findings", "lost"), 1),
        (("outbox_awaited_events", "order", "t"), 3),
        (("outbox_awaited_events_oldest_age_seconds", "order", "t"), 9),
        (("slot_exists", "order"), 1),
        (("slot_exists", "payment"), 0),
        (("slot_status", "order", "extended"), 1),
        (("slot_status", "order", "lost"), 0),
        (("slot_time_to_full_seconds", "order"), 600),
        (("dead_letters", "order", "stray"), 1),
        (("sagas", "RUNNING"), 2),
        (("sagas_awaiting", "RUNNING", "charge"), 2),
        (("relay_heard_age_seconds", "order"), 2),
        (("payment_intents_oldest_age_seconds", "charge", "unknown"), 60),
        (("connect_worker_up", "two"), 0),
        (("connector_state", "order-outbox", "RUNNING"), 1),
        (("connector_state", "payment-outbox", "missing"), 1),
        (("connector_tasks", "order-outbox", "FAILED"), 1),
    ],
)
def test_what_was_read_is_told(figure, value):
    assert samples(READ)[figure] == value


def test_of_what_did_not_answer_nothing_is_told_but_that():
    told = samples(READ)

    assert not [name for name, *labels in told if "inventory" in labels and name.startswith("slot")]
    assert not [name for name, *_ in told if name == "consumer_lag_offsets"]


def test_names_are_the_same_whatever_answered_and_as_prometheus_asks():
    named = {each.name: each for each in families(READ)}

    assert named.keys() == {each.name for each in families(NOTHING_READ)}
    for name, family in named.items():
        assert name.startswith("neverlost_")
        assert family.documentation
        assert ("age" not in name.split("_")) or name.endswith("_seconds")


def test_nothing_is_read_before_somebody_asks():
    def take():
        raise AssertionError("it was read")

    CollectorRegistry().register(Exporter(take))


def test_who_asks_while_it_is_being_read_waits_and_gets_the_same():
    taken, go = [], threading.Event()

    def take():
        taken.append(1)
        go.wait(10)
        return READ

    both = Exporter(take)
    got = []
    threads = [threading.Thread(target=lambda: got.append(both.latest())) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: taken, within_seconds=5, what="a reading to begin")
    go.set()
    for thread in threads:
        thread.join(5)

    assert (len(taken), got) == (1, [READ] * 3)


def test_it_is_read_again_when_the_last_reading_is_old(monkeypatch):
    taken = []
    both = Exporter(lambda: taken.append(1) or READ)
    both.latest()
    monkeypatch.setattr(exporter, "FRESH_SECONDS", 0.0)

    both.latest()

    assert len(taken) == 2


def test_what_did_not_answer_is_a_warning_once_it_was_asked():
    watched = Exporter(lambda: READ)
    before = watched.warnings()
    watched.latest()

    assert (before, watched.warnings()) == ({}, {"database inventory": "away", "kafka": "away"})

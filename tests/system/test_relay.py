"""What stands in Kafka and in Kafka Connect is what was promised."""

from dataclasses import replace

import pytest
import requests
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from connect.membership import GROUP
from contracts.services import SERVICES
from contracts.topics import ALL_TOPICS, SEGMENT_MS
from messaging import topics
from messaging.clients import KafkaAdminClient
from messaging.topics import complete_settings
from runtime.errors import SettingsError
from runtime.waiting import until
from tests.invariants import assert_nothing_lost_or_doubled


def admin_of(system):
    return AdminClient({"bootstrap.servers": system.layout.bootstrap_servers})


def test_every_topic_keeps_what_it_is_told(system):
    admin = admin_of(system)
    found = admin.list_topics(timeout=10).topics
    internal = {"__consumer_offsets", "__transaction_state"}
    wanted = {topic.name: topic for topic in ALL_TOPICS}

    assert set(wanted) <= set(found)
    assert set(found) - set(wanted) - internal == set(), "topics that nobody asked for"
    for name in set(found):
        assert all(len(p.replicas) == 3 for p in found[name].partitions.values()), name
    for name, settings in _settings(admin, set(found)).items():
        assert settings["min.insync.replicas"] == "2", name
        assert settings["unclean.leader.election.enable"] == "false", name
        if name in wanted:
            assert len(found[name].partitions) == wanted[name].partitions
            assert settings | wanted[name].all_settings == settings, name


def _settings(admin, names):
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    return {
        resource.name: {entry.name: entry.value for entry in future.result(10).values()}
        for resource, future in asked.items()
    }


def test_an_older_topic_gets_what_it_lacks_and_keeps_what_somebody_has_set(system):
    admin = admin_of(system)
    _set(admin, "order-created", "segment.ms", None)
    _set(admin, "order-failed", "segment.ms", 3_600_000)
    _wait_for(admin, "segment.ms", {"order-created": 7 * 24 * 3_600_000, "order-failed": 3_600_000})

    maker = KafkaAdminClient(bootstrap_servers=system.layout.bootstrap_servers.split(","))
    try:
        assert complete_settings(maker) == ["order-created"]
    finally:
        maker.close()

    _wait_for(admin, "segment.ms", {"order-created": SEGMENT_MS, "order-failed": 3_600_000})
    _set(admin, "order-failed", "segment.ms", SEGMENT_MS)


def test_a_topic_of_another_number_of_partitions_is_refused(system, monkeypatch):
    """A stack of an older version, whose topics had more of them."""
    older = [replace(topic, partitions=topic.partitions + 3) for topic in ALL_TOPICS]
    monkeypatch.setattr(topics, "ALL_TOPICS", older)
    maker = KafkaAdminClient(bootstrap_servers=system.layout.bootstrap_servers.split(","))
    try:
        with pytest.raises(SettingsError, match=r"has 1 partitions and contracts/topics.py says 4"):
            topics.check_partitions(maker)
        monkeypatch.undo()
        topics.check_partitions(maker)
    finally:
        maker.close()


def _set(admin, name, setting, value):
    """Of a topic; None: what every topic has."""
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(setting, str(value or ""), incremental_operation=operation)
    [done] = admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])]
    ).values()
    done.result(10)


def _wait_for(admin, setting, wanted):
    """Brokers learn of a setting a moment after it was made."""
    until(
        lambda: {n: int(s[setting]) for n, s in _settings(admin, set(wanted)).items()} == wanted,
        within_seconds=20,
        what=f"{setting} of {wanted}",
    )


def test_connectors_are_exactly_once_and_tell_no_password(system):
    connect = system.layout.url("connect-1")
    secrets = {(system.layout.secrets / s.role("relay")).read_text().strip() for s in SERVICES}

    for service in SERVICES:
        answer = requests.get(f"{connect}/connectors/{service.connector}/config", timeout=10)
        assert answer.json()["exactly.once.support"] == "required"
        assert not any(secret in answer.text for secret in secrets)


def _place_and_fail(system):
    """An order whose first event its topic does not take, so that the relay's task fails."""
    admin, said_before = admin_of(system), len(system.log("connect-supervisor"))
    _set(admin, "order-created", "max.message.bytes", 100)
    _wait_for(admin, "max.message.bytes", {"order-created": 100})
    try:
        order = system.place()
        until(
            lambda: "task 0 FAILED" in system.log("connect-supervisor")[said_before:],
            within_seconds=20,
            what="the supervisor to see it failed",
        )
    finally:
        _set(admin, "order-created", "max.message.bytes", None)
    return order


def test_a_task_whose_transaction_failed_says_so_at_once(system):
    """The transaction stays open until Kafka gives it up, after 45 s; nobody waits for that."""
    order = _place_and_fail(system)

    assert system.final_status(order, within_seconds=90) == "COMPLETED"
    assert_nothing_lost_or_doubled(system, [order])


def _disown_leader(system):
    """Fence the producer with which Connect's leader writes restarts; it does not claim that right anew."""
    servers, leaders = system.layout.bootstrap_servers, f"connect-cluster-{GROUP}"
    Producer({"bootstrap.servers": servers, "transactional.id": leaders}).init_transactions(20)
    restart = f"{system.layout.url('connect-1')}/connectors/payment-outbox/restart?includeTasks=true"
    until(
        lambda: "without claiming write privileges" in requests.post(restart, timeout=10).text,
        within_seconds=20,
        what="a leader that may not write",
        retry_on=(requests.RequestException,),
    )


def test_a_failed_task_is_restarted_by_a_leader_that_had_lost_its_right_to(system):
    _disown_leader(system)
    said_before = len(system.log("connect-supervisor"))

    order = _place_and_fail(system)

    assert system.final_status(order, within_seconds=90) == "COMPLETED"
    assert "the group of workers has rebalanced" in system.log("connect-supervisor")[said_before:]
    assert_nothing_lost_or_doubled(system, [order])


def test_a_restart_is_taken_by_a_leader_that_had_lost_its_right_to(system):
    _disown_leader(system)

    assert system.run("connect", "restart", "payment-outbox").returncode == 0
    assert system.final_status(system.place()) == "COMPLETED"


def test_the_connect_commands_pause_resume_and_restart(system):
    until(
        lambda: system.run("connect", "status").returncode == 0,
        within_seconds=30,
        what="relays that run, after any restart",
    )

    system.run("connect", "pause", "order-outbox")
    until(lambda: _state(system, "order-outbox") == "PAUSED", within_seconds=20, what="a paused connector")
    order = system.place()
    assert system.run("connect", "status").returncode == 1

    system.run("connect", "resume", "order-outbox")
    assert system.final_status(order) == "COMPLETED"

    assert system.run("connect", "restart", "payment-outbox").returncode == 0
    assert system.final_status(system.place()) == "COMPLETED"


def _state(system, connector):
    url = f"{system.layout.url('connect-1')}/connectors/{connector}/status"
    return requests.get(url, timeout=10).json()["connector"]["state"]


def test_status_is_one_json_object_with_the_agreed_names(system):
    until(lambda: system.status()["verdict"] == "green", within_seconds=60, what="a green verdict")

    status = system.status()

    assert set(status) == {"verdict", "processes", "connectors", "databases", "bootstrap_servers"}
    assert {frozenset(process) for process in status["processes"]} == {
        frozenset({"name", "kind", "pid", "address", "state"})
    }
    assert {c["name"] for c in status["connectors"]} == {s.connector for s in SERVICES}
    assert {d["service"] for d in status["databases"]} == {s.name for s in SERVICES}


def test_no_log_holds_a_secret_or_a_payment_token(system):
    system.final_status(system.place(token="tok_declined"))
    secrets = {path.read_text().strip() for path in system.layout.secrets.iterdir() if path.is_file()}

    for log in system.layout.logs.glob("*.log"):
        content = log.read_text(errors="replace")
        assert "tok_declined" not in content, log.name
        assert not any(secret in content for secret in secrets), log.name

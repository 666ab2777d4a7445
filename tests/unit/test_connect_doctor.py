from dataclasses import replace

import pytest
from kafka import TopicPartition

from connect import doctor, plans
from connect.cluster import Cluster, TopicFacts
from connect.configurations import configuration
from connect.doctor import Severity, examine
from connect.facts import Facts, Relay
from connect.health import ConnectorStatus, TaskStatus
from connect.losses import Kind, losses, undecided
from connect.progress import Sight
from contracts.services import ORDER, SERVICES
from contracts.topics import ALL_TOPICS, MESSAGE_TOPICS, REPLICATION_FACTOR

MB = 1024 * 1024
SIGHT = Sight(
    written=200 * MB, flushed=200 * MB - 9, restart=190 * MB, active=True, wal_status="reserved", beat_age=1.0
)
WORKER = {"version": "4.3.1", "kafka_cluster_id": "one"}
CLUSTER = Cluster(
    {
        topic.name: TopicFacts(topic.partitions, REPLICATION_FACTOR, topic.all_settings, records=100)
        for topic in ALL_TOPICS
    },
    {service.name: () for service in SERVICES},
)


def running(service, state="RUNNING", task="RUNNING", trace=""):
    return ConnectorStatus(service.connector, state, "w", (TaskStatus(0, task, "w", trace),))


def relay(service=ORDER, **changes):
    well = Relay(
        service,
        running(service),
        configuration(service.connector) | {"name": service.connector},
        SIGHT,
        stored=SIGHT.flushed,
        moves=True,
        tables=doctor.PUBLISHED,
        rows={topic.name: 90 for topic in MESSAGE_TOPICS if topic.writer == service.name},
        keep_bytes=100 * MB,
    )
    return replace(well, **changes)


PLUGINS = frozenset({"neverlost.OutboxConnector"})


def facts(workers=None, cluster=CLUSTER, plugins=PLUGINS, **changes):
    relays = (relay(**changes), *(relay(service) for service in SERVICES[1:]))
    return Facts(workers or {"http://a": WORKER, "http://b": WORKER}, relays, cluster, plugins)


def without(name):
    return replace(CLUSTER, topics={k: v for k, v in CLUSTER.topics.items() if k != name})


def changed(name, **changes):
    return replace(CLUSTER, topics={**CLUSTER.topics, name: replace(CLUSTER.topics[name], **changes)})


SETTINGS = {**CLUSTER.topics["order-created"].settings}
UNPLACED = replace(CLUSTER, unplaced={"payment": (TopicPartition("payment-commands", 0),)})

CASES = {
    "a worker is down": ({"workers": {"http://a": WORKER, "http://b": None}}, "does not answer", "warning"),
    "every worker is down": (
        {"workers": {"http://a": None}, "status": None, "config": None, "plugins": frozenset()},
        "does not answer",
        "alarm",
    ),
    "workers differ": (
        {"workers": {"http://a": WORKER, "http://b": {**WORKER, "version": "4.2.0"}}},
        "different versions",
        "alarm",
    ),
    "plugin missing": ({"plugins": frozenset()}, "is not loaded", "alarm"),
    "connector missing": ({"status": None}, "connector-deleted", "alarm"),
    "paused": ({"status": running(ORDER, "PAUSED", "PAUSED"), "moves": False}, "is PAUSED", "warning"),
    "stopped": ({"status": running(ORDER, "STOPPED")}, "is STOPPED", "warning"),
    "task failed": (
        {"status": running(ORDER, task="FAILED", trace="Broken: x\n\tat y\n\tat z\n\tat secret")},
        "has failed: Broken: x | at y | at z",
        "alarm",
    ),
    "drift": (
        {"config": configuration(ORDER.connector) | {"poll.interval.ms": "500"}},
        "poll.interval.ms: deployed '500', file '20'",
        "warning",
    ),
    "wedged": ({"moves": False}, "wedged", "alarm"),
    "silent": ({"sight": replace(SIGHT, beat_age=60.0)}, "heartbeat", "warning"),
    "slot missing": ({"sight": Sight(written=200 * MB)}, "slot-dropped", "alarm"),
    "slot lost": (
        {"sight": replace(SIGHT, wal_status="lost", active=False, invalidation="wal_removed")},
        "invalidated (wal_removed)",
        "alarm",
    ),
    "slot unreserved": ({"sight": replace(SIGHT, wal_status="unreserved")}, "holds back", "alarm"),
    "slot inactive": ({"sight": replace(SIGHT, active=False)}, "inactive", "alarm"),
    "70 %": ({"sight": replace(SIGHT, restart=129 * MB)}, "71% of what", "warning"),
    "85 %": ({"sight": replace(SIGHT, restart=114 * MB)}, "86% of what", "alarm"),
    "offsets missing": ({"stored": None}, "offsets-lost", "alarm"),
    "offsets ahead": ({"stored": 201 * MB}, "offsets-ahead", "alarm"),
    "slot newer than offsets": ({"stored": 189 * MB}, "slot-dropped", "alarm"),
    "topic missing": ({"cluster": without("connect-status")}, "the topic is not there", "alarm"),
    "a message topic missing": ({"cluster": without("order-failed")}, "topic-lost", "alarm"),
    "partitions": ({"cluster": changed("order-created", partitions=1)}, "1 partitions", "alarm"),
    "replicas": ({"cluster": changed("order-created", replicas=1)}, "1 replicas", "warning"),
    "min ISR": (
        {"cluster": changed("order-created", settings={**SETTINGS, "min.insync.replicas": "1"})},
        "min.insync.replicas is 1",
        "warning",
    ),
    "cleanup": (
        {"cluster": changed("order-created", settings={**SETTINGS, "cleanup.policy": "compact"})},
        "cleanup.policy is compact",
        "warning",
    ),
    "retention": (
        {"cluster": changed("order-created", settings={**SETTINGS, "retention.ms": "1"})},
        "retention.ms is 1",
        "warning",
    ),
    "made anew": ({"cluster": changed("order-created", records=89)}, "fewer records", "alarm"),
    "perhaps made anew": (
        {
            "cluster": changed("order-created", records=89),
            "sight": replace(SIGHT, flushed=199 * MB),
        },
        "cannot be told yet whether topic order-created was made anew",
        "warning",
    ),
    "position hidden": ({"is_stored_known": False}, "cannot be told yet where Connect is", "warning"),
    "group": ({"cluster": UNPLACED}, "no position in 1 partitions of payment-commands", "alarm"),
    "publication": ({"tables": frozenset({"outbox"})}, "lacks dbz_heartbeat, outbox_replay", "alarm"),
    "database away": ({"sight": None}, "database orders does not answer", "alarm"),
    "kafka away": ({"cluster": None}, "Kafka does not answer", "alarm"),
}


def test_all_is_well():
    assert examine(facts()) == ()


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found_alone_with_a_reason_and_a_remedy(name):
    changes, told, severity = CASES[name]

    [finding] = examine(facts(**changes))

    assert told in finding.what
    assert finding.severity == severity
    assert finding.why
    assert finding.remedy.split()[0] in {"./run", "psql", "kafka-topics.sh", "kafka-configs.sh"} or (
        finding.remedy.startswith("kafka-reassign")
    )


def test_a_trace_is_told_in_its_first_lines():
    changes, _, _ = CASES["task failed"]

    assert "secret" not in examine(facts(**changes))[0].what


def test_alarms_come_first():
    found = examine(facts(moves=False, config=configuration(ORDER.connector) | {"poll.interval.ms": "500"}))

    assert [finding.severity for finding in found] == [Severity.ALARM, Severity.WARNING]


BEHIND = {"sight": replace(SIGHT, flushed=199 * MB)}
ANEW = "whether topic order-created was made anew"


@pytest.mark.parametrize(
    ("changes", "lost", "open_questions"),
    [
        ({}, [Kind.TOPIC_LOST], ()),
        (BEHIND, [], (ANEW,)),
        ({"status": running(ORDER, task="FAILED")}, [], (ANEW,)),
        ({"status": running(ORDER, task="UNASSIGNED")}, [], (ANEW,)),
        ({"status": running(ORDER, "STOPPED", "UNASSIGNED")}, [], ()),
        (BEHIND | {"stored": None}, [Kind.OFFSETS_LOST], ()),
    ],
    ids=["came up", "behind", "failed", "between workers", "held", "lost something else"],
)
def test_only_a_relay_that_came_up_tells_whether_its_topic_lacks_records(changes, lost, open_questions):
    known = facts(cluster=changed("order-created", records=1), **changes)

    assert [loss.kind for loss in losses(known, known.relays[0])] == lost
    assert undecided(known, known.relays[0]) == open_questions
    assert bool(plans.questions(known, SERVICES)) == bool(open_questions)


@pytest.mark.parametrize("stored", [None, 1, SIGHT.flushed])
def test_a_position_that_may_not_be_the_newest_is_no_loss(stored):
    known = facts(stored=stored, is_stored_known=False)

    assert losses(known, known.relays[0]) == ()
    assert undecided(known, known.relays[0]) == ("where Connect is",)


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"status": None, "sight": Sight(written=9)}, [Kind.SLOT_DROPPED, Kind.CONNECTOR_DELETED]),
        ({"stored": None, "sight": replace(SIGHT, wal_status="lost")}, [Kind.SLOT_LOST]),
        ({"stored": None}, [Kind.OFFSETS_LOST]),
        ({"stored": 201 * MB, "is_stored_known": False}, [Kind.OFFSETS_AHEAD]),
    ],
)
def test_everything_that_was_lost_is_named_once(changes, kinds):
    assert [loss.kind for loss in losses(facts(), relay(**changes))] == kinds


def test_a_plan_names_relays_that_lost_something_and_the_steps():
    known = facts(sight=Sight(written=9))

    planned = plans.plan(known, SERVICES)

    [(lost, found)] = planned.items()
    assert lost.service is ORDER
    assert list(plans.steps(lost, found)) == [
        "stop order-outbox",
        "make slot order_outbox anew, from now on",
        "set Connect's position to the slot's",
        "start order-outbox, wait until it relays, prove it by a canary",
    ]
    assert plans.plan(known, SERVICES[1:]) == {}


@pytest.mark.parametrize("blind", [{"cluster": None}, {"sight": None}, {"workers": {"http://a": None}}])
def test_no_plan_is_made_blindly(blind):
    with pytest.raises(plans.RecoveryImpossible, match="answer"):
        plans.plan(facts(**blind), SERVICES)


def test_groups_without_a_position_and_drift_are_put_right_besides():
    drifted = facts(cluster=UNPLACED, config=configuration(ORDER.connector) | {"poll.interval.ms": "500"})

    assert plans.plan(drifted, SERVICES) == {}
    assert [told.partition(":")[0] for told in plans.chores(drifted, SERVICES)] == [
        "group payment has no position in some partitions",
        "order-outbox is not configured as its file says",
    ]
    assert plans.chores(facts(), SERVICES) == []


@pytest.mark.parametrize("name", ["relay-canary", "connect-status", ORDER.heartbeat_topic])
def test_a_topic_without_events_that_is_gone_is_made_again_by_what_the_doctor_names(name):
    [found] = examine(facts(cluster=without(name)))

    assert found.remedy == "./run connect recover"
    assert plans.chores(facts(cluster=without(name)), SERVICES) == [
        f"topic {name} is not there: will make it"
    ]


@pytest.mark.parametrize(
    ("state", "remedy"),
    [("STOPPED", "./run connect recover order"), ("PAUSED", "./run connect resume order-outbox")],
)
def test_who_is_held_is_not_resumed_where_a_recovery_left_it(state, remedy):
    found = [each for each in examine(facts(status=running(ORDER, state))) if state in each.what]

    assert [each.remedy for each in found] == [remedy]


def test_a_connector_that_a_recovery_left_stopped_is_started_and_a_paused_one_is_not():
    [told] = plans.chores(facts(status=running(ORDER, "STOPPED")), SERVICES)

    assert "is STOPPED" in told
    assert plans.chores(facts(status=running(ORDER, "PAUSED", "PAUSED")), SERVICES) == []

"""The relay with exactly once switched off differs from the system's own where it must, and nowhere else."""

from benchmarks import at_least_once
from benchmarks.keeping import spreads
from benchmarks.relay import by
from connect import worker
from connect.configurations import configuration
from contracts.services import ORDER
from contracts.topics import ALL_TOPICS


def parsed(properties):
    return dict(line.split("=", 1) for line in properties.splitlines() if line and not line.startswith("#"))


def differing(one, other):
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_worker_is_of_another_group_without_exactly_once():
    own, other = parsed(worker.PROPERTIES.read_text()), parsed(at_least_once.properties())

    assert differing(own, other) == {
        "group.id",
        "exactly.once.source.support",
        "config.storage.topic",
        "offset.storage.topic",
        "status.storage.topic",
        "producer.enable.idempotence",
        "producer.linger.ms",
    }
    assert other["exactly.once.source.support"] == "disabled"


def test_every_line_of_the_worker_is_said_once():
    lines = [line.partition("=")[0] for line in at_least_once.properties().splitlines() if "=" in line]
    keys = [key for key in lines if not key.startswith("#")]

    assert len(keys) == len(set(keys))


def test_connector_reads_the_same_rows_from_another_slot_into_another_topic():
    own, other = configuration(ORDER.connector), at_least_once.connector()

    assert differing(own, other) == {
        "slot.name",
        "topic.heartbeat.prefix",
        "transforms.outbox.route.topic.replacement",
        "exactly.once.support",
        "transaction.boundary",
        "offsets.storage.topic",
    }


def test_its_topics_are_like_those_whose_place_they_take_and_none_of_the_systems():
    made = {topic.name: topic for topic in at_least_once.topics()}
    known = {topic.name: topic for topic in ALL_TOPICS}
    named = parsed(at_least_once.properties())

    assert not made.keys() & known.keys()
    assert {named[f"{kind}.storage.topic"] for kind in ("config", "offset", "status")} <= made.keys()
    assert made[at_least_once.TOPIC].replicas([1, 2, 3]) == known["order-created"].replicas([1, 2, 3])


def test_a_ratio_is_that_of_the_same_figure():
    one = {"latency_ms": {"100": {"p50": 30, "p99": 90}}, "drain": {"flowing_a_second": 2.0}}
    other = {"latency_ms": {"100": {"p50": 10, "p99": 45}}, "drain": {"flowing_a_second": 8.0}}
    for each in (one, other):
        each["drain"] |= {"events_a_second": 1.0, "cpu_us_an_event": 4.0}

    found = by(one, other)

    assert found == {
        "flowing_a_second": 0.25,
        "events_a_second": 1,
        "cpu_us_an_event": 1,
        "latency_p50": 3,
        "latency_p99": 2,
    }


def test_figures_are_spread_at_any_depth_where_all_rounds_have_them():
    rounds = [{"drain": {"rate": 1.0, "once": 7.0}}, {"drain": {"rate": 3.0}}]

    assert spreads(rounds) == {"drain": {"rate": {"min": 1, "median": 2, "max": 3, "n": 2}}}

"""The messages that are committed as JSON Schema are those of the code."""

import json
from pathlib import Path

import pytest

from contracts import released
from contracts.json_schema import schema
from contracts.messages import MESSAGES
from contracts.services import SERVICES
from contracts.topics import ALL_TOPICS, MESSAGE_TOPICS, read_by, written_by
from operators.consumers import consumers
from order.saga import Patience

SCHEMAS = Path(__file__).parents[2] / "contracts" / "schemas"


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_is_the_message(name):
    """A change that fails here is a new version of the type, unless it only adds an optional field."""
    committed = json.loads((SCHEMAS / f"{name}.json").read_text())

    assert committed == schema(MESSAGES[name])


def test_no_schema_is_left_over():
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(MESSAGES)


def test_nobody_who_knows_the_contracts_as_they_were_released_last_is_broken():
    found = released.changes(released.released(), released.current())

    assert found == [], "\n".join(found)


def test_every_message_goes_to_a_topic_and_every_topic_carries_one():
    assert {m.topic for m in MESSAGES.values()} == {t.name for t in MESSAGE_TOPICS}


def test_what_services_read_somebody_writes():
    written = {topic for service in SERVICES for topic in written_by(service.name)}

    for service in SERVICES:
        assert set(read_by(service.name)) <= written


def test_each_service_handles_every_type_of_its_topics():
    assert {each.service for each in consumers(Patience())} == {service.name for service in SERVICES}
    for each in consumers(Patience()):
        arriving = {m.type for m in MESSAGES.values() if m.topic in each.topics}
        assert set(each.handlers) == arriving, each.service


def test_topics_keep_their_promise():
    for topic in ALL_TOPICS:
        assert topic.all_settings["min.insync.replicas"] == "2"
        assert topic.all_settings["unclean.leader.election.enable"] == "false"
    for topic in MESSAGE_TOPICS:
        assert topic.partitions == 3
        assert topic.all_settings["cleanup.policy"] == "delete"
        assert topic.all_settings["message.timestamp.type"] == "LogAppendTime"


def test_all_that_a_relay_writes_is_led_by_one_broker_and_each_relay_has_its_own():
    led = {}
    for topic in ALL_TOPICS:
        if replicas := topic.replicas([3, 1, 2]):
            assert sorted(replicas) == [1, 2, 3]
            led.setdefault(topic.relay or topic.writer, set()).add(replicas[0])

    assert led == {service.name: {1 + place % 3} for place, service in enumerate(SERVICES)}


def test_a_cluster_that_lacks_a_broker_is_left_to_refuse():
    assert MESSAGE_TOPICS[0].replicas([1, 2]) is None

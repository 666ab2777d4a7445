"""A poison message, through real topics: parked, listed, its key held, everybody else untouched."""

import json
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from runtime.waiting import until
from tests.builders import an_event_id
from tests.invariants import STRANGER


@pytest.fixture
def produce(system):
    """A function that writes a record as no service would."""
    producer = Producer({"bootstrap.servers": system.layout.bootstrap_servers})

    def send(topic, key, value, headers):
        producer.produce(topic, key=key, value=value, headers={"ce_source": STRANGER, **headers})
        assert producer.flush(20) == 0

    return send


def letters(system, key):
    done = system.run("dead-letters", "list", "--key", key, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["dead_letters"]


def test_a_poison_message_holds_its_key_and_nothing_else(system, produce):
    key = str(uuid4())
    headers = {"ce_id": str(an_event_id()), "ce_type": "stock.reserved.v1"}

    produce("stock-reserved", key, b"poison", headers)
    [letter] = until(lambda: letters(system, key), within_seconds=30, what="the dead letter")

    assert (letter["service"], letter["state"]) == ("order", "culprit")
    assert "Invalid JSON" in letter["reason"]
    assert system.final_status(system.place()) == "COMPLETED"

    redrive = system.run("dead-letters", "redrive", "--key", key)

    assert redrive.returncode == 1
    assert f"{key} still waits" in redrive.stdout


def test_a_record_without_an_id_is_kept_for_people(system, produce):
    key = str(uuid4())

    produce("payment-commands", key, b"{}", {})
    [letter] = until(lambda: letters(system, key), within_seconds=30, what="the dead letter")

    assert (letter["service"], letter["state"]) == ("payment", "stray")
    assert system.final_status(system.place()) == "COMPLETED"

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

    foreseen = system.run("dead-letters", "discard", "--key", key, "--note", "a test's", "--dry-run")
    assert f"would discard {letter['id']} stock.reserved.v1" in foreseen.stdout
    assert letters(system, key) != []
    discarded = system.run("dead-letters", "discard", "--key", key, "--note", "a test's")

    assert discarded.returncode == 0, discarded.stderr
    assert f"./run sagas show {key}" in discarded.stdout
    assert letters(system, key) == []
    [kept] = system.query("order", f"SELECT outcome, note FROM dead_letters WHERE key = '{key}'")
    assert kept == ("discarded", "a test's")
    again = system.run("dead-letters", "redrive", "--key", key)
    assert (again.returncode, "nothing that is held fits" in again.stderr) == (0, True)


def test_a_record_without_an_id_is_kept_for_people(system, produce):
    key = str(uuid4())

    produce("payment-commands", key, b"{}", {})
    [letter] = until(lambda: letters(system, key), within_seconds=30, what="the dead letter")

    assert (letter["service"], letter["state"]) == ("payment", "stray")
    shown = system.run("dead-letters", "show", str(letter["id"]), "--service", "payment")
    assert json.loads(shown.stdout)["key"] == key
    assert system.run("dead-letters", "discard", "--note", "all").returncode == 2
    assert system.final_status(system.place()) == "COMPLETED"

"""The three connector files are twins, and what they name is what the rest of the system names."""

import re
from pathlib import Path

import pytest

from connect import worker
from connect.configurations import configuration
from connect.progress import BEAT_SECONDS
from contracts.services import SERVICES, Service
from contracts.topics import ALL_TOPICS, REPLICATION_FACTOR, written_by

CONNECT = Path(worker.__file__).parent

# What one service's connector cannot share with another's.
OWN_KEYS = {
    "database.hostname",
    "database.port",
    "database.user",
    "database.password",
    "database.dbname",
    "slot.name",
    "publication.name",
    "topic.prefix",
    "offsets.storage.topic",
    "predicates.isOutbox.pattern",
}

CONFIGURATIONS = {service: configuration(service.connector) for service in SERVICES}
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def test_connector_files_are_those_of_the_services():
    files = {path.stem for path in (CONNECT / "connectors").iterdir()}

    assert files == {service.connector for service in SERVICES}


def test_connectors_differ_only_where_they_must():
    first, *others = CONFIGURATIONS.values()

    for other in others:
        assert first.keys() == other.keys()
        assert {key for key in first if first[key] != other[key]} == OWN_KEYS


@each_service
def test_connector_names_what_contracts_name(service: Service):
    config = CONFIGURATIONS[service]

    assert config["database.dbname"] == service.database
    assert config["database.user"] == service.role("relay")
    assert config["slot.name"] == service.slot
    assert config["publication.name"] == service.publication
    assert config["offsets.storage.topic"] == service.offsets_topic
    assert service.heartbeat_topic == f"__debezium-heartbeat.{config['topic.prefix']}"


@each_service
def test_router_takes_the_two_outbox_tables_and_nothing_else(service: Service):
    config = CONFIGURATIONS[service]
    pattern = config["predicates.isOutbox.pattern"]

    routed = [f"{service.name}.{table}" for table in config["table.include.list"].split(",")]

    assert routed == [f"{service.name}.public.outbox", f"{service.name}.public.outbox_replay"]
    assert all(re.fullmatch(pattern, topic) for topic in routed)
    assert not re.fullmatch(pattern, service.heartbeat_topic)


@each_service
def test_relay_is_exactly_once_and_never_skips(service: Service):
    config = CONFIGURATIONS[service]

    assert config["exactly.once.support"] == "required"
    assert config["transaction.boundary"] == "poll"
    assert config["errors.tolerance"] == "none"
    assert config["event.converting.failure.handling.mode"] == "fail"
    assert config["snapshot.mode"] == "no_data"
    assert worker.properties()["exactly.once.source.support"] == "enabled"


@each_service
def test_relay_beats_as_often_as_its_watchers_take_for_granted(service: Service):
    assert CONFIGURATIONS[service]["heartbeat.interval.ms"] == f"{BEAT_SECONDS * 1000:.0f}"


@each_service
def test_no_password_is_in_clear(service: Service):
    secrets = {key: value for key, value in CONFIGURATIONS[service].items() if "password" in key}

    assert secrets == {"database.password": f"${{env:{service.name.upper()}_RELAY_PASSWORD}}"}


def test_files_ask_for_exactly_the_variables_that_a_worker_is_given():
    texts = [worker.PROPERTIES, *(CONNECT / "connectors").iterdir()]
    asked = {name for path in texts for name in re.findall(r"\$\{env:(\w+)\}", path.read_text())}
    allowed = worker.properties()["config.providers.env.param.allowlist.pattern"]

    assert asked == set(worker.VARIABLES)
    assert all(re.fullmatch(allowed, name) for name in worker.VARIABLES)
    assert not re.fullmatch(allowed, "POSTGRES_PASSWORD")


@each_service
def test_topics_made_by_connect_would_be_like_those_made_beforehand(service: Service):
    """Connect makes a topic that was deleted again, by the first group that its name fits."""
    given = CONFIGURATIONS[service]
    relayed = {*written_by(service.name), service.heartbeat_topic}
    for topic in (each for each in ALL_TOPICS if each.name in relayed):
        fits = re.fullmatch(given["topic.creation.single.include"], topic.name)
        prefix = f"topic.creation.{'single' if fits else 'default'}."
        made = {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}
        made.pop("include", None)

        assert made == {
            "partitions": str(topic.partitions),
            "replication.factor": str(REPLICATION_FACTOR),
            **topic.all_settings,
        }
    assert given["topic.creation.groups"] == "single"


def test_worker_keeps_its_state_in_topics_that_are_made_beforehand():
    properties = worker.properties()
    made = {topic.name: topic for topic in ALL_TOPICS}

    for kind in ("config", "offset", "status"):
        topic = made[properties[f"{kind}.storage.topic"]]

        assert properties.get(f"{kind}.storage.partitions", "1") == str(topic.partitions)
        assert properties[f"{kind}.storage.replication.factor"] == str(REPLICATION_FACTOR)
        assert properties[f"{kind}.storage.min.insync.replicas"] == topic.all_settings["min.insync.replicas"]


def test_image_starts_the_worker_as_the_stack_does():
    image = (CONNECT / "Dockerfile").read_text()

    assert all(flag in image for flag in worker.JVM_FLAGS)
    assert all(path.name in image for path in (worker.PROPERTIES, worker.LOGGING))
    assert "USER appuser" in image.splitlines()

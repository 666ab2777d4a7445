"""How far behind the consumers are, in offsets."""

from collections.abc import Sequence
from contextlib import closing

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from connect import cluster
from contracts.services import SERVICES
from contracts.topics import MESSAGE_TOPICS, read_by
from messaging.clients import KafkaAdminClient
from monitor.readings import Lag
from runtime.reaching import takes_connections

ERRORS = (KafkaError, TimeoutError)
REQUEST_MS = 3_000
KNOCK_SECONDS = 0.5
_PLACES = [TopicPartition(topic.name, n) for topic in MESSAGE_TOPICS for n in range(topic.partitions)]


def ask(servers: Sequence[str]) -> Lag:
    """Ask the brokers, by a client of this question's own.

    Not by the auditor's: when a question for a group's positions takes too long, it may end the process.
    Raises OSError where no broker takes a connection, and KafkaError where none answers.
    """
    if not takes_connections(servers, KNOCK_SECONDS):
        raise ConnectionRefusedError("no broker takes connections")
    with closing(cluster.connect(servers, request_ms=REQUEST_MS, first_contact_ms=REQUEST_MS)) as client:
        return lag(client)


def lag(client: KafkaAdminClient) -> Lag:
    """For each consumer and each topic that it must see; without a position it is behind by everything."""
    ends = client.list_partition_offsets(dict.fromkeys(_PLACES, OffsetSpec.LATEST))
    behind: dict[tuple[str, str], int] = {}
    for service in SERVICES:
        positions = client.list_group_offsets(service.name).get(service.name, {})
        reached = {place: max(position.offset, 0) for place, position in positions.items()}
        for topic in read_by(service.name):
            of_topic = [place for place in _PLACES if place.topic == topic]
            left = [max(ends[place].offset - reached.get(place, 0), 0) for place in of_topic]
            behind[service.name, topic] = sum(left)
    return behind

"""What Kafka has of ours: topics as they are, and groups without a position. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import UnknownTopicOrPartitionError

from contracts.services import SERVICES
from contracts.topics import ALL_TOPICS, MESSAGE_TOPICS
from messaging.clients import KafkaAdminClient, connected
from messaging.topics import unplaced

REQUEST_MS = 10_000
FIRST_CONTACT_MS = 30_000


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic as Kafka has it; `records` ever appended, for topics that carry messages."""

    partitions: int
    replicas: int
    settings: Mapping[str, str] = field(default_factory=dict)
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Our topics by name, those that are there; and the partitions that a group has no position in."""

    topics: Mapping[str, TopicFacts] = field(default_factory=dict)
    unplaced: Mapping[str, Sequence[TopicPartition]] = field(default_factory=dict)


def connect(
    servers: Sequence[str], *, request_ms: int = REQUEST_MS, first_contact_ms: int = FIRST_CONTACT_MS
) -> KafkaAdminClient:
    """A client that has met a broker. Raises KafkaError where none answers in time."""
    return connected(
        KafkaAdminClient, servers, request_timeout_ms=request_ms, bootstrap_timeout_ms=first_contact_ms
    )


def look(admin: KafkaAdminClient) -> Cluster:
    """Every topic of contracts/topics.py, as it is now. Raises KafkaError where one comes or goes."""
    wanted = {topic.name for topic in ALL_TOPICS}
    there = sorted(wanted & set(admin.list_topics()))
    described = {each["name"]: each["partitions"] for each in admin.describe_topics(there)}
    if moving := [name for name in there if not described.get(name)]:
        raise UnknownTopicOrPartitionError(", ".join(moving))
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
    settings = admin.describe_configs(asked, config_filter="all")["topic"]
    ends = _ends(admin, [topic.name for topic in MESSAGE_TOPICS if topic.name in there], described)
    topics = {
        name: TopicFacts(
            partitions=len(described[name]),
            replicas=min(len(each["replica_nodes"]) for each in described[name]),
            settings={key: str(entry["value"]) for key, entry in settings[name].items()},
            records=ends.get(name),
        )
        for name in there
    }
    return Cluster(topics, {service.name: unplaced(admin, service.name) for service in SERVICES})


def _ends(
    admin: KafkaAdminClient, names: Sequence[str], described: Mapping[str, Sequence[object]]
) -> dict[str, int]:
    """How many records each topic was ever given, with the markers of transactions."""
    every = [TopicPartition(name, number) for name in names for number in range(len(described[name]))]
    ends = admin.list_partition_offsets(dict.fromkeys(every, OffsetSpec.LATEST)) if every else {}
    found = dict.fromkeys(names, 0)
    for partition, end in ends.items():
        found[partition.topic] += end.offset
    return found

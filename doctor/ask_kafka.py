"""What the brokers say of themselves, of partitions, groups, transactions and the time. Reads only."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka import KafkaError as Code
from confluent_kafka.admin import AdminClient
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from connect import cluster, worker
from connect.progress import BEAT_SECONDS
from contracts.services import SERVICES
from doctor.facts import Broker, Cluster, Group, Partition, Silence, Transactions
from messaging.clients import KafkaAdminClient, KafkaConsumer, connected
from runtime.errors import WaitedTooLong
from runtime.waiting import until

INTERNAL = ("__consumer_offsets", "__transaction_state")
SECONDS_MAX = 10.0
# A group in which a member comes or goes settles within its session time-out, as a rule.
SETTLED_SECONDS_MAX = 6.0
# Of a few beats of each relay the one that came soonest counts.
RECORDS_EACH = 3
CLOCK_SECONDS = (RECORDS_EACH + 1) * BEAT_SECONDS
LOG_APPEND_TIME = 1
LOG_WARNING = 4
ERRORS = (KafkaError, KafkaException)


def look(servers: Sequence[str]) -> Cluster:
    """The whole cluster, asked once. Raises KafkaError or KafkaException where it does not answer."""
    with closing(cluster.connect(servers)) as admin:
        told = admin.describe_topics()
        alive = [
            each["broker_id"] for each in admin.describe_cluster()["brokers"] if not each.get("is_fenced")
        ]
        features = admin.describe_features()
        names = [each["name"] for each in told if each["name"] in INTERNAL]
        return Cluster(
            brokers={number: _broker(admin, number) for number in alive},
            features={name: each["finalized"][1] for name, each in features.items() if "finalized" in each},
            partitions=tuple(_partitions(told)),
            internal={name: _settings(admin, ConfigResourceType.TOPIC, name) for name in names},
            groups=_groups(servers),
            transactions=_transactions(admin, alive),
        )


def _broker(admin: KafkaAdminClient, number: int) -> Broker | Silence:
    """The others may still take a broker for alive that answers nobody."""
    try:
        version = tuple(admin.get_broker_version_data(number).broker_version)
        told = _told(admin, ConfigResourceType.BROKER, str(number))
        sources = {key: str(entry["config_source"]) for key, entry in told.items()}
        return Broker(version, {key: str(entry["value"]) for key, entry in told.items()}, sources)
    except KafkaError as error:
        return Silence(f"broker {number}", type(error).__name__)


def _settings(admin: KafkaAdminClient, kind: ConfigResourceType, name: str) -> dict[str, str]:
    return {key: str(entry["value"]) for key, entry in _told(admin, kind, name).items()}


def _told(admin: KafkaAdminClient, kind: ConfigResourceType, name: str) -> Mapping[str, Mapping[str, Any]]:
    asked = admin.describe_configs([ConfigResource(kind, name)], config_filter="all")
    found: Mapping[str, Mapping[str, Any]] = asked[kind.name.lower()][name]
    return found


def _partitions(told: Sequence[Mapping[str, Any]]) -> Iterator[Partition]:
    for topic in told:
        for each in topic["partitions"]:
            leader = each["leader_id"] if each["leader_id"] >= 0 else None
            replicas, in_sync = len(each["replica_nodes"]), len(each["isr_nodes"])
            yield Partition(str(topic["name"]), each["partition_index"], leader, replicas, in_sync)


def _transactions(admin: KafkaAdminClient, brokers: Sequence[int]) -> Transactions | Silence:
    """Each broker knows a part of them, so all must answer."""
    patience = int(worker.properties()["producer.transaction.timeout.ms"])
    late = {"state_filters": ["Ongoing"], "duration_filter_ms": patience}
    try:
        return Transactions(
            _ids(admin.list_transactions(brokers)), _ids(admin.list_transactions(brokers, **late))
        )
    except KafkaError as error:
        return Silence("transactions", type(error).__name__)


def _ids(listed: Mapping[int, Sequence[Any]]) -> frozenset[str]:
    return frozenset(each.transactional_id for found in listed.values() for each in found)


def _groups(servers: Sequence[str]) -> dict[str, Group]:
    """Every service's group, once they are settled, or as they are when they do not settle."""
    admin = AdminClient({"bootstrap.servers": ",".join(servers), "log_level": LOG_WARNING})
    groups: dict[str, Group] = {}

    def are_settled() -> bool:
        groups.update(_described(admin))
        return all(group.state == ConsumerGroupState.STABLE.name for group in groups.values())

    try:
        until(are_settled, within_seconds=SETTLED_SECONDS_MAX, every_seconds=0.5, what="groups to settle")
    except WaitedTooLong:
        if not groups:
            raise
    return groups


def _described(admin: AdminClient) -> dict[str, Group]:
    names = [service.name for service in SERVICES]
    asked = admin.describe_consumer_groups(names, request_timeout=SECONDS_MAX)
    return {name: _group(answer) for name, answer in asked.items()}


def _group(answer: Any) -> Group:
    try:
        group = answer.result(SECONDS_MAX)
    except KafkaException as error:
        if error.args[0].code() == Code.GROUP_ID_NOT_FOUND:
            return Group(ConsumerGroupState.DEAD.name)
        raise
    places = [place for member in group.members for place in member.assignment.topic_partitions]
    return Group(group.state.name, tuple(sorted((each.topic, each.partition) for each in places)))


def clocks(servers: Sequence[str]) -> dict[int, float]:
    """By how many seconds each broker's clock is before this machine's, where a relay's heartbeats tell it.

    A record comes a moment after its broker gave it its time, so a clock looks late by that moment: of the
    records of some seconds the one that came soonest counts.
    """
    consumer = connected(
        KafkaConsumer,
        servers,
        enable_auto_commit=False,
        isolation_level="read_uncommitted",  # the time counts at once, not what is committed
        allow_auto_create_topics=False,
        request_timeout_ms=15_000,
    )
    with closing(consumer):
        places = [TopicPartition(service.heartbeat_topic, 0) for service in SERVICES]
        consumer.assign(places)
        consumer.seek_to_end(*places)
        leaders = _leaders(servers, places)
        return _ahead(consumer, leaders)


def _leaders(servers: Sequence[str], places: Sequence[TopicPartition]) -> dict[str, int]:
    with closing(cluster.connect(servers)) as admin:
        told = admin.describe_topics([place.topic for place in places])
    return {each.topic: each.leader for each in _partitions(told) if each.leader is not None}


def _ahead(consumer: KafkaConsumer, leaders: Mapping[str, int]) -> dict[int, float]:
    found: dict[int, list[float]] = {number: [] for number in leaders.values()}
    until_then = time.monotonic() + CLOCK_SECONDS
    while time.monotonic() < until_then and any(len(each) < RECORDS_EACH for each in found.values()):
        for place, records in consumer.poll(timeout_ms=200).items():
            now = time.time()
            for record in records:
                if record.timestamp_type == LOG_APPEND_TIME and place.topic in leaders:
                    found[leaders[place.topic]].append(record.timestamp / 1000 - now)
    return {number: max(each) for number, each in found.items() if each}

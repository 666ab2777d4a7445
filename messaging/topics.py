"""Make every topic, and place every group at the beginning: `python -m messaging.topics`.

Safe to repeat. A topic that an older version made gets the settings that it has none of its own for; what
somebody has set otherwise is left, and `./run connect doctor` tells of it. Another number of partitions is
refused: whoever reads all of a topic reads the number that contracts say. Consumers run with offset reset
`none`, so a group must have a position before its first poll; it is the beginning, which at worst repeats
what the inbox knows.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog
from kafka import OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError, NoError, TopicAlreadyExistsError

from contracts.services import SERVICES
from contracts.topics import ALL_TOPICS, REPLICATION_FACTOR, Topic, read_by, watched_by
from messaging.clients import KafkaAdminClient
from runtime.environment import Environment
from runtime.errors import SettingsError
from runtime.logs import configure
from runtime.waiting import until

T = TypeVar("T")

log = structlog.get_logger(__name__)


def make_topics(admin: KafkaAdminClient, topics: Sequence[Topic] = ALL_TOPICS) -> list[str]:
    """Create the topics that are missing; answers with their names."""
    existing = set(admin.list_topics())
    missing = [topic for topic in topics if topic.name not in existing]
    if missing:
        brokers = [broker["broker_id"] for broker in admin.describe_cluster()["brokers"]]
        wanted = {topic.name: _options(topic, brokers) for topic in missing}
        try:
            admin.create_topics(wanted, timeout_ms=30_000, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            log.info("another made them at the same time")
    return [topic.name for topic in missing]


def check_partitions(admin: KafkaAdminClient) -> None:
    """Raises SettingsError where a topic has another number of partitions: nobody would read them all."""
    wanted = {topic.name: topic.partitions for topic in ALL_TOPICS}
    found = {each["name"]: len(each["partitions"]) for each in admin.describe_topics(list(wanted))}
    # None are told of by a broker that has not heard of a new topic yet.
    if wrong := sorted(name for name, number in found.items() if number not in (0, wanted[name])):
        raise SettingsError(
            f"{wrong[0]} has {found[wrong[0]]} partitions and contracts/topics.py says {wanted[wrong[0]]}"
            f" (topics that differ: {len(wrong)}). Their number is fixed for life: run the version that made"
            " them, say their number there and in the connectors, or begin anew with ./run reset"
        )


def complete_settings(admin: KafkaAdminClient) -> list[str]:
    """Give topics what they have no setting of their own for; answers with the topics that lacked one."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in ALL_TOPICS]
    found = admin.describe_configs(asked, config_filter="all")["topic"]
    lacking = {topic.name: _lacking(topic, found[topic.name]) for topic in ALL_TOPICS}
    changes = [
        ConfigResource(ConfigResourceType.TOPIC, name, settings)
        for name, settings in lacking.items()
        if settings
    ]
    answers = admin.alter_configs(changes, incremental=True)["topic"] if changes else {}
    if refused := {name: answer for name, answer in answers.items() if answer != "OK"}:
        raise KafkaError(f"topics keep their old settings: {refused}")
    return [change.name for change in changes]


def _lacking(topic: Topic, found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    own = {key for key, entry in found.items() if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"}
    return {key: value for key, value in topic.all_settings.items() if key not in own}


def place_groups(admin: KafkaAdminClient) -> list[str]:
    """Put groups that have no position in a partition at its beginning; answers with the groups."""
    placed = []
    for service in SERVICES:
        if missing := unplaced(admin, service.name):
            _place(admin, service.name, missing)
            placed.append(service.name)
    return placed


def unplaced(admin: KafkaAdminClient, group: str) -> list[TopicPartition]:
    """The partitions that the group reads and has no position in."""
    names = (*read_by(group), *watched_by(group))
    wanted = [tp for name in names for tp in _partitions(name)]
    known = admin.list_group_offsets(group).get(group, {})
    return [tp for tp in wanted if known.get(tp) is None or known[tp].offset < 0]


def main() -> None:
    environment = Environment()
    servers = environment.servers("KAFKA_BOOTSTRAP_SERVERS")
    environment.check()
    configure("topics")
    admin = KafkaAdminClient(bootstrap_servers=list(servers), request_timeout_ms=10_000)
    try:
        made = patiently("topics", partial(make_topics, admin))
        patiently("partitions", partial(check_partitions, admin))
        completed = patiently("settings", partial(complete_settings, admin))
        placed = patiently("groups", partial(place_groups, admin))
    finally:
        admin.close()
    log.info("topics are there", made=made, completed=completed, placed=placed)


def patiently(what: str, do: Callable[[], T], *, within_seconds: float = 60) -> T:
    """Do it, again and again while brokers are still finding each other, within a bound.

    A group can be placed only while none of its members is there: a worker without a position ends, and
    is started again, so the moment comes.
    """
    return until(
        lambda: (do(),),
        within_seconds=within_seconds,
        what=what,
        every_seconds=0.2,
        retry_on=(KafkaError,),
    )[0]


def _place(admin: KafkaAdminClient, group: str, partitions: list[TopicPartition]) -> None:
    begins = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    results = admin.alter_group_offsets(
        group, {tp: OffsetAndMetadata(begins[tp].offset, "", -1) for tp in partitions}
    )
    for error in results.values():
        if error is not NoError:
            raise error(f"group {group} could not be placed at the beginning")


def _options(topic: Topic, brokers: Sequence[int]) -> dict[str, object]:
    """While a broker is missing Kafka refuses, and it is tried again."""
    if (replicas := topic.replicas(brokers)) is None:
        return {
            "num_partitions": topic.partitions,
            "replication_factor": REPLICATION_FACTOR,
            "configs": topic.all_settings,
        }
    return {
        "assignments": dict.fromkeys(range(topic.partitions), replicas),
        "configs": topic.all_settings,
    }


def _partitions(name: str) -> list[TopicPartition]:
    count = next(topic.partitions for topic in ALL_TOPICS if topic.name == name)
    return [TopicPartition(name, number) for number in range(count)]


if __name__ == "__main__":
    main()

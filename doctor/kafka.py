"""The brokers: whether what they acknowledge is kept, and whether every group reads all that it must."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from connect.doctor import Finding, Severity
from contracts.services import SERVICES, Service
from contracts.topics import ALL_TOPICS, MIN_INSYNC_REPLICAS, REPLICATION_FACTOR, read_by, watched_by
from doctor.ask_kafka import INTERNAL
from doctor.facts import Broker, Cluster, Facts, Group, Partition, Transactions, Wanted

LOOK = "./run status"
# Brokers read their settings when they start, from a file that the start writes.
RESTART = "./run down; ./run up"
NAMES_MAX = 4

# What the promise rests on. A number may be larger than it is wanted; -1 is without end.
WHY = {
    "auto.create.topics.enable": "a name that is misspelt becomes a topic that nobody reads",
    "unclean.leader.election.enable": "a replica that lags may lead, and what others acknowledged is gone",
    "min.insync.replicas": "the death of one broker may take what it alone has acknowledged",
    "default.replication.factor": "a topic that is made without a wish of its own is lost with one broker",
    "offsets.topic.replication.factor": "groups may lose their places with one broker",
    "offsets.retention.minutes": "a group that is away for that long loses its place",
    "transaction.state.log.replication.factor": "how a transaction ended may be lost with one broker",
    "transaction.state.log.min.isr": "how a transaction ended may be known to one broker alone",
    "log.message.timestamp.type": "a record may be past its time when it arrives, and goes at once",
    "log.retention.ms": "a topic without a wish of its own forgets sooner than consumers may be away",
}
# The second way of transactions: none is torn or left hanging by a request that comes late.
FEATURES = {"transaction.version": 2}


def examine(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """What is wrong with brokers, partitions, groups and transactions; connect.doctor tells of topics."""
    if isinstance(cluster := facts.cluster, Cluster):
        yield from _brokers(cluster, wanted)
        yield from _internal(cluster)
        yield from _partitions(cluster.partitions)
        for service in SERVICES:
            yield from _group(service, cluster.groups.get(service.name, Group("DEAD")))
        yield from _transactions(cluster)


def _transactions(cluster: Cluster) -> Iterator[Finding]:
    transactions = cluster.transactions
    for name in sorted(transactions.open_too_long) if isinstance(transactions, Transactions) else ():
        told, why = f"transaction {name} is open for longer than it may be", "readers wait where it began"
        yield Finding(Severity.ALARM, "kafka", told, why, "./run connect restart")


def _brokers(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    if len(cluster.brokers) < REPLICATION_FACTOR:
        told = f"{len(cluster.brokers)} brokers are there, and each record is kept by {REPLICATION_FACTOR}"
        why = "with one more away nothing can be written"
        yield Finding(Severity.ALARM, "kafka", told, why, LOOK)
    for name, why in WHY.items():
        right, wrong = wanted.brokers[name], dict[tuple[str, str], list[int]]()
        for number, broker in sorted(cluster.brokers.items()):
            if isinstance(broker, Broker) and _falls_short(
                value := broker.settings.get(name, "unknown"), right
            ):
                wrong.setdefault((value, broker.sources.get(name, "")), []).append(number)
        for (value, source), numbers in wrong.items():
            told = f"{name} is {value}, not {right}"
            remedy = _remedy(name, right, source, numbers[0])
            yield Finding(Severity.ALARM, f"broker {_listed(numbers)}", told, why, remedy)
    for name, level in FEATURES.items():
        if (has := cluster.features.get(name, 0)) < level:
            why = "a broker that dies at the end of a transaction may leave it open, or end another's"
            remedy = f"kafka-features.sh upgrade --feature {name}={level}"
            yield Finding(Severity.ALARM, "kafka", f"{name} is {has}, not {level}", why, remedy)


def _falls_short(value: str, right: str) -> bool:
    try:
        return 0 <= int(value) < int(right)
    except ValueError:
        return value != right


def _remedy(name: str, right: str, source: str, number: int) -> str:
    """What was set while brokers run is kept by the cluster, and outlives a start."""
    alter = "kafka-configs.sh --alter --entity-type brokers"
    if source == "DYNAMIC_BROKER_CONFIG":
        return f"{alter} --entity-name {number} --delete-config {name}"
    if source == "DYNAMIC_DEFAULT_BROKER_CONFIG":
        return f"{alter} --entity-default --add-config {name}={right}"
    return RESTART


def _internal(cluster: Cluster) -> Iterator[Finding]:
    for name in INTERNAL:
        settings = cluster.internal.get(name)
        if settings is None:
            why = "no group has kept a place in it, or no relay has ever begun a transaction"
            yield Finding(Severity.ALARM, name, "Kafka's own topic is not there", why, LOOK)
            continue
        replicas = min((each.replicas for each in cluster.partitions if each.topic == name), default=0)
        if replicas < REPLICATION_FACTOR:
            told = f"{replicas} replicas instead of {REPLICATION_FACTOR}"
            why = "places of groups, or ends of transactions, are lost with fewer brokers than is promised"
            yield Finding(Severity.ALARM, name, told, why, "kafka-reassign-partitions.sh --execute")
        for key, right in (
            ("min.insync.replicas", str(MIN_INSYNC_REPLICAS)),
            ("unclean.leader.election.enable", "false"),
        ):
            if _falls_short(value := settings.get(key, "unknown"), right):
                remedy = f"kafka-configs.sh --alter --topic {name} --add-config {key}={right}"
                yield Finding(Severity.ALARM, name, f"{key} is {value}, not {right}", WHY[key], remedy)


def _partitions(partitions: Collection[Partition]) -> Iterator[Finding]:
    """One finding for all that suffer alike: a broker that is away takes a third of everything."""
    offline = [each for each in partitions if each.leader is None]
    closed = [each for each in partitions if each.leader is not None and each.in_sync < MIN_INSYNC_REPLICAS]
    behind = [each for each in partitions if MIN_INSYNC_REPLICAS <= each.in_sync < each.replicas]
    for found, what, why, severity in (
        (offline, "have no leader", "nobody can read or write there", Severity.ALARM),
        (closed, "are kept by one broker", "nothing can be written there, and relays wait", Severity.ALARM),
        (behind, "have replicas that lag, or are away", "one broker fewer may be lost", Severity.WARNING),
    ):
        if found:
            names = sorted({each.topic for each in found})
            told = f"{len(found)} partitions {what}: {_listed(names)}"
            yield Finding(severity, "kafka", told, why, LOOK)


def _listed(names: Collection[object]) -> str:
    shown = [str(name) for name in names][:NAMES_MAX]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _group(service: Service, group: Group) -> Iterator[Finding]:
    name, logs = f"group {service.name}", f"./run logs {service.name}-worker"
    if not group.assigned and group.state in {"DEAD", "EMPTY"}:
        why = "nobody handles what comes for it, and its orders stand still"
        yield Finding(Severity.ALARM, name, "it has no member", why, LOOK)
        return
    if group.state != "STABLE":
        why = "while members come and go nobody reads; that passes within seconds, as a rule"
        yield Finding(Severity.WARNING, name, f"it does not settle: {group.state}", why, logs)
        return
    read = Counter(group.assigned)
    if unread := sorted(read_places(service) - read.keys()):
        told = f"{len(unread)} partitions are nobody's: {_listed(sorted({topic for topic, _ in unread}))}"
        why = "their messages are never handled, and nothing fails"
        yield Finding(Severity.ALARM, name, told, why, logs)
    if twice := sorted(place for place, members in read.items() if members > 1):
        told = f"{len(twice)} partitions have two members: {_listed(sorted({topic for topic, _ in twice}))}"
        why = "both handle the same messages; the inbox stops the second, and their order is by chance"
        yield Finding(Severity.WARNING, name, told, why, logs)


def read_places(service: Service) -> frozenset[tuple[str, int]]:
    """Every partition that a service's group must read, as (topic, number)."""
    partitions: Mapping[str, int] = {topic.name: topic.partitions for topic in ALL_TOPICS}
    names = (*read_by(service.name), *watched_by(service.name))
    return frozenset((name, number) for name in names for number in range(partitions[name]))

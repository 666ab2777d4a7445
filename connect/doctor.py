"""What is wrong with the relays, why it matters and what helps: decided from facts, without any I/O."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from connect import losses
from connect.cluster import Cluster, TopicFacts
from connect.configurations import configuration
from connect.facts import Facts, Relay
from connect.health import why_held
from connect.losses import Kind
from connect.progress import SILENT_SECONDS
from contracts.services import SERVICES
from contracts.topics import ALL_TOPICS, MESSAGE_TOPICS, REPLICATION_FACTOR, Topic

# Shares of the WAL that Postgres keeps for a slot: the order service refuses orders at the second.
RETAINED_WARN, RETAINED_ALARM = 0.70, 0.85
TRACE_LINES = 3
RECOVER = "./run connect recover"
PUBLISHED = frozenset({"outbox", "outbox_replay", "dbz_heartbeat"})


class Severity(StrEnum):
    """ALARM: events do not pass, or may be lost. WARNING: they may not, before long."""

    ALARM = "alarm"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; `remedy` is a command."""

    severity: Severity
    subject: str
    what: str
    why: str
    remedy: str


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Everything that is wrong, alarms first; empty when all is well."""
    found = [*_workers(facts.workers), *(_plugins(facts.plugins) if facts.has_worker else ())]
    for relay in facts.relays:
        found += [*_losses(facts, relay), *_connector(relay), *_slot(relay), *_publication(relay)]
    found += _cluster(facts.cluster)
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.ALARM))


_WHY_LOST = {
    Kind.SLOT_LOST: "Postgres has thrown away WAL that the relay had not read; it can never go on",
    Kind.SLOT_DROPPED: "nothing held the WAL back: rows were passed by unread",
    Kind.OFFSETS_LOST: "the relay would begin at its slot's position, and may send some events twice",
    Kind.OFFSETS_AHEAD: "the relay would pass over every row up to that position",
    Kind.TOPIC_LOST: "what was in it and not yet read is gone; a relay whose topic is missing stands still",
    Kind.CONNECTOR_DELETED: "no row of its outbox reaches Kafka, and the slot holds back WAL",
}


def _losses(facts: Facts, relay: Relay) -> Iterator[Finding]:
    name, remedy = relay.service.connector, f"{RECOVER} {relay.service.name}"
    for loss in losses.losses(facts, relay):
        yield Finding(Severity.ALARM, name, f"{loss.kind}: {loss.what}", _WHY_LOST[loss.kind], remedy)
    if questions := losses.undecided(facts, relay):
        told = f"it cannot be told yet {', '.join(questions)}"
        why = "it has not come up, or a transaction is open in its offsets topic: that passes, or is a loss"
        yield Finding(Severity.WARNING, name, told, why, remedy)


def _workers(workers: Mapping[str, Mapping[str, str] | None]) -> Iterator[Finding]:
    away = [url for url, root in workers.items() if root is None]
    for url in away:
        severity = Severity.ALARM if len(away) == len(workers) else Severity.WARNING
        why = "the other workers carry its relays; when the last one ends nothing is relayed"
        yield Finding(severity, url, "the Connect worker does not answer", why, "./run status")
    kinds = {(root["version"], root["kafka_cluster_id"]) for root in workers.values() if root}
    if len(kinds) > 1:
        told = f"workers of different versions or clusters: {sorted(kinds)}"
        why = "they are one group only on one Kafka, and one version moves a relay as the other does"
        yield Finding(Severity.ALARM, "connect", told, why, "./run down; ./run up")


def _plugins(loaded: Collection[str]) -> Iterator[Finding]:
    needed = {configuration(service.connector)["connector.class"] for service in SERVICES}
    for missing in sorted(needed.difference(loaded)):
        why = "its jars are not below plugin.path, so that no worker can run a relay"
        yield Finding(
            Severity.ALARM, "connect", f"plugin {missing} is not loaded", why, "./run down; ./run up"
        )


def _connector(relay: Relay) -> Iterator[Finding]:
    status, name = relay.status, relay.service.connector
    if status is None:
        return
    if status.is_held:
        because, remedy = why_held(relay.service, status.state)
        why = f"{because}; until it goes on the outbox fills and the slot holds back WAL"
        yield Finding(Severity.WARNING, name, f"the connector is {status.state}", why, remedy)
    for task in (task for task in status.tasks if task.state == "FAILED"):
        trace = " | ".join(line.strip()[:200] for line in task.trace.splitlines()[:TRACE_LINES])
        why = "connect-supervisor restarts it; the trace tells what to mend when that does not last"
        told = f"task {task.number} has failed: {trace}"
        yield Finding(Severity.ALARM, name, told, why, f"./run connect restart {name}")
    for key, told in drift(relay.config or {}, configuration(name)).items():
        why = f"connect/connectors/{name}.json says otherwise, and the next start puts it back"
        yield Finding(Severity.WARNING, name, f"{key}: {told}", why, f"{RECOVER} {relay.service.name}")


def drift(deployed: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """By key, how what Connect has differs from the file; passwords stand in neither."""
    keys = sorted((deployed.keys() | wanted.keys()) - {"name"})
    return {
        key: f"deployed {deployed.get(key, 'not')!r}, file {wanted.get(key, 'not')!r}"
        for key in keys
        if deployed.get(key) != wanted.get(key)
    }


def _slot(relay: Relay) -> Iterator[Finding]:
    sight, name = relay.sight, relay.service.connector
    if sight is None:
        told, why = f"database {relay.service.database} does not answer", "the relay reads from it"
        yield Finding(Severity.ALARM, name, told, why, "./run status")
    elif sight.is_usable:
        if relay.status is not None and not relay.status.is_held:
            yield from _movement(relay)
        yield from _retained(relay)


def _movement(relay: Relay) -> Iterator[Finding]:
    """What keeps a relay that should run from moving."""
    sight, name, slot = relay.sight, relay.service.connector, relay.service.slot
    restart = f"./run connect restart {name}"
    if sight is None:
        return
    if not sight.active:
        why = "nobody reads from it: the relay is not connected"
        yield Finding(Severity.ALARM, name, f"slot {slot} is inactive", why, restart)
    elif relay.moves is False:
        told = f"it is wedged: slot {slot} stands still at {sight.flushed}"
        why = "it says that it runs, and Kafka takes nothing of it: a topic is missing, or Kafka is away"
        yield Finding(Severity.ALARM, name, told, why, restart)
    if sight.beat_age is None or sight.beat_age > SILENT_SECONDS:
        age = "none was ever seen" if sight.beat_age is None else f"the last is {sight.beat_age:.0f} s old"
        why = "the relay's own thread writes one every 2 s; without them deadlines do not pass"
        yield Finding(Severity.WARNING, name, f"no heartbeat rows: {age}", why, restart)


def _retained(relay: Relay) -> Iterator[Finding]:
    sight, keep = relay.sight, relay.keep_bytes
    if sight is None:
        return
    share = sight.retained / keep if keep > 0 else 0.0
    is_last = sight.wal_status == "unreserved"
    if share >= RETAINED_WARN or is_last:
        severity = Severity.ALARM if is_last or share >= RETAINED_ALARM else Severity.WARNING
        told = f"the slot holds back {sight.retained / 1e6:.0f} MB of WAL, {share:.0%} of what Postgres keeps"
        why = f"beyond that the slot is lost, and with it unread rows; it is {sight.wal_status} now"
        remedy = f"./run connect resume {relay.service.connector}"
        yield Finding(severity, relay.service.connector, told, why, remedy)


def _publication(relay: Relay) -> Iterator[Finding]:
    missing, name = ", ".join(sorted(PUBLISHED - relay.tables)), relay.service.publication
    if relay.sight is not None and missing:
        why = "rows of that table are not in what the relay reads"
        remedy = f"psql -d {relay.service.database} -c 'ALTER PUBLICATION {name} ADD TABLE {missing}'"
        told = f"publication {name} lacks {missing}"
        yield Finding(Severity.ALARM, relay.service.connector, told, why, remedy)


def _cluster(cluster: Cluster | None) -> Iterator[Finding]:
    if cluster is None:
        yield Finding(
            Severity.ALARM, "kafka", "Kafka does not answer", "no relay can deliver", "./run status"
        )
        return
    for topic in ALL_TOPICS:
        yield from _topic(topic, cluster.topics.get(topic.name))
    for group, partitions in cluster.unplaced.items():
        if partitions:
            names = ", ".join(sorted({partition.topic for partition in partitions}))
            told = f"the group has no position in {len(partitions)} partitions of {names}"
            why = "its workers end rather than pass over messages: a topic was made anew, or offsets expired"
            yield Finding(Severity.ALARM, f"group {group}", told, why, RECOVER)


def _topic(topic: Topic, facts: TopicFacts | None) -> Iterator[Finding]:
    name = topic.name
    if facts is None and topic in MESSAGE_TOPICS:
        return  # Its writer's relay has told it, as a loss.
    if facts is None:
        why = "whoever writes to it stands still"
        yield Finding(Severity.ALARM, name, "the topic is not there", why, RECOVER)
        return
    if facts.partitions != topic.partitions:
        told = f"{facts.partitions} partitions instead of {topic.partitions}"
        why = "nobody reads them all, and keys would go elsewhere: their number is fixed for life"
        remedy = f"./run down; say {facts.partitions} in contracts/topics.py and connect/connectors/*.json"
        yield Finding(Severity.ALARM, name, told, why, remedy)
    if facts.replicas < REPLICATION_FACTOR:
        told = f"{facts.replicas} replicas instead of {REPLICATION_FACTOR}"
        why = "fewer brokers may be lost than is promised"
        yield Finding(Severity.WARNING, name, told, why, "kafka-reassign-partitions.sh --execute")
    for key, value in topic.all_settings.items():
        if (has := facts.settings.get(key)) != value:
            remedy = f"kafka-configs.sh --alter --topic {name} --add-config {key}={value}"
            why = f"contracts/topics.py says {value}"
            yield Finding(Severity.WARNING, name, f"{key} is {has}", why, remedy)

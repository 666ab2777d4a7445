"""Whether what runs is what was tested, and what is known of versions that lose events in silence."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from connect import jars
from connect.configurations import configuration
from connect.doctor import Finding, Severity
from connect.facts import Facts as RelayFacts
from contracts.services import SERVICES
from doctor.facts import Broker, Cluster, Facts, Program, Wanted, Worker

Version = tuple[int, ...]

RESTART = "./run down; ./run up"
_REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "base.txt"
KAFKA_CLIENT = "kafka-python"

# The first of each that does not lose or hold up events in ways that its own makers have told.
OLDEST_DEBEZIUM: Version = (3, 7)
OLDEST_KAFKA: Version = (4, 2)
OLDEST_CLIENT: Version = (3, 0, 9)
_WHY_DEBEZIUM = (
    "after a restart it may pass over rows in silence: those that share a position in the WAL, and those"
    " that begin where a commit ended (mended in 3.7)"
)
_WHY_KAFKA = (
    "a transaction may hang for ever after a broker's death, and a batch that expires on its way may end in"
    " another topic (mended in 4.2)"
)
_WHY_CLIENT = "a partition may stay unread after a rebalance (mended in 3.0.9)"
_WHY_OTHER = "it was not tested here: no crash, no fault was tried with it"


def examine(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """What runs in another version than this code was tested with."""
    yield from _debezium(facts)
    yield from _connect(facts)
    yield from _brokers(facts)
    client = facts.machine.packages.get(KAFKA_CLIENT, "missing")
    yield from _other(KAFKA_CLIENT, client, pinned_package(KAFKA_CLIENT), OLDEST_CLIENT, _WHY_CLIENT)
    for (set_name, name), program in sorted(facts.machine.programs.items()):
        yield from _program(set_name, name, program, wanted)


@cache
def pinned(set_name: str, artifact: str) -> str:
    """The version of an artifact in connect/jars.txt."""
    found = [jar.coordinates for jar in jars.listed() if jar.set_name == set_name]
    return next(each.version for each in found if each.artifact == artifact)


@cache
def pinned_package(name: str) -> str:
    """The version of a package in requirements/base.txt."""
    found: list[str] = re.findall(rf"^{re.escape(name)}==(\S+)", _REQUIREMENTS.read_text(), re.MULTILINE)
    return found[0]


def numbers(version: str) -> Version:
    """`3.7.0.Final` is (3, 7, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _other(subject: str, has: str, tested: str, oldest: Version, why: str) -> Iterator[Finding]:
    """An alarm for a version that is known to be bad, a warning for one that is merely another."""
    if has != tested:
        is_bad = numbers(has) < oldest
        severity = Severity.ALARM if is_bad else Severity.WARNING
        told = f"its version is {has}, and all was tested with {tested}"
        yield Finding(severity, subject, told, why if is_bad else _WHY_OTHER, RESTART)


def _debezium(facts: Facts) -> Iterator[Finding]:
    tested = pinned("debezium", "debezium-connector-postgres")
    classes = {configuration(service.connector)["connector.class"] for service in SERVICES}
    for url, worker in facts.workers.items():
        plugins = worker.plugins if isinstance(worker, Worker) else {}
        for name in sorted(classes & plugins.keys()):
            yield from _other(f"debezium at {url}", plugins[name], tested, OLDEST_DEBEZIUM, _WHY_DEBEZIUM)


def _connect(facts: Facts) -> Iterator[Finding]:
    tested = pinned("connect", "connect-runtime")
    for url, root in facts.relays.workers.items() if isinstance(facts.relays, RelayFacts) else ():
        if root is not None:
            yield from _other(f"connect at {url}", root["version"], tested, OLDEST_KAFKA, _WHY_KAFKA)


def _brokers(facts: Facts) -> Iterator[Finding]:
    """A broker's protocol tells no more than the first two numbers; the jars of a process tell all."""
    tested = numbers(pinned("broker", "kafka-server"))[:2]
    for number, broker in facts.cluster.brokers.items() if isinstance(facts.cluster, Cluster) else ():
        if not isinstance(broker, Broker):
            continue
        has, right = (".".join(map(str, version)) for version in (broker.version[:2], tested))
        yield from _other(f"broker {number}", has, right, OLDEST_KAFKA, _WHY_KAFKA)


def _program(set_name: str, name: str, program: Program, wanted: Wanted) -> Iterator[Finding]:
    if program.java_major < wanted.java_major:
        told = f"it runs on Java {program.java_major}, and needs {wanted.java_major}"
        yield Finding(Severity.ALARM, name, told, "Kafka 4 and Debezium 3 are made for a newer one", RESTART)
    listed = {jar.coordinates.file_name for jar in jars.listed() if jar.set_name == set_name}
    if strange := sorted(program.jars ^ listed):
        told = f"it runs on other jars than connect/jars.txt names: {', '.join(strange[:4])}"
        why = "it was started by another version, or from other files; none of ours were tested with these"
        yield Finding(Severity.WARNING, name, told, why, RESTART)

"""The answer: what is wrong, what could not be looked at, and what was seen. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connect.doctor import Finding, Severity
from connect.facts import Facts as RelayFacts
from doctor import databases, kafka, machine, postgres, relays, versions
from doctor.facts import Cluster, Facts, Server, Silence, Wanted, Worker

_SUBJECTS = (versions, postgres, databases, kafka, relays, machine)


@dataclass(frozen=True, slots=True)
class Report:
    """`seen` is for people: what runs, in words. Alarms come first among the findings."""

    findings: tuple[Finding, ...]
    unseen: tuple[Silence, ...]
    seen: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 something is not, 2 that cannot be said."""
        return 1 if self.findings else 2 if self.unseen else 0


def examine(facts: Facts, wanted: Wanted) -> Report:
    """Everything that is wrong, or cannot be told."""
    found = [finding for subject in _SUBJECTS for finding in subject.examine(facts, wanted)]
    found.sort(key=lambda finding: finding.severity is not Severity.ALARM)
    return Report(tuple(found), (*facts.silences(), *_without_a_beat(facts)), dict(_seen(facts)))


def _without_a_beat(facts: Facts) -> Iterator[Silence]:
    """Brokers whose time no heartbeat told: they lead no topic that a running relay beats in."""
    if isinstance(facts.cluster, Cluster) and not isinstance(facts.clocks, Silence):
        for number in sorted(facts.cluster.brokers.keys() - facts.clocks.keys()):
            yield Silence(f"the clock of broker {number}", "no heartbeat of a relay came to it meanwhile")


def _seen(facts: Facts) -> Iterator[tuple[str, str]]:
    if isinstance(server := facts.server, Server):
        yield "PostgreSQL", server.settings.get("server_version", "")
        yield "data checksums", server.settings.get("data_checksums", "")
    if isinstance(facts.cluster, Cluster):
        yield "brokers", ", ".join(str(number) for number in sorted(facts.cluster.brokers))
    if isinstance(facts.relays, RelayFacts):
        yield "Connect", _each(root["version"] for root in facts.relays.workers.values() if root)
    plugins = [worker.plugins for worker in facts.workers.values() if isinstance(worker, Worker)]
    yield "Debezium", _each(version for found in plugins for name, version in found.items() if _is_ours(name))
    yield "Java", _each(str(program.java_major) for program in facts.machine.programs.values())
    yield "kafka-python", facts.machine.packages.get(versions.KAFKA_CLIENT, "")


def _is_ours(name: str) -> bool:
    return name.startswith("neverlost.")


def _each(told: Iterator[str]) -> str:
    return ", ".join(sorted(set(told)))

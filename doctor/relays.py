"""The relays: what `./run connect doctor` finds, and whether each worker could carry each, exactly once."""

from collections.abc import Iterator

from connect import doctor, worker
from connect.doctor import Finding, Severity
from connect.facts import Facts as RelayFacts
from connect.facts import Relay
from connect.health import RUNNING
from doctor.facts import Cluster, Facts, Transactions, Wanted, Worker

EXACTLY_ONCE = "exactly.once.support"
WORDS_MAX = 300


def examine(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """What is wrong with relays and with the workers they run on."""
    if isinstance(facts.relays, RelayFacts):
        yield from doctor.examine(facts.relays)
        known = facts.cluster.transactions if isinstance(facts.cluster, Cluster) else None
        if isinstance(known, Transactions):
            for relay in facts.relays.relays:
                yield from _transactions(relay, known)
    for url, each in facts.workers.items():
        if isinstance(each, Worker):
            yield from _refusals(url, each)


def _transactions(relay: Relay, transactions: Transactions) -> Iterator[Finding]:
    """A task that sends in transactions is known to the brokers by the name that Connect gives it."""
    name = relay.service.connector
    for task in relay.status.tasks if relay.status else ():
        wanted = f"{worker.properties()['group.id']}-{name}-{task.number}"
        if task.state == RUNNING and wanted not in transactions.known:
            told = f"task {task.number} runs, and Kafka knows no transaction {wanted}"
            why = (
                "it sends outside of transactions: after a crash events come twice, or their position is lost"
            )
            yield Finding(Severity.ALARM, name, told, why, f"./run connect restart {name}")


def _refusals(url: str, found: Worker) -> Iterator[Finding]:
    """What a worker has against a connector's file, which it may be given at any moment."""
    for name, keys in found.refusals.items():
        for key, errors in keys.items():
            is_eos = key == EXACTLY_ONCE
            why = "the relay cannot go on there when the other worker ends"
            if is_eos:
                why = "a relay on it sends outside of transactions, or does not start at all"
            told = f"it refuses {name}: {key}: {' '.join('; '.join(errors).split())[:WORDS_MAX]}"
            remedy = "./run down; ./run up" if is_eos else "./run status"
            yield Finding(Severity.ALARM if is_eos else Severity.WARNING, url, told, why, remedy)

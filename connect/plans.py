"""What a recovery will do, for a person to read before it is done: from facts, without any I/O."""

from collections.abc import Iterator, Sequence

from connect.configurations import configuration, differs
from connect.facts import Facts, Relay
from connect.health import STOPPED
from connect.losses import POSITION_WRONG, SLOT_GONE, Loss, losses, undecided
from contracts.services import Service
from contracts.topics import OTHER_TOPICS
from runtime.errors import NeverlostError


class RecoveryImpossible(NeverlostError):  # noqa: N818 - it says what happened
    """A part that a recovery needs does not answer, or another recovery is at work."""


def plan(facts: Facts, wanted: Sequence[Service]) -> dict[Relay, tuple[Loss, ...]]:
    """The relays that have lost something, and what. Raises RecoveryImpossible where that cannot be told."""
    if facts.cluster is None:
        raise RecoveryImpossible("Kafka does not answer: ./run status tells what is away")
    if not facts.has_worker:
        raise RecoveryImpossible("no Connect worker answers: ./run status tells what is away")
    relays = [relay for relay in facts.relays if relay.service in wanted]
    blind = [relay.service.database for relay in relays if relay.sight is None]
    if blind:
        raise RecoveryImpossible(f"database {', '.join(blind)} does not answer: ./run status tells more")
    return {relay: found for relay in relays if (found := losses(facts, relay))}


def questions(facts: Facts, wanted: Sequence[Service]) -> str:
    """What of these relays cannot be told yet, for a person; empty when all can."""
    found = {r.service.connector: undecided(facts, r) for r in facts.relays if r.service in wanted}
    return "; ".join(f"{connector}: {', '.join(open_)}" for connector, open_ in found.items() if open_)


def chores(facts: Facts, wanted: Sequence[Service]) -> list[str]:
    """What a recovery puts right besides, though no relay need have lost anything; for a person."""
    found = facts.cluster.unplaced if facts.cluster else {}
    there = facts.cluster.topics if facts.cluster else {}
    topics = [
        f"topic {topic.name} is not there: will make it"
        for topic in OTHER_TOPICS
        if facts.cluster and there.get(topic.name) is None
    ]
    groups = [
        f"group {group} has no position in some partitions: will place it at their beginning"
        for group, partitions in found.items()
        if partitions
    ]
    relays = [relay for relay in facts.relays if relay.service in wanted]
    drifted = [
        f"{name} is not configured as its file says: will configure it"
        for relay in relays
        if relay.config is not None
        and differs(dict(relay.config), configuration(name := relay.service.connector))
    ]
    stopped = [
        f"{relay.service.connector} is STOPPED, as a recovery that did not end leaves it: will start it"
        for relay in relays
        if relay.status is not None and relay.status.state == STOPPED
    ]
    return topics + groups + drifted + stopped


def steps(relay: Relay, found: Sequence[Loss]) -> Iterator[str]:
    """What will be done about the losses of a relay, for a person."""
    kinds, connector = {loss.kind for loss in found}, relay.service.connector
    if relay.status is None:
        yield f"register {connector}, stopped"
    elif kinds & POSITION_WRONG:
        yield f"stop {connector}"
    if kinds & SLOT_GONE:
        yield f"make slot {relay.service.slot} anew, from now on"
    if topics := [name for loss in found for name in loss.topics]:
        yield f"make topic {', '.join(topics)} where it is missing, and place its readers at its beginning"
    if kinds & POSITION_WRONG:
        yield "set Connect's position to the slot's"
    yield f"start {connector}, wait until it relays, prove it by a canary"

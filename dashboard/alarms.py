"""What an operator must know of, told from readings without any I/O; the worst comes first."""

from collections.abc import Iterator, Mapping

from audit.verdict import DAYS_AHEAD_MIN
from connect.doctor import RETAINED_ALARM, RETAINED_WARN
from connect.health import ConnectorStatus
from contracts.services import SERVICE
from dashboard.ages import age
from dashboard.relay_words import relay
from dashboard.sentences import WORST_FIRST, Sentence, Tone
from doctor.facts import Silence
from messaging.dead_letters import QUEUED
from monitor.readings import Audit, Connect, Database, Intents, Readings, Sagas, Slot, Waiting, together

LATE_SECONDS = 30.0
UNKNOWN_SECONDS = 60.0
FULL_SECONDS_WARN = 3600.0
_TO_AUDIT, _TO_CONNECTORS, _TO_SAGAS = "audit.show", "connectors.show_all", "sagas.show_all"
_TO_LETTERS, _TO_TOPICS = "letters.show_all", "topics.show_all"


def alarms(readings: Readings, answers: Mapping[str, bool] | None = None) -> list[Sentence]:
    """Everything that is not as it should be; empty when all is well. `answers`: whether each API does."""
    found = [*_silences(readings), *_audit(readings.audit), *_sagas(readings.sagas)]
    found += [
        Sentence(f"{name}'s API takes no requests.", Tone.BAD)
        for name, ok in (answers or {}).items()
        if not ok
    ]
    for service, database in readings.databases.items():
        found += _database(service, database)
    found += [*_connect(readings.connect), *_waiting(readings.audit), *_intents(readings.intents)]
    return sorted(found, key=lambda each: WORST_FIRST.index(each.tone))


def verdict(readings: Readings, found: list[Sentence]) -> Sentence:
    """The whole in one sentence."""
    bad = sum(each.tone is Tone.BAD for each in found)
    if bad:
        return Sentence(f"{_things(bad)} somebody.", Tone.BAD)
    if found:
        return Sentence(f"It works; {_things(len(found), 'to be looked at')}.", Tone.WARNING)
    told = "All is well"
    if isinstance(readings.audit, Audit):
        told += f": {readings.audit.checked:,} events checked, none of them is missing"
    return Sentence(f"{told}.", Tone.GOOD)


def _things(count: int, need: str = "") -> str:
    if need:
        return f"one thing is {need}" if count == 1 else f"{count} things are {need}"
    return "One thing needs" if count == 1 else f"{count} things need"


def _silences(readings: Readings) -> Iterator[Sentence]:
    for each in readings.silences():
        name = {"kafka": "Kafka", "connect": "Kafka Connect"}.get(
            each.source, f"The reading of {each.source}"
        )
        yield Sentence(f"{name} does not answer ({each.why.partition(':')[0]}).", Tone.BAD)


def _audit(audit: Audit | Silence) -> Iterator[Sentence]:
    if isinstance(audit, Silence) or audit.verdict == "green":
        return
    tone = Tone.BAD if audit.verdict == "red" else Tone.WARNING
    reasons = "; ".join(audit.reasons) or "it does not say why"
    yield Sentence(f"The auditor says {audit.verdict}: {reasons}.", tone, "See which promise", _TO_AUDIT)


def _sagas(sagas: Sagas | Silence) -> Iterator[Sentence]:
    if isinstance(sagas, Silence):
        return
    stuck = sagas.needing_attention
    if stuck.count:
        yield Sentence(
            f"{_orders(stuck.count)} for a person{_oldest(stuck)}.", Tone.BAD, "See to them", _TO_SAGAS
        )
    if sagas.overdue_seconds > LATE_SECONDS:
        told = f"A deadline has passed {age(sagas.overdue_seconds)} ago and nobody looks"
        yield Sentence(f"{told}: order-deadlines is away, or a relay is silent.", Tone.WARNING)


def _orders(count: int) -> str:
    return "One order waits" if count == 1 else f"{count} orders wait"


def _oldest(waiting: Waiting) -> str:
    return f", the oldest for {age(waiting.oldest_seconds)}"


def _database(service: str, database: Database | Silence) -> Iterator[Sentence]:
    if isinstance(database, Silence):
        return
    yield from _slot(service, database.slot)
    culprits = {
        kind: each for (_, kind), each in database.dead_letters.items() if each.count and kind != QUEUED
    }
    if culprits:
        parked = together(culprits.values())
        what = (
            f"{service} has {parked.count} parked message{'s' if parked.count > 1 else ''}{_oldest(parked)}"
        )
        yield Sentence(f"{what}: {', '.join(sorted(culprits))}.", Tone.BAD, "See why", _TO_LETTERS)
    if database.days_ahead < DAYS_AHEAD_MIN:
        yield Sentence(f"{service} has partitions for {database.days_ahead} days only.", Tone.BAD)


def _slot(service: str, slot: Slot | None) -> Iterator[Sentence]:
    name = SERVICE[service].slot
    if slot is None or slot.wal_status == "lost":
        gone = "is lost" if slot else "is not there"
        told = f"The slot {name} {gone}: {service}'s events do not reach Kafka."
        yield Sentence(told, Tone.BAD, "Run ./run connect recover", _TO_CONNECTORS)
        return
    if not slot.active:
        yield Sentence(
            f"Nobody reads from the slot {name}: {service}'s events wait.",
            Tone.WARNING,
            "See why",
            _TO_CONNECTORS,
        )
    share, full = slot.share, slot.seconds_to_full
    if share >= RETAINED_WARN or (full is not None and full < FULL_SECONDS_WARN):
        when = f", and is full in {age(full)} if it goes on like this" if full is not None else ""
        told = f"The slot {name} holds back {share:.0%} of the WAL that Postgres keeps for it{when}."
        yield Sentence(
            told, Tone.BAD if share >= RETAINED_ALARM else Tone.WARNING, "See its relay", _TO_CONNECTORS
        )


def _connect(connect: Connect | Silence) -> Iterator[Sentence]:
    if isinstance(connect, Silence):
        return
    away = [url for url, answers in connect.workers.items() if not answers]
    if away:
        told = (
            "Kafka Connect does not answer: no relay can be asked"
            if len(away) == len(connect.workers)
            else (f"The Connect worker {', '.join(away)} does not answer; the other carries its relays")
        )
        yield Sentence(f"{told}.", Tone.BAD if len(away) == len(connect.workers) else Tone.WARNING)
    if connect.connectors is not None:
        yield from _relays(connect.connectors)


def _relays(connectors: Mapping[str, ConnectorStatus]) -> Iterator[Sentence]:
    for service in SERVICE:
        told = relay(service, connectors)
        if told.tone is not Tone.GOOD:
            yield told.alone()


def _waiting(audit: Audit | Silence) -> Iterator[Sentence]:
    """What is on its way for longer than it should be."""
    if isinstance(audit, Silence):
        return
    for service, late in _late(audit.awaited).items():
        told = f"{late.count} of {service}'s events are not in their topics{_oldest(late)}."
        yield Sentence(told, Tone.WARNING, "See its relay", _TO_CONNECTORS)
    for consumer, late in _late(audit.unread).items():
        told = f"{consumer} has not handled {late.count} events that are in its topics{_oldest(late)}."
        yield Sentence(told, Tone.WARNING, "See how far behind it is", _TO_TOPICS)


def _late(waiting: Mapping[tuple[str, str], Waiting]) -> dict[str, Waiting]:
    """By the first of the two names, where the oldest waits too long."""
    of_each: dict[str, list[Waiting]] = {}
    for (name, _), each in waiting.items():
        of_each.setdefault(name, []).append(each)
    found = {name: together(each) for name, each in of_each.items()}
    return {name: each for name, each in found.items() if each.oldest_seconds > LATE_SECONDS}


def _intents(intents: Intents | Silence) -> Iterator[Sentence]:
    if isinstance(intents, Silence):
        return
    for (operation, state), each in intents.items():
        if each.count and each.oldest_seconds > UNKNOWN_SECONDS:
            told = f"The gateway has not settled {each.count} {operation}s ({state}){_oldest(each)}."
            yield Sentence(told, Tone.WARNING, "See the orders", _TO_SAGAS)

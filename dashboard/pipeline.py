"""Each service's pipeline, hop by hop: what waits there, how much goes through, and how it is. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connect.doctor import RETAINED_ALARM, RETAINED_WARN
from connect.health import ConnectorStatus, Verdict
from contracts.services import INVENTORY, ORDER, PAYMENT, SERVICES, Service
from contracts.topics import MESSAGE_TOPICS
from dashboard.ages import age
from dashboard.alarms import LATE_SECONDS
from dashboard.history import Sample, rate
from dashboard.sentences import Tone, worst
from doctor.facts import Silence
from messaging.dead_letters import QUEUED
from monitor.readings import Audit, Connect, Database, Sagas, Waiting, together

HOPS = ("API", "outbox", "slot", "connector", "topic", "inbox", "effect")
# What grows when a service's work has an effect; that of orders is told by their sagas.
_LEDGERS = {PAYMENT.name: "payment_ledger", INVENTORY.name: "stock_ledger"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One hop: what it is like in a word or a number, and what there is to add."""

    hop: str
    main: str
    more: tuple[str, ...] = ()
    tone: Tone = Tone.GOOD


@dataclass(frozen=True, slots=True)
class Strip:
    service: str
    cells: tuple[Cell, ...]


def strips(samples: list[Sample]) -> list[Strip]:
    """One for each service, of the newest sample; rates need some before it."""
    return [Strip(service.name, tuple(_cells(samples, service))) for service in SERVICES] if samples else []


def _cells(samples: list[Sample], service: Service) -> Iterator[Cell]:
    now, name = samples[-1], service.name
    audit, database = now.readings.audit, now.readings.databases.get(name)
    yield _api(now, samples, name)
    awaited = _sum(audit.awaited, name) if isinstance(audit, Audit) else None
    yield _hop("outbox", _per_second(rate(samples, (name, "outbox")), "events"), awaited, "to its topic")
    yield _slot(database)
    yield _connector(now.readings.connect, service)
    written = _of_writer(audit.unread, name) if isinstance(audit, Audit) else None
    yield _hop("topic", "all seen" if written and not written.count else "", written, "to be read")
    unread = _sum(audit.unread, name) if isinstance(audit, Audit) else None
    yield _hop("inbox", _per_second(rate(samples, (name, "inbox")), "events"), unread, "to be handled")
    yield _effect(samples, name, database)


def _api(now: Sample, samples: list[Sample], name: str) -> Cell:
    if not now.answers.get(name):
        return Cell("API", "away", ("it takes no requests",), Tone.BAD)
    placed = _per_second(rate(samples, (name, "orders")), "orders") if name == ORDER.name else ""
    return Cell("API", placed or "answers", ("answers",) if placed else ())


def _hop(hop: str, main: str, waiting: Waiting | None, what: str) -> Cell:
    if waiting is None:
        return Cell(hop, main or "not known", ("the auditor does not say",), Tone.WARNING)
    if not waiting.count:
        return Cell(hop, main or "0", ("none waits",))
    late = waiting.oldest_seconds > LATE_SECONDS
    more = (f"{waiting.count:,} {what}", f"oldest {age(waiting.oldest_seconds)}")
    return Cell(hop, main or f"{waiting.count:,}", more, Tone.WARNING if late else Tone.GOOD)


def _slot(database: Database | Silence | None) -> Cell:
    if database is None or isinstance(database, Silence):
        return Cell("slot", "not known", ("its database is away",), Tone.BAD)
    slot = database.slot
    if slot is None or slot.wal_status == "lost":
        return Cell("slot", "lost" if slot else "gone", ("recover it",), Tone.BAD)
    share = slot.share
    tone = Tone.BAD if share >= RETAINED_ALARM else Tone.WARNING if share >= RETAINED_WARN else Tone.GOOD
    kept = f"{size(slot.retained_bytes)} kept" + (f", {share:.0%}" if slot.keep_bytes else "")
    if not slot.active:
        return Cell("slot", "inactive", (kept, f"{size(slot.lag_bytes)} unread"), worst([tone, Tone.WARNING]))
    return Cell("slot", "active", (kept, f"{size(slot.lag_bytes)} unread"), tone)


def _connector(connect: Connect | Silence, service: Service) -> Cell:
    if isinstance(connect, Silence) or connect.connectors is None:
        return Cell("connector", "not known", ("Connect is away",), Tone.BAD)
    status = connect.connectors.get(service.connector)
    if status is None:
        return Cell("connector", "missing", ("not registered",), Tone.BAD)
    return Cell("connector", status.state, (_tasks(status),), connector_tone(status))


def connector_tone(status: ConnectorStatus) -> Tone:
    return {Verdict.HEALTHY: Tone.GOOD, Verdict.FAILED: Tone.BAD}.get(status.verdict, Tone.WARNING)


def _tasks(status: ConnectorStatus) -> str:
    return ", ".join(f"task {task.number} {task.state}" for task in status.tasks) or "no task"


def _effect(samples: list[Sample], name: str, database: Database | Silence | None) -> Cell:
    """What comes of it: orders under way, money and stock that move; and what was parked."""
    if database is None or isinstance(database, Silence):
        return Cell("effect", "not known", ("its database is away",), Tone.BAD)
    parked = _parked(database)
    if name == ORDER.name:
        return _under_way(samples[-1].readings.sagas, parked)
    moved = _per_second(rate(samples, (name, _LEDGERS.get(name, ""))), "entries")
    return Cell("effect", moved or "–", (parked or "none parked",), Tone.BAD if parked else Tone.GOOD)


def _under_way(sagas: Sagas | Silence, parked: str) -> Cell:
    if isinstance(sagas, Silence):
        return Cell("effect", "not known", (), Tone.BAD)
    live, stuck = together(sagas.by_status.values()), sagas.needing_attention.count
    more = [f"oldest {age(live.oldest_seconds)}"] if live.count else []
    more += [f"{stuck} for a person"] if stuck else []
    tone = Tone.BAD if stuck or parked else Tone.GOOD
    return Cell("effect", f"{live.count:,} under way", (*more, parked or "none parked"), tone)


def _parked(database: Database) -> str:
    count = sum(each.count for (_, kind), each in database.dead_letters.items() if kind != QUEUED)
    return f"{count} parked" if count else ""


def _sum(waiting: Mapping[tuple[str, str], Waiting], name: str) -> Waiting:
    return together(each for (first, _), each in waiting.items() if first == name)


def _of_writer(unread: Mapping[tuple[str, str], Waiting], service: str) -> Waiting:
    topics = {topic.name for topic in MESSAGE_TOPICS if topic.writer == service}
    return together(each for (_, topic), each in unread.items() if topic in topics)


def _per_second(found: float | None, what: str) -> str:
    if found is None:
        return ""
    return f"{found:.0f} {what}/s" if found >= 10 else f"{found:.1f} {what}/s"


def size(amount: int) -> str:
    """Bytes as people read them."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if amount >= factor:
            return f"{amount / factor:.1f} {unit}"
    return f"{amount} B"

"""Readings as figures for Prometheus. Pure.

Every figure is named whether or not its part answered; a part that did not has no samples, and `source_up`
says so. Names and units are as Prometheus asks: https://prometheus.io/docs/practices/naming/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from connect.health import ConnectorStatus
from contracts.services import SERVICES
from doctor.facts import Silence
from monitor.readings import Audit, Connect, Database, Intents, Lag, Readings, Sagas, Slot, Waiting

_VERDICTS = ("green", "red", "grey")
_SLOT_STATES = ("reserved", "extended", "unreserved", "lost")
_CONNECTOR_STATES = ("RUNNING", "PAUSED", "STOPPED", "FAILED", "UNASSIGNED", "RESTARTING", "missing")
_RELAY_OF = {service.heartbeat_topic: service.name for service in SERVICES}

Sample = tuple[Sequence[str], float]


def families(told: Readings) -> Iterator[Metric]:
    """Every figure there is, in one order."""
    up = [([source], not isinstance(part, Silence)) for source, part in told.parts().items()]
    yield _gauge("source_up", "Whether a part answered when it was last read", ["source"], up)
    yield _gauge("reading_timestamp_seconds", "When it was last read", [], [((), told.taken_at.timestamp())])
    yield _gauge("reading_duration_seconds", "How long that took", [], [((), told.seconds)])
    yield from _audit(None if isinstance(told.audit, Silence) else told.audit)
    yield from _databases({n: part for n, part in told.databases.items() if not isinstance(part, Silence)})
    yield from _sagas(None if isinstance(told.sagas, Silence) else told.sagas)
    yield from _intents({} if isinstance(told.intents, Silence) else told.intents)
    yield from _connect(None if isinstance(told.connect, Silence) else told.connect)
    yield from _lag({} if isinstance(told.lag, Silence) else told.lag)


def _audit(told: Audit | None) -> Iterator[Metric]:
    known = [told] if told else []
    yield _gauge(
        "audit_verdict",
        "The auditor's newest verdict",
        ["verdict"],
        _one_hot([], told.verdict if told else None, _VERDICTS),
    )
    yield _gauge(
        "audit_round_age_seconds",
        "How long ago the auditor's newest round began",
        [],
        [((), each.age_seconds) for each in known if each.age_seconds is not None],
    )
    yield _gauge(
        "audit_events_checked", "Events of the days that are kept", [], [((), each.checked) for each in known]
    )
    yield _gauge(
        "audit_invariant_holds",
        "Whether each sentence of the promise holds",
        ["invariant"],
        [([name], holds) for each in known for name, holds in each.invariants.items()],
    )
    yield _gauge(
        "audit_findings",
        "What the auditor holds against the system",
        ["kind"],
        [([kind], number) for each in known for kind, number in each.findings.items()],
    )
    awaited, unread = (told.awaited, told.unread) if told else ({}, {})
    yield from _waiting(
        "outbox_awaited_events", "Outbox rows that are not in their topic", "service topic", awaited.items()
    )
    yield from _waiting(
        "unread_events", "Events that a consumer has not handled", "consumer topic", unread.items()
    )


def _databases(told: Mapping[str, Database]) -> Iterator[Metric]:
    slots = {name: each.slot for name, each in told.items()}
    yield _gauge(
        "slot_exists",
        "Whether the relay has a slot",
        ["service"],
        [([n], s is not None) for n, s in slots.items()],
    )
    yield from _slots({name: slot for name, slot in slots.items() if slot})
    yield _gauge(
        "relay_heartbeat_age_seconds",
        "How long ago the relay last wrote into its database",
        ["service"],
        [([n], each.beat_seconds) for n, each in told.items() if each.beat_seconds is not None],
    )
    yield _gauge(
        "partitions_ahead",
        "Days after today for which outbox and inbox have a partition",
        ["service"],
        [([n], each.days_ahead) for n, each in told.items()],
    )
    letters = {labels: waiting for each in told.values() for labels, waiting in each.dead_letters.items()}
    yield from _waiting("dead_letters", "Dead letters that wait", "consumer kind", letters.items())


def _slots(slots: Mapping[str, Slot]) -> Iterator[Metric]:
    yield _gauge(
        "slot_active",
        "Whether a relay reads the slot",
        ["service"],
        [([n], s.active) for n, s in slots.items()],
    )
    yield _gauge(
        "slot_status",
        "What Postgres says of the slot's log: wal_status",
        ["service", "status"],
        [each for n, s in slots.items() for each in _one_hot([n], s.wal_status, _SLOT_STATES)],
    )
    figures = {
        "lag_bytes": "Log that the relay has not confirmed",
        "retained_bytes": "Log that is kept for the relay",
        "keep_bytes": "Log that may be kept for the relay",
        "safe_bytes": "Log that can be written before the slot is lost",
        "seconds_to_full": "When the slot is lost if it goes on like this; absent where it does not fill",
    }
    for figure, text in figures.items():
        found = [([name], getattr(slot, figure)) for name, slot in slots.items()]
        name = "time_to_full_seconds" if figure == "seconds_to_full" else figure
        yield _gauge(f"slot_{name}", text, ["service"], [each for each in found if each[1] is not None])


def _sagas(told: Sagas | None) -> Iterator[Metric]:
    known = told or Sagas()
    status = [([name], waiting) for name, waiting in known.by_status.items()]
    yield from _waiting("sagas", "Sagas that have not ended, since they last moved", "status", status)
    yield from _waiting("sagas_awaiting", "Sagas that wait for a step", "status step", known.by_step.items())
    yield _gauge(
        "sagas_overdue_seconds",
        "For how long the oldest deadline of a saga has passed without effect",
        [],
        [((), told.overdue_seconds)] if told else [],
    )
    yield _gauge(
        "relay_heard_age_seconds",
        "How long ago the relay's beat last came to the order service, through Kafka",
        ["service"],
        [([_RELAY_OF.get(relay, relay)], age) for relay, age in known.heard_seconds.items()],
    )


def _intents(told: Intents) -> Iterator[Metric]:
    yield from _waiting(
        "payment_intents", "Calls to the gateway whose outcome is not stored", "operation state", told.items()
    )


def _connect(told: Connect | None) -> Iterator[Metric]:
    workers = told.workers if told else {}
    yield _gauge(
        "connect_worker_up",
        "Whether a worker of Kafka Connect answers",
        ["worker"],
        [([w], up) for w, up in workers.items()],
    )
    found = told.connectors if told and told.connectors is not None else None
    states: dict[str, str] = {}
    if found is not None:
        states = {
            s.connector: found[s.connector].state if s.connector in found else "missing" for s in SERVICES
        }
    yield _gauge(
        "connector_state",
        "What Kafka Connect says of a connector",
        ["connector", "state"],
        [each for name, state in states.items() for each in _one_hot([name], state, _CONNECTOR_STATES)],
    )
    yield _gauge(
        "connector_tasks",
        "Tasks of a connector by what Kafka Connect says of them",
        ["connector", "state"],
        [each for status in (found or {}).values() for each in _tasks(status)],
    )


def _tasks(status: ConnectorStatus) -> Iterator[Sample]:
    for state in _CONNECTOR_STATES[:-1]:
        yield [status.name, state], sum(task.state == state for task in status.tasks)


def _lag(told: Lag) -> Iterator[Metric]:
    yield _gauge(
        "consumer_lag_offsets",
        "Offsets between a consumer's position and the end, markers of transactions among them",
        ["consumer", "topic"],
        [(labels, behind) for labels, behind in told.items()],
    )


def _waiting(
    name: str, text: str, labels: str, told: Iterable[tuple[Sequence[str], Waiting]]
) -> Iterator[Metric]:
    """Two figures of the same things: how many, and the oldest one's age."""
    found = list(told)
    yield _gauge(name, text, labels.split(), [(key, waiting.count) for key, waiting in found])
    yield _gauge(
        f"{name}_oldest_age_seconds",
        f"{text}: the age of the oldest",
        labels.split(),
        [(key, waiting.oldest_seconds) for key, waiting in found],
    )


def _one_hot(labels: Sequence[str], value: str | None, values: Iterable[str]) -> list[Sample]:
    """A 1 for the one of the values that it is, and a 0 for each other; nothing where it is not known."""
    return [([*labels, each], each == value) for each in values] if value else []


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(f"neverlost_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(list(values), float(value))
    return family

"""From the outbox to Kafka: each event once, whole, in its order, and nothing else (S4 to S8). Pure."""

from collections import Counter
from collections.abc import Iterator

from chaos.evidence import Evidence
from chaos.rows import Event, Record
from chaos.verdict import Result, result
from contracts.messages import MESSAGES

# From when a recovery was noted until the relay has sent what it had sent before.
REWOUND_SECONDS_MAX = 120.0


def s4_completeness(evidence: Evidence) -> Result:
    there = {record.id for record in evidence.records}
    lost = [f"{e.type} {e.id} of {e.key} is not in {e.topic}" for e in evidence.outbox if e.id not in there]
    return result(
        "S4 relay completeness",
        f"Every event in an outbox is in Kafka, committed. {_aborted(evidence)}",
        len(evidence.outbox),
        lost,
    )


def s5_uniqueness(evidence: Evidence) -> Result:
    """Repeats that somebody asked for, or that a recovery on record brought, are told, and no violation."""
    asked = Counter(replay.id for replay in evidence.replays)
    times: dict[str, list[Record]] = {}
    for record in sorted(evidence.records, key=lambda each: (each.at, each.offset)):
        if not _is_strange(evidence, record):
            times.setdefault(record.id, []).append(record)
    repeats = {i: records[1:] for i, records in times.items() if i}
    rewound = {i: sum(_is_rewound(evidence, record) for record in rest) for i, rest in repeats.items()}
    wrong = {i for i, rest in repeats.items() if len(rest) - rewound[i] > asked[i]}
    sent = sum(min(len(rest) - rewound[i], asked[i]) for i, rest in repeats.items())
    told = f" {sent} were sent again on purpose, by {_who(evidence)}." if sent else ""
    excused = sum(rewound.values())
    told += f" {excused} repeats are on record: a relay had lost its position." if excused else ""
    return result(
        "S5 relay uniqueness",
        f"Every event is in Kafka once.{told}",
        len(times),
        (f"{i} is in Kafka {len(times[i])} times" for i in sorted(wrong)),
    )


def _is_rewound(evidence: Evidence, record: Record) -> bool:
    """Whether a recovery explains it: a relay begins anew right after that."""
    return any(
        record.source == f"/{rewind.service}" and 0 <= record.at - rewind.at <= REWOUND_SECONDS_MAX
        for rewind in evidence.rewinds
    )


def s6_no_phantom(evidence: Evidence) -> Result:
    written = {event.id for event in evidence.outbox} | {replay.id for replay in evidence.replays}
    strange = sum(1 for record in evidence.records if _is_strange(evidence, record))
    told = f" {strange} records were written past the outbox on purpose." if strange else ""
    return result(
        "S6 no phantom",
        f"Nothing is in Kafka that no outbox holds.{told}",
        len(evidence.records),
        (
            f"{record.id or 'a record without an id'} at {_place(record)}"
            for record in evidence.records
            if record.id not in written and not _is_strange(evidence, record)
        ),
    )


def s7_order(evidence: Evidence) -> Result:
    """What was sent again on purpose stands where that put it: what follows may be there already."""
    asked = len({replay.id for replay in evidence.replays})
    told = f" Not held to it: {asked} events that were sent again, by {_who(evidence)}." if asked else ""
    return result(
        "S7 order",
        "In a topic an order's events stand in one partition and in the order in which they were written,"
        f" and whoever reads it again finds the same.{told}",
        len(evidence.records),
        (*_disordered(evidence), *_read_differently(evidence)),
    )


def s8_content(evidence: Evidence) -> Result:
    """A record under the wrong topic, or one field off, is as bad as none."""
    events = {event.id: event for event in evidence.outbox}
    known = [(record, events[record.id]) for record in evidence.records if record.id in events]
    return result(
        "S8 content",
        "Topic, key, headers and the sha256 of the payload are those of the outbox row, and the topic is that"
        " of its type.",
        len(known),
        (
            *(
                f"{record.id} at {_place(record)}: {', '.join(wrong)}"
                for record, event in known
                if (wrong := _different(record, event))
            ),
            *_told_elsewhere(evidence),
        ),
    )


def _disordered(evidence: Evidence) -> Iterator[str]:
    """By each event's first record; what comes again is S5's."""
    asked = {replay.id for replay in evidence.replays}
    sequences = {event.id: event.sequence for event in evidence.outbox if event.id not in asked}
    last: dict[tuple[str, str], tuple[int, int]] = {}
    seen: set[str] = set()
    for record in sorted(evidence.records, key=lambda r: (r.topic, r.partition, r.offset)):
        if record.id not in sequences or record.id in seen:
            continue
        seen.add(record.id)
        partition, before = last.get((record.topic, record.key), (record.partition, 0))
        if partition != record.partition:
            yield f"{record.key} is in partitions {partition} and {record.partition} of {record.topic}"
        if sequences[record.id] <= before:
            yield f"{record.key}: number {sequences[record.id]} comes after {before} at {_place(record)}"
        last[record.topic, record.key] = record.partition, sequences[record.id]


def _read_differently(evidence: Evidence) -> Iterator[str]:
    first = {(r.topic, r.partition, r.offset): r.id for r in evidence.records}
    again = {(p.topic, p.partition, p.offset): p.id for p in evidence.reread}
    for place in sorted(first.keys() | again.keys()):
        if first.get(place) != again.get(place):
            yield f"{'/'.join(map(str, place))} was {first.get(place)}, then {again.get(place)}"


def _different(record: Record, event: Event) -> list[str]:
    names = ("topic", "key", "type", "source", "saga_id", "digest")
    wrong = [name for name in names if getattr(record, name) != getattr(event, name)]
    return [*wrong, "sequence"] if record.sequence != str(event.sequence) else wrong


def _told_elsewhere(evidence: Evidence) -> Iterator[str]:
    """Written for a topic where nobody looks for it."""
    for event in evidence.outbox:
        kind = MESSAGES.get(event.type)
        if kind is not None and event.topic != kind.topic:
            yield f"{event.type} {event.id} of {event.key} was written for {event.topic}"


def _is_strange(evidence: Evidence, record: Record) -> bool:
    return record.source in evidence.strangers


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _who(evidence: Evidence) -> str:
    return ", ".join(sorted({replay.requested_by for replay in evidence.replays}))


def _aborted(evidence: Evidence) -> str:
    number = sum(each.records for each in evidence.aborted)
    return f"{number} records of aborted transactions lie beside them, which nobody saw."

"""From Kafka to the effect: received by whoever must see it, acted on once (S9, S10). Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from chaos.evidence import Evidence
from chaos.rows import Record
from chaos.verdict import Result, result
from contracts.messages import MESSAGES, Command
from contracts.services import ORDER, SERVICES
from contracts.topics import read_by

# How the sagas' log calls what was received, whatever came of it.
_RECEIVED = {"reply", "ignored", "parked"}
_STEPS = {kind.type: kind.step for kind in MESSAGES.values() if issubclass(kind, Command)}

Place = tuple[str, int, int]


def s9_one_effect(evidence: Evidence) -> Result:
    violations = (
        *_twice("receipts of", ((r.consumer, r.event_id) for r in evidence.inbox)),
        *_twice("movements of money", ((m.order_id, m.operation) for m in evidence.money)),
        *_twice(
            "stock movements", ((m.order_id, m.sku, m.movement) for m in evidence.stock_moves if m.order_id)
        ),
        *_saga_effects(evidence),
        *_without_fence(evidence),
    )
    return result(
        "S9 exactly-once effect",
        "What was received was acted on, once: in the saga's log, behind the fence, in money and in stock.",
        len(evidence.inbox),
        violations,
    )


def s10_completeness(evidence: Evidence) -> Result:
    readers = {topic: [s.name for s in SERVICES if topic in read_by(s.name)] for topic in _topics(evidence)}
    checked = sum(len(readers[record.topic]) for record in evidence.records)
    return result(
        "S10 consume completeness",
        "Whoever must see a record has received or parked it, no committed offset has run ahead of that, and"
        " nothing was received that is not committed in Kafka.",
        checked,
        (*_unseen(evidence, readers), *_never_there(evidence)),
    )


def _topics(evidence: Evidence) -> set[str]:
    return {record.topic for record in evidence.records}


def _twice(what: str, keys: Iterator[tuple[str | None, ...]]) -> Iterator[str]:
    for key, times in Counter(keys).items():
        if times > 1:
            yield f"{times} {what} {' '.join(map(str, key))}"


def _saga_effects(evidence: Evidence) -> Iterator[str]:
    """Each reply has one line in its saga's log, whether it was waited for or not."""
    lines = Counter(each.event_id for each in evidence.saga_log if each.event_id and each.kind in _RECEIVED)
    received = {receipt.event_id for receipt in evidence.inbox if receipt.consumer == ORDER.name}
    waiting = {letter.event_id for letter in evidence.dead_letters if not letter.redriven}
    for event_id in received - waiting:
        if lines[event_id] != 1:
            yield f"{event_id} was received and is {lines[event_id]} times in the sagas' log"
    for known in lines.keys() - received:
        yield f"{known} is in the sagas' log and was never received"


def _without_fence(evidence: Evidence) -> Iterator[str]:
    """A command that a participant has received went through the fence of its step."""
    commands = {event.id: event for event in evidence.outbox if event.type in _STEPS}
    fences = {(fence.service, fence.saga_id, fence.step) for fence in evidence.fences}
    parked = {(letter.consumer, letter.event_id) for letter in evidence.dead_letters if not letter.redriven}
    for receipt in evidence.inbox:
        command = commands.get(receipt.event_id)
        if command is None or (receipt.consumer, receipt.event_id) in parked:
            continue
        if (receipt.consumer, command.key, _STEPS[command.type]) not in fences:
            yield f"{command.type} {command.id} was received by {receipt.consumer}, which has no fence for it"


def _unseen(evidence: Evidence, readers: Mapping[str, list[str]]) -> Iterator[str]:
    received = {(r.consumer, r.event_id) for r in evidence.inbox}
    parked = {(each.consumer, (each.topic, each.partition, each.offset)) for each in evidence.dead_letters}
    ahead = {(p.group, p.topic, p.partition): p.offset for p in evidence.positions}
    for record in evidence.records:
        for reader in readers[record.topic]:
            if (reader, record.id) in received or (reader, _place(record)) in parked:
                continue
            gone = ahead.get((reader, record.topic, record.partition), 0) > record.offset
            state = "and its committed offset is beyond it" if gone else "yet"
            yield f"{reader} has not seen {record.id} at {'/'.join(map(str, _place(record)))} {state}"


def _never_there(evidence: Evidence) -> Iterator[str]:
    """What a reader of uncommitted records would have seen.

    What was sent again on purpose may have been received before, in a topic that was deleted since.
    """
    ids = {_place(record): record.id for record in evidence.records}
    sent_again = {replay.id for replay in evidence.replays} & set(ids.values())
    for receipt in evidence.inbox:
        if receipt.event_id in sent_again:
            continue
        place = (receipt.topic, receipt.partition, receipt.offset)
        if ids.get(place) != receipt.event_id:
            where = "/".join(map(str, place))
            yield f"{receipt.consumer} received {receipt.event_id} at {where}, where it is not"


def _place(record: Record) -> Place:
    return record.topic, record.partition, record.offset

"""Why an order is where it is, in words: decided from what was read, without any I/O."""

from collections.abc import Iterator
from dataclasses import dataclass

from dashboard.ages import age, clock, since
from dashboard.hop_words import hop, on_its_way
from dashboard.sentences import Sentence, Tone
from dashboard.way import Intent, Way
from order.saga import Patience, definitions
from order.status import FINAL, reason
from saga.definition import Operation, Step, Undo
from saga.state import SagaStatus

# While services are upgraded, one of them may be newer than this page.
_STEPS = {each.version: each.by_name for each in definitions(Patience())}
# What is written is in its topic, and seen, within this as a rule: no word is lost on it before.
SOON_SECONDS = 2.0
_LAST_WORDS = ("expired", "parked", "failed", "reply")


@dataclass(frozen=True, slots=True)
class Story:
    """Where the order is, in one sentence, and what else is to be said."""

    headline: Sentence
    more: tuple[Sentence, ...] = ()


def tell(way: Way) -> Story:
    """The most telling sentence first."""
    found = [*_ended(way), *_attention(way), *_letters(way), *_waits(way), *_tail(way), *_clock(way)]
    found += _away(way)
    first = found[0] if found else Sentence("It is under way.")
    return Story(first, tuple(found[1:]))


def is_settled(way: Way) -> bool:
    """Whether nothing of it is expected to change any more."""
    ended = way.order is not None and way.order.status in FINAL
    return ended and not way.away and not way.waiting_letters and not any(_unfinished(way))


def _ended(way: Way) -> Iterator[Sentence]:
    order = way.order
    if order is None or order.status not in FINAL:
        return
    took = age((order.updated_at - order.created_at).total_seconds())
    if order.status == "COMPLETED":
        yield Sentence(f"COMPLETED after {took}.", Tone.GOOD)
    else:
        why = reason(way.saga.cause) if way.saga else "its saga is not known"
        yield Sentence(f"{order.status} after {took}: {why}. What had been done is undone.")


def _attention(way: Way) -> Iterator[Sentence]:
    saga = way.saga
    if saga is None or saga.status != SagaStatus.NEEDS_ATTENTION:
        return
    what = f" about {' and '.join(saga.awaits)}" if saga.awaits else ""
    last = next((line for line in reversed(way.log) if line.kind in _LAST_WORDS), None)
    told = (last.note or last.message_type or last.kind) if last else "its log does not say why"
    stands = f"It waits for a person{what}, and has for {since(saga.updated_at, way.now)}: {told}."
    yield Sentence(stands, Tone.BAD, "Retry, compensate or resolve it", "sagas.show_all")


def _letters(way: Way) -> Iterator[Sentence]:
    for letter in way.waiting_letters:
        if letter.state == "queued":
            continue
        what, parked = letter.type or "without a type", since(letter.parked_at, way.now)
        told = f"{letter.service}'s message {what} has been parked for {parked}: {letter.why}."
        yield Sentence(told, Tone.BAD, "Mend its cause, then redrive it", "letters.show_all")


def _waits(way: Way) -> Iterator[Sentence]:
    saga = way.saga
    if saga is None or saga.status not in {SagaStatus.RUNNING, SagaStatus.COMPENSATING}:
        return
    parked_at = {letter.service for letter in way.waiting_letters}
    steps = _STEPS.get(saga.version, {})
    for awaited in saga.awaits:
        step = steps.get(awaited.removeprefix("undo "))
        if step is None:
            told = f"It waits for {awaited}, in version {saga.version} of its saga, which is not known here."
            yield Sentence(told, Tone.WARNING)
            continue
        side = step.way(Operation.ACTION if awaited == step.name else Operation.UNDO)
        yield from _wait(way, step.name, side, parked_at)
    if not saga.awaits and saga.due_at and saga.due_at > way.now:
        yield Sentence(f"It was refused, and is tried again in {since(way.now, saga.due_at)}.", Tone.WARNING)


def _wait(way: Way, step: str, side: Step | Undo, parked_at: set[str]) -> Iterator[Sentence]:
    answers = [each.type for each in (side.success, side.failure) if each is not None]
    promise, command = f"It waits for {' or '.join(answers)}", way.newest(side.command.type)
    if command is None:
        yield Sentence(f"{promise}, and its command {side.command.type} is not found here.", Tone.WARNING)
        return
    seen = command.seen[0]
    if seen.reader in parked_at:
        return  # told already
    answer = way.newest(*answers)
    if answer is not None and answer.written_at > command.written_at:
        told = hop(way, answer)
        yield Sentence(f"{promise}: {seen.reader} has answered, {told.text}.", told.tone, *_help(told))
    elif seen.at is not None:
        at_work = _at_work(way, step, command.type) or "and its answer is not written yet"
        yield Sentence(f"{promise}: {seen.reader} has had it for {since(seen.at, way.now)}, {at_work}.")
    else:
        told = hop(way, command, what="the command")
        yield Sentence(f"{promise}: {told.text}.", told.tone, *_help(told))


def _help(told: Sentence) -> tuple[str, str]:
    return told.remedy, told.page


def _at_work(way: Way, step: str, command: str) -> str | None:
    """What payment does with a command that it has handled: the gateway is asked after that."""
    if step != "charge":
        return None
    operation = "refund" if command == "payment.refund.v1" else "charge"
    open_ones = [each for each in way.intents if each.state == "REQUESTED" and each.operation == operation]
    return _of_gateway(way, open_ones[-1]) if open_ones else None


def _of_gateway(way: Way, intent: Intent) -> str:
    if not intent.attempts:
        return "and the gateway was not asked yet"
    again = f", once more in {since(way.now, intent.due_at)}" if intent.due_at > way.now else ""
    times = "once" if intent.attempts == 1 else f"{intent.attempts} times"
    return f"and the gateway was asked {times} without an answer that settles it{again}"


def _unfinished(way: Way) -> Iterator[Sentence]:
    """What is under way beside that for which the saga waits."""
    for event in way.events:
        if on_its_way(way, event):
            yield hop(way, event, what=f"the event {event.type}").alone()


def _tail(way: Way) -> Iterator[Sentence]:
    if way.order is not None and way.order.status in FINAL:
        yield from _unfinished(way)


def _clock(way: Way) -> Iterator[Sentence]:
    saga = way.saga
    if saga is None or saga.due_at is None or not saga.awaits:
        return
    turns = "a person is called" if saga.status == SagaStatus.COMPENSATING else "the order is turned round"
    left = f"in {since(way.now, saga.due_at)}" if saga.due_at > way.now else "as soon as every relay beats"
    yield Sentence(f"Without an answer by {clock(saga.due_at)[:8]} UTC, {left}, {turns}.")


def _away(way: Way) -> Iterator[Sentence]:
    for part, why in way.away.items():
        yield Sentence(f"What {part} knows is missing here: {why}.", Tone.WARNING)
    late = way.audited_at and (way.now - way.audited_at).total_seconds()
    if late and late > 20:
        told = f"The auditor's last round began {age(late)} ago: newer places in topics are not known"
        yield Sentence(f"{told}, and what payment and inventory wrote since may be missing.", Tone.WARNING)

"""Where an event is, in words. Pure."""

from collections.abc import Iterator

from dashboard.ages import age, since
from dashboard.event_facts import Found
from dashboard.hop_words import hop, on_its_way
from dashboard.sentences import Sentence, Tone


def tell(found: Found) -> list[Sentence]:
    """The most telling sentence first."""
    told = [*_lost(found), *_letters(found), *_way(found)]
    told += [
        Sentence(f"What {part} knows is missing here: {why}.", Tone.WARNING)
        for part, why in found.way.away.items()
    ]
    return told


def is_settled(found: Found) -> bool:
    """Whether nothing of it is expected to change any more. One that is parked is in its inbox, and waits."""
    event = found.event
    has_arrived = event is not None and bool(event.places) and not event.awaited_by
    return has_arrived and not found.way.away and not found.way.waiting_letters


def _lost(found: Found) -> Iterator[Sentence]:
    if found.is_lost:
        told = "It is lost: its relay has passed it, and it is not in its topic."
        yield Sentence(told, Tone.BAD, "Send it again with ./run audit repair", "audit.show")
    if len(found.places) > 1:
        yield Sentence(f"It is in its topic {len(found.places)} times.", Tone.WARNING)


def _letters(found: Found) -> Iterator[Sentence]:
    for letter in found.way.waiting_letters:
        what = "has waited behind a parked one" if letter.state == "queued" else "has been parked"
        told = f"At {letter.service} it {what} for {since(letter.parked_at, found.way.now)}: {letter.why}."
        yield Sentence(told, Tone.BAD, "Mend its cause, then redrive it", "letters.show_all")


def _way(found: Found) -> Iterator[Sentence]:
    event = found.event
    if event is None:
        if found.places:
            told = f"No outbox has it, and it is in {found.places[0].topic}"
            yield Sentence(
                f"{told}: {found.source} has written it there.",
                Tone.BAD,
                "See what the auditor says",
                "audit.show",
            )
        return
    if on_its_way(found.way, event) or (not event.places and not any(seen.at for seen in event.seen)):
        yield hop(found.way, event, what="it").alone()
        return
    ends = [seen.at for seen in event.seen if seen.at] or [event.appended_at or event.written_at]
    took = age((max(ends) - event.written_at).total_seconds())
    whom = " and ".join(seen.reader for seen in event.seen)
    yield Sentence(
        f"It has arrived: {whom} took it {took} after it was written."
        if whom
        else f"It has arrived: it was in its topic {took} after it was written.",
        Tone.GOOD,
    )

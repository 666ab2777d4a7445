"""Where one event is on its way: outbox, topic, inbox. Pure."""

from audit.trace import Event
from dashboard.ages import since
from dashboard.relay_words import relay
from dashboard.sentences import Sentence, Tone
from dashboard.way import Way

# A round of the auditor begins every second; before the next one it cannot know.
ROUND_SECONDS = 1.5
# A consumer that works takes what is in its topic within a second or two.
SLOW_SECONDS = 5.0


def hop(way: Way, event: Event, *, what: str = "the answer") -> Sentence:
    """Which hop it stands before, as the end of a sentence."""
    readers = " and ".join(event.awaited_by)
    unknown = [seen.reader for seen in event.seen if not seen.is_known]
    if event.appended_at is not None:
        waited = (way.now - event.appended_at).total_seconds()
        told = f"{what} has been in its topic for {since(event.appended_at, way.now)}"
        if unknown and not readers:
            told += f", and {' and '.join(unknown)}'s database does not answer, so no more is known"
            return Sentence(told, Tone.WARNING)
        told += f", {readers} has not handled it yet" if readers else ""
        slow = bool(readers) and waited > SLOW_SECONDS
        return Sentence(told, Tone.WARNING if slow else Tone.CALM, *_of_topics(slow=slow))
    if not _is_audited(way, event):
        told = f"{what} was written {since(event.written_at, way.now)} ago, and whether it is in its topic"
        return Sentence(f"{told} is not known yet")
    how = relay(event.writer, way.relays)
    told = f"{what} has been on its way to its topic for {since(event.written_at, way.now)}"
    return Sentence(f"{told}, and {how.text}", _tone(how), how.remedy, how.page)


def on_its_way(way: Way, event: Event) -> bool:
    """Whether a hop of it is known to be before it."""
    if event.awaited_by:
        return True
    return not event.seen and event.appended_at is None and _is_audited(way, event)


def _is_audited(way: Way, event: Event) -> bool:
    """Whether the auditor must have found it, if it were in its topic."""
    if way.audited_at is None:
        return False
    return (way.audited_at - event.written_at).total_seconds() > ROUND_SECONDS


def _tone(how: Sentence) -> Tone:
    return Tone.CALM if how.tone is Tone.GOOD else how.tone


def _of_topics(*, slow: bool) -> tuple[str, str]:
    return ("See how far behind it is", "topics.show_all") if slow else ("", "")

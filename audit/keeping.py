"""Whether a day of a service's outbox or inbox may go: a decision from facts, without any I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from contracts.topics import RETENTION_MS

# As the owner's function has it: whole days that topics keep events, and one more.
DAYS_KEPT = RETENTION_MS // (24 * 60 * 60 * 1000) + 1
_KEPT = timedelta(milliseconds=RETENTION_MS) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """What is known of the events whose ids are of one day (UTC); `last_appended` is of their records.

    `letters`: how many dead letters of the day wait, by the service that has them.
    """

    day: date
    awaited: int
    unread: int
    findings: int
    last_appended: datetime | None
    letters: Mapping[str, int] = field(default_factory=dict)


def is_old(day: date, now: datetime) -> bool:
    """Whether topics have had the time to forget the day."""
    return day < now.date() - timedelta(days=DAYS_KEPT)


def reasons_to_keep(day: Day, now: datetime, *, is_audited: bool) -> list[str]:
    """Why a day must stay; empty when nobody needs it any more."""
    return list(_reasons(day, now, is_audited=is_audited))


def _reasons(day: Day, now: datetime, *, is_audited: bool) -> Iterator[str]:
    if not is_old(day.day, now):
        yield f"it is younger than {DAYS_KEPT} days"
    if not is_audited:
        yield "the auditor says nothing at present"
    if day.awaited:
        yield f"{day.awaited} events of it are not in their topics"
    if day.unread:
        yield f"{day.unread} events of it were not seen by a consumer"
    if day.findings:
        yield f"{day.findings} findings about it are not explained"
    for service, count in day.letters.items():
        yield f"dead letters of it wait in {service}: {count}"
    if day.last_appended and day.last_appended > now - _KEPT:
        yield "its last record was relayed late, and may still be read"

"""A day of events goes only when nobody can need it any more."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from audit.keeping import DAYS_KEPT, Day, reasons_to_keep
from contracts.topics import RETENTION_MS, SEGMENT_MS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAST = Day(date(2026, 11, 15), awaited=0, unread=0, findings=0, last_appended=NOW - timedelta(days=9))


def test_a_day_that_everybody_has_seen_goes():
    assert reasons_to_keep(PAST, NOW, is_audited=True) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"day": NOW.date() - timedelta(days=DAYS_KEPT)}, "younger"),
        ({"awaited": 1}, "not in their topics"),
        ({"unread": 2}, "not seen by a consumer"),
        ({"findings": 1}, "not explained"),
        ({"letters": {"payment": 2}}, "wait in payment: 2"),
        ({"last_appended": NOW - timedelta(days=7)}, "relayed late"),
    ],
)
def test_a_day_that_somebody_may_need_stays(change, reason):
    [told] = reasons_to_keep(replace(PAST, **change), NOW, is_audited=True)

    assert reason in told


def test_without_an_auditor_nothing_goes():
    [told] = reasons_to_keep(PAST, NOW, is_audited=False)

    assert "auditor" in told


def test_topics_have_forgotten_a_day_before_it_may_go():
    """A segment goes when its newest record is past; its oldest is as much older as a segment may last."""
    oldest = timedelta(milliseconds=RETENTION_MS + SEGMENT_MS)

    assert oldest + timedelta(hours=6) < timedelta(milliseconds=RETENTION_MS) + timedelta(days=1)

"""A day of events goes only when nobody can need it any more."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from audit.keeping import DAYS_KEPT, Day, reasons_to_keep

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
        ({"last_appended": NOW - timedelta(days=7)}, "relayed late"),
    ],
)
def test_a_day_that_somebody_may_need_stays(change, reason):
    [told] = reasons_to_keep(replace(PAST, **change), NOW, is_audited=True)

    assert reason in told


def test_without_an_auditor_nothing_goes():
    [told] = reasons_to_keep(PAST, NOW, is_audited=False)

    assert "auditor" in told

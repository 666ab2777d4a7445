"""The report of a round: counted, judged, kept for whoever asks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from audit import report_sql as sql
from audit.models import Kind
from audit.sources import Slot
from audit.verdict import Count, Counts, Verdict, decide, invariants, staleness

IDS_MAX = 20
# A round is due every second; while much is read, one takes a few.
STALE_SECONDS = 20.0

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a round saw that is not kept in the auditor's tables."""

    began_at: datetime
    slots: Mapping[str, Slot | None]
    days_ahead: Mapping[str, int]
    missing_topics: Sequence[str]
    behind: Sequence[str]
    stock: Sequence[str]
    held_up: Sequence[str] = ()


def write_report(connection: Connection, scene: Scene) -> Body:
    """Count, decide, and keep the answer in place of the one before."""
    counts = count(connection, scene)
    body = as_json(counts, _recoveries(connection))
    connection.execute(sql.STORE, {"began_at": scene.began_at, "body": json.dumps(body, default=str)})
    return body


def newest(connection: Connection) -> tuple[Body, datetime | None]:
    """The newest report and when its round began; grey when there is none, or none of late."""
    row = connection.execute(sql.NEWEST).first()
    if row is None:
        return {"verdict": Verdict.GREY, "reasons": ["the auditor has not finished a round yet"]}, None
    body = {**row.body, "began_at": row.began_at.isoformat(), "ended_at": row.ended_at.isoformat()}
    if stale := staleness(row.began_at, row.now, STALE_SECONDS):
        body |= {"verdict": Verdict.GREY, "reasons": [stale, *row.body["reasons"]]}
    return body, row.began_at


def is_current(connection: Connection) -> bool:
    """Whether the auditor has finished a round just now: only then its counts are of today."""
    row = connection.execute(sql.NEWEST).first()
    return row is not None and staleness(row.began_at, row.now, STALE_SECONDS) is None


def as_json(counts: Counts, recoveries: Sequence[Body]) -> Body:
    """What `./run audit --json` prints."""
    verdict, reasons = decide(counts)
    return {
        "verdict": verdict,
        "reasons": reasons,
        "checked": counts.checked,
        "under_way": counts.under_way,
        "lost": counts.lost.as_json(),
        "duplicated": counts.doubled.as_json(),
        "phantom": counts.phantom.as_json(),
        "reordered": counts.reordered.as_json(),
        "repeated": counts.repeated.as_json(),
        "late": counts.late.as_json(),
        "skipped": counts.skipped.as_json(),
        "altered": counts.altered.as_json(),
        "behind": list(counts.behind),
        "held_up": list(counts.held_up),
        "invariants": [each.as_json() for each in invariants(counts)],
        "recoveries": list(recoveries),
    }


def count(connection: Connection, scene: Scene) -> Counts:
    found = _findings(connection)
    return Counts(
        checked=connection.execute(sql.CHECKED).scalar_one(),
        under_way=connection.execute(sql.UNDER_WAY).scalar_one(),
        late=_count(connection, sql.LATE),
        lost=_count(connection, sql.LOST),
        skipped=_count(connection, sql.SKIPPED),
        gaps=_count(connection, sql.GAPS),
        phantom=found.get(Kind.PHANTOM, Count()),
        repeated=found.get(Kind.REPEATED, Count()),
        reordered=found.get(Kind.REORDERED, Count()),
        altered=found.get(Kind.ALTERED, Count()),
        doubled=_count(connection, sql.DOUBLED),
        books=_count(connection, sql.UNSETTLED),
        made_anew=found.get(Kind.TOPIC_MADE_ANEW, Count()).ids,
        set_back=found.get(Kind.SET_BACK, Count()).ids,
        stock=scene.stock,
        slots={name: slot.wal_status if slot else "missing" for name, slot in scene.slots.items()},
        days_ahead=scene.days_ahead,
        missing_topics=scene.missing_topics,
        behind=scene.behind,
        held_up=scene.held_up,
    )


_LIMITS = {"most": IDS_MAX, "late_seconds": sql.LATE_SECONDS, "explained_max": sql.EXPLAINED_MAX}


def _count(connection: Connection, statement: Any) -> Count:
    rows = connection.execute(statement, _LIMITS).all()
    return Count(rows[0][1], [row[0] for row in rows]) if rows else Count()


def _findings(connection: Connection) -> dict[str, Count]:
    rows = connection.execute(sql.OPEN_FINDINGS, _LIMITS).all()
    ids: dict[str, list[str]] = {}
    for row in rows:
        ids.setdefault(row.kind, []).append(_subject(row))
    totals = {row.kind: row.total for row in rows}
    return {kind: Count(totals[kind], found) for kind, found in ids.items()}


def _subject(row: Row[Any]) -> str:
    if row.kind == Kind.SET_BACK:
        return f"{row.detail['service']}: {row.detail['reason']}"
    return str(row.detail.get("topic" if row.kind == Kind.TOPIC_MADE_ANEW else "event_id") or row.subject)


def _recoveries(connection: Connection) -> list[Body]:
    rows = connection.execute(sql.RECOVERIES, _LIMITS)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

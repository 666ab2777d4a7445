"""What the auditor says, promise by promise; what runs of faults have shown; and who did what here."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from audit import report
from contracts.services import AUDIT
from dashboard import chaos_reports, queries
from dashboard.pages import page
from dashboard.parts import rows
from dashboard.sources import Sources

ACTIONS_SHOWN = 50
_NEWEST = 2**62


def audit_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    def show() -> Response:
        asked = sources.parts.ask({AUDIT.name: sources.parts.database(AUDIT.name, _newest)})
        body, began_at = asked.get(AUDIT.name, (None, None))
        runs = chaos_reports.newest(sources.settings.reports)
        return page("audit", body=body, began_at=began_at, away=asked.away.get(AUDIT.name), runs=runs)

    @routes.get("/audit/chaos/<name>")
    def show_run(name: str) -> Response:
        run = chaos_reports.read(sources.settings.reports, name)
        if run is None:
            raise NotFound(f"There is no run {name[:80]!r} here.")
        return page("chaos_run", settled=True, run=run, name=name)

    return routes


def action_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("actions", __name__)

    @routes.get("/log")
    def show() -> Response:
        text = request.args.get("before", "")
        before = int(text) if text.isdecimal() and len(text) < 19 else _NEWEST
        values = {"before": before, "limit": ACTIONS_SHOWN + 1}
        question = sources.parts.database(AUDIT.name, rows, queries.ACTIONS, values)
        asked = sources.parts.ask({AUDIT.name: question})
        found = asked.get(AUDIT.name, [])
        older = found[ACTIONS_SHOWN - 1].id if len(found) > ACTIONS_SHOWN else None
        away = asked.away.get(AUDIT.name)
        return page("actions", actions=found[:ACTIONS_SHOWN], older=older, away=away)

    return routes


def _newest(connection: Connection) -> tuple[dict[str, Any], datetime | None]:
    return report.newest(connection)

"""How pages are answered: whole, or only the part of them that is refreshed; and what every one carries."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Response, make_response, render_template, request, url_for
from jinja2 import StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable

from dashboard import ages, guard
from dashboard.money import amount
from dashboard.pipeline import size

log = structlog.get_logger(__name__)

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
# htmx asks no more after this one.
STOP_POLLING = 286
# What stands in no navigation belongs to a page that does.
_UNDER = {"orders": "sagas", "events": "sagas"}
# What the navigation shows: the page's name by its endpoint.
PAGES: Mapping[str, str] = {
    "overview.show": "Overview",
    "sagas.show_all": "Orders",
    "connectors.show_all": "Connectors",
    "topics.show_all": "Topics",
    "letters.show_all": "Dead letters",
    "audit.show": "Audit",
    "actions.show": "Log",
}


def dress(app: Flask) -> None:
    """Templates, headers and error pages."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        age=ages.age, clock=ages.clock, stamp=ages.stamp, since=ages.since, amount=amount, size=size
    )
    versions = {path.name: _digest(path) for path in STATIC.iterdir()}

    @app.context_processor
    def shared() -> dict[str, Any]:
        return {
            "operator": guard.operator(),
            "csrf_token": guard.csrf_token,
            "pages": {end: name for end, name in PAGES.items() if end in app.view_functions},
            "asset": lambda name: url_for("static", filename=name, v=versions[name]),
            "current": _current(),
            "linkable": app.view_functions,
            "here": request.script_root + request.full_path.rstrip("?"),
            "now_utc": ages.clock(datetime.now(UTC))[:8],
        }

    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, answer_error)
    app.register_error_handler(SQLAlchemyError, _answer_away)
    app.register_error_handler(Exception, _answer_unexpected)


def page(template: str, /, *, settled: bool = False, **values: Any) -> Response:
    """The template, or of it only what is refreshed, `…_live`; what is settled is no more."""
    only_live = request.headers.get("HX-Request") == "true"
    file = f"{template}_live.html" if only_live else f"{template}.html"
    response = make_response(render_template(file, settled=settled, **values))
    if only_live and settled:
        response.status_code = STOP_POLLING
    response.headers["Vary"] = "HX-Request, Cookie"
    return response


def _current() -> str:
    name = (request.endpoint or "").partition(".")[0]
    return _UNDER.get(name, name)


def _add_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def answer_error(error: HTTPException) -> Response:
    """The page that says what is wrong."""
    text = render_template("error.html", status=error.code, name=error.name, told=error.description)
    response = make_response(text, error.code or 500)
    for name, value in error.get_headers(request.environ):
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _answer_away(error: SQLAlchemyError) -> Response:
    log.warning("a database did not answer", path=request.path, reason=type(error).__name__)
    return answer_error(ServiceUnavailable("A database does not answer; nothing was changed. Try again."))


def _answer_unexpected(error: Exception) -> Response:
    log.error("page failed", path=request.path, exc_info=error)
    return answer_error(
        InternalServerError("Something went wrong on our side; the dashboard's log tells what.")
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]

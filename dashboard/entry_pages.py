"""Signing in and out, and what those who watch the process ask for."""

import re
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, Response, make_response, redirect, render_template, request, session, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from dashboard.guard import Guard
from runtime import metrics

_NAME = re.compile(r"[\w.@-]{1,64}")


def entry_routes(guard: Guard) -> Blueprint:
    routes = Blueprint("entry", __name__)

    @routes.get("/login")
    def login() -> Response:
        return _form("", request.args.get("then", ""))

    @routes.post("/login")
    def sign_in() -> AnyResponse:
        then, name = request.form.get("then", ""), request.form.get("name", "").strip() or "operator"
        if not _NAME.fullmatch(name):
            return _form("A name has letters, digits and . _ @ - only, 64 of them at most.", then, 422)
        if not guard.sign_in(request.form.get("token", "").strip(), name):
            return _form("This is not the operator's token.", then, 403)
        return redirect(local(then) or url_for("overview.show"), 303)

    @routes.post("/logout")
    def logout() -> AnyResponse:
        session.clear()
        return redirect(url_for("overview.show"), 303)

    @routes.get("/livez")
    @routes.get("/readyz")
    def health() -> dict[str, str]:
        """It can tell what is away while everything is."""
        return {"status": "pass"}

    @routes.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)

    return routes


def local(place: str) -> str | None:
    """The place, where it is one of this host; whoever signs in is sent nowhere else."""
    try:
        parts = urlsplit(place)
    except ValueError:  # it does not even look like one, as `//[` does not
        return None
    if not place.startswith("/") or parts.netloc or parts.scheme or "\\" in place or place.startswith("//"):
        return None
    return place


def wanted_id(text: str, what: str) -> UUID:
    """The id that somebody typed. Raises BadRequest."""
    try:
        return UUID(text.strip())
    except ValueError:
        raise BadRequest(
            f"{text[:80]!r} is no {what}: an id looks like 01a21864-52c9-7af6-a0ab-dcc4a48a6cdb."
        ) from None


def _form(problem: str, then: str, status: int = 200) -> Response:
    return make_response(render_template("login.html", problem=problem, then=local(then) or ""), status)

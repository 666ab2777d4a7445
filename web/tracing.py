"""A request's place in a trace: after its caller where that says so (`traceparent`), else first in a new one.

It is told back as `traceresponse` (W3C Trace Context, the draft of level 3), and stands in every line that
the request logs. A `tracestate` is let go, as the standard allows: it is text of others, and would be kept
with the events.
"""

import time
from typing import Any

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from messaging.envelope import as_uuid
from runtime import spans, trace
from runtime.spans import Ended, Kind
from web.operations import Header, Trait

TRACED = Trait(
    answers=(
        Header(
            "traceresponse",
            "The trace that the request was taken into (W3C Trace Context): that of its `traceparent`, where"
            " it had one that is good.",
        ),
    ),
)

_IDS = ("order_id", "saga_id")


def follow_traces(app: Flask) -> None:
    """Give each request of the application its place, and let go of it at the end."""
    app.before_request(_begin)
    app.after_request(_tell)
    app.teardown_request(lambda _error: clear_contextvars())


def current() -> str:
    """The traceparent of the request under way."""
    traceparent: str = g.traceparent
    return traceparent


def _begin() -> None:
    g.traceparent, g.began = trace.follow(request.headers.get("traceparent")), time.time_ns()
    bind_contextvars(trace_id=trace.of_ours(g.traceparent), **_named(request.view_args or {}))


def _named(values: dict[str, Any]) -> dict[str, str]:
    """The ids in the path that are some."""
    return {name: str(found) for name in _IDS if (found := as_uuid(str(values.get(name, ""))))}


def _tell(response: Response) -> Response:
    response.headers["traceresponse"] = current()
    if spans.are_wanted():
        spans.tell(_ended(response.status_code))
    return response


def _ended(status: int) -> Ended:
    route = str(request.url_rule) if request.url_rule else ""
    attributes: dict[str, str | int] = {
        "http.request.method": request.method,
        "http.response.status_code": status,
        **({"http.route": route} if route else {}),
        **_named(request.view_args or {}),
    }
    error = str(status) if status >= 500 else None
    where = (current(), trace.parent(current(), request.headers.get("traceparent")))
    name = f"{request.method} {route}".rstrip()
    return Ended(*where, name, Kind.SERVER, g.began, time.time_ns(), attributes, error)

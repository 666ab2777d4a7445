"""What a Flask application tells of its requests: how many, how they ended, and how long they took."""

import time

from flask import Flask, Response, current_app, g, request
from prometheus_client import Counter, Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter(
    "neverlost_http_requests_total",
    "Requests that were answered; `route` is the rule, not the path",
    ["service", "route", "method", "status"],
)
REQUEST_SECONDS = Histogram(
    "neverlost_http_request_duration_seconds",
    "Time until the answer, of all requests but those that were held because the caller wished so",
    ["service", "route", "method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
GROUP_REQUESTS = Histogram(
    "neverlost_group_commit_requests",
    "Requests that were committed in one transaction",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)


def measure_requests(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_count)


def _begin() -> None:
    g.clock_began = time.perf_counter()


def _count(response: Response) -> Response:
    """What a caller chose, and no route takes, is told as one."""
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in _METHODS else "other"
    labels = (current_app.name, route, method)
    REQUESTS.labels(*labels, f"{response.status_code // 100}xx").inc()
    if "Preference-Applied" not in response.headers:
        REQUEST_SECONDS.labels(*labels).observe(time.perf_counter() - g.clock_began)
    return response

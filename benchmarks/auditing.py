"""The auditor beside a benchmark: held where it must not count, and asked for its verdict."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from audit.verdict import Verdict
from runtime.errors import WaitedTooLong
from runtime.waiting import until
from stack import audits
from stack.access import running
from stack.layout import Layout

AUDITOR = "auditor"
JUDGED_SECONDS_MAX = 300.0


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """While the `with` lasts it reads nothing; afterwards it reads what it has missed."""
    [pid] = [node.pid for node in running(layout.state).processes if node.name == AUDITOR]
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def against(layout: Layout) -> list[str]:
    """What the auditor has against the run; nothing once it is green."""
    said: list[str] = []

    def is_green() -> bool:
        body = audits.fresh_report(engine)
        said[:] = body["reasons"]
        return bool(body["verdict"] == Verdict.GREEN)

    with audits.audit_database(layout) as engine:
        try:
            until(is_green, within_seconds=JUDGED_SECONDS_MAX, what="the auditor to find all well")
        except WaitedTooLong:
            return said
    return []

"""`Prefer: wait=N` (RFC 7240): hold an answer until the thing is settled, for N seconds at most.

Waiting takes a thread but no connection, and only so many may wait; a wish beyond that is not granted,
which the standard allows, and never refused.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask import request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import parse_list_header

from runtime.errors import WaitedTooLong
from runtime.waiting import until
from web.operations import Header, Trait

WAIT_SECONDS_MAX = 10
WAITERS_MAX = 4
_EVERY_SECONDS = 0.1

Body = Mapping[str, Any]

WAITS = Trait(
    asks=(
        Header(
            "Prefer",
            f"`wait=N`: hold the answer until the status is final, N seconds, {WAIT_SECONDS_MAX} at most.",
            {"type": "string", "examples": ["wait=1"]},
        ),
    ),
    answers=(Header("Preference-Applied", "The seconds that were granted; absent where none were."),),
)


def wished_wait(header: str | None) -> int | None:
    """Whole seconds to wait, bounded; None without a wish that can be understood. The first one counts."""
    for preference in parse_list_header(header or ""):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            seconds = value.strip().strip('"')
            is_number = seconds.isascii() and seconds.isdigit()
            return min(int(seconds[:9]), WAIT_SECONDS_MAX) if is_number else None
    return None


class Waiters:
    """The threads that may wait at the same time."""

    def __init__(self, most: int = WAITERS_MAX) -> None:
        self._seats = threading.BoundedSemaphore(most)

    def settled(
        self, body: Body, again: Callable[[], Body], is_settled: Callable[[Body], bool]
    ) -> tuple[Body, dict[str, str]]:
        """The body as it is in the end, and the header that says what was waited for."""
        seconds = wished_wait(request.headers.get("Prefer"))
        if seconds is None or not self._seats.acquire(blocking=False):
            return body, {}
        try:
            if not is_settled(body):
                body = _watch(body, again, is_settled, seconds)
        finally:
            self._seats.release()
        return body, {"Preference-Applied": f"wait={seconds}"}


def _watch(body: Body, again: Callable[[], Body], is_settled: Callable[[Body], bool], seconds: int) -> Body:
    """What was last seen. A look that fails is none: what was accepted is not to be answered as a failure."""
    latest = [body]

    def look() -> bool:
        latest[:] = [again()]
        return is_settled(latest[0])

    with suppress(WaitedTooLong):
        until(
            look,
            within_seconds=seconds,
            what="the final status",
            every_seconds=_EVERY_SECONDS,
            retry_on=(SQLAlchemyError,),
        )
    return latest[0]

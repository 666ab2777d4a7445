"""W3C Trace Context: where in a trace something is done. Pure, but for the ids, which are drawn by chance.

A trace is all that comes of one request; a span is one thing done in it, by whoever takes the request or a
message further. What is handed on, in HTTP, outbox and Kafka, is the text that names a span: its
`traceparent`. It stays text wherever it is only passed on, since each message has one.
"""

import random
import re
from typing import NamedTuple

# Level 2 of the standard: a reader keeps these two flags and lets all others go.
SAMPLED, RANDOM = 0x01, 0x02
_KEPT = {f"{flags:02x}": f"{flags & (SAMPLED | RANDOM):02x}" for flags in range(0x100)}

# What a later version adds comes behind one more hyphen; in version 00 nothing comes. No id is all zeros.
_FORM = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}((?<!^00.{53})-[ -~]*)?"
)


class Span(NamedTuple):
    """What a traceparent says."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & SAMPLED)


def begin() -> str:
    """The first span of a new trace."""
    return f"00-{_drawn(128):032x}-{_drawn(64):016x}-{SAMPLED | RANDOM:02x}"


def follow(traceparent: str | None) -> str:
    """A span for what was sent with it; where it is missing or no good, the first one of a new trace."""
    if traceparent is None or _FORM.fullmatch(traceparent) is None:
        return begin()
    return f"00-{traceparent[3:35]}-{_drawn(64):016x}-{_KEPT[traceparent[53:55]]}"


def parse(traceparent: str | None) -> Span | None:
    """The span that it names; None for what the standard does not let pass."""
    if traceparent is None or _FORM.fullmatch(traceparent) is None:
        return None
    return Span(traceparent[3:35], traceparent[36:52], int(_KEPT[traceparent[53:55]], 16))


def trace_id(traceparent: str | None) -> str | None:
    """The trace that it belongs to, for people and logs."""
    found = parse(traceparent)
    return found.trace_id if found else None


def of_ours(traceparent: str) -> str:
    """The same of one that was begun or followed here, so that it need not be looked at again."""
    return traceparent[3:35]


def parent(traceparent: str, sent: str | None) -> Span | None:
    """The span that it was begun for, by what was sent; None for the first of a trace."""
    found = parse(sent)
    return found if found and found.trace_id == of_ours(traceparent) else None


def _drawn(bits: int) -> int:
    """An id: never zero, which would be none."""
    return random.getrandbits(bits) or 1

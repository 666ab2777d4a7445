"""W3C Trace Context: where in a trace something is done. Pure, but for the ids, which are drawn by chance.

A trace is all that comes of one request; a span is one thing done in it, by whoever takes the request or a
message further. What is handed on, in HTTP, outbox and Kafka, is a span's `traceparent`.
"""

import random
import re
from typing import NamedTuple

# Level 2 of the standard: a reader keeps these two flags and lets all others go.
SAMPLED, RANDOM = 0x01, 0x02
_KEPT = SAMPLED | RANDOM
# What a later version adds comes behind one more hyphen; in version 00 nothing comes.
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?")


class Span(NamedTuple):
    """One thing done in a trace, for its parent: the span that sent the request or the message."""

    trace_id: str
    span_id: str
    flags: int = SAMPLED | RANDOM
    parent_id: str | None = None

    @property
    def traceparent(self) -> str:
        """What whoever takes it further is handed."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & SAMPLED)


def parse(traceparent: str | None) -> Span | None:
    """The span that a `traceparent` names; None for what the standard does not let pass."""
    found = _FORM.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    is_known = version != "ff" and not (version == "00" and more)
    if not is_known or trace_id == "0" * 32 or span_id == "0" * 16:
        return None
    return Span(trace_id, span_id, int(flags, 16) & _KEPT)


def begin() -> Span:
    """The first span of a new trace."""
    return Span(_drawn(128), _drawn(64))


def child(parent: Span) -> Span:
    """A new span of the same trace."""
    return Span(parent.trace_id, _drawn(64), parent.flags, parent.span_id)


def follow(traceparent: str | None) -> Span:
    """A span for what was sent with it; where it is missing or no good, the first one of a new trace."""
    parent = parse(traceparent)
    return child(parent) if parent else begin()


def trace_id(traceparent: str | None) -> str | None:
    """The trace that it belongs to, for people and logs."""
    found = parse(traceparent)
    return found.trace_id if found else None


def _drawn(bits: int) -> str:
    """An id: never all zeros, which would be none."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"

"""What the executor tells of its calls to the gateway."""

from concurrent.futures import Future

from prometheus_client import Counter, Gauge, Histogram

from payment.gateway import OutcomeUnknown
from payment.handlers import Result

CALLS = Counter(
    "neverlost_gateway_calls_total",
    "Calls whose outcome, or that it is not known, was stored",
    ["operation", "outcome"],
)
CALL_SECONDS = Histogram(
    "neverlost_gateway_call_duration_seconds",
    "Time that a call took, with the question before it",
    ["operation"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge("neverlost_gateway_calls_in_flight", "Calls that are being made")


def outcome(call_made: Future[Result]) -> str:
    """What came of a call, in a word."""
    error = call_made.exception()
    if error is None:
        return "declined" if call_made.result().outcome.declined else "done"
    return "unknown" if isinstance(error, OutcomeUnknown) else "failed"

"""The spans of messages that were handled, by a worker or by a redrive; told after the commit."""

import time
from collections.abc import Iterable

from messaging.envelope import TRACEPARENT, Delivery
from runtime import spans, trace
from runtime.spans import Ended, Kind


def tell_handled(service: str, deliveries: Iterable[Delivery], began: int, error: str | None = None) -> None:
    """One of each, from `began` (nanoseconds since 1970) until now; `error` is why it was not handled."""
    if not spans.are_wanted():
        return
    ended = time.time_ns()
    for each in deliveries:
        where = (each.traceparent, trace.parent(each.traceparent, each.headers.get(TRACEPARENT)))
        name, told = f"process {each.topic}", _attributes(service, each)
        spans.tell(Ended(*where, name, Kind.CONSUMER, began, ended, told, error))


def _attributes(service: str, delivery: Delivery) -> dict[str, str | int]:
    """In OpenTelemetry's words for messaging, and the order in ours."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": service,
        "messaging.destination.name": delivery.topic,
        "messaging.destination.partition.id": str(delivery.partition),
        "messaging.kafka.offset": delivery.offset,
        "messaging.message.id": str(delivery.event_id),
        "message.type": delivery.type,
        "order_id": delivery.key,
    }

"""The adapter to OpenTelemetry: spans that have ended become spans of its SDK, under the ids that they have.

The ids were drawn when a request or a message came, since they are handed on in the very transaction that the
span is about; so the SDK is told them. Its queue is bounded, and a collector that is away costs spans.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from runtime import trace
from runtime.spans import Ended, Kind
from runtime.trace import Span

TRACES = "/v1/traces"
# How long a process that ends waits for its collector to take the last ones.
LAST_MS = 3_000

_KINDS = {Kind.SERVER: SpanKind.SERVER, Kind.CONSUMER: SpanKind.CONSUMER, Kind.CLIENT: SpanKind.CLIENT}
_DRAWN: ContextVar[str] = ContextVar("drawn")


class _DrawnBefore(IdGenerator):
    """Answers with the ids of the span that is being told."""

    def generate_span_id(self) -> int:
        return int(_DRAWN.get()[36:52], 16)

    def generate_trace_id(self) -> int:
        return int(trace.of_ours(_DRAWN.get()), 16)


class _Sender(BatchSpanProcessor):
    """Sends what is queued, many spans at once."""

    def shutdown(self) -> None:
        """The SDK's own takes half a minute, and a process is killed before that."""
        self._batch_processor.shutdown(timeout_millis=LAST_MS)


@dataclass(frozen=True, slots=True)
class Exporter:
    """A process's way to a collector."""

    provider: TracerProvider
    tracer: Tracer

    def tell(self, ended: Ended) -> None:
        """Queue it; what is not sampled goes no further."""
        token = _DRAWN.set(ended.traceparent)
        try:
            told = self.tracer.start_span(
                ended.name,
                context=_under(ended.parent),
                kind=_KINDS[ended.kind],
                attributes=ended.attributes,
                start_time=ended.began,
            )
        finally:
            _DRAWN.reset(token)
        if ended.error is not None:
            told.set_status(StatusCode.ERROR, ended.error)
        told.end(ended.ended)


def open_exporter(process: str, endpoint: str) -> Exporter:
    """What is queued is sent every few seconds, and once more, for LAST_MS at most, when the process ends."""
    provider = TracerProvider(
        sampler=DEFAULT_ON, resource=Resource.create({SERVICE_NAME: process}), id_generator=_DrawnBefore()
    )
    provider.add_span_processor(_Sender(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES)))
    return Exporter(provider, provider.get_tracer("neverlost"))


def _under(parent: Span | None) -> Context:
    """The context of its parent; an empty one for the first span of a trace."""
    if parent is None:
        return Context()
    ids = int(parent.trace_id, 16), int(parent.span_id, 16)
    known = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(parent.flags))
    return set_span_in_context(NonRecordingSpan(known), Context())

"""Spans of the steps of events, sent to an OTLP receiver over HTTP; off unless the settings name one.

The trace of an event goes from the device's request to what its officer is told. Between processes it travels as W3C
`traceparent`, so that any other system's spans of the same trace fit in. A span holds ids and constant words, as the
log line of its step does. Needs the extra `tracing`; while it is off, nothing of it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

from bondmate_monitoring import step_log
from bondmate_monitoring.tracing import TraceParent

__all__ = ["SpanWriter", "write_spans"]

_PATH: Final = "/v1/traces"
_SEND_SECONDS: Final = 5
_EVERY_MS: Final = 1_000


class _Ids(RandomIdGenerator):
    """Random ids, but those of a span that begins the trace of an event, which follow from the event."""

    def __init__(self) -> None:
        self.root: TraceParent | None = None

    def generate_trace_id(self) -> int:
        return int(self.root.trace_id, 16) if self.root else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return int(self.root.parent_id, 16) if self.root else super().generate_span_id()


class SpanWriter:
    """Begins and ends spans; used from one thread."""

    def __init__(self, endpoint: str, identity: Mapping[str, str]) -> None:
        """Send to the receiver at `endpoint`, its base URL; `identity` has role, instance and version."""
        self._ids = _Ids()
        resource = Resource.create({
            "service.namespace": "bondmate",
            "service.name": f"bondmate-{identity['role']}",
            "service.instance.id": identity["instance"],
            "service.version": identity["version"],
        })  # fmt: skip
        self._provider = TracerProvider(resource=resource, id_generator=self._ids)
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH, timeout=_SEND_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EVERY_MS))
        self._tracer = self._provider.get_tracer("bondmate", identity["version"])

    def begin(self, name: str, at: TraceParent, *, begins: bool) -> tuple[Span, TraceParent]:
        """Begin a span below the place `at` of a trace, or as that very place; return where it stands itself."""
        parent = None if begins else _context_of(at)
        self._ids.root = at if begins else None
        try:
            span = self._tracer.start_span(name, context=parent or Context())
        finally:
            self._ids.root = None
        found = span.get_span_context()
        return span, TraceParent(f"{found.trace_id:032x}", f"{found.span_id:016x}", bool(found.trace_flags.sampled))

    @staticmethod
    def end(span: Span, facts: Mapping[str, Any], *, failed: bool) -> None:
        """End a span with what came of its step."""
        span.set_attributes({f"bondmate.{name}": value for name, value in facts.items() if value})
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def close(self) -> None:
        """Send what is left, within seconds; no step makes a span any more."""
        step_log.configure_spans(None)
        self._provider.shutdown()


def write_spans(endpoint: str, identity: Mapping[str, str]) -> SpanWriter:
    """Have every step of this process make a span from now on; close what is returned at the end."""
    writer = SpanWriter(endpoint, identity)
    step_log.configure_spans(writer)
    return writer


def _context_of(at: TraceParent) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if at.sampled else TraceFlags.DEFAULT)
    place = SpanContext(int(at.trace_id, 16), int(at.parent_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(place), Context())

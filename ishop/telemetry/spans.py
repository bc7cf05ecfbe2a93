"""Spans of OpenTelemetry. Importing this needs the extra `telemetry`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Engine, event

from ishop.telemetry.tracing import PARENT_FIELD

HALF: Final = 2**64 - 1
STATEMENT: Final = "ishop.statement"
SERVER_ERROR: Final = 500
LONGEST_STATEMENT: Final = 2000

_propagator = TraceContextTextMapPropagator()
_wanted: ContextVar[int | None] = ContextVar("wanted_trace_id", default=None)


class _Ids(RandomIdGenerator):
    """Random ids, and for a request that has an id of ours that id: a worker, who knows it, then knows the trace.

    So the outbox carries a trace without a column for it. The first span is the lower half of its trace's id.
    """

    def generate_trace_id(self) -> int:
        wanted = _wanted.get()
        return super().generate_trace_id() if wanted is None else wanted

    def generate_span_id(self) -> int:
        wanted = _wanted.get()
        return super().generate_span_id() if wanted is None else wanted & HALF


@contextmanager
def exporting(endpoint: str, part: str) -> Iterator["Tracer"]:
    """A tracer that sends spans to a collector, in a thread of its own, and the last ones at the end.

    Everything else (sampling, headers, limits) is said by the standard variables OTEL_*.
    """
    provider = provider_of(part)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    try:
        yield Tracer(provider)
    finally:
        provider.shutdown()


def provider_of(part: str, sampler: Sampler | None = None) -> TracerProvider:
    """What makes the spans of one process; without a sampler, the one that OTEL_TRACES_SAMPLER names."""
    name = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": f"ishop-{part}"}
    return TracerProvider(sampler, Resource.create(name), id_generator=_Ids(), shutdown_on_exit=False)


class Tracer:
    """The port `ishop.telemetry.tracing.Tracer`, over one provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._sampler = provider.sampler
        self._tracer = provider.get_tracer("ishop")

    @contextmanager
    def request(self, name: str, request_id: str, *, own_id: bool, link: str | None) -> Iterator[Span]:
        """A trace of its own, whatever the caller says that it belongs to: that is only linked."""
        theirs = _context_of(link)
        wanted = _wanted.set(_trace_id(request_id) if own_id else None)
        try:
            span = self._tracer.start_span(
                name,
                context=trace.set_span_in_context(trace.INVALID_SPAN),
                kind=SpanKind.SERVER,
                attributes={"ishop.request_id": request_id},
                links=[Link(theirs)] if theirs is not None else [],
            )
        finally:
            _wanted.reset(wanted)
        with _current(span):
            yield span

    @contextmanager
    def service(self, name: str, parent: str | None) -> Iterator[Span]:
        """What a service does for a request."""
        context = _context_of(parent)
        with _current(self._start(name, SpanKind.SERVER, context)) as span:
            yield span

    @contextmanager
    def job(self, topic: str, request_id: str | None) -> Iterator[Span]:
        """A run of a job, under the first span of the request that caused it."""
        trace_id = _trace_id(request_id or "")
        context = None
        if trace_id is not None:
            decision = self._sampler.should_sample(None, trace_id, topic).decision
            flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
            context = SpanContext(trace_id, trace_id & HALF, is_remote=True, trace_flags=flags)
        with _current(self._start(f"job {topic}", SpanKind.CONSUMER, context)) as span:
            if request_id is not None:
                span.set_attribute("ishop.request_id", request_id)
            yield span

    @contextmanager
    def statement(self, service: str, sql: str) -> Iterator[Span]:
        """One statement."""
        with _current(self._statement(service, sql)) as span:
            yield span

    def watch(self, engine: Engine, service: str) -> None:
        """Make a span of every statement of this engine. Its text has placeholders where the values are."""

        def begin(connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
            connection.info[STATEMENT] = self._statement(service, sql)

        def end(connection: Any, *_: Any) -> None:
            span: Span = connection.info.pop(STATEMENT)
            span.end()

        def fail(context: Any) -> None:
            span = context.connection.info.pop(STATEMENT, None) if context.connection is not None else None
            if span is not None:
                error = context.original_exception
                _blame(span, error.__cause__ or error)  # SQLAlchemy wraps what PostgreSQL said.
                span.end()

        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        event.listen(engine, "handle_error", fail)

    def parent(self) -> str:
        """The span that goes on now, as W3C Trace Context writes it."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(PARENT_FIELD, "")

    def _start(self, name: str, kind: SpanKind, parent: SpanContext | None) -> Span:
        above = trace.NonRecordingSpan(parent) if parent is not None else trace.INVALID_SPAN
        return self._tracer.start_span(name, context=trace.set_span_in_context(above), kind=kind)

    def _statement(self, service: str, sql: str) -> Span:
        if not trace.get_current_span().get_span_context().is_valid:
            return trace.INVALID_SPAN  # Nobody's request and no job: a look at the clock, a question about health.
        operation = sql.split(None, 1)[0].upper()
        return self._tracer.start_span(
            f"{operation} {service}",
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.namespace": service,
                "db.operation.name": operation,
                "db.query.text": sql[:LONGEST_STATEMENT],
            },
        )


@contextmanager
def _current(span: Span) -> Iterator[Span]:
    """`span` while inside; an exception is told by its class, since its text may hold a person."""
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except Exception as error:
            _blame(span, error)
            raise


def _blame(span: Span, error: BaseException | None) -> None:
    status = getattr(error, "status", SERVER_ERROR)
    if isinstance(status, int) and status < SERVER_ERROR:  # An expected failure is an answer like others.
        span.set_attribute("http.response.status_code", status)
        return
    name = type(error).__name__
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, name))


def _context_of(parent: str | None) -> SpanContext | None:
    if not parent:
        return None
    found = trace.get_current_span(_propagator.extract({PARENT_FIELD: parent})).get_span_context()
    return found if found.is_valid else None


def _trace_id(request_id: str) -> int | None:
    """The id of the trace of a request; None for an id that the caller chose, which may be anything."""
    if len(request_id) != 32:  # noqa: PLR2004 - 128 bits in hexadecimal.
        return None
    try:
        found = int(request_id, 16)
    except ValueError:
        return None
    return found if found & HALF else None

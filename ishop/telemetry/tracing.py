"""One trace of a request: from the gateway's door through the service to its statements, and to the jobs it causes.

Where no collector is named (OTEL_EXPORTER_OTLP_ENDPOINT), `tracer` is None, and to see that is all that tracing costs.
`ishop.telemetry.spans` has what the extra `telemetry` is needed for; nothing else imports it.
"""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from sqlalchemy import Engine

from ishop.settings import Settings, SettingsError

SPANS: Final = "ishop.telemetry.spans"
PARENT_FIELD: Final = "traceparent"
"""W3C Trace Context. Services take it from the gateway; what a caller sends never reaches them."""


class Span(Protocol):
    """A part of a trace while it goes on."""

    def update_name(self, name: str) -> object:
        """Call it what it turned out to be."""

    def set_attribute(self, key: str, value: str | int) -> object:
        """Say something about it: never a value that a caller sent, never a person."""


class Tracer(Protocol):
    """Makes spans. An exception that leaves one is noted by its class only: its text may hold a person."""

    def request(self, name: str, request_id: str, *, own_id: bool, link: str | None) -> AbstractContextManager[Span]:
        """The first span of a request. `own_id` tells that the id is ours, so that it can be the trace's."""

    def service(self, name: str, parent: str | None) -> AbstractContextManager[Span]:
        """What a service does for a request."""

    def job(self, topic: str, request_id: str | None) -> AbstractContextManager[Span]:
        """A run of a job, in the trace of the request that caused it, where only one did."""

    def statement(self, service: str, sql: str) -> AbstractContextManager[Span]:
        """One statement, which holds no values."""

    def watch(self, engine: Engine, service: str) -> None:
        """Make a span of every statement of this engine."""

    def parent(self) -> str:
        """The span that goes on now, for another process, as W3C Trace Context writes it."""


tracer: Tracer | None = None


@contextmanager
def tracing(settings: Settings, part: str) -> Iterator[None]:
    """Send traces to the collector while inside, where the settings name one; make databases and doors inside.

    Raises SettingsError where one is named and the extra is not installed.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    if importlib.util.find_spec("opentelemetry.exporter") is None:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and what sends traces is missing: pip install 'ishop[telemetry]'."
        )
    with using(importlib.import_module(SPANS).exporting(str(settings.otlp_endpoint), part)):
        yield


@contextmanager
def using(made: AbstractContextManager[Tracer]) -> Iterator[None]:
    """Let everything of this process make its spans with this tracer."""
    global tracer  # noqa: PLW0603 - one process, one tracer; a contextvar would cost every request a look-up.
    with made as given:
        tracer = given
        try:
            yield
        finally:
            tracer = None

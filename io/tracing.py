"""Spans of OpenTelemetry, for who has asked for them: `span` costs nothing until `start` is called.

    start("http://127.0.0.1:4318")
    with span("commit", messages=12) as attributes:
        attributes["stored"] = 11

They are sent to a collector by OTLP over HTTP, from a thread of their own. The variables that
OpenTelemetry defines (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER ...) hold.
"""

import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["NoTracing", "flush", "here", "span", "start"]

_SECONDS = 2.0  # for a collector to take spans; the end of a process waits for that
_EVERY = 1000  # milliseconds between two of these
_MISSING = "spans need the package opentelemetry: pip install 'fixfeed[tracing]'"

_log = logging.getLogger("fixfeed.tracing")
_tracer: Any = None
_flush: Callable[[], object] = bool


class NoTracing(Exception):
    """Spans cannot be made; the text says what to install."""


def start(collector: str) -> None:
    """Send spans of this process to a collector from now on, such as `http://127.0.0.1:4318`.

    A second call does nothing. Whether the collector is there shows when the first spans are sent:
    a line in the log says so, once, and nothing else happens. Raises `NoTracing`.
    """
    global _flush, _tracer
    if _tracer is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise NoTracing(_MISSING) from None
    _tell_troubles_once(collector)
    named = Resource({SERVICE_NAME: "fixfeed"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    exporter = OTLPSpanExporter(f"{collector.rstrip('/')}/v1/traces", timeout=_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EVERY))
    _tracer, _flush = provider.get_tracer("fixfeed"), provider.force_flush


def flush() -> None:
    """Send the spans that have ended; a process that ends in the usual way does so by itself.

    A collector that does not take them is waited for two seconds.
    """
    _flush()


@contextmanager
def span(
    name: str, *, parent: str | None = None, kind: str = "internal", **attributes: Any
) -> Iterator[MutableMapping[str, Any]]:
    """Measure what is done inside as a span; what is put into the mapping becomes attributes too.

    An attribute's name is made `fixfeed.name`, unless it has a dot. `parent` is what `here` has
    returned, perhaps in another process; without it the span around is the parent, if there is
    one. An exception marks the span as failed, by its class alone: its text may have a message.
    """
    later: dict[str, Any] = {}
    if _tracer is None:
        yield later
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    with _tracer.start_as_current_span(
        name,
        context=context,
        kind=SpanKind[kind.upper()],
        attributes=_named(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield later
        except BaseException as error:
            made.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            made.set_attributes(_named(later))


def here() -> str | None:
    """Return the span around, as W3C's traceparent; None if there is none."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def _named(attributes: MutableMapping[str, Any]) -> dict[str, Any]:
    return {
        name if "." in name else f"fixfeed.{name}": value
        for name, value in attributes.items()
        if value is not None
    }


def _tell_troubles_once(collector: str) -> None:
    """Have one sentence said when a collector does not answer, and no traceback."""

    class Once(logging.Handler):
        said = False

        def emit(self, record: logging.LogRecord) -> None:
            if not self.said:
                self.said = True
                _log.warning("spans cannot be sent to %s, and are lost", collector)

    theirs = logging.getLogger("opentelemetry")
    theirs.addHandler(Once(logging.WARNING))
    theirs.propagate = False

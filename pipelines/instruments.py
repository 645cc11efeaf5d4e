"""The metrics of fixfeed: name, kind, meaning and labels of each.

Names are in Prometheus' style (prometheus.io/docs/practices/naming): base units, `_total` at the
end of counters, times as Unix seconds. A label has few values: what the user has configured, or a
word of the protocol; never the name of a file, a symbol or an id.
"""

import os
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import prometheus_client
from prometheus_client import values

__all__ = ["COUNTED", "GATEWAY", "TOLD", "Instrument", "alone", "made"]

# There would be one more gauge for each counter: when it was made.
prometheus_client.disable_created_metrics()

_COUNTER, _GAUGE, _HISTOGRAM = "counter", "gauge", "histogram"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONGER = (60.0, 300.0, 3600.0)


class Instrument(NamedTuple):
    """A metric. `across` is how the gauges of several processes become one."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Literal["max", "livesum"] = "max"


COUNTED = {
    "fixfeed_read_bytes_total": Instrument(
        _COUNTER, "Bytes of sources that are done; of topics, positions", ("sink",)
    ),
    "fixfeed_messages_read_total": Instrument(
        _COUNTER, "Messages and failures that came in to a sink", ("sink",)
    ),
    "fixfeed_messages_stored_total": Instrument(_COUNTER, "Messages stored", ("sink",)),
    "fixfeed_messages_repeated_total": Instrument(
        _COUNTER, "Messages that were stored already", ("sink",)
    ),
    "fixfeed_messages_filtered_total": Instrument(
        _COUNTER, "Messages that the rules left out", ("sink",)
    ),
    "fixfeed_failures_total": Instrument(
        _COUNTER,
        "Bytes that are no message, kept as failures, also those that were stored already",
        ("sink", "reason"),
    ),
    "fixfeed_defects_total": Instrument(
        _COUNTER, "Messages with a defect, by its kind", ("sink", "kind")
    ),
    "fixfeed_skipped_lines_total": Instrument(_COUNTER, "Lines that hold no message", ("sink",)),
    "fixfeed_joined_messages_total": Instrument(
        _COUNTER, "Messages that a lookup has added something to", ("sink", "lookup")
    ),
    "fixfeed_batch_messages": Instrument(
        _HISTOGRAM,
        "Messages of a batch, which is what one block of the input held",
        ("sink",),
        (1.0, 10.0, 100.0, 1000.0, 2500.0, 5000.0, 10_000.0, 50_000.0),
    ),
    "fixfeed_commit_duration_seconds": Instrument(
        _HISTOGRAM,
        "Time that a sink took to store batches in one commit",
        ("sink",),
        _SECONDS,
    ),
    "fixfeed_commit_failures_total": Instrument(
        _COUNTER, "Commits that failed; a stream tries them again", ("sink",)
    ),
    "fixfeed_delivery_delay_seconds": Instrument(
        _HISTOGRAM,
        "Time from a message's own time, by the clock that the label names, until it was stored",
        ("sink", "clock"),
        (*_SECONDS, *_LONGER),
    ),
    "fixfeed_last_commit_timestamp_seconds": Instrument(
        _GAUGE, "When a sink has last stored something", ("sink",)
    ),
    "fixfeed_newest_message_timestamp_seconds": Instrument(
        _GAUGE, "Time of the newest message stored, by the clock", ("sink", "clock")
    ),
    "fixfeed_session_last_received_timestamp_seconds": Instrument(
        _GAUGE, "Time of the newest message of a session", ("session",)
    ),
}
"""What sinks count after each commit, in all processes of a run."""

TOLD = {
    "fixfeed_build_info": Instrument(_GAUGE, "1; the label has the version", ("version",)),
    "fixfeed_ready": Instrument(_GAUGE, "1 if the run is ready, as /ready says, else 0"),
    "fixfeed_troubles": Instrument(
        _GAUGE, "Sinks, and brokers of the input, that fail now and are tried again"
    ),
    "fixfeed_oldest_waiting_seconds": Instrument(
        _GAUGE, "How long the oldest that a sink has not stored has waited", ("sink",)
    ),
    "fixfeed_source_lag_bytes": Instrument(
        _GAUGE, "Bytes of followed files or a spool that are there and not read yet"
    ),
    "fixfeed_source_lag_records": Instrument(
        _GAUGE, "Records of topics that are there and not read yet"
    ),
    "fixfeed_sequence_gaps": Instrument(
        _GAUGE, "Gaps in the sequence numbers of today and yesterday that are open", ("session",)
    ),
    "fixfeed_missing_sequence_numbers": Instrument(
        _GAUGE, "How many numbers these gaps lack", ("session",)
    ),
    "fixfeed_worker_processes": Instrument(_GAUGE, "Worker processes that live"),
}
"""What the process of the run tells whenever it is asked."""

GATEWAY = {
    "fixfeed_gateway_connections": Instrument(
        _GAUGE, "Connections that are open", ("listener",), across="livesum"
    ),
    "fixfeed_gateway_accepted_connections_total": Instrument(
        _COUNTER, "Connections that were accepted", ("listener",)
    ),
    "fixfeed_gateway_refused_connections_total": Instrument(
        _COUNTER, "Connections that were refused", ("listener",)
    ),
    "fixfeed_gateway_received_bytes_total": Instrument(
        _COUNTER, "Bytes that peers have sent", ("listener",)
    ),
    "fixfeed_gateway_paused": Instrument(
        _GAUGE, "1 while nothing is read, as the spool has no room, else 0", across="livesum"
    ),
}
"""What a gateway counts."""


def made(
    instruments: Mapping[str, Instrument], registry: prometheus_client.CollectorRegistry
) -> dict[str, Any]:
    """Return the metrics of prometheus_client, by name."""
    result: dict[str, Any] = {}
    for name, one in instruments.items():
        if one.kind == _COUNTER:
            result[name] = prometheus_client.Counter(name, one.help, one.labels, registry=registry)
        elif one.kind == _GAUGE:
            result[name] = prometheus_client.Gauge(
                name, one.help, one.labels, registry=registry, multiprocess_mode=one.across
            )
        else:
            result[name] = prometheus_client.Histogram(
                name, one.help, one.labels, registry=registry, buckets=one.buckets
            )
    return result


def alone() -> None:
    """Let metrics that are made from now on be of this process alone, in no run's folder.

    That of a run that is over, or that a shell names, may not be there.
    """
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    values.ValueClass = values.MutexValue

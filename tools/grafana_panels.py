"""What the Grafana dashboards show: titles, meanings and queries (`build_grafana.py`)."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["DASHBOARDS", "Chart", "Dashboard", "Row", "Stat"]


class Stat(NamedTuple):
    """A number, green up to `bad` and red from there on; without `bad` it has no colour."""

    title: str
    about: str
    expr: str
    unit: str = "short"
    bad: float | None = None
    size = (4, 4)


class Chart(NamedTuple):
    """Lines over time, each named by `legend`; several queries if there are several quantiles."""

    title: str
    about: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    stacked: bool = False
    size = (12, 8)


class Row(NamedTuple):
    """A heading, and the panels under it."""

    title: str
    panels: Sequence[Stat | Chart]


def _of(metric: str, more: str = "") -> str:
    return f'{metric}{{instance=~"$instance"{more}}}'


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({_of(metric)}[$__rate_interval]))"


def _increase(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({_of(metric)}[1m]))"


def _quantiles(metric: str, by: str, more: str = "") -> list[tuple[str, str]]:
    rates = f"sum by ({by}, le) (rate({_of(f'{metric}_bucket', more)}[$__rate_interval]))"
    return [
        (f"histogram_quantile({share}, {rates})", f"p{round(share * 100)} {{{{{by}}}}}")
        for share in (0.5, 0.95, 0.99)
    ]


_SINK = "{{sink}}"
RUNS = [
    Row(
        "Now",
        [
            Stat(
                "Not ready",
                "Runs that are not ready, as /ready says, or that were there today and do not "
                "answer any more.",
                f"(count({_of('fixfeed_ready')} == 0) or vector(0)) + (count({_of('up')} == 0"
                f" and on (instance) last_over_time({_of('fixfeed_ready')}[1d])) or vector(0))",
                bad=1,
            ),
            Stat(
                "Troubles",
                "Sinks, and brokers of the input, that fail and are tried again.",
                f"sum({_of('fixfeed_troubles')})",
                bad=1,
            ),
            Stat(
                "Not accounted for",
                "What came in and is not stored, repeated, filtered out or a failure. It is 0 but "
                "for the moment in which a batch is counted.",
                " - ".join(
                    f"sum({_of(f'fixfeed_{name}_total')})"
                    for name in (
                        "messages_read",
                        "messages_stored",
                        "messages_repeated",
                        "messages_filtered",
                        "failures",
                    )
                ),
                bad=1,
            ),
            Stat(
                "Stored",
                "Messages stored, in the sink that has the most.",
                f"max(sum by (sink) ({_of('fixfeed_messages_stored_total')}))",
            ),
            Stat(
                "Failures",
                "Bytes that are no message.",
                f"sum({_of('fixfeed_failures_total')})",
                bad=1,
            ),
            Stat(
                "Newest message",
                "How old the newest message is, by its own time.",
                f"time() - max({_of('fixfeed_newest_message_timestamp_seconds')})",
                "s",
                60,
            ),
        ],
    ),
    Row(
        "What comes in",
        [
            Chart(
                "Messages stored",
                "Messages a second, by sink.",
                [(_rate("fixfeed_messages_stored_total", "sink"), _SINK)],
                "mps",
            ),
            Chart(
                "What became of them",
                "All that came in, by what became of it, in all sinks together: the lines add up "
                "to what was read, once for each sink.",
                [
                    (_rate(f"fixfeed_{name}_total", "instance"), legend)
                    for name, legend in (
                        ("messages_stored", "stored"),
                        ("messages_repeated", "stored already"),
                        ("messages_filtered", "filtered out"),
                        ("failures", "failures"),
                    )
                ],
                "mps",
                stacked=True,
            ),
            Chart(
                "Bytes read",
                "Bytes of sources that are done, by sink.",
                [(_rate("fixfeed_read_bytes_total", "sink"), _SINK)],
                "Bps",
            ),
            Chart(
                "Not read yet",
                "What is there and waits: bytes of followed files or a spool, records of topics.",
                [
                    (
                        'sum by (__name__) ({__name__=~"fixfeed_source_lag_(bytes|records)", '
                        'instance=~"$instance"})',
                        "{{__name__}}",
                    )
                ],
            ),
        ],
    ),
    Row(
        "How long it takes",
        [
            Chart(
                "From capture until stored",
                "captured_at is when a message was received or written to its log.",
                _quantiles("fixfeed_delivery_delay_seconds", "sink", ', clock="captured_at"'),
                "s",
            ),
            Chart(
                "From SendingTime until stored",
                "SendingTime is of the sender's clock, which may be wrong.",
                _quantiles("fixfeed_delivery_delay_seconds", "sink", ', clock="sending_time"'),
                "s",
            ),
            Chart(
                "Commits",
                "How long a sink takes to store batches in one commit.",
                _quantiles("fixfeed_commit_duration_seconds", "sink"),
                "s",
            ),
            Chart(
                "Waiting to be stored",
                "How long the oldest that a sink has not stored has waited.",
                [(f"max by (sink) ({_of('fixfeed_oldest_waiting_seconds')})", _SINK)],
                "s",
            ),
            Chart(
                "Commits that failed",
                "In a minute; a stream tries them again.",
                [(_increase("fixfeed_commit_failures_total", "sink"), _SINK)],
            ),
        ],
    ),
    Row(
        "Quality",
        [
            Chart(
                "Defects",
                "Messages that are stored with a defect, by its kind, in a minute.",
                [(_increase("fixfeed_defects_total", "kind"), "{{kind}}")],
                stacked=True,
            ),
            Chart(
                "Failures",
                "Bytes that are no message, by reason, in a minute.",
                [(_increase("fixfeed_failures_total", "reason"), "{{reason}}")],
                stacked=True,
            ),
        ],
    ),
    Row(
        "Sessions",
        [
            Chart(
                "Silent for",
                "Since the newest message of each session; only those heard within the last day.",
                [
                    (
                        "time() - max by (session) ("
                        f"{_of('fixfeed_session_last_received_timestamp_seconds')}) < 86400",
                        "{{session}}",
                    )
                ],
                "s",
            ),
            Chart(
                "Open gaps",
                "Gaps in the sequence numbers of today and yesterday that nothing has filled.",
                [(f"max by (session) ({_of('fixfeed_sequence_gaps')})", "{{session}}")],
            ),
            Chart(
                "Messages of a batch",
                "How many messages are stored together: few in a stream, thousands in a load.",
                _quantiles("fixfeed_batch_messages", "sink"),
            ),
        ],
    ),
    Row(
        "Processes",
        [
            Chart(
                "Memory",
                "Of the job's own process.",
                [
                    (
                        f"{_of('process_resident_memory_bytes')} and on (instance)"
                        f" {_of('fixfeed_build_info')}",
                        "{{instance}}",
                    )
                ],
                "bytes",
            ),
            Chart(
                "Processor time",
                "Cores that the job's own process keeps busy, and worker processes that live.",
                [
                    (_rate("process_cpu_seconds_total", "instance"), "cores {{instance}}"),
                    (_of("fixfeed_worker_processes"), "workers {{instance}}"),
                ],
            ),
        ],
    ),
]
GATEWAYS = [
    Row(
        "Now",
        [
            Stat(
                "Connections",
                "Connections that are open.",
                f"sum({_of('fixfeed_gateway_connections')})",
            ),
            Stat(
                "Paused",
                "Gateways that read nothing, as their spool has no room.",
                f"sum({_of('fixfeed_gateway_paused')})",
                bad=1,
            ),
            Stat(
                "Accepted",
                "Connections accepted.",
                f"sum({_of('fixfeed_gateway_accepted_connections_total')})",
            ),
            Stat(
                "Refused",
                "Connections refused.",
                f"sum({_of('fixfeed_gateway_refused_connections_total')})",
                bad=1,
            ),
        ],
    ),
    Row(
        "By listener",
        [
            Chart(
                "Received",
                "Bytes that peers send, by the address that they send them to.",
                [(_rate("fixfeed_gateway_received_bytes_total", "listener"), "{{listener}}")],
                "Bps",
            ),
            Chart(
                "Open connections",
                "By the address that they came to.",
                [(f"sum by (listener) ({_of('fixfeed_gateway_connections')})", "{{listener}}")],
            ),
            Chart(
                "Connections that begin",
                "Accepted and refused ones in a minute.",
                [
                    (
                        _increase(f"fixfeed_gateway_{kind}_connections_total", "listener"),
                        f"{kind} {{{{listener}}}}",
                    )
                    for kind in ("accepted", "refused")
                ],
            ),
        ],
    ),
]


class Dashboard(NamedTuple):
    """A page; `instances` is a metric that each instance has which it is about."""

    title: str
    about: str
    instances: str
    rows: Sequence[Row]


DASHBOARDS = {
    "fixfeed": Dashboard(
        "fixfeed", "What runs of fixfeed take in and store, and how late.", "fixfeed_ready", RUNS
    ),
    "fixfeed-gateway": Dashboard(
        "fixfeed gateways",
        "What peers send to gateways of fixfeed.",
        "fixfeed_gateway_paused",
        GATEWAYS,
    ),
}
"""By the name of the file, which is the identity in Grafana as well."""

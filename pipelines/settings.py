"""The options of a run, each defined once: type, default and text of --help."""

import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import time
from functools import partial
from typing import Any

from fixfeed.io.live.spool import DEFAULT as SPOOL
from fixfeed.io.redaction import redact
from fixfeed.pipelines.durations import read_duration, read_time_of_day
from fixfeed.pipelines.endpoint import HOST, read_port
from fixfeed.pipelines.kafka_output import KAFKA_PARAMETERS
from fixfeed.pipelines.log import FORMATS, LEVELS
from fixfeed.pipelines.option import PAIR, Kind, Option, UsageError
from fixfeed.transforms.fix.framing.delimiter import read_delimiter
from fixfeed.transforms.fix.reading import VALIDATE
from fixfeed.transforms.protocol import default_protocol

__all__ = ["OPTIONS", "Settings", "read_collector"]

_UNITS = ("", "k", "m", "g")
_SIZE = re.compile(r"([1-9][0-9]{0,11})\s?([kmg]?)(?:i?b)?", re.IGNORECASE)
_LEAST_MESSAGE, _LONGEST_MESSAGE = 4 << 10, 512 << 20


def _read_delimiter(text: str) -> bytes:
    try:
        return read_delimiter(text)
    except ValueError as error:
        shown = f"'{text}'" if text.isprintable() else repr(text)
        raise UsageError(f"delimiter is {shown}, {error}") from error


def _read_size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = int(match[1]) << _UNITS.index(match[2].lower()) * 10 if match else 0
    if not _LEAST_MESSAGE <= size <= _LONGEST_MESSAGE:
        raise UsageError(
            f"max-message is {text!r}, expected a size from 4KiB to 512MiB, such as 64MiB"
        )
    return size


def _read_address(text: str) -> tuple[str, int]:
    """Return the host and port of `8080` (of any address of this machine) or `127.0.0.1:8080`."""
    host, _, port = text.strip().rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 1 << 16) or ":" in host:
        raise UsageError(
            f"health-port is {text!r}, expected a port such as 8080, or an address with one such "
            "as 127.0.0.1:8080; port 0 is any free one"
        )
    return host, int(port)


def read_collector(text: str) -> str:
    """Return the address of a collector. Raises `UsageError`."""
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#@]*)?", text):
        raise UsageError(
            f"trace is {redact(text)!r}, expected the address of a collector such as "
            "http://127.0.0.1:4318; a token for it is named in OTEL_EXPORTER_OTLP_HEADERS"
        )
    return text


def _option(
    group: str,
    text: str,
    metavar: str = "",
    *,
    default: Any = None,
    shown: str = "",
    choices: tuple[str, ...] = (),
    least: int = 0,
    read: Callable[[str], Any] = str,
) -> Any:
    """Return the field of an option; its declared type decides the kind of its value."""
    about = {
        "group": group,
        "help": text,
        "metavar": metavar,
        "shown": shown or (default if isinstance(default, str) else ""),
        "choices": choices,
        "least": least,
        "read": read,
    }
    return field(default=default, metadata=about)


_INPUT, _KEPT, _ADDED = "input", "what is kept", "what is added"
_OUTPUT, _RUNNING = "output", "running"


@dataclass(frozen=True)
class Settings:
    """The settings of a run, in the order of --help. `beam` are options for Beam, as given."""

    input: tuple[str, ...] = _option(
        _INPUT,
        "a file, a glob (** matches folders to any depth), a URL such as s3://bucket/day.log, "
        "- for standard input, follow:logs/*.log for what is and will be written to files, "
        "'replay:day.log?speed=10' for a past day at its pace (also from=09:30, to=10:00, "
        "max-gap=10s), tcp://0.0.0.0:9876 or tls:// for what peers send, or spool:FOLDER for what "
        "fixfeed gateway receives, or 'kafka://host:9092/topic?group=NAME' for records of topics, "
        "with from=earliest|latest|TIME and properties of librdkafka; may be given several times",
        "LOGS",
        default=(),
    )
    delimiter: bytes | None = _option(
        _INPUT,
        "what separates fields: SOH, tab, or any text such as | or \\x01, which means that text "
        "or the byte, whichever the file has; found in each file if not given",
        "TEXT",
        read=_read_delimiter,
    )
    dictionary: tuple[str, ...] = _option(
        _INPUT,
        "a dictionary in the XML of QuickFIX that replaces the built-in one of its version; with "
        "+ before it, it is laid over that one; with a session such as 'BROKER->*=' before that, "
        "it is for the sessions that match, in both directions; may be given several times",
        "[SESSION=][+]FILE",
        default=(),
    )
    default_appl_ver_id: str = _option(
        _INPUT,
        "the version of FIXT.1.1 messages where neither they nor a Logon say which: 2 to 9, or "
        "its name, such as FIX.5.0SP2",
        "VERSION",
        default="9",
    )
    captured_at: tuple[str, ...] = _option(
        _INPUT,
        "how times of capture are written before messages, e.g. '%d.%m.%Y %H:%M:%S.%f', if not in "
        "a common form; may be given several times, and the first one that is found holds",
        "PATTERN",
        default=(),
    )
    log_time_zone: str | None = _option(
        _INPUT,
        "the zone of times of capture without an offset, such as Europe/Paris; UTC if not given",
        "ZONE",
    )
    we_are: tuple[str, ...] = _option(
        _INPUT,
        "our own SenderCompID: messages from it went out, those to it (TargetCompID) came in; may "
        "be given several times",
        "COMPID",
        default=(),
    )
    max_message: int = _option(
        _INPUT,
        "how long a message may be, such as 200MiB; longer ones are kept as failures; a message "
        "needs many times its length in memory",
        "SIZE",
        default=64 << 20,
        shown="64MiB",
        read=_read_size,
    )
    spool: str = _option(
        _INPUT,
        "the folder in which what comes from tcp:// and tls:// is made durable first",
        "FOLDER",
        default=SPOOL,
    )
    keep_spool: float = _option(
        _INPUT,
        "how long a connection stays in the spool after it has ended and all of it is stored",
        "TIME",
        default=86400.0,
        shown="1d",
        read=partial(read_duration, "keep-spool"),
    )
    kafka_property: tuple[str, ...] = _option(
        _INPUT,
        "a property of librdkafka for all inputs from Kafka and outputs to it, such as "
        "security.protocol=SASL_SSL or 'sasl.password=${env:KAFKA_PASSWORD}'; what a URI says "
        "counts more; may be given several times",
        PAIR,
        default=(),
    )
    include: tuple[str, ...] = _option(
        _KEPT,
        "keep only messages that match this rule, e.g. 'MsgType in D,8 and Symbol = AAPL'; "
        "may be given several times, and one match is enough",
        "RULE",
        default=(),
    )
    exclude: tuple[str, ...] = _option(
        _KEPT, "leave out messages that match this rule", "RULE", default=()
    )
    no_admin: bool = _option(_KEPT, "leave out session-level messages", default=False)
    mask: tuple[str, ...] = _option(
        _KEPT,
        "how values of a field are stored: mask (asterisks), hash (equal for equal values), drop "
        "(not at all), keep (as they are); user names and passwords are masked unless told "
        "otherwise; rules and lookups over hidden values are refused; may be given several times",
        "TAG_OR_NAME[=mask|hash|drop|keep]",
        default=(),
    )
    mask_key_file: str | None = _option(
        _KEPT,
        "a file with the key of the hashes; with the same key the same value has the same hash",
        "FILE",
    )
    validate: str = _option(
        _ADDED,
        "which defects to look for beyond those of reading: none (off); the order of header, body "
        "and trailer, repeated tags and groups (structure); or also tags, required fields, types "
        "and values (dictionary)",
        "|".join(VALIDATE),
        default="structure",
        choices=VALIDATE,
    )
    lookup: tuple[str, ...] = _option(
        _ADDED,
        "join a CSV or YAML file that has this column of the messages, e.g. symbols.csv:symbol; "
        "its other columns go to the column enriched",
        "FILE:COLUMN",
        default=(),
    )
    names: bool = _option(
        _ADDED, "spell out codes in columns of their own (Parquet)", default=False
    )
    output: tuple[str, ...] = _option(
        _OUTPUT,
        "sqlite:///fixfeed.db, postgresql://user@host/db, parquet:lake/, jsonl:out.jsonl, "
        "jsonl:- for standard output, or 'kafka://host:9092/topic?key=cl_ord_id' with parameters "
        f"{', '.join(option.name for option in KAFKA_PARAMETERS)} and properties of librdkafka; "
        "may be given several times, and each gets everything",
        "URI",
        default=("sqlite:///fixfeed.db",),
        shown="sqlite:///fixfeed.db",
    )
    kafka_topic: tuple[str, ...] = _option(
        _OUTPUT,
        "the topic of messages that meet a rule, in place of that of the URI, such as "
        "'MsgType = 8 -> fix.executions', or none; may be given several times, and the first rule "
        "that is met holds",
        "RULE -> TOPIC",
        default=(),
    )
    reprocess: bool = _option(
        _OUTPUT,
        "read the input again and replace what is stored of it, for other rules or a new version",
        default=False,
    )
    partition_by: tuple[str, ...] = _option(
        _OUTPUT,
        "columns that the files of all Parquet outputs are sorted into folders by; for one of "
        "them, write parquet:lake/?partition-by=date,session",
        "COLUMN",
        default=(),
        shown=" ".join(default_protocol().table.partition_by),
    )
    commit_after: float = _option(
        _OUTPUT,
        "how long a message of a stream may wait until it is stored with others; files of Parquet "
        "hold those of a minute",
        "TIME",
        default=0.1,
        shown="100ms",
        read=partial(read_duration, "commit-after"),
    )
    no_derive: bool = _option(
        _OUTPUT,
        "leave the tables of orders and sessions to fixfeed derive, or to the next run without "
        "this: a first load is then nearly twice as fast",
        default=False,
    )
    drop_copy: tuple[str, ...] = _option(
        _OUTPUT,
        "a session that carries copies of the reports of others, such as 'BROKER->RISK' with * and "
        "?, or 'DC->RISK=BROKER' if the copies of BROKER's reports come from DC: they are of the "
        "orders with the same OrderID then, not of their own; none: no session; a database keeps "
        "it for later runs; may be given several times",
        "SESSION[=FIRM]",
        default=(),
    )
    anomalies: str | None = _option(
        _OUTPUT,
        "a YAML file of rules for what is out of the ordinary, laid over those of "
        "fixfeed anomalies --rules; default: these again; a database keeps them for later runs",
        "FILE",
    )
    for_: float | None = _option(
        _RUNNING,
        "stop after so long, such as 10m, as a signal would",
        "TIME",
        read=partial(read_duration, "for"),
    )
    until: time | None = _option(  # noqa: RUF009  (it makes a field, and times never change)
        _RUNNING,
        "stop at this time of day, on this machine, such as 17:30, as a signal would",
        "TIME",
        read=partial(read_time_of_day, "until"),
    )
    health_port: tuple[str, int] | None = _option(
        _RUNNING,
        "answer over HTTP whether the run lives (/live) and is ready (/ready), at this port of all "
        "addresses of the machine, or of one",
        "[ADDRESS:]PORT",
        read=_read_address,
    )
    health_lag: float = _option(
        _RUNNING,
        "a stream is not ready while something has waited for longer to be stored",
        "TIME",
        default=120.0,
        shown="2m",
        read=partial(read_duration, "health-lag"),
    )
    metrics_port: int | None = _option(
        _RUNNING,
        "give the metrics of the run to Prometheus, at /metrics of this port; 0 is any free one",
        "PORT",
        read=partial(read_port, "metrics-port"),
    )
    metrics_host: str = _option(
        _RUNNING,
        "the address of --metrics-port; 0.0.0.0 means all of this machine",
        "ADDRESS",
        default=HOST,
    )
    metrics_wait: float = _option(
        _RUNNING,
        "how long the end of a run waits until its last metrics were fetched; not at all if not "
        "given, or after a signal",
        "TIME",
        default=0.0,
        read=partial(read_duration, "metrics-wait"),
    )
    trace: str | None = _option(
        _RUNNING,
        "send a span of each commit to this collector of OpenTelemetry, such as "
        "http://127.0.0.1:4318, by OTLP over HTTP; needs the extra tracing",
        "URL",
        read=read_collector,
    )
    dry_run: bool = _option(_RUNNING, "show what would be read, and the columns", default=False)
    quiet: bool = _option(_RUNNING, "show no progress", default=False)
    json: bool = _option(_RUNNING, "print the summary as one JSON object", default=False)
    log_format: str = _option(
        _RUNNING,
        "how lines of the log on standard error are written: text, or json with the same fields "
        "everywhere",
        "|".join(FORMATS),
        default="text",
        choices=FORMATS,
    )
    log_level: str = _option(
        _RUNNING,
        "which of them are; with debug also what was stored, by session, with its sequence numbers",
        "|".join(LEVELS),
        default="info",
        choices=LEVELS,
    )
    max_failures: int | None = _option(
        _RUNNING, "end with exit code 4 if there are more failures than N", "N"
    )
    workers: int | None = _option(
        _RUNNING,
        "worker processes; as many as there are cores if not given, but one if all output goes "
        "into SQLite, which one keeps busy",
        "N",
        least=1,
    )
    runner: str = _option(
        _RUNNING,
        "DirectRunner, or any runner of Beam; all of Beam's options may be given too",
        "NAME",
        default="DirectRunner",
    )
    debug: bool = _option(_RUNNING, "show where in the code an error was found, too", default=False)
    beam: tuple[str, ...] = ()


def _kind(declared: Any, about: typing.Mapping[str, Any]) -> Kind:
    if about["choices"]:
        return "choice"
    if declared is bool:
        return "flag"
    if typing.get_origin(declared) is tuple:
        return "list"
    kinds = typing.get_args(declared) if isinstance(declared, types.UnionType) else (declared,)
    return "number" if int in kinds and about["read"] is str else "text"


_TYPES = typing.get_type_hints(Settings)
OPTIONS = tuple(
    Option(
        name=one.name.strip("_").replace("_", "-"),
        kind=_kind(_TYPES[one.name], one.metadata),
        **one.metadata,
    )
    for one in fields(Settings)
    if one.metadata
)
"""The options of a run, in the order of --help."""

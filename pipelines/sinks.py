"""The table of connectors, which make sinks of URIs."""

import math
import typing
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from fixfeed.io.jsonl import failures as jsonl_failures
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.ledger.ledger import Ledger, SinkError
from fixfeed.io.parquet import failures as parquet_failures
from fixfeed.io.parquet.files import check_partitions
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.schema import columns_of_a_run
from fixfeed.io.redaction import redact
from fixfeed.io.sql.open import PATIENCE, look_at_store, open_store
from fixfeed.pipelines.kafka_output import destination_of
from fixfeed.pipelines.meant import meant, nearest_uri
from fixfeed.pipelines.option import Option
from fixfeed.pipelines.settings import OPTIONS
from fixfeed.pipelines.uris import UnknownPlace, split_uri
from fixfeed.transforms.protocol import Protocol, default_protocol

# A sink's transform is imported where it is used: commands that only read a sink need no Beam.
if TYPE_CHECKING:
    import apache_beam as beam

    from fixfeed.io.commit import Run
    from fixfeed.io.jsonl.standard_output import StandardOutputLedger

__all__ = [
    "DATABASES",
    "SINKS",
    "Connector",
    "Messages",
    "Sink",
    "is_standard_output",
    "sink_among",
    "sink_of",
]

_BY_WORD = {option.name: option for option in OPTIONS}


@dataclass(frozen=True)
class Sink:
    """A place that stores batches.

    `name` is its URI without parameters, in a form that people may see. `ledger()` opens its ledger
    for planning, and can be pickled if workers of a cluster may write there; `write(run)` is the
    transform that stores. `failures()` yields the stored failures in order. `look()` opens an
    existing ledger to look at it, or raises the `SinkError` that storing would raise. These two
    make nothing. `fix_json` means that it needs the column `fix_json`. `one_writer` means that one
    process keeps it busy: others would wait for their turn, and their rows would come in between.
    `alone` means that one process writes. `keep_open` means that its ledger is read from its
    beginning when it is opened, so whoever asks it often keeps it. `partition_by` are the names
    that sort its files into folders, if it has any. `remembers` is false if its ledger does not
    know what it has. `is_database` means that its ledger is a `Store`, with derived tables.
    """

    name: str
    ledger: Callable[[], Ledger]
    write: Callable[["Run"], "beam.PTransform"]
    failures: Callable[[], Generator[dict[str, Any], None, None]]
    look: Callable[[], Ledger | None]
    fix_json: bool = False
    one_writer: bool = False
    alone: bool = False
    keep_open: bool = False
    partition_by: Sequence[str] = ()
    remembers: bool = True
    is_database: bool = False


class Messages(NamedTuple):
    """The messages of a run: their protocol, and whether they have the columns of names.

    `patience` is how many seconds a process that locks an SQLite file, or a broker of Kafka that
    does not answer, is waited for.
    """

    protocol: Protocol
    names: bool
    patience: float


def _sql(uri: str, _given: Mapping[str, Any], messages: Messages) -> Sink:
    file = uri.removeprefix("sqlite:")
    if file != uri and (not file.startswith("///") or not file.strip("/")):
        raise UnknownPlace(
            f"{redact(uri)!r} names no file: write sqlite:///relative.db or sqlite:////absolute.db"
            f"{meant('sqlite:///', file.removeprefix('//'))}"
        )

    def write(run: "Run") -> "beam.PTransform":
        from fixfeed.io.sql.sink import WriteToSql

        return WriteToSql(uri, run, protocol=messages.protocol, patience=messages.patience)

    def failures() -> Generator[dict[str, Any], None, None]:
        with closing(open_store(uri, read_only=True)) as store:
            yield from store.failures()

    return Sink(
        redact(uri),
        partial(open_store, uri, protocol=messages.protocol, patience=messages.patience),
        write,
        failures,
        lambda: look_at_store(uri, protocol=messages.protocol),
        one_writer=uri.startswith("sqlite:"),
        is_database=True,
    )


def _parquet(uri: str, given: Mapping[str, Any], messages: Messages) -> Sink:
    place = uri.removeprefix("parquet:")
    protocol, names = messages.protocol, messages.names
    partition_by = given.get("partition-by", protocol.table.partition_by)
    if not place or place.startswith("//"):
        raise UnknownPlace(
            f"{redact(uri)!r} names no folder: write parquet:lake/, parquet:/data/lake or "
            "parquet:s3://bucket/lake/"
            f"{meant('parquet:', place)}"
        )
    try:
        check_partitions(partition_by, protocol.table)
    except ValueError as error:
        raise UnknownPlace(str(error)) from error

    def write(run: "Run") -> "beam.PTransform":
        from fixfeed.io.parquet.sink import WriteToParquet

        return WriteToParquet(place, run, partition_by=partition_by, protocol=protocol)

    ledger = partial(
        ParquetLedger,
        place,
        partition_by=partition_by,
        columns=columns_of_a_run(protocol.table, names=names),
        protocol=protocol,
    )

    def failures() -> Generator[dict[str, Any], None, None]:
        return parquet_failures.read_failures(place)

    return Sink(
        redact(uri),
        ledger,
        write,
        failures,
        lambda: _there(ledger()),
        partition_by=partition_by,
    )


def _jsonl(uri: str, _given: Mapping[str, Any], messages: Messages) -> Sink:
    place = uri.removeprefix("jsonl:")
    if not Path(place).name or place.startswith("//"):
        raise UnknownPlace(
            f"{redact(uri)!r} names no file: write jsonl:out.jsonl, jsonl:/data/out.jsonl, or "
            f"jsonl:- for standard output{meant('jsonl:', place)}"
        )
    if is_standard_output(uri):
        return _standard_output(uri, messages.protocol)

    def write(run: "Run") -> "beam.PTransform":
        from fixfeed.io.jsonl.sink import WriteToJsonLines

        return WriteToJsonLines(place, run, protocol=messages.protocol)

    def failures() -> Generator[dict[str, Any], None, None]:
        return jsonl_failures.read_failures(place)

    def look() -> Ledger | None:
        return _there(JsonlLedger(place))

    return Sink(redact(uri), lambda: JsonlLedger(place), write, failures, look, fix_json=True)


def is_standard_output(uri: str) -> bool:
    """Return whether a URI names standard output, which one process writes."""
    return uri == "jsonl:-"


def _standard_output(uri: str, protocol: Protocol) -> Sink:
    @cache
    def ledger() -> "StandardOutputLedger":
        from fixfeed.io.jsonl.standard_output import StandardOutputLedger

        return StandardOutputLedger()

    def write(run: "Run") -> "beam.PTransform":
        from fixfeed.io.jsonl.standard_output import WriteToStandardOutput

        return WriteToStandardOutput(
            names=ledger().names, on_commit=run.on_commit, protocol=protocol
        )

    def failures() -> Generator[dict[str, Any], None, None]:
        return jsonl_failures.read_failures("-")

    return Sink(uri, ledger, write, failures, lambda: None, fix_json=True, remembers=False)


def _kafka(uri: str, given: Mapping[str, Any], messages: Messages) -> Sink:
    destination = destination_of(
        uri,
        messages.protocol,
        properties=given.get("kafka-property", ()),
        topics=given.get("kafka-topic", ()),
    )
    # What is not tried again waits for as long as librdkafka does.
    patience = messages.patience if messages.patience < PATIENCE else math.inf
    try:
        from fixfeed.io.kafka.failures import read_failures
        from fixfeed.io.kafka.ledger import KafkaLedger
    except ModuleNotFoundError as error:
        raise UnknownPlace(str(error)) from error

    def write(run: "Run") -> "beam.PTransform":
        from fixfeed.io.kafka.sink import WriteToKafka

        return WriteToKafka(destination, run, protocol=messages.protocol, patience=patience)

    return Sink(
        destination.place,
        partial(KafkaLedger, destination, patience=patience),
        write,
        lambda: read_failures(destination),
        lambda: _there(KafkaLedger(destination)),
        fix_json=not destination.raw,
        alone=destination.transactions,
        keep_open=True,
    )


class _Checked(Ledger, typing.Protocol):
    def check(self) -> bool:
        """Return whether it is there already; make nothing."""


def _there(ledger: _Checked) -> Ledger | None:
    """Return a ledger that exists already and can be used, else None."""
    try:
        if ledger.check():
            return ledger
    except BaseException:
        ledger.close()
        raise
    ledger.close()
    return None


@dataclass(frozen=True)
class Connector:
    """Makes sinks of the URIs of a scheme.

    `make(uri, given, messages)` makes the sink of a URI without parameters; `given` are the values
    of parameters by word; `messages` are those to store. `parameters` are those that a URI may
    have, None if all of the URI is for the driver; `given` is then what holds for all.
    """

    make: Callable[[str, Mapping[str, Any], Messages], Sink]
    example: str
    parameters: Sequence[Option] | None = ()


SINKS: Mapping[str, Connector] = {
    "sqlite": Connector(_sql, "sqlite:///fixfeed.db"),
    "postgresql": Connector(_sql, "postgresql://user@host/db", None),
    "parquet": Connector(_parquet, "parquet:lake/", [_BY_WORD["partition-by"]]),
    "jsonl": Connector(_jsonl, "jsonl:out.jsonl"),
    "kafka": Connector(_kafka, "kafka://host:9092/topic", None),
}
"""Scheme -> connector."""

DATABASES = ("sqlite", "postgresql")
"""The schemes of sinks with derived tables."""


def sink_of(
    uri: str,
    *,
    partition_by: Sequence[str] = (),
    kafka: Mapping[str, Any] = MappingProxyType({}),
    names: bool = False,
    protocol: Protocol | None = None,
    patience: float = PATIENCE,
) -> Sink:
    """Return the sink that a URI names. Raises `UnknownPlace`; nothing is opened.

    `partition_by` are the names that sort the files of all Parquet sinks into folders, if given for
    all; `kafka` are the options of a run that hold for all of Kafka, by word; `names` means that
    messages have the columns of names. `protocol` is that of the messages, FIX if none is named.
    `patience` is how many seconds a process that locks an SQLite file, or a broker of Kafka that
    does not answer, is waited for; with the usual one, brokers are for as long as librdkafka tries.
    """
    scheme, separator, _ = uri.partition(":")
    if not separator or scheme not in SINKS:
        examples = {name: connector.example for name, connector in SINKS.items()}
        raise UnknownPlace(
            f"output {redact(uri)!r} is none of {', '.join(examples.values())}"
            f"{nearest_uri(uri, examples)}"
        )
    connector, messages = SINKS[scheme], Messages(protocol or default_protocol(), names, patience)
    if connector.parameters is None:
        return connector.make(uri, kafka, messages)
    place, given = split_uri(uri, connector.parameters)
    for_all = {"partition-by": tuple(partition_by)} if partition_by else {}
    for word, value in for_all.items():
        if word in given and given[word] != value:
            raise UnknownPlace(
                f"output {redact(uri)!r} contradicts --{word}, which says {','.join(value)} for "
                "all outputs; leave out one of the two"
            )
    return connector.make(place, {**for_all, **given}, messages)


def sink_among(uri: str, schemes: Sequence[str], lacks: str) -> Sink:
    """Return the sink that a URI names, which has to be of one of these schemes; open nothing.

    Raises `SinkError` if it is of another; `lacks` ends the sentence that it has no ... Raises
    `UnknownPlace` for what names no sink; the sentence names those of these schemes alone.
    """
    scheme, separator, _ = uri.partition(":")
    if not separator or scheme not in SINKS:
        examples = {one: SINKS[one].example for one in schemes}
        raise UnknownPlace(
            f"{redact(uri)!r} is none of {', '.join(examples.values())}{nearest_uri(uri, examples)}"
        )
    sink = sink_of(uri)
    if scheme not in schemes:
        raise SinkError(f"{sink.name} has no {lacks}")
    return sink

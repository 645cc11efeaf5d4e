"""The table of connectors: which URI becomes which sink."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam

from fixio.gathering import OnCommit
from fixio.jsonl import WriteToJsonLines
from fixio.jsonl_ledger import JsonlLedger
from fixio.ledger import Ledger
from fixio.parquet import WriteToParquet, check_partitions
from fixio.parquet_ledger import ParquetLedger
from fixio.redaction import redact
from fixio.sql import WriteToSql, open_store
from fixio.standard_output import StandardOutputLedger, WriteToStandardOutput

__all__ = ["SINKS", "Sink", "UnknownPlace", "sink_of"]


class UnknownPlace(ValueError):
    """A URI that names no connector; the text names those there are."""


@dataclass(frozen=True)
class Sink:
    """A place that batches are stored in.

    `name` is its URI as people may see it. `ledger()` opens what it remembers, for planning;
    `write(sources, rules, replace, on_commit)` is the transform that stores. `fix_json` tells that
    it needs the column `fix_json`, `stdout` that it writes to standard output, in one process.
    `one_writer` tells that a process alone keeps it busy: others would wait for their turn, and
    their rows would come in between.
    """

    name: str
    ledger: Callable[[], Ledger]
    write: Callable[[Mapping[str, int], str, bool, OnCommit], beam.PTransform]
    fix_json: bool = False
    stdout: bool = False
    one_writer: bool = False


def _sql(uri: str, _partition_by: Sequence[str]) -> Sink:
    def write(sources, rules, replace, on_commit) -> beam.PTransform:
        return WriteToSql(uri, sources=sources, rules=rules, replace=replace, on_commit=on_commit)

    return Sink(redact(uri), lambda: open_store(uri), write, one_writer=uri.startswith("sqlite:"))


def _parquet(uri: str, partition_by: Sequence[str]) -> Sink:
    place = uri.removeprefix("parquet:")
    if not place or place.startswith("//"):
        raise UnknownPlace(
            f"{redact(uri)!r} names no folder: write parquet:lake/ or parquet:/data/lake"
        )
    try:
        check_partitions(partition_by)
    except ValueError as error:
        raise UnknownPlace(str(error)) from error

    def write(sources, rules, replace, on_commit) -> beam.PTransform:
        return WriteToParquet(
            place,
            sources=sources,
            rules=rules,
            replace=replace,
            partition_by=partition_by,
            on_commit=on_commit,
        )

    return Sink(redact(uri), lambda: ParquetLedger(place), write)


def _jsonl(uri: str, _partition_by: Sequence[str]) -> Sink:
    place = uri.removeprefix("jsonl:")
    if not Path(place).name or place.startswith("//"):
        raise UnknownPlace(
            f"{redact(uri)!r} names no file: write jsonl:out.jsonl, jsonl:/data/out.jsonl, or "
            "jsonl:- for standard output"
        )
    if place == "-":
        return _standard_output(uri)

    def write(sources, rules, replace, on_commit) -> beam.PTransform:
        return WriteToJsonLines(
            place, sources=sources, rules=rules, replace=replace, on_commit=on_commit
        )

    return Sink(redact(uri), lambda: JsonlLedger(place), write, fix_json=True)


def _standard_output(uri: str) -> Sink:
    ledger = StandardOutputLedger()

    def write(_sources, _rules, _replace, on_commit) -> beam.PTransform:
        return WriteToStandardOutput(names=ledger.names, on_commit=on_commit)

    return Sink(uri, lambda: ledger, write, fix_json=True, stdout=True)


SINKS: Mapping[str, tuple[Any, str]] = {
    "sqlite": (_sql, "sqlite:///fixfeed.db"),
    "postgresql": (_sql, "postgresql://user@host/db"),
    "parquet": (_parquet, "parquet:lake/"),
    "jsonl": (_jsonl, "jsonl:out.jsonl"),
}
"""Scheme -> what makes the sink, and an example."""


def sink_of(uri: str, *, partition_by: Sequence[str]) -> Sink:
    """Return the sink that a URI names. Raises `UnknownPlace`; nothing is opened."""
    scheme, separator, _ = uri.partition(":")
    if separator and scheme in SINKS:
        make, _ = SINKS[scheme]
        return make(uri, partition_by)
    near = difflib.get_close_matches(scheme, SINKS, 1)
    guess = f"; did you mean {SINKS[near[0]][1]}?" if near else ""
    examples = ", ".join(example for _, example in SINKS.values())
    raise UnknownPlace(f"output {redact(uri)!r} is none of {examples}{guess}")

"""Commits of batches to a file of JSON lines: what is new of them, and their stretches."""

import dataclasses
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.ledger.ledger import Progress, check_witness, register_batches
from fixfeed.io.ledger.new_parts import new_parts
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.failures import failure_envelopes
from fixfeed.transforms.protocol import Protocol, Table, default_protocol

__all__ = ["JsonlWriter", "joined"]


def joined(texts: pa.StringArray) -> bytes:
    """Return the texts as lines, each with its end."""
    if not len(texts):
        return b""
    one = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return pc.binary_join(one, "\n")[0].as_buffer().to_pybytes() + b"\n"


class JsonlWriter:
    """Commits batches to a file; see `WriteToJsonLines` for the arguments and the guarantee."""

    def __init__(
        self,
        place: str,
        *,
        sources: Mapping[str, int] | None = None,
        rules: str = "",
        replace: bool = False,
        protocol: Protocol | None = None,
    ):
        """Store the arguments; nothing is opened or made."""
        self._table = (protocol or default_protocol()).table
        self._ledger = JsonlLedger(place)
        self._sources = dict(sources or {})
        self._names: dict[int, str] = {}
        self._rules = rules
        self._replace = replace

    def prepare(self) -> None:
        """Make the files ready; `SinkError` if they cannot be."""
        self._ledger.prepare()

    def close(self) -> None:
        """Close what is open."""
        self._ledger.close()

    def write(self, batches: Sequence[Batch]) -> list[int]:
        """Commit batches; return how many messages of each were stored."""
        self._sources = register_batches(
            self._ledger, batches, self._sources, rules=self._rules, replace=self._replace
        )
        if not {self._sources[batch.source] for batch in batches} <= self._names.keys():
            self._names = self._ledger.names()
        made = [
            (number, _as_lines(batch, self._names[number], self._table))
            for number, batch in ((self._sources[batch.source], batch) for batch in batches)
        ]
        messages: list[bytes] = []
        failures: list[bytes] = []
        with self._ledger.transaction():
            stored = [self._add(number, batch, messages, failures) for number, batch in made]
            if any(messages):
                self._ledger.append("lines", messages)
            if any(failures):
                self._ledger.append("failures", failures)
        return stored

    def _add(
        self, source_id: int, batch: Batch, messages: list[bytes], failures: list[bytes]
    ) -> int:
        """Add what is new of a batch to the lines of a commit; return how many messages it is."""
        if batch.provisional:
            if (
                batch.failures.num_rows
                and not self._done(source_id, batch, batch.start + 1)
                and self._ledger.unfinished(source_id, batch.start, batch.end)
            ):
                failures.append(joined(batch.failures["line"]))
            return 0
        stored = 0
        done = self._done(source_id, batch, batch.end)
        for part in new_parts(batch, done, rules=self._rules):
            messages.append(joined(part.messages["line"]))
            failures.append(joined(part.failures["line"]))
            self._ledger.extend(source_id, part.progress)
            stored += part.messages.num_rows
        return stored

    def _done(self, source_id: int, batch: Batch, end: int) -> list[Progress]:
        """Return the rows of progress that have a part in [batch.start, end)."""
        done = self._ledger.done(source_id, batch.start, end)
        check_witness(self._ledger.place, batch, done)
        if self._replace and any(row[0] != self._rules for row in done):
            raise self._ledger.irreplaceable(self._names[source_id])
        return done


def _as_lines(batch: Batch, name: str, table: Table) -> Batch:
    """Return a batch with lines in place of columns: they are made before the lock is taken."""
    return dataclasses.replace(
        batch,
        messages=_lines(batch.messages, table.lines(batch, name)),
        failures=_lines(batch.failures, failure_envelopes(batch, name)),
    )


def _lines(rows: pa.RecordBatch, texts: pa.StringArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([rows["position"], texts], ["position", "line"])

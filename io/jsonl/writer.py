"""Commits the new parts of batches, with their stretches, to a file of JSON lines."""

import dataclasses
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.ledger.ledger import Progress, SinkFailed, check_witness
from fixfeed.io.ledger.new_parts import Part, new_parts
from fixfeed.io.sql.progress import extend, overlapping
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.failures import failure_envelopes
from fixfeed.transforms.protocol import Protocol, Table, default_protocol

__all__ = ["JsonlWriter", "joined"]


def joined(texts: pa.StringArray) -> bytes:
    """Return the texts as lines, each with a line end."""
    if not len(texts):
        return b""
    one = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return pc.binary_join(one, "\n")[0].as_buffer().to_pybytes() + b"\n"


class JsonlWriter(JsonlLedger):
    """A file of lines that stores batches; see `WriteToJsonLines` for the guarantee."""

    def __init__(self, place: str, *, protocol: Protocol | None = None):
        """Store the file's name; nothing is opened or made."""
        super().__init__(place)
        self._table = (protocol or default_protocol()).table
        self._names: dict[int, str] = {}

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Commit (source id, batch) pairs; return how many messages of each were stored.

        With `replace`, raises `SinkError` if a part of a batch is done under other rules.
        """
        source_ids = {source_id for source_id, _ in batches}
        if not source_ids <= self._names.keys():
            self._names = self.names()
            if not source_ids <= self._names.keys():
                raise SinkFailed.replaced(self.place)
        made = [
            (source_id, _as_lines(batch, self._names[source_id], self._table))
            for source_id, batch in batches
        ]
        messages: list[bytes] = []
        failures: list[bytes] = []
        with self.transaction():
            stored = []
            for source_id, batch in made:
                if batch.provisional:
                    failures += self._new_end(source_id, batch, rules, replace)
                    stored.append(0)
                    continue
                parts = self._enter(source_id, batch, rules, replace)
                messages += [joined(part.messages["line"]) for part in parts]
                failures += [joined(part.failures["line"]) for part in parts]
                stored.append(sum(part.messages.num_rows for part in parts))
            if any(messages):
                self.append("lines", messages)
            if any(failures):
                self.append("failures", failures)
        return stored

    def _enter(self, source_id: int, batch: Batch, rules: str, replace: bool) -> list[Part]:
        """Enter a batch's stretch into the ledger; return the parts to store."""
        done = self._done(source_id, batch, batch.end, rules, replace)
        parts = new_parts(batch, done, rules=rules)
        for part in parts:
            extend(self, [(source_id, part.progress)])
        return parts

    def _new_end(self, source_id: int, batch: Batch, rules: str, replace: bool) -> list[bytes]:
        """Return the lines of a source's unfinished end, none if they are stored already."""
        if (
            batch.failures.num_rows
            and not self._done(source_id, batch, batch.start + 1, rules, replace)
            and self.unfinished(source_id, batch.start, batch.end)
        ):
            return [joined(batch.failures["line"])]
        return []

    def _done(
        self, source_id: int, batch: Batch, end: int, rules: str, replace: bool
    ) -> list[Progress]:
        """Return the rows of progress that overlap [batch.start, end)."""
        done = overlapping(self.query, source_id, batch.start, end)
        check_witness(self.place, batch, done)
        if replace and any(row[0] != rules for row in done):
            raise self.irreplaceable(self._names[source_id])
        return done


def _as_lines(batch: Batch, name: str, table: Table) -> Batch:
    """Return a batch with lines in place of columns; this is done before the lock is taken."""
    return dataclasses.replace(
        batch,
        messages=_lines(batch.messages, table.lines(batch, name)),
        failures=_lines(batch.failures, failure_envelopes(batch, name)),
        children={},  # in the lines
    )


def _lines(rows: pa.RecordBatch, texts: pa.StringArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([rows["position"], texts], ["position", "line"])

"""Commits of batches to a file of JSON lines: what is new of them, and their stretches."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.ledger.ledger import Stretch, check_witness, gaps, inside, register_batches
from fixfeed.io.ledger.witness import note
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.envelope import envelopes, failure_envelopes

__all__ = ["JsonlWriter", "joined"]


def joined(texts: pa.StringArray) -> bytes:
    """Return the texts as lines, each with its end."""
    if not len(texts):
        return b""
    one = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return pc.binary_join(one, "\n")[0].as_buffer().to_pybytes() + b"\n"


class _Lines(NamedTuple):
    """A batch as lines, made before the lock is taken."""

    source_id: int
    batch: Batch
    messages: pa.StringArray
    failures: pa.StringArray

    def between(self, start: int, end: int) -> "_Lines":
        """Return what lies in [start, end)."""
        if (start, end) == (self.batch.start, self.batch.end):
            return self
        return self._replace(
            messages=_within(self.messages, self.batch.messages, (start, end)),
            failures=_within(self.failures, self.batch.failures, (start, end)),
        )


class JsonlWriter:
    """Commits batches to a file; see `WriteToJsonLines` for the arguments and the guarantee."""

    def __init__(
        self,
        place: str,
        *,
        sources: Mapping[str, int] | None = None,
        rules: str = "",
        replace: bool = False,
    ):
        """Store the arguments; nothing is opened or made."""
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
        made = []
        for batch in batches:
            source_id = self._sources[batch.source]
            name = self._names[source_id]
            texts = envelopes(batch, name), failure_envelopes(batch, name)
            made.append(_Lines(source_id, batch, *texts))
        messages: list[bytes] = []
        failures: list[bytes] = []
        with self._ledger.transaction():
            stored = [self._add(lines, messages, failures) for lines in made]
            if any(messages):
                self._ledger.append("lines", messages)
            if any(failures):
                self._ledger.append("failures", failures)
        return stored

    def _add(self, lines: _Lines, messages: list[bytes], failures: list[bytes]) -> int:
        """Add what is new of a batch to the lines of a commit; return how many messages it is."""
        source_id, batch = lines.source_id, lines.batch
        if batch.provisional:
            if (
                len(lines.failures)
                and not self._done(lines, batch.start, batch.start + 1)
                and self._ledger.unfinished(source_id, batch.start, batch.end)
            ):
                failures.append(joined(lines.failures))
            return 0
        stored = 0
        done = self._done(lines, batch.start, batch.end)
        for start, end in gaps(done, batch.start, batch.end):
            part = lines.between(start, end)
            messages.append(joined(part.messages))
            failures.append(joined(part.failures))
            # Which of the filtered messages a part of the stretch held is not known.
            first = start == batch.start
            counts = (
                len(part.messages),
                batch.filtered if first else 0,
                len(part.failures),
                batch.skipped if first else 0,
            )
            notes = note(end, batch.witness) if end == batch.end else ""
            self._ledger.extend(source_id, (self._rules, start, end, *counts, notes))
            stored += len(part.messages)
        return stored

    def _done(self, lines: _Lines, start: int, end: int) -> list[Stretch]:
        done = self._ledger.done(lines.source_id, start, end)
        check_witness(self._ledger.place, lines.batch, done)
        if self._replace and any(row[0] != self._rules for row in done):
            raise self._ledger.irreplaceable(self._names[lines.source_id])
        return [(row[1], row[2]) for row in done]


def _within(texts: pa.StringArray, rows: pa.RecordBatch, stretch: Stretch) -> pa.StringArray:
    return texts.filter(pa.array(inside(rows["position"].to_numpy(), [stretch])))

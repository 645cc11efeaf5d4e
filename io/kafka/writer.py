"""Sends the new parts of batches to Kafka, and writes down in the ledger that they are sent."""

import math
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from fixfeed.io.commit import SetAside
from fixfeed.io.kafka.connection import errors
from fixfeed.io.kafka.destination import Destination
from fixfeed.io.kafka.ledger import Fact, KafkaLedger
from fixfeed.io.kafka.outgoing import as_records, failures_of, messages_of, refused, set_aside
from fixfeed.io.kafka.producer import Records
from fixfeed.io.ledger.ledger import Progress, SinkFailed, check_witness
from fixfeed.io.ledger.new_parts import missing, new_parts
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol, default_protocol

__all__ = ["KafkaWriter"]

_PATIENCE = 5.0  # seconds


class KafkaWriter(KafkaLedger):
    """Topics that store batches; see `WriteToKafka` for the guarantee."""

    def __init__(
        self,
        destination: Destination,
        *,
        protocol: Protocol | None = None,
        patience: float = math.inf,
        counted_for: str = "",
    ):
        """Store the parameters; nothing is connected. `patience` is as in `KafkaLedger`.

        `counted_for` is the run on a cluster whose commits are counted in the ledger, if it is one.
        """
        super().__init__(destination, transactions=destination.transactions, patience=patience)
        self._table = (protocol or default_protocol()).table
        self._held_up: tuple[Sequence[Fact], list[int]] = ((), [])
        self._counted_for = counted_for
        self._ends: dict[int, int] = {}  # of what it has written of each source

    def prepare(self) -> None:
        """As `KafkaLedger`, but each trouble is a `SinkFailed`: the job could write before."""
        with errors():
            self._start()

    def write(
        self, batches: Sequence[tuple[int, Batch]], *, rules: str, replace: bool
    ) -> list[int]:
        """Send (source id, batch) pairs; return how many messages of each are new.

        Raises `SetAside`, and sends nothing, if a topic never takes one of the messages; and, with
        `replace`, `SinkError` if a part of a batch is done under other rules. If brokers hold it up
        (`SinkFailed.held`), the same batches come again.
        """
        facts_held, stored_held = self._held_up
        if self.is_sending(facts_held):
            self.go_on()
            return stored_held
        self._learn([source_id for source_id, _ in batches])
        if self._counted_for and not self._goes_on(batches):
            self.catch_up()
        made = self._made(batches)
        messages: list[Records] = []
        failures: list[Records] = []
        facts: dict[str, Any] = {}
        done = {source_id: self.done(source_id) for source_id, _ in batches}
        stored = []
        for source_id, batch in made:
            rows, name = done[source_id], self.name_of(source_id)
            check_witness(self.destination.place, batch, _overlapping(rows, batch))
            if replace and any(row[0] != rules for row in _overlapping(rows, batch)):
                raise self.irreplaceable(source_id)
            if batch.provisional:
                stretch = batch.start, batch.end
                first = batch.start, batch.start + 1
                if missing(first, rows) and self.is_new_end(source_id, stretch):
                    failures.append(self._failures(batch, batch.failures, name))
                    facts |= [self.of_unfinished(source_id, stretch)]
                stored.append(0)
                continue
            parts = new_parts(batch, rows, rules=rules)
            for part in parts:
                messages += messages_of(part.messages, name, headers=self.destination.raw)
                failures.append(self._failures(batch, part.failures, name))
                row = self.extended(rows, part.progress)
                rows[:] = [one for one in rows if one[1] != row[1]] + [row]
                facts |= [self.of_done(source_id, row)]
            stored.append(sum(part.messages.num_rows for part in parts))
        if self._counted_for:
            facts |= self._counts_of(batches, stored)
        if facts:
            to_tell = list(facts.items())
            self._held_up = to_tell, stored
            self.send([*messages, *failures], to_tell)
        self._ends |= {source_id: batch.end for source_id, batch in batches}
        return stored

    def _goes_on(self, batches: Sequence[tuple[int, Batch]]) -> bool:
        """Return whether all batches begin where this writer was.

        Otherwise another one may have been there, of which only the topic tells.
        """
        ends = dict(self._ends)
        for source_id, batch in batches:
            if ends.get(source_id) != batch.start:
                return False
            ends[source_id] = batch.end
        return True

    def _counts_of(
        self, batches: Sequence[tuple[int, Batch]], stored: Sequence[int]
    ) -> dict[str, Any]:
        by_source: dict[int, list[tuple[Batch, int]]] = {}
        for (source_id, batch), new in zip(batches, stored, strict=True):
            by_source.setdefault(source_id, []).append((batch, new))
        return {
            key: row
            for source_id, some in by_source.items()
            for key, row in self.more_counts(self._counted_for, source_id, some)
        }

    def _learn(self, source_ids: Sequence[int]) -> None:
        """Read of sources that the run has registered since, as a stream does.

        A transaction that is being ended hides what comes after it for a moment.
        """
        until = time.monotonic() + _PATIENCE
        while not self.knows(source_ids):
            if time.monotonic() > until:
                raise SinkFailed(
                    f"{self.destination.place}: the topic {self.destination.progress} does not "
                    "have all sources of the run yet",
                    away=True,
                )
            self.catch_up()

    def _made(self, batches: Sequence[tuple[int, Batch]]) -> list[tuple[int, Batch]]:
        """Return batches as records; raise `SetAside` if their topics take some never."""
        made, fitting, all_fit = [], [], True
        for source_id, batch in batches:
            name = self.name_of(source_id)
            records = as_records(batch, name, self.destination, self._table)
            refusals = refused(records, name, self.accepts)
            if refusals:
                all_fit = False
                batch = set_aside(batch, refusals)
            made.append((source_id, records))
            fitting.append(batch)
        if not all_fit:
            raise SetAside(fitting)
        return made

    def _failures(self, batch: Batch, rows: pa.RecordBatch, name: str) -> Records:
        topic = self.destination.failures
        return failures_of(batch, rows, name, topic, self.accepts[topic].size)


def _overlapping(rows: Sequence[Progress], batch: Batch) -> list[Progress]:
    return [row for row in rows if row[2] > batch.start and row[1] < batch.end]

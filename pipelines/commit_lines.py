"""Writes to the log what a sink has stored, session by session."""

import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from fixfeed.io.commit import OnCommit
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines import log
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Table

__all__ = ["CommitLines"]


class CommitLines:
    """Writes a line for each session of a batch that is stored (`io.commit.OnCommit`).

    They are of the level debug; without that it only calls `count`, which comes before.
    """

    def __init__(self, sink: str, count: OnCommit, table: Table):
        """`sink` is its name for people, `table` that of the messages."""
        self._sink = sink
        self._count = count
        self._session, self._number = table.ordered_by, table.numbered_by

    def __call__(self, committed: Sequence[tuple[Batch, int]]) -> None:
        """See `OnCommit`."""
        self._count(committed)
        if logging.getLogger("fixfeed").isEnabledFor(logging.DEBUG):
            for batch, _ in committed:
                self._tell(batch)

    def _tell(self, batch: Batch) -> None:
        source = batch.origin.name if isinstance(batch.origin, Source) else batch.source
        where = {"sink": self._sink, "source": source, "start": batch.start, "end": batch.end}
        for session, first, last, messages in self._by_session(batch.messages):
            numbers = "" if first is None else f", {first} to {last},"
            self._say(
                f"{messages:,} messages of {session or 'no session'}{numbers} are in {self._sink}",
                event="committed",
                session=session,
                first_seq=first,
                last_seq=last,
                messages=messages,
                **where,
            )
        if batch.failures.num_rows:
            failures = batch.failures.num_rows
            text = f"{failures:,} failures are in {self._sink}"
            self._say(text, event="failures", failures=failures, **where)

    def _by_session(self, messages: pa.RecordBatch) -> list[tuple[Any, ...]]:
        """Return session, lowest and highest number, and how many messages, for each."""
        empty = pa.nulls(messages.num_rows, pa.int64())
        columns = [
            messages[self._session] if self._session else empty,
            messages[self._number] if self._number else empty,
            messages["position"],
        ]
        table = pa.table(columns, ["session", "number", "position"])
        found = table.group_by("session").aggregate(
            [("number", "min"), ("number", "max"), ("position", "count")]
        )
        return list(zip(*(found[name].to_pylist() for name in _FOUND), strict=True))

    @staticmethod
    def _say(text: str, **fields: Any) -> None:
        log.say(text, level="debug", **fields)


_FOUND = ("session", "number_min", "number_max", "position_count")

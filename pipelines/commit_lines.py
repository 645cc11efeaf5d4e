"""Writes to the log what a sink has stored, or could not store, session by session."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from fixfeed.io.commit import Around, OnCommit
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.ledger.source import Source
from fixfeed.pipelines import log
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Table

__all__ = ["CommitLines", "TroubleLines", "nothing_counted"]


def nothing_counted(_committed: Sequence[tuple[Batch, int]]) -> None:
    """Count nothing (`io.commit.OnCommit`), where sinks count in their own commits."""


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
        where = _where(self._sink, batch)
        for fields in _by_session(batch, self._session, self._number):
            text = f"{_text(fields)} are in {self._sink}"
            log.say(text, level="debug", event="committed", **fields, **where)
        if batch.failures.num_rows:
            failures = batch.failures.num_rows
            text = f"{failures:,} failures are in {self._sink}"
            log.say(text, level="debug", event="failures", failures=failures, **where)


class TroubleLines:
    """Writes a line for each session of a batch that could not be stored (`io.commit.Around`).

    They are warnings, for the log of a worker: what it tells its runner names no session.
    """

    def __init__(self, sink: str, inside: Around, table: Table):
        """`sink` is its name for people, and `inside` goes on inside; `table` is the messages'."""
        self._sink, self._inside = sink, inside
        self._session, self._number = table.ordered_by, table.numbered_by

    @contextmanager
    def __call__(self, batches: Sequence[Batch]) -> Iterator[None]:
        """See `Around`."""
        try:
            with self._inside(batches):
                yield
        except SinkError as error:
            for batch in batches:
                where = _where(self._sink, batch)
                for fields in _by_session(batch, self._session, self._number):
                    text = f"{_text(fields)} are not in {self._sink} yet: {error}"
                    log.say(text, level="warning", event="uncommitted", **fields, **where)
            raise


def _where(sink: str, batch: Batch) -> dict[str, Any]:
    source = batch.origin.name if isinstance(batch.origin, Source) else batch.source
    return {"sink": sink, "source": source, "start": batch.start, "end": batch.end}


def _text(fields: dict[str, Any]) -> str:
    first, last = fields["first_seq"], fields["last_seq"]
    numbers = "" if first is None else f", {first} to {last},"
    return f"{fields['messages']:,} messages of {fields['session'] or 'no session'}{numbers}"


def _by_session(batch: Batch, session: str, number: str) -> list[dict[str, Any]]:
    """Return session, lowest and highest number, and how many messages, for each session."""
    messages = batch.messages
    empty = pa.nulls(messages.num_rows, pa.int64())
    columns = [
        messages[session] if session else empty,
        messages[number] if number else empty,
        messages["position"],
    ]
    table = pa.table(columns, ["session", "number", "position"])
    found = table.group_by("session").aggregate(
        [("number", "min"), ("number", "max"), ("position", "count")]
    )
    rows = zip(*(found[name].to_pylist() for name in _FOUND), strict=True)
    return [dict(zip(_FIELDS, row, strict=True)) for row in rows]


_FOUND = ("session", "number_min", "number_max", "position_count")
_FIELDS = ("session", "first_seq", "last_seq", "messages")

"""Reads blocks whose pieces come from several places of their source (`Block.pieces`)."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.batch import EARLIEST, LATEST, TIME, TRUNCATED, Batch, Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["parsed", "placed"]

_CUT = "it ends inside a message, and nothing follows that would make it whole"
_CAPTURED_AT, _PREFIX = "captured_at", "prefix"


def parsed(protocol: Protocol, block: Block) -> Batch:
    """Read a block (`Protocol.parse`), its unfinished end and the places of its pieces included.

    >>> from fixfeed.transforms.batch import Piece
    >>> from fixfeed.transforms.fix.protocol import FIX
    >>> data = b"8=FIX.4.4|9=5|35=0|10=161|8=FIX.4.4|9=5|35=0|10=161|"
    >>> pieces = [Piece(0, 700), Piece(26, 900, 1_000_000, "key A")]
    >>> batch = parsed(FIX, Block("queue:a", 700, data, room=300, pieces=pieces))
    >>> batch.messages["position"].to_pylist(), batch.messages["prefix"].to_pylist()
    ([700, 900], [None, 'key A'])
    >>> batch.messages["captured_at"][1].as_py().isoformat(), (batch.start, batch.end)
    ('1970-01-01T00:00:01+00:00', (700, 1000))
    """
    batch = protocol.parse(block) if block.unfinished is None else _with_end(protocol, block)
    if block.pieces:
        batch = placed(protocol, block, batch)
    if block.room:
        between = max(len(block.pieces) - 1, 0)
        batch = dataclasses.replace(batch, octets=len(block.data) - between)
    if block.apart:
        batch = _together([batch, *(parsed(protocol, one) for one in block.apart)])
    return batch


def _together(batches: Sequence[Batch]) -> Batch:
    """Return batches as one, in the order of position, with the stretch of the first."""
    first = batches[0]
    errors = (batch.error for batch in batches if batch.error is not None)
    return dataclasses.replace(
        first,
        messages=_in_order([batch.messages for batch in batches], ["position"]),
        failures=_in_order([batch.failures for batch in batches], ["position"]),
        children={
            name: _in_order([batch.children[name] for batch in batches], ["position", "entry"])
            for name in first.children
        },
        skipped_positions=pa.concat_arrays([batch.skipped_positions for batch in batches]),
        read=sum(batch.read for batch in batches),
        octets=sum(batch.octets or 0 for batch in batches),
        error=next(errors, None),
    )


def _in_order(parts: Sequence[pa.RecordBatch], by: Sequence[str]) -> pa.RecordBatch:
    filled = [part for part in parts if part.num_rows]
    if len(filled) < 2:
        return filled[0] if filled else parts[0]
    rows = pa.concat_batches(filled)
    return rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in by]))


def _with_end(protocol: Protocol, block: Block) -> Batch:
    """Return the batch of a block with what its record ends inside as a failure."""
    at = block.unfinished
    assert at is not None
    whole = dataclasses.replace(block, data=block.data[:at])
    end = dataclasses.replace(
        block, start=block.start + at, data=block.data[at:], room=0, provisional=True
    )
    rest = protocol.parse(end)
    if not at:
        rest = dataclasses.replace(rest, failures=_for_good(rest.failures))
        return dataclasses.replace(rest, end=block.end, provisional=False)
    batch = protocol.parse(whole)
    failures = pa.concat_batches([batch.failures, _for_good(rest.failures)])
    return dataclasses.replace(
        batch,
        end=block.end,
        failures=failures,
        skipped_positions=pa.concat_arrays([batch.skipped_positions, rest.skipped_positions]),
        read=batch.read + rest.read,
    )


def _for_good(failures: pa.RecordBatch) -> pa.RecordBatch:
    """Return failures of which those cut short do not say that more may come."""
    cut = pc.equal(failures["reason"], TRUNCATED)
    place = failures.schema.get_field_index("detail")
    detail = pc.if_else(cut, _CUT, failures["detail"])
    return failures.set_column(place, failures.schema.field(place), detail)


def placed(protocol: Protocol, block: Block, batch: Batch) -> Batch:
    """Return what a block gave without its pieces with their places, times and words."""
    pieces = _Pieces(block.start, block.pieces)
    messages = batch.messages
    if messages.num_rows:
        start = messages["position"].to_numpy()
        messages = pieces.moved(messages)
        names = messages.schema.names
        if _CAPTURED_AT in names and pieces.knows_times:
            last = _last_bytes(start, messages["raw"], block.start + len(block.data))
            times = pieces.captured_at(last)
            messages = _with(messages, _CAPTURED_AT, pc.coalesce(messages[_CAPTURED_AT], times))
        if _PREFIX in names and pieces.says_something:
            own = messages[_PREFIX]
            said = protocol.hidden(pieces.said).take(pa.array(pieces.at(start)))
            both = pc.binary_join_element_wise(said, own, " ")
            messages = _with(messages, _PREFIX, pc.coalesce(both, said, own))
    return dataclasses.replace(
        batch,
        messages=messages,
        failures=pieces.moved(batch.failures),
        children={name: pieces.moved(rows) for name, rows in batch.children.items()},
        skipped_positions=pieces.positions(batch.skipped_positions),
    )


class _Pieces:
    """Pieces as columns; places are those that a block without pieces would give."""

    def __init__(self, start: int, pieces: Sequence[tuple[int, int, int | None, str | None]]):
        offsets, positions, times, said = zip(*pieces, strict=True)
        self._times = [
            time if time is not None and EARLIEST <= time <= LATEST else None for time in times
        ]
        self.said = pa.array(said, pa.string())
        self._begins = np.array(offsets, np.int64) + start
        self._shift = np.array(positions, np.int64) - self._begins
        self.knows_times = self._times.count(None) < len(self._times)
        self.says_something = self.said.null_count < len(self.said)

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the piece that has each place."""
        return np.maximum(self._begins.searchsorted(places, side="right") - 1, 0)

    def moved(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows with their positions in the source."""
        if not rows.num_rows:
            return rows
        return rows.set_column(0, rows.schema.field(0), self.positions(rows["position"]))

    def positions(self, positions: pa.Int64Array) -> pa.Int64Array:
        """Return, for each place, its position in the source."""
        places = positions.to_numpy()
        return pa.array(places + self._shift[self.at(places)])

    def captured_at(self, places: NDArray[np.int64]) -> pa.Array:
        """Return when the pieces came that have these places."""
        return pa.array(self._times, pa.int64()).take(pa.array(self.at(places))).cast(TIME)


def _last_bytes(start: NDArray[np.int64], raw: pa.Array, end: int) -> NDArray[np.int64]:
    """Return where the last byte of each message is, at the latest before the next message.

    The length of a message is that of `raw`, which differs only where a mask has changed it.
    """
    lengths = pc.binary_length(raw).to_numpy()
    return np.minimum(start + lengths, np.append(start[1:], end)) - 1


def _with(messages: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    place = messages.schema.get_field_index(name)
    return messages.set_column(place, messages.schema.field(place), values)

"""All messages of a block, one after the other; `vector.block` is its equal."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from fixfeed.transforms.batch import Failure
from fixfeed.transforms.fix.columns import session_column
from fixfeed.transforms.fix.framing.leftovers import (
    NO_MSG_TYPE,
    REASONS,
    classify_lines,
    damaged_prefix,
)
from fixfeed.transforms.fix.framing.messages import line_start, spans
from fixfeed.transforms.fix.parsed import Parsed
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.message import Message, parse_message
from fixfeed.transforms.fix.schema import COLUMNS, DECIMAL, TIME

__all__ = ["parse_one_by_one"]


def parse_one_by_one(
    data: bytes,
    delimiter: bytes,
    reading: Reading,
    logged_on: Mapping[str, str],
    *,
    within_line: bool = False,
) -> Parsed:
    """Read all messages of `data` with the scalar parser; `delimiter` is one byte.

    `within_line` is that of the block.
    """
    messages: list[Message] = []
    places: list[tuple[int, int, int]] = []
    failures: list[Failure] = []
    skipped: list[int] = []
    past = 0
    for span in spans(data, delimiter, within_line=within_line):
        prefix = line_start(data, past, span.start)
        found, lines = classify_lines(data, past, prefix, delimiter, rest=past > 0)
        failures += found
        skipped += lines
        damaged = damaged_prefix(data, prefix, span.start, delimiter)
        if damaged:
            failures.append(damaged)
            prefix = span.start
        past = span.end
        raw = data[span.start : span.end]
        message = parse_message(raw, span.delimiter, reading, logged_on)
        if message is None:
            whole = data[prefix : span.end]
            failures.append(Failure(prefix, NO_MSG_TYPE, REASONS[NO_MSG_TYPE], whole))
        else:
            messages.append(message)
            places.append((span.start, span.end, prefix))
    found, lines = classify_lines(data, past, len(data), delimiter, rest=past > 0)
    failures += found
    start, end, prefix_at = (np.array([place[n] for place in places], np.int64) for n in range(3))
    return Parsed(
        _columns(messages),
        pa.array([message.fields.decode() for message in messages], pa.string()),
        np.array([message.defects for message in messages], np.int64),
        start,
        end,
        prefix_at,
        [],
        failures,
        skipped + lines,
        _fix_json(messages) if reading.fix_json else None,
        {row: one.masked for row, one in enumerate(messages) if one.masked is not None},
        {row: one.raw for row, one in enumerate(messages) if one.raw is not None},
        data,
    )


def _fix_json(messages: list[Message]) -> pa.Array:
    return pa.array([message.fix_json.decode() for message in messages], pa.string())


def _columns(messages: list[Message]) -> dict[str, pa.Array]:
    columns = {}
    for column in COLUMNS:
        values = [message.columns.get(column.name) for message in messages]
        if column.type == DECIMAL:
            octets = b"".join((value or 0).to_bytes(16, "little", signed=True) for value in values)
            valid = pa.array([value is not None for value in values], pa.bool_())
            columns[column.name] = pa.Array.from_buffers(
                DECIMAL, len(values), [valid.buffers()[1], pa.py_buffer(octets)]
            )
        elif column.type == TIME:
            columns[column.name] = pa.array(values, pa.int64()).view(TIME)
        else:
            columns[column.name] = pa.array(values, column.type)
    columns["session"] = session_column(columns)
    return columns

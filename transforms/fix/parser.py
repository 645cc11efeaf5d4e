"""From a block of bytes to a batch of messages and failures."""

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.fix.batch_columns import (
    defect_column,
    masked_column,
    masked_prefixes,
    prefix_column,
    raw_column,
    session_column,
)
from transforms.fix.between import (
    NO_MSG_TYPE,
    REASONS,
    TOO_LONG,
    TRUNCATED,
    UNREADABLE,
    Failure,
    classify_lines,
    damaged_prefix,
    without_runs,
)
from transforms.fix.block import Batch, Block
from transforms.fix.choice import BUILT_IN, Dictionaries
from transforms.fix.delimiter import start_pattern
from transforms.fix.framing import LINE_END, line_start, next_start, spans
from transforms.fix.log_format import USUAL_FORMAT, LogFormat
from transforms.fix.masking import DEFAULT, Masking
from transforms.fix.original import Original, as_read
from transforms.fix.prefix import read_prefixes, told_by_parties
from transforms.fix.reading import Reading
from transforms.fix.scalar import Message, parse_message
from transforms.fix.schema import COLUMNS, DECIMAL, FAILURES, MESSAGES, TIME
from transforms.fix.vector import Parsed, VectorParser

__all__ = ["parse_block", "parse_one_by_one"]

Ints = NDArray[np.int64]

_SMALL = 6 << 10
"""Below this many bytes (twenty messages) the scalar parser is as fast, and eases other threads."""


# A parser keeps what it works on from block to block, so each thread has its own.
_parsers = threading.local()


def _vector_parser(reading: Reading) -> VectorParser:
    parsers = _parsers.__dict__.setdefault("parsers", {})
    if reading not in parsers:
        parsers[reading] = VectorParser(reading)
    return parsers[reading]


def parse_block(
    block: Block,
    *,
    fields: str = "rest",
    validate: str = "structure",
    dictionaries: Dictionaries = BUILT_IN,
    masking: Masking = DEFAULT,
    fix_json: bool = False,
    log: LogFormat = USUAL_FORMAT,
    vectorised: bool | None = None,
) -> Batch:
    """Read the messages of a block; every byte of it ends up in a message, a failure or a count.

    `fields`, `validate`, `dictionaries`, `masking` and `fix_json` are as in `Reading`; with
    `fix_json` the messages have the column `fix_json` behind those of `MESSAGES`. `log` says how to
    read what stands before messages. `vectorised`
    chooses the parser; by itself the size of the block does. Both give the same batch.
    """
    reading = Reading(fields, validate, dictionaries, fix_json, masking)
    if block.provisional or block.too_long:
        return _unfinished(block, masking)
    data, one, original = as_read(block.data, block.delimiter)
    parsed = None
    if vectorised or (vectorised is None and len(data) >= _SMALL):
        parsed = _vector_parser(reading).parse(data, one, block.logged_on)
    if parsed is None:
        parsed = parse_one_by_one(data, one, reading, block.logged_on)
    if block.within_line:
        parsed = parsed._replace(skipped=parsed.skipped - _rest_of_line(data, one))
    return _batch(block, parsed, original, masking, log)


def parse_one_by_one(
    data: bytes, delimiter: bytes, reading: Reading, logged_on: Mapping[str, str]
) -> Parsed:
    """Read all messages of `data` with the scalar parser; `delimiter` is one byte."""
    messages: list[Message] = []
    places: list[tuple[int, int, int]] = []
    failures: list[Failure] = []
    skipped = past = 0
    for span in spans(data, delimiter):
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


def _unfinished(block: Block, masking: Masking) -> Batch:
    """Keep what makes no message as a failure: the end of a source, or what is too long."""
    failures: list[Failure] = []
    skipped = 0
    if block.error is not None:
        failures.append(Failure(0, UNREADABLE, block.error, block.data))
    elif block.too_long:
        failures.append(Failure(0, TOO_LONG, REASONS[TOO_LONG], block.data))
    elif start_pattern(block.delimiter).search(block.data):
        failures.append(Failure(0, TRUNCATED, REASONS[TRUNCATED], block.data))
    else:
        found, skipped = classify_lines(
            block.data, 0, len(block.data), block.delimiter, rest=block.within_line
        )
        failures += found
    return _finish(block, None, failures, skipped, masking)


def _rest_of_line(data: bytes, delimiter: bytes) -> int:
    """Return how many lines `data` seems to have because it begins behind a message on its line."""
    end = LINE_END.search(data)
    stop = end.end() if end else len(data)
    begin = next_start(data, 0, delimiter)
    if begin and begin.start() < stop:
        return 0
    return classify_lines(data, 0, stop, delimiter, rest=False)[1]


def _batch(
    block: Block, parsed: Parsed, original: Original, masking: Masking, log: LogFormat
) -> Batch:
    failures = parsed.failures
    if not original.as_it_came:
        failures = [
            failure._replace(
                position=original.at(failure.position),
                raw=block.data[
                    original.at(failure.position) : original.at(failure.position + len(failure.raw))
                ],
            )
            for failure in failures
        ]
    start, end, prefix_at = (
        original.all(places) for places in (parsed.start, parsed.end, parsed.prefix)
    )
    count = len(start)
    offsets = np.empty(3 * count + 1, np.int32)
    offsets[0:-1:3], offsets[1:-1:3], offsets[2:-1:3] = prefix_at, start, end
    offsets[-1] = len(block.data)
    shown, raws = parsed.shown, parsed.raws
    if not original.as_it_came:
        shown = block.data
        hidden = parsed.masked.keys() - raws.keys()
        raws = raws | {
            row: bytes(parsed.shown[parsed.start[row] : parsed.end[row]]) for row in hidden
        }
    pieces = pa.Array.from_buffers(
        pa.binary(), 3 * count, [None, pa.py_buffer(offsets), pa.py_buffer(shown)]
    )
    every_third = np.arange(count, dtype=np.int32) * 3
    prefix = prefix_column(pieces, every_third, prefix_at, start)
    captured_at, direction = read_prefixes(prefix, log)
    if log.we_are:
        parties = parsed.columns["sender_comp_id"], parsed.columns["target_comp_id"]
        direction = told_by_parties(direction, *parties, log)
    arrays = {
        "position": pa.array(start + block.start),
        "direction": direction,
        "captured_at": captured_at,
        "ingested_at": pa.nulls(count, TIME),
        **parsed.columns,
        "fields": parsed.fields,
        "defects": defect_column(parsed.defects),
        "enriched": pa.nulls(count, pa.string()),
        "prefix": masked_prefixes(prefix, masking),
        "masked": masked_column(parsed.masked, count),
        "raw": raw_column(pieces, every_third + np.int32(1), raws, block.delimiter),
    }
    messages = pa.RecordBatch.from_arrays(
        [arrays[name] for name in MESSAGES.names], schema=MESSAGES
    )
    if parsed.fix_json is not None:
        messages = messages.append_column("fix_json", parsed.fix_json)
    if parsed.failed:
        keep = np.ones(count, bool)
        keep[parsed.failed] = False
        messages = messages.filter(pa.array(keep))
    return _finish(block, messages, failures, parsed.skipped, masking)


def _without_secrets(failures: Sequence[Failure], masking: Masking) -> list[bytes]:
    """Return the bytes of failures, which are in order, masked; a secret may go on in the next."""
    raws = []
    secret_until = 0
    for failure in failures:
        raw, beyond = masking.left_over(failure.raw)
        inside = min(max(secret_until - failure.position, 0), len(raw))
        raws.append(b"*" * inside + raw[inside:])
        secret_until = max(secret_until, failure.position + len(raw) + beyond if beyond else 0)
    return raws


def _finish(
    block: Block,
    messages: pa.RecordBatch | None,
    failures: list[Failure],
    skipped: int,
    masking: Masking,
) -> Batch:
    failures = without_runs(failures)
    raws = [failure.raw for failure in failures]
    # One look at all of them costs less than one at each; mostly there is no secret.
    if raws and masking.secrets.may_be_in(b"\n".join(raws)):
        raws = _without_secrets(failures, masking)
    failed = pa.RecordBatch.from_arrays(
        [
            pa.array([block.start + failure.position for failure in failures], pa.int64()),
            pa.array([failure.reason for failure in failures], pa.string()),
            pa.array([failure.detail for failure in failures], pa.string()),
            pa.array(raws, pa.binary()),
        ],
        schema=FAILURES,
    )
    return Batch(
        source=block.source,
        start=block.start,
        end=block.end,
        failures=failed,
        skipped=skipped,
        last=block.last,
        provisional=block.provisional,
        error=block.error,
        witness=block.witness,
        origin=block.origin,
        read=failed.num_rows + (messages.num_rows if messages is not None else 0),
        **({"messages": messages} if messages is not None else {}),
    )

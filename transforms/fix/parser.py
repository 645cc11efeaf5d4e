"""From a block of bytes to a batch of messages and failures."""

import re
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from fixfeed.transforms.batch import (
    TOO_LONG,
    TRUNCATED,
    UNREADABLE,
    Batch,
    Block,
    Failure,
)
from fixfeed.transforms.fix.arrays import Ints
from fixfeed.transforms.fix.columns import (
    defect_column,
    masked_column,
    masked_prefixes,
    prefix_column,
    raw_column,
)
from fixfeed.transforms.fix.defects import CHECK_SUM_MISSING
from fixfeed.transforms.fix.defects import TRUNCATED as TRUNCATED_MESSAGE
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries
from fixfeed.transforms.fix.framing.delimiter import start_pattern
from fixfeed.transforms.fix.framing.escape import Original
from fixfeed.transforms.fix.framing.leftovers import REASONS, classify_lines, without_runs
from fixfeed.transforms.fix.framing.original import as_read
from fixfeed.transforms.fix.parsed import Parsed
from fixfeed.transforms.fix.prefix.log_format import USUAL_FORMAT, LogFormat
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.block import parse_one_by_one
from fixfeed.transforms.fix.schema import MESSAGES, TIME
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Cut, Masking
from fixfeed.transforms.fix.vector.block import VectorParser
from fixfeed.transforms.fix.vector.prefix import read_prefixes, told_by_parties

__all__ = ["parse_block"]

_NO_MESSAGES = pa.RecordBatch.from_pylist([], MESSAGES)

_SMALL = 6 << 10
"""Below this many bytes (twenty messages) the scalar parser is as fast, and eases other threads."""


# The last line, if it may become the beginning of a message: `8`, `8=F`, `8=FIX.4`.
_BEGUN = re.compile(
    rb"(?:\A|[\r\n])(8(?:=(?:F(?:I(?:XT?(?:\.(?:[0-9](?:\.(?:[0-9](?:SP?[0-9]?)?)?)?)?)?)?)?)?)?)\Z"
)

# A parser keeps its working state from block to block, so each thread has its own.
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
    `fix_json` the messages have the column `fix_json` after those of `MESSAGES`. `log` is how to
    read the text before messages. `vectorised` chooses the parser; by default the size of the
    block does. Both give the same batch.
    """
    reading = Reading(fields, validate, dictionaries, fix_json, masking)
    delimiter = block.layout or b"\x01"
    if block.provisional or block.too_long:
        return _unfinished(block, delimiter, masking)
    data, one, original = as_read(block.data, delimiter, within_line=block.within_line)
    parsed = None
    if vectorised or (vectorised is None and len(data) >= _SMALL):
        parser = _vector_parser(reading)
        parsed = parser.parse(data, one, block.context, within_line=block.within_line)
    if parsed is None:
        parsed = parse_one_by_one(data, one, reading, block.context, within_line=block.within_line)
    if block.within_line and parsed.skipped[:1] == [0]:
        # It is the rest of a line on which a message was.
        parsed = parsed._replace(skipped=parsed.skipped[1:])
    return _batch(block, delimiter, parsed, original, masking, log)


def _unfinished(block: Block, delimiter: bytes, masking: Masking) -> Batch:
    """Keep bytes that make no message as failures: the end of a source, or a piece too long."""
    failures: list[Failure] = []
    skipped: list[int] = []
    if block.error is not None:
        failures.append(Failure(0, UNREADABLE, block.error, block.data))
    elif block.too_long:
        failures.append(Failure(0, TOO_LONG, REASONS[TOO_LONG], block.data))
    elif _has_start(block, delimiter):
        failures.append(Failure(0, TRUNCATED, REASONS[TRUNCATED], block.data))
    else:
        begun = _BEGUN.search(block.data)
        end = begun.start(1) if begun else len(block.data)
        failures, skipped = classify_lines(block.data, 0, end, delimiter, rest=block.within_line)
        if begun:
            failures.append(Failure(end, TRUNCATED, REASONS[TRUNCATED], begun[1]))
    return _finish(block, _NO_MESSAGES, failures, skipped, masking)


def _has_start(block: Block, delimiter: bytes) -> bool:
    """Tell whether a message begins in a block."""
    found = start_pattern(delimiter).search(block.data)
    if found and not found.start() and not found[1] and block.within_line:
        found = start_pattern(delimiter).search(block.data, 1)
    return found is not None


def _batch(
    block: Block,
    delimiter: bytes,
    parsed: Parsed,
    original: Original,
    masking: Masking,
    log: LogFormat,
) -> Batch:
    failures, skipped = parsed.failures, parsed.skipped
    if not original.as_it_came:
        skipped = original.all(np.array(skipped, np.int64)).tolist()
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
    # Each message has three pieces: its prefix, itself, and what follows it.
    prefixes = np.arange(0, 3 * count, 3, dtype=np.int32)
    prefix = prefix_column(pieces, prefixes, prefix_at, start)
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
        "raw": raw_column(pieces, prefixes + np.int32(1), raws, delimiter),
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
    places = np.stack([start, end], axis=1).tolist() if failures else []
    cuts = _cuts(block.data, failures, parsed.defects, places, masking)
    return _finish(block, messages, failures, skipped, masking, cuts)


def _cuts(
    data: bytes,
    failures: Sequence[Failure],
    defects: Ints,
    places: Sequence[tuple[int, int]],
    masking: Masking,
) -> dict[int, Cut]:
    """Return the secrets that messages are cut off in, by the position of the failure after them.

    `places` are where messages begin and end.
    """
    cuts: dict[int, Cut] = {}
    begins = {failure.position for failure in failures}
    if not begins:
        return cuts
    for row in np.flatnonzero(defects & (TRUNCATED_MESSAGE | CHECK_SUM_MISSING)).tolist():
        start, end = places[row]
        after = _next_line(data, end)
        cut = masking.cut_at(data[start:end]) if after in begins else None
        if cut:
            cuts[after] = cut
    return cuts


def _without_secrets(
    data: bytes, failures: Sequence[Failure], cuts: Mapping[int, Cut], masking: Masking
) -> list[Failure]:
    """Return the failures, which are in order, with their secrets masked.

    A secret may go on in the next failure: as far as a length says, or on the next line, after the
    `cuts` of messages or where a failure ends.
    """
    cuts = dict(cuts)
    masked = []
    secret_until = 0
    for failure in failures:
        raw, beyond = masking.left_over(failure.raw)
        inside = min(max(secret_until - failure.position, 0), len(raw))
        end = failure.position + len(raw)
        cut = cuts.get(failure.position)
        if cut:
            inside = max(inside, masking.rest_of(cut, failure.raw))
        follows = cut if inside == len(raw) else masking.cut_at(failure.raw)
        if follows:
            cuts[_next_line(data, end)] = follows
        masked.append(failure._replace(raw=b"*" * inside + raw[inside:]))
        secret_until = max(secret_until, end + beyond if beyond else 0)
    return masked


def _next_line(data: bytes, at: int) -> int:
    """Return where the line after the one that ends at `at` begins."""
    return at + len(data[at : at + 2]) - len(data[at : at + 2].lstrip(b"\r\n"))


def _finish(
    block: Block,
    messages: pa.RecordBatch,
    failures: list[Failure],
    skipped: Sequence[int],
    masking: Masking,
    cuts: Mapping[int, Cut] = MappingProxyType({}),
) -> Batch:
    failures = without_runs(failures)
    # Looking at all of them at once costs less than at each; mostly there is no secret.
    together = b"\n".join(failure.raw for failure in failures)
    if failures and (cuts or masking.secrets.may_be_in(together)):
        failures = _without_secrets(block.data, failures, cuts, masking)
    return Batch.of(block, messages, failures, skipped=skipped)

"""The messages and failures of a block, for people, in the order in which they came."""

from collections.abc import Iterator

from fixfeed.transforms.batch import Batch, Block, Failure
from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.decode.message import DecodedMessage, decode_message
from fixfeed.transforms.fix.framing.messages import spans
from fixfeed.transforms.fix.framing.original import as_read
from fixfeed.transforms.fix.reading import Reading

__all__ = ["decode_block"]

_MANY = 1_000
"""Rows become Python objects so many at a time."""

_COLUMNS = (
    *("position", "session", "direction", "captured_at", "begin_string", "appl_ver_id"),
    *("msg_type", "sender_comp_id", "target_comp_id", "msg_seq_num", "sending_time"),
    *("defects", "masked"),
)


def decode_block(
    block: Block, batch: Batch, reading: Reading, meanings: Meanings
) -> Iterator[DecodedMessage | Failure]:
    """Yield what a batch has of its block: each message and failure, in the order of positions.

    The batch was read of the block with `reading`; messages that were filtered out of it are left
    out. The positions of failures are those in their source.
    """
    failures = [Failure(**one) for one in batch.failures.to_pylist()]
    failures.reverse()
    for message in _messages(block, batch, reading, meanings):
        while failures and failures[-1].position < message.row["position"]:
            yield failures.pop()
        yield message
    yield from reversed(failures)


def _messages(
    block: Block, batch: Batch, reading: Reading, meanings: Meanings
) -> Iterator[DecodedMessage]:
    if not batch.messages.num_rows:
        return
    within = block.within_line
    data, one, original = as_read(block.data, block.layout or b"\x01", within_line=within)
    read = spans(data, one, within_line=within)
    rows = batch.messages.select(list(_COLUMNS))
    for begin in range(0, rows.num_rows, _MANY):
        for row in rows.slice(begin, _MANY).to_pylist():
            place = row["position"] - block.start
            span = next(span for span in read if original.at(span.start) == place)
            yield decode_message(
                data[span.start : span.end],
                span.delimiter,
                row,
                reading,
                meanings,
                block.context,
            )

"""The row ids that every sink uses, and the timestamps of ledgers."""

import datetime

import numpy as np
from numpy.typing import NDArray

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.transforms.batch import LARGEST_SOURCE

__all__ = ["POSITION_BITS", "first_key", "keys", "now"]

POSITION_BITS = LARGEST_SOURCE.bit_length() - 1
"""message_id is source_id shifted left by this many bits, plus the position in the source."""

_SOURCES = 1 << 63 - POSITION_BITS


def first_key(source_id: int) -> int:
    """Return the message_id of position 0 of a source; `SinkError` if none is left for it."""
    if source_id >= _SOURCES:
        raise SinkError(
            f"source number {source_id:,} has no message_id: there are numbers for "
            f"{_SOURCES - 1:,} sources; write further ones to another database or folder"
        )
    return source_id << POSITION_BITS


def keys(source_id: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the message_id or failure_id of each position in a source.

    Raises `SinkError` if no ids are left for them that no other source has.
    """
    first = first_key(source_id)
    if len(positions) and int(positions.max()) >= LARGEST_SOURCE:
        raise SinkError(
            f"position {int(positions.max()):,} of source number {source_id:,} has no message_id: "
            f"there are numbers for {LARGEST_SOURCE:,} bytes of a source; split it into several"
        )
    return positions + first


def now() -> str:
    """Return the current time as text that both databases read, as `io.sql.times` has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

"""The seam between the parsers and the code that makes batches of what they read."""

from typing import NamedTuple

import pyarrow as pa

from fixfeed.transforms.batch import Failure
from fixfeed.transforms.fix.arrays import Ints

__all__ = ["Parsed"]


class Parsed(NamedTuple):
    """What a block held: arrays of `COLUMNS` and the session, and the rest of what a batch needs.

    `start`, `end` and `prefix` are positions in the block; rows in `failed` are not messages.
    `skipped` are the positions at which lines without FIX begin. `masked` has the tags that were
    masked, by row; `shown` are the bytes of the block with their asterisks, `raws` the bytes of
    rows in which more than that was changed.
    """

    columns: dict[str, pa.Array]
    fields: pa.Array
    defects: Ints
    start: Ints
    end: Ints
    prefix: Ints
    failed: list[int]
    failures: list[Failure]
    skipped: list[int]
    fix_json: pa.Array | None
    masked: dict[int, str]
    raws: dict[int, bytes]
    shown: bytes | bytearray
